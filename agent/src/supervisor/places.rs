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

/// What is wrong with each of `places`, in words, or `None`. Of two that are in each other's way the one that
/// is `first` in order is right. `own`: folders of the agent and what they are called. All paths as
/// [`resolved`]. Pure.
pub(super) fn faults(places: &[Place], own: &[(&str, PathBuf)]) -> Vec<Option<String>> {
    let mut good: Vec<&Place> = Vec::new();
    let mut out = Vec::new();
    for place in places {
        let fault = own
            .iter()
            .find_map(|(what, folder)| beside_own(place, what, folder))
            .or_else(|| good.iter().find_map(|other| between(place, other)));
        if fault.is_none() {
            good.push(place);
        }
        out.push(fault);
    }
    out
}

fn beside_own(place: &Place, what: &str, folder: &Path) -> Option<String> {
    let whole = place.whole();
    let has = folder.starts_with(&whole);
    // contents are meant to go into the data folder
    let is_in = what == "state" && whole.starts_with(folder);
    let how = match (has, is_in) {
        (true, _) => "would take the place of",
        (_, true) => "would lie in",
        _ => return None,
    };
    Some(format!(
        "{} {how} the agent's `{what}` folder {}: give the content another `target`, or the agent another `{what}`",
        place.label,
        folder.display()
    ))
}

fn between(place: &Place, other: &Place) -> Option<String> {
    let (a, b) = (place.whole(), other.whole());
    let how = if a == b {
        "are both"
    } else if a.starts_with(&b) || b.starts_with(&a) {
        "lie in each other:"
    } else if a.starts_with(staging(&other.target)) || b.starts_with(staging(&place.target)) {
        "cannot be, for one is in the other's staging folder:"
    } else {
        return None;
    };
    let at = if a == b {
        a.display().to_string()
    } else {
        format!("{} and {}", a.display(), b.display())
    };
    Some(format!(
        "{} and {} {how} {at}; give one of them another `target`, or remove its entry",
        place.label, other.label
    ))
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
        for (a, b, said) in [
            (("/opt", "x"), ("/opt", "x"), "are both /opt/x"),
            (("/opt", "x"), ("/opt/x", "y"), "lie in each other"),
            (("/opt/x/deep", "y"), ("/opt", "x"), "lie in each other"),
            (("/opt", "x"), ("/opt/.narrows/sub", "y"), "staging folder"),
        ] {
            let found = faults(&[place("one", a.0, a.1), place("two", b.0, b.1)], &state);
            let fault = found[1].as_ref().expect("refused");
            assert!(found[0].is_none(), "the first one is right");
            assert!(
                fault.contains("one") && fault.contains("two") && fault.contains(said),
                "{fault}"
            );
        }
        for (target, name) in [
            ("/var", "state"),
            ("/", "var"),
            ("/var/state", "x"),
            ("/var", "data"),
        ] {
            let found = faults(&[place("one", target, name)], &state);
            assert!(
                found[0].as_ref().is_some_and(|fault| fault.contains("`target`")),
                "{found:?}"
            );
        }
    }

    #[test]
    fn neighbours_are_fine_and_a_refused_place_is_in_nobodys_way() {
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
