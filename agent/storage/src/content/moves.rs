//! What is told of users' files that were moved, and where those are kept that stood in the content's way.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::{Content, StorageError};

/// Paths that are named in a log line; the others are counted.
const NAMED: usize = 20;

/// What was moved, for the log.
#[derive(Default)]
pub(crate) struct Moves {
    pub(crate) carried: Vec<PathBuf>,
    pub(crate) kept: Vec<(PathBuf, PathBuf)>,
    pub(crate) failed: Option<StorageError>,
}

/// What stands where something of the content belongs, moved to where replaced files are kept.
#[derive(Default)]
pub(crate) struct Aside {
    base: Option<PathBuf>,
    moves: Moves,
}

impl Aside {
    /// Moves what stands at `path`; `rel` is that below the content's own folder.
    pub(crate) fn keep(&mut self, content: &Content, path: &Path, rel: &Path) -> Result<(), StorageError> {
        let base = match &self.base {
            Some(base) => base,
            None => self.base.insert(content.free_kept()?),
        };
        let to = base.join(rel);
        content.disk.make_folder(to.parent().unwrap_or(Path::new("")))?;
        content.rename_new(path, &to)?;
        self.moves.kept.push((path.to_owned(), to));
        Ok(())
    }

    pub(crate) fn tell(&self, content: &Content) {
        self.moves.tell(content);
    }
}

impl Moves {
    pub(crate) fn tell(&self, content: &Content) {
        let whole = |path: &Path| content.disk.absolute(path).display().to_string();
        if !self.carried.is_empty() {
            let paths = list(self.carried.iter().map(|path| whole(path)));
            tracing::info!(
                content = %content.layout().meta().name,
                files = self.carried.len(),
                paths,
                "files that are not the content's were carried over into the new folder"
            );
        }
        if !self.kept.is_empty() {
            let paths = self.kept.iter();
            let paths = list(paths.map(|(from, to)| format!("{} -> {}", whole(from), whole(to))));
            tracing::warn!(
                content = %content.layout().meta().name,
                files = self.kept.len(),
                paths,
                "files that were changed here were replaced by the content's; they are kept until an operator removes them"
            );
        }
    }
}

/// The first few, and how many more there are.
fn list(paths: impl ExactSizeIterator<Item = String>) -> String {
    let more = paths.len().saturating_sub(NAMED);
    let mut text = paths.take(NAMED).collect::<Vec<_>>().join(", ");
    if more > 0 {
        let _ = write!(text, " and {more} more"); // cannot fail
    }
    text
}
