//! Symbolic links of a content (BEP 47): no peer ever sends bytes for them. They are made just before the
//! content is moved to its target, so that nothing is read or written through one, and mended where they
//! stand.
//!
//! A link is right if its text leads where the torrent says, whether or not it is the text that we would
//! write.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use narrows_protocol::metainfo::links::{target_of, text_of};

use crate::content::moves::Aside;
use crate::disk::Disk;
use crate::layout::Side;
use crate::platform::Kind;
use crate::{Content, StorageError};

impl Disk {
    /// Whether this link (an index) stands there and leads where it should.
    pub(crate) fn is_link_right(&self, side: Side, file: usize) -> bool {
        let Some(wanted) = self.layout.files().get(file).and_then(|file| file.link.as_ref()) else {
            return false;
        };
        let text = self.folder.read_link(&self.relative(side, file));
        text.is_ok_and(|text| {
            text.is_some_and(|text| target_of(self.layout.folder_of(file), &text).as_ref() == Ok(wanted))
        })
    }

    /// Whether all links are right.
    pub(crate) fn are_links_right(&self, side: Side) -> bool {
        self.layout.links().all(|(file, _)| self.is_link_right(side, file))
    }
}

impl Content {
    /// Makes the links that are not there or not right, in staging, where all is ours. Answers their folders.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn make_links(&self) -> Result<BTreeSet<PathBuf>, StorageError> {
        let disk = &self.disk;
        let mut folders = BTreeSet::new();
        for (file, target) in disk.layout.links() {
            if disk.is_link_right(Side::Staging, file) {
                continue;
            }
            let path = disk.relative(Side::Staging, file);
            disk.remove(&path)?;
            self.make_link(file, target, &path)?;
            folders.extend(path.ancestors().skip(1).map(Path::to_owned));
        }
        Ok(folders)
    }

    /// Makes the links at the target that are not there or not right, told in the log. What stands in the
    /// place of one is kept as the user's.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn heal_links(&self) -> Result<(), StorageError> {
        let disk = &self.disk;
        let (mut folders, mut made) = (BTreeSet::new(), 0_usize);
        let mut aside = Aside::default();
        for (file, target) in disk.layout.links() {
            if disk.is_link_right(Side::Target, file) {
                continue;
            }
            let path = disk.relative(Side::Target, file);
            if disk.stat(&path)?.is_some() {
                let rel: PathBuf = self.layout().files()[file].path.iter().collect();
                aside.keep(self, &path, &rel)?;
            }
            self.make_link(file, target, &path)?;
            folders.extend(path.parent().map(Path::to_owned));
            made += 1;
        }
        disk.sync_folders(&folders)?;
        aside.tell(self);
        if made > 0 {
            let path = disk.absolute(&disk.top(Side::Target));
            tracing::warn!(path = %path.display(), links = made, "symbolic links were not as they should be, and are again");
        }
        Ok(())
    }

    fn make_link(&self, file: usize, target: &[String], path: &Path) -> Result<(), StorageError> {
        self.disk.make_folder(path.parent().unwrap_or(Path::new("")))?;
        let text = text_of(self.layout().folder_of(file), target);
        let made = self.disk.folder.symlink(&text, path);
        made.map_err(self.disk.error("make the symbolic link", path))
    }

    /// Whether two paths are symbolic links of the same text.
    pub(crate) fn are_same_links(&self, a: &Path, b: &Path) -> bool {
        let is_link = |path: &Path| {
            let stat = self.disk.folder.stat(path).ok().flatten();
            stat.is_some_and(|stat| stat.kind == Kind::Symlink)
        };
        let text = |path: &Path| self.disk.folder.read_link(path).ok().flatten();
        is_link(a) && is_link(b) && text(a).is_some() && text(a) == text(b)
    }
}
