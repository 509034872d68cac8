//! Which contents may be where: no two at one place, none inside of another or around the agent's own
//! folders. Else the one that is published last removes the other, which goes on to say that it is there.

use std::path::{Component, Path, PathBuf};

/// A content's place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Place {
    /// For messages: the content's name and its .torrent.
    pub(super) label: String,
    /// The folder that it goes into, as [`resolved`].
    pub(super) target: PathBuf,
    /// The content's own file or folder there.
    pub(super) name: String,
}

impl Place {
    fn whole(&self) -> PathBuf {
        self.target.join(fold(&self.name))
    }
}

/// Why a content cannot be where it is wanted.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum PlaceFault {
    /// A folder of the agent's is there or below.
    #[error(
        "{label} would take the place of the agent's `{key}` folder {}: give the content another `target`, or the agent another `{key}`",
        folder.display()
    )]
    TakesOwn {
        label: String,
        key: &'static str,
        folder: PathBuf,
    },
    /// It is inside of a folder that is the agent's alone.
    #[error(
        "{label} would lie in the agent's `{key}` folder {}: give the content another `target`, or the agent another `{key}`",
        folder.display()
    )]
    InOwn {
        label: String,
        key: &'static str,
        folder: PathBuf,
    },
    /// Two contents are one file or folder.
    #[error("{label} and {other} are both {}; give one of them another `target`, or remove its entry", place.display())]
    Same {
        label: String,
        other: String,
        place: PathBuf,
    },
    /// One content is inside of another.
    #[error(
        "{label} and {other} lie in each other: {} and {}; give one of them another `target`, or remove its entry",
        places.0.display(), places.1.display()
    )]
    Nested {
        label: String,
        other: String,
        places: (PathBuf, PathBuf),
    },
    /// One content is where another is put together.
    #[error(
        "{label} and {other} cannot be, for one is in the other's staging folder: {} and {}; give one of them another `target`, or remove its entry",
        places.0.display(), places.1.display()
    )]
    InStaging {
        label: String,
        other: String,
        places: (PathBuf, PathBuf),
    },
}

