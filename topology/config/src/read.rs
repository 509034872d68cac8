//! From a file to what it says, or to all its mistakes.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::characters;
use crate::text::decode;
use crate::tree::{self, NotYaml};
use crate::{LoadError, Mistake, Mistakes, Node, Place, Report};

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

/// What was read of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Partly<T> {
    /// What it says: nothing is wrong with it.
    Whole(T),
    /// All its mistakes, and what it says as far as that can be told: for those who look for more mistakes in
    /// the files that it names, and to be used for nothing else.
    Wrong(Mistakes, Option<T>),
}

impl<T> Partly<T> {
    /// What the file says, if nothing is wrong with it.
    ///
    /// # Errors
    /// All its mistakes.
    pub fn whole(self) -> Result<T, Mistakes> {
        match self {
            Self::Whole(found) => Ok(found),
            Self::Wrong(mistakes, _) => Err(mistakes),
        }
    }
}

/// Reads a file. `check` gets the root of its tree, which is nothing where the file says nothing; what it
/// returns counts only if nothing was reported.
///
/// # Errors
/// The system's reason why the file cannot be read, or all its mistakes.
pub fn load<T>(
    path: &Path,
    subject: Subject,
    check: impl FnOnce(&Node, &mut Report<'_>) -> Option<T>,
) -> Result<T, LoadError> {
    Ok(load_partly(path, subject, check)?.whole()?)
}

/// As [`load()`], of a file with mistakes too: so that those of the files that it names are told with them.
///
/// # Errors
/// The system's reason why the file cannot be read.
pub fn load_partly<T>(
    path: &Path,
    subject: Subject,
    check: impl FnOnce(&Node, &mut Report<'_>) -> Option<T>,
) -> Result<Partly<T>, LoadError> {
    let name = path.display().to_string();
    let unreadable = |reason| LoadError::Read {
        what: subject.name,
        path: name.clone(),
        reason,
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(parse_partly(&name, &bytes, subject, check))
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
    parse_partly(file, bytes, subject, check).whole()
}

fn parse_partly<T>(
    file: &str,
    bytes: &[u8],
    subject: Subject,
    check: impl FnOnce(&Node, &mut Report<'_>) -> Option<T>,
) -> Partly<T> {
    if bytes.len() > MAX_BYTES {
        let first = String::from_utf8_lossy(&bytes[..200]);
        let mut report = Report::new(&first);
        let help = format!("is this {}?", subject.name);
        report.add(Place::START, "the file is larger than 16 MiB", help);
        return Partly::Wrong(report.finish(file), None);
    }
    let decoded = decode(bytes);
    let mut report = Report::new(&decoded.text);
    decoded.tell(&mut report);
    let text = characters::clean(&decoded.text, &mut report);
    let flaws = report.count();
    let root = match tree(&text, &mut report) {
        Some(root) => Some(root),
        None if report.count() > flaws => None,
        None => match subject.begin {
            Some(begin) if flaws == 0 => {
                report.add(Place::START, "the file is empty", begin);
                None
            }
            Some(_) => None,
            None => Some(Node::nothing()),
        },
    };
    let found = root.and_then(|root| check(&root, &mut report));
    match found {
        Some(found) if report.count() == 0 => Partly::Whole(found),
        found => {
            if report.count() == 0 {
                let problem = format!("this is not {}", subject.name);
                report.add(Place::START, problem, subject.begin.unwrap_or_default());
            }
            Partly::Wrong(report.finish(file), found)
        }
    }
}

/// The tree of a text. Where tabs are why there is none, they are told of, and read as spaces to find what
/// else is wrong.
fn tree(text: &str, report: &mut Report<'_>) -> Option<Node> {
    let (root, noted) = attempt(text);
    let error = match root {
        Ok(root) => {
            report.take_over(noted, |at| at);
            return root;
        }
        Err(error) => error,
    };
    let tabs = characters::tabs_in_indentation(text);
    let Some(root) = with_spaces(text, &tabs, &error, report) else {
        report.take_over(noted, |at| at);
        report.add(error.at, error.problem, error.help);
        return None;
    };
    for at in tabs {
        report.add(
            at,
            "a tab indents this line, which YAML does not allow",
            "indent it with spaces",
        );
    }
    root
}

/// The tree of a text whose tabs are spaces, as far as there is one, with its mistakes where they are in the
/// text itself; `None` if tabs are not why it is no YAML.
fn with_spaces(text: &str, tabs: &[Place], error: &NotYaml, report: &mut Report<'_>) -> Option<Option<Node>> {
    if tabs.is_empty() {
        return None;
    }
    let (root, noted) = attempt(&text.replace('\t', " "));
    let other = match root {
        Ok(root) => {
            report.take_over(noted, |at| at);
            return Some(root);
        }
        Err(other) => other,
    };
    let (indented, moved) = characters::indented_as_before(text, tabs);
    if let (Ok(root), noted) = attempt(&indented) {
        report.take_over(noted, |at| at.moved_back(&moved));
        return Some(root.map(|root| root.moved_back(&moved)));
    }
    (other != *error).then(|| {
        report.take_over(noted, |at| at);
        None
    })
}

/// What a text says if it is YAML, and the mistakes that were noticed on the way.
fn attempt(text: &str) -> (Result<Option<Node>, NotYaml>, Vec<Mistake>) {
    let mut report = Report::new(text);
    let root = tree::read(text, &mut report);
    (root, report.finish("").list)
}
