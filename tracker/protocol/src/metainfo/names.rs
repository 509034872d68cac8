//! Which names a content may use: such as mean the same file on Linux and on Windows, below the target; or,
//! by the operator's word, all that Linux has.
//!
//! A torrent is valid for the whole fleet or refused, by `create` on the operator's machine already. The
//! rules are those of Windows ("Naming Files, Paths, and Namespaces") and Linux together.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::text::{is_printable, turns_direction};

/// Longest component, in bytes: `NAME_MAX` of Linux; NTFS allows 255 UTF-16 units, never fewer bytes.
pub const MAX_COMPONENT: usize = 255;

/// Longest path below the target, separators included, in bytes. Leaves room for the target itself and for
/// the staging folder in the 4096 of Linux.
pub const MAX_PATH: usize = 1024;

/// The folder inside a target where unfinished content lies; no content may have this name.
pub const STAGING_FOLDER: &str = ".narrows";

/// For which machines names must do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Names {
    /// Linux and Windows.
    #[default]
    Portable,
    /// Linux alone: also what Windows forbids, drops or takes for a device, and names that differ in case
    /// only. Never what leads out of a folder, and no control characters, which terminals and logs would
    /// obey.
    Linux,
}

impl std::str::FromStr for Names {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "portable" => Ok(Self::Portable),
            "linux" => Ok(Self::Linux),
            other => Err(format!("`{other}` is none of portable, linux")),
        }
    }
}

/// A name that cannot be used, and why.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the name {path:?} {why}")]
pub struct NameError {
    /// Path in the content, the content's name first, joined with `/`.
    pub path: String,
    /// Continues the sentence "the name X".
    pub why: NameFault,
}

/// What is wrong with a name. `Display` continues the sentence "the name X".
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NameFault {
    /// Zero bytes, or a path without components.
    #[error("has an empty component")]
    Empty,
    /// `.` or `..`.
    #[error("leads out of its folder with `.` or `..`")]
    Dots,
    /// `/`, `\`, `:`, which also make absolute paths, drive letters, UNC paths and NTFS streams.
    #[error("contains {0:?}, which separates paths, drives or streams")]
    Separator(char),
    /// NUL and other control characters, and those that end a line.
    #[error("contains the control character U+{:04X}", u32::from(*.0))]
    Control(char),
    /// What turns the direction of the text behind it (UAX #9): `gpj.exe` is shown as `exe.jpg`.
    #[error("contains U+{:04X}, which shows a name other than it is", u32::from(*.0))]
    Direction(char),
    /// `<>"|?*`
    #[error("contains {0:?}, which Windows does not allow")]
    Forbidden(char),
    /// Windows drops these, so two names would be one.
    #[error("ends with a dot or a space, which Windows drops")]
    TrailingDotOrSpace,
    /// CON, NUL, COM1, ..., with any extension.
    #[error("is that of the Windows device {0}")]
    Device(String),
    /// More than [`MAX_COMPONENT`] bytes.
    #[error("has a component of {0} bytes; file systems allow {MAX_COMPONENT}")]
    ComponentTooLong(usize),
    /// More than [`MAX_PATH`] bytes.
    #[error("has {0} bytes; {MAX_PATH} are allowed")]
    PathTooLong(usize),
    /// [`STAGING_FOLDER`].
    #[error("is that of the folder where unfinished content lies")]
    Staging,
    /// What NTFS with short names may call [`STAGING_FOLDER`], too.
    #[error("may be the short name that Windows gives to the folder where unfinished content lies")]
    ShortStaging,
    /// The same path twice.
    #[error("occurs twice")]
    Duplicate,
    /// The same but for case: one file on Windows, two on Linux.
    #[error("differs from {0:?} only in case, so that Windows takes them for one")]
    CaseDuplicate(String),
    /// A file where another path needs a folder.
    #[error("is that of a file and of a folder at once")]
    FileAndFolder,
    /// Not text.
    #[error("is not valid UTF-8")]
    NotUtf8,
}

impl NameFault {
    /// Whether it is none for [`Names::Linux`].
    #[must_use]
    pub fn is_of_windows(&self) -> bool {
        match self {
            Self::Separator(c) => *c != '/',
            Self::Forbidden(_)
            | Self::TrailingDotOrSpace
            | Self::Device(_)
            | Self::ShortStaging
            | Self::CaseDuplicate(_) => true,
            _ => false,
        }
    }
}

/// Checks one component.
///
/// # Errors
/// The first fault; of several, those of all systems come first.
pub fn check_component(name: &str, names: Names) -> Result<(), NameFault> {
    check_for_linux(name)?;
    match names {
        Names::Portable => check_for_windows(name),
        Names::Linux => Ok(()),
    }
}

fn check_for_linux(name: &str) -> Result<(), NameFault> {
    if name.is_empty() {
        return Err(NameFault::Empty);
    }
    if name == "." || name == ".." {
        return Err(NameFault::Dots);
    }
    for c in name.chars() {
        match c {
            '/' => return Err(NameFault::Separator(c)),
            _ if turns_direction(c) => return Err(NameFault::Direction(c)),
            _ if !is_printable(c) => return Err(NameFault::Control(c)),
            _ => {}
        }
    }
    match name.len() {
        len if len > MAX_COMPONENT => Err(NameFault::ComponentTooLong(len)),
        _ => Ok(()),
    }
}