/// What is wrong with each of `places`, or `None`. Of two that are in each other's way the one that is
/// `first` in order is right. `own`: folders of the agent and the keys that set them. All paths as
/// [`resolved`]. Pure.
pub(super) fn faults(places: &[Place], own: &[(&'static str, PathBuf)]) -> Vec<Option<PlaceFault>> {
    let mut good: Vec<&Place> = Vec::new();
    let mut out = Vec::new();
    for place in places {
        let fault = own
            .iter()
            .find_map(|(key, folder)| beside_own(place, key, folder))
            .or_else(|| good.iter().find_map(|other| between(place, other)));
        if fault.is_none() {
            good.push(place);
        }
        out.push(fault);
    }
    out
}

fn beside_own(place: &Place, key: &'static str, folder: &Path) -> Option<PlaceFault> {
    let whole = place.whole();
    let (label, own) = (place.label.clone(), folder.to_owned());
    if folder.starts_with(&whole) {
        Some(PlaceFault::TakesOwn {
            label,
            key,
            folder: own,
        })
    } else if key == "state" && whole.starts_with(folder) {
        // contents are meant to go into the data folder
        Some(PlaceFault::InOwn {
            label,
            key,
            folder: own,
        })
    } else {
        None
    }
}

fn between(place: &Place, other: &Place) -> Option<PlaceFault> {
    let (a, b) = (place.whole(), other.whole());
    let (label, other_label) = (place.label.clone(), other.label.clone());
    if a == b {
        Some(PlaceFault::Same {
            label,
            other: other_label,
            place: a,
        })
    } else if a.starts_with(&b) || b.starts_with(&a) {
        Some(PlaceFault::Nested {
            label,
            other: other_label,
            places: (a, b),
        })
    } else if a.starts_with(staging(&other.target)) || b.starts_with(staging(&place.target)) {
        Some(PlaceFault::InStaging {
            label,
            other: other_label,
            places: (a, b),
        })
    } else {
        None
    }
}

fn staging(target: &Path) -> PathBuf {
    target.join(narrows_protocol::metainfo::names::STAGING_FOLDER)
}

/// A path without `.`, `..` and symbolic links, as far as it exists. Blocking.
pub(super) fn resolved(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for existing in absolute.ancestors() {
        if let (Ok(real), Ok(rest)) = (existing.canonicalize(), absolute.strip_prefix(existing)) {
            return folded(&lexical(&real.join(rest)));
        }
    }
    folded(&lexical(&absolute))
}

/// Takes `.` and `..` out of what does not exist and so has no links.
fn lexical(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

/// Windows takes `Deploy` and `deploy` for one.
fn folded(path: &Path) -> PathBuf {
    match cfg!(windows) {
        true => PathBuf::from(path.to_string_lossy().to_lowercase()),
        false => path.to_owned(),
    }
}

fn fold(name: &str) -> String {
    match cfg!(windows) {
        true => name.to_lowercase(),
        false => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(label: &str, target: &str, name: &str) -> Place {
        Place {
            label: label.to_owned(),
            target: PathBuf::from(target),
            name: name.to_owned(),
        }
    }

    #[test]
    fn equal_nested_and_own_places_are_refused_with_both_names() {
        let state = [
            ("state", PathBuf::from("/var/state")),
            ("data", PathBuf::from("/var/data")),
        ];
        for (a, b, how) in [
            (("/opt", "x"), ("/opt", "x"), "are both /opt/x"),
            (("/opt", "x"), ("/opt/x", "y"), "lie in each other"),
            (("/opt/x/deep", "y"), ("/opt", "x"), "lie in each other"),
            (("/opt", "x"), ("/opt/.narrows/sub", "y"), "staging folder"),
        ] {
            let found = faults(&[place("one", a.0, a.1), place("two", b.0, b.1)], &state);
            let fault = found[1].as_ref().expect("refused").to_string();
            assert!(found[0].is_none(), "the first one is right");
            assert!(
                fault.contains("one") && fault.contains("two") && fault.contains(how),
                "{fault}"
            );
            assert!(!fault.contains("  "), "{fault}");
        }
        for (target, name) in [
            ("/var", "state"),
            ("/", "var"),
            ("/var/state", "x"),
            ("/var", "data"),
        ] {
            let found = faults(&[place("one", target, name)], &state);
            assert!(
                found[0].as_ref().is_some_and(|fault| fault.to_string().contains("`target`")),
                "{found:?}"
            );
            assert!(
                found[0].as_ref().is_some_and(|fault| !fault.to_string().contains("  ")),
                "{found:?}"
            );
        }
    }

    #[test]
    fn neighbours_are_fine_and_a_refused_place_is_in_no_other_ones_way() {
        let all = [
            place("a", "/opt", "x"),
            place("b", "/opt", "x2"),
            place("c", "/opt", "x"),
            place("d", "/opt/other", "x"),
            place("e", "/var/data", "x"),
        ];
        let found = faults(&all, &[("data", PathBuf::from("/var/data"))]);
        let refused: Vec<bool> = found.iter().map(Option::is_some).collect();
        assert_eq!(refused, [false, false, true, false, false]);
    }

    #[cfg(unix)]
    #[test]
    fn links_dots_and_slashes_lead_to_one_place_also_below_what_does_not_exist() {
        let dir = tempfile::tempdir().expect("a folder");
        let real = dir.path().canonicalize().expect("a path").join("real");
        std::fs::create_dir(&real).expect("a folder");
        std::os::unix::fs::symlink(&real, dir.path().join("link")).expect("a link");
        for path in [
            "real/new",
            "real/new/",
            "link/new",
            "link/./new",
            "link/gone/../new",
            "real/new/x/..",
        ] {
            assert_eq!(resolved(&dir.path().join(path)), real.join("new"), "{path}");
        }
    }
}
