//! From a file to what it says, or to all its mistakes.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::tree;
use crate::{LoadError, Mistakes, Node, Place, Report};

/// The largest file that is read: 100 times what a map of 2,000 sites takes.
const MAX_BYTES: usize = 16 << 20;

/// What a file is, for messages.
#[derive(Clone, Copy, Debug)]
pub struct Subject {
    /// As in `cannot read the site map sites.yaml`.
    pub name: &'static str,
    /// What to write into an empty file; none where an empty file is fine and leaves every default.
    pub begin: Option<&'static str>,
}

/// Reads a file. `check` gets the root of its tree, which is nothing where the file says nothing; what it returns counts
/// only if nothing was reported.
///
/// # Errors
/// The system's reason why the file cannot be read, or all its mistakes.
pub fn load<T>(
    path: &Path,
    subject: Subject,
    check: impl FnOnce(&Node, &mut Report<'_>) -> Option<T>,
) -> Result<T, LoadError> {
    let name = path.display().to_string();
    let unreadable = |reason| LoadError::Read {
        what: subject.name,
        path: name.clone(),
        reason,
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    Ok(parse(&name, &bytes, subject, check)?)
}

/// Reads the bytes of a file that is called `file` in messages; see [`load`].
///
/// # Errors
/// All mistakes.
pub fn parse<T>(
    file: &str,
    bytes: &[u8],
    subject: Subject,
    check: impl FnOnce(&Node, &mut Report<'_>) -> Option<T>,
) -> Result<T, Mistakes> {
    if bytes.len() > MAX_BYTES {
        let first = String::from_utf8_lossy(&bytes[..200]);
        let help = format!("is this {}?", subject.name);
        return Err(single(&first, Place::START, "the file is larger than 16 MiB", &help).finish(file));
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            let at = Place {
                line: before.matches('\n').count() + 1,
                column: before.rsplit('\n').next().unwrap_or_default().chars().count() + 1,
                width: 1,
            };
            let text = String::from_utf8_lossy(bytes);
            return Err(single(&text, at, "this is not UTF-8", "save the file as UTF-8").finish(file));
        }
    };
    let mut report = Report::new(text);
    let root = match tree::read(text, &mut report) {
        Some(root) => Some(root),
        None if report.count() > 0 => None,
        None => match subject.begin {
            Some(begin) => {
                report.add(Place::START, "the file is empty", begin);
                None
            }
            None => Some(Node::nothing()),
        },
    };
    let found = root.and_then(|root| check(&root, &mut report));
    match found {
        Some(found) if report.count() == 0 => Ok(found),
        found => {
            if found.is_none() && report.count() == 0 {
                let problem = format!("this is not {}", subject.name);
                report.add(Place::START, problem, subject.begin.unwrap_or_default());
            }
            Err(report.finish(file))
        }
    }
}

/// The one mistake after which a text is not looked at any further.
fn single<'t>(text: &'t str, at: Place, problem: &str, help: &str) -> Report<'t> {
    let mut report = Report::new(text);
    report.add(at, problem, help);
    report
}
