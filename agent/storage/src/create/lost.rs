//! What of a tree cannot travel in a torrent. Pure but for the paths.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::platform::{Kind, Stat};

/// A kind of thing that a torrent does not say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Loss {
    /// Only files make folders.
    EmptyFolder,
    /// A device, socket or pipe.
    Special,
    /// The bits setuid, setgid and sticky of a file or a folder.
    SetId,
    /// Others may read or execute where it arrives what they may not here.
    Access,
    /// Extended attributes: access lists, capabilities, a user's own.
    ExtendedAttributes,
    /// Agents on Windows refuse torrents that have links.
    LinkOnWindows,
}

impl Loss {
    /// What of a file's or folder's mode is lost. Where it arrives the umask of the agent has its say, mostly
    /// 022.
    pub(super) fn of_mode(stat: Stat) -> impl Iterator<Item = Self> {
        let arrives = match stat.kind == Kind::Folder || stat.executable {
            true => 0o755,
            false => 0o644,
        };
        let known = stat.mode != 0;
        let set_id = (known && stat.mode & 0o7000 != 0).then_some(Self::SetId);
        let access = (known && arrives & 0o055 & !stat.mode != 0).then_some(Self::Access);
        set_id.into_iter().chain(access)
    }
}

/// All of one kind. `Display` is a sentence without a full stop.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lost {
    /// Which.
    pub loss: Loss,
    /// How many there are; at least 1.
    pub count: u64,
    /// One of them.
    pub first: PathBuf,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = match self.loss {
            Loss::EmptyFolder => "empty folders are left out",
            Loss::Special => "devices, sockets and pipes are left out",
            Loss::SetId => "files and folders lose setuid, setgid and sticky bits",
            Loss::Access => {
                "files and folders can be read by more users where they arrive (0644, folders and programs 0755, less the \
                 umask of the agent)"
            }
            Loss::ExtendedAttributes => {
                "files and folders lose extended attributes (access lists, capabilities)"
            }
            Loss::LinkOnWindows => {
                "symbolic links travel as such; agents on Windows refuse a torrent that has any"
            }
        };
        write!(f, "{said} ({}): {}", self.count, self.first.display())?;
        match self.count {
            1 => Ok(()),
            _ => f.write_str(", ..."),
        }
    }
}

/// What was found so far.
#[derive(Default)]
pub(super) struct Losses(Vec<Lost>);

impl Losses {
    pub(super) fn note(&mut self, loss: Loss, path: &Path) {
        match self.0.iter_mut().find(|lost| lost.loss == loss) {
            Some(lost) => lost.count += 1,
            None => self.0.push(Lost {
                loss,
                count: 1,
                first: path.to_owned(),
            }),
        }
    }

    pub(super) fn into_vec(self) -> Vec<Lost> {
        self.0
    }
}
