//! Whose the files are that a service of Windows goes by. All users may make folders in ProgramData, and the
//! service may write anywhere: so what it believes has to be the system's or an administrator's.

use std::path::{Path, PathBuf};

/// SYSTEM, the administrators, and the installer of Windows itself.
const TRUSTED: [&str; 3] = [
    "S-1-5-18",
    "S-1-5-32-544",
    "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464",
];

/// What stands for a path where nothing is.
const ABSENT: &str = "-";

/// Why a service does not start: what it would go by may be another user's word.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum NotOurs {
    /// It is another user's.
    #[error(
        "{} belongs to {owner}, neither to the system nor to the administrators, and that user may have put anything in it: look at \
         it, move it away, and write the configuration anew (or, if it is right: icacls \"{}\" /setowner *S-1-5-32-544)",
        path.display(), path.display()
    )]
    Foreign {
        /// The file or folder.
        path: PathBuf,
        /// The user's security identifier.
        owner: String,
    },
    /// The folder of the configuration is a link.
    #[error("{} is a link, which leads where another user may want it to; make a folder of it", .0.display())]
    Link(PathBuf),
}

/// The first of `paths` that that belongs to a user whose word the service does not go by. `said` has a line for the user that
/// the service runs as, then one for each path: security identifiers. `None` also if it is none of that, so
/// that who owns what is not known.
pub(crate) fn judge(paths: &[PathBuf], said: &str) -> Option<Result<(), NotOurs>> {
    let mut lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    let own = lines.next().filter(|own| is_sid(own))?;
    let owners: Vec<&str> = lines.collect();
    if owners.len() != paths.len() || !owners.iter().all(|owner| is_sid(owner) || *owner == ABSENT) {
        return None;
    }
    let trusted = |owner: &str| owner == ABSENT || owner == own || TRUSTED.contains(&owner);
    let foreign = paths.iter().zip(owners).find(|(_, owner)| !trusted(owner));
    Some(foreign.map_or(Ok(()), |(path, owner)| {
        Err(NotOurs::Foreign {
            path: path.clone(),
            owner: owner.to_owned(),
        })
    }))
}

/// Whether a text is a security identifier: `S-1-5-18`.
fn is_sid(text: &str) -> bool {
    let number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text.len() <= 184 && text.strip_prefix("S-1-").is_some_and(|rest| rest.split('-').all(number))
}

/// What the service goes by: the configuration, the folder that it lies in, and the state folder.
pub(crate) fn believed(config: &Path, state: &Path) -> Vec<PathBuf> {
    let folder = config.parent().map(Path::to_owned);
    [Some(config.to_owned()), folder, Some(state.to_owned())].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths() -> Vec<PathBuf> {
        believed(
            Path::new("/ProgramData/Narrows/agent.yaml"),
            Path::new("/ProgramData/Narrows/state"),
        )
    }

    #[test]
    fn what_a_user_has_planted_is_named_with_its_owner_and_what_to_do() {
        let user = "S-1-5-21-1004336348-1177238915-682003330-1013";
        let said = |owners: [&str; 3]| format!("S-1-5-18\r\n{}\r\n", owners.join("\r\n"));
        let (system, administrators) = (TRUSTED[0], TRUSTED[1]);
        assert_eq!(
            judge(&paths(), &said([system, administrators, ABSENT])),
            Some(Ok(()))
        );
        for (owners, path) in [
            ([user, administrators, system], "/ProgramData/Narrows/agent.yaml"),
            ([system, user, system], "/ProgramData/Narrows"),
            ([system, administrators, user], "/ProgramData/Narrows/state"),
        ] {
            let Some(Err(fault)) = judge(&paths(), &said(owners)) else {
                panic!("{owners:?} is taken");
            };
            let fault = fault.to_string();
            assert!(
                fault.starts_with(path) && fault.contains(user) && fault.contains("icacls"),
                "{fault}"
            );
        }
    }

    #[test]
    fn a_link_in_place_of_the_folder_is_named_with_what_to_do() {
        let fault = NotOurs::Link("/ProgramData/Narrows".into()).to_string();
        assert!(
            fault.starts_with("/ProgramData/Narrows is a link") && fault.contains("make a folder"),
            "{fault}"
        );
    }

    #[test]
    fn an_account_of_its_own_may_own_what_its_service_goes_by() {
        let account = "S-1-5-80-1-2-3";
        let owners = format!("{account}\n{account}\nS-1-5-32-544\n{account}\n");
        assert_eq!(judge(&paths(), &owners), Some(Ok(())));
    }

    #[test]
    fn an_answer_that_is_none_says_nothing() {
        for said in [
            "",
            "S-1-5-18",
            "S-1-5-18\nS-1-5-18\nS-1-5-18",
            "Get-Acl : Access denied\nS-1-5-18\nS-1-5-18\nS-1-5-18",
            "S-1-5-18\nBUILTIN\\Users\n-\n-",
            "S-1-5-18\nS-1-\n-\n-",
        ] {
            assert_eq!(judge(&paths(), said), None, "{said:?}");
        }
    }
}