fn check_for_windows(name: &str) -> Result<(), NameFault> {
    for c in name.chars() {
        match c {
            '\\' | ':' => return Err(NameFault::Separator(c)),
            '<' | '>' | '"' | '|' | '?' | '*' => return Err(NameFault::Forbidden(c)),
            _ => {}
        }
    }
    if name.ends_with(['.', ' ']) {
        return Err(NameFault::TrailingDotOrSpace);
    }
    if let Some(device) = device(name) {
        return Err(NameFault::Device(device));
    }
    Ok(())
}

/// Checks the name of a content and the paths of its files below it, one by one and against each other.
/// A single-file content has one empty path.
///
/// # Errors
/// The first fault, with the path.
pub fn check_tree<'a>(
    name: &str,
    paths: impl IntoIterator<Item = &'a [String]>,
    names: Names,
) -> Result<(), NameError> {
    check_component(name, names).map_err(|why| NameError {
        path: name.to_owned(),
        why,
    })?;
    let staging = match names {
        _ if fold(name) == STAGING_FOLDER => Some(NameFault::Staging),
        Names::Portable if is_short_staging(name) => Some(NameFault::ShortStaging),
        _ => None,
    };
    if let Some(why) = staging {
        return Err(NameError {
            path: name.to_owned(),
            why,
        });
    }
    let mut tree = Tree {
        names,
        nodes: HashMap::new(),
    };
    for path in paths {
        check_path(name, path, names).and_then(|()| tree.add(path)).map_err(|why| NameError {
            path: joined(name, path),
            why,
        })?;
    }
    Ok(())
}

/// Checks the components and the length of one path, but not whether it fits with others.
pub(super) fn check_path(name: &str, path: &[String], names: Names) -> Result<(), NameFault> {
    path.iter().try_for_each(|component| check_component(component, names))?;
    let len = path.iter().fold(name.len(), |sum, component| sum + 1 + component.len());
    if len > MAX_PATH {
        Err(NameFault::PathTooLong(len))
    } else {
        Ok(())
    }
}

/// A path as people read it.
pub(super) fn joined(name: &str, path: &[String]) -> String {
    path.iter().fold(name.to_owned(), |whole, component| whole + "/" + component)
}

/// All folders and files seen so far, by the folded names of each folder's children. Linear in the length of
/// all paths, whatever their depth.
struct Tree {
    names: Names,
    nodes: HashMap<(usize, String), Node>,
}

struct Node {
    id: usize,
    name: String,
    file: bool,
}

impl Tree {
    fn add(&mut self, path: &[String]) -> Result<(), NameFault> {
        let mut folder = 0; // the content's own
        for (depth, component) in path.iter().enumerate() {
            let last = depth + 1 == path.len();
            let id = self.nodes.len() + 1;
            let key = match self.names {
                Names::Portable => fold(component),
                Names::Linux => component.clone(),
            };
            match self.nodes.entry((folder, key)) {
                Entry::Vacant(place) => {
                    place.insert(Node {
                        id,
                        name: component.clone(),
                        file: last,
                    });
                    folder = id;
                }
                Entry::Occupied(place) => {
                    let node = place.get();
                    if node.name != *component {
                        return Err(NameFault::CaseDuplicate(node.name.clone()));
                    }
                    match (node.file, last) {
                        (true, true) => return Err(NameFault::Duplicate),
                        (false, false) => folder = node.id,
                        _ => return Err(NameFault::FileAndFolder),
                    }
                }
            }
        }
        Ok(())
    }
}

/// The name as Windows compares it: character by character in one case.
fn fold(name: &str) -> String {
    name.chars().map(|c| single(single(c, char::to_uppercase), char::to_lowercase)).collect()
}

/// The mapping of a character, if it is a single one, as in the file systems' tables.
fn single<I: Iterator<Item = char>>(c: char, map: fn(char) -> I) -> char {
    let mut mapped = map(c);
    match (mapped.next(), mapped.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}

/// Whether NTFS may make this short name for [`STAGING_FOLDER`]: its first six letters without the dot and a
/// number, or, once there are four of these, its first two letters, four hex digits and a number.
fn is_short_staging(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    let Some((stem, number)) = upper.split_once('~') else {
        return false;
    };
    let hashed = |digits: &str| digits.len() == 4 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let is_stem = stem == "NARROW" || stem.strip_prefix("NA").is_some_and(hashed);
    is_stem && !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit())
}

/// The DOS device that Windows opens under this name, if any: an extension does not help, nor do spaces
/// before it.
fn device(name: &str) -> Option<String> {
    let stem = name.split('.').next()?.trim_end().to_ascii_uppercase();
    let numbered = ["COM", "LPT"].iter().any(|port| {
        stem.strip_prefix(port).is_some_and(|number| {
            let mut number = number.chars();
            matches!(number.next(), Some('0'..='9' | '¹' | '²' | '³')) && number.next().is_none()
        })
    });
    let named = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$"].contains(&stem.as_str());
    (numbered || named).then_some(stem)
}
