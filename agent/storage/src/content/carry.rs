//! Users' files where content is exchanged or mended: none is lost, none is hidden without a line in the log.
//!
//! The old tree is set aside as `<target>/.narrows/<info hash>.old` and gone through after the exchange, and
//! again at the next start if that was interrupted. A file that is as this agent left it is ours and goes; so
//! does one that is the same in the new tree. A file that no version of the content names is carried over to
//! its old path. One that the content names too, and a user changed, is kept below
//! `<target>/.narrows/replaced`, which nothing empties.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use narrows_protocol::metainfo::names::STAGING_FOLDER;

use crate::content::moves::Moves;
use crate::content::sweep::{Sweep, is_ours, is_same};
use crate::layout::Side;
use crate::platform::{self, Access, Kind, Stat};
use crate::put_back::set_aside;
use crate::records::claim::{Claim, Ours};
use crate::records::resume::Stamp;
use crate::{Content, StorageError};

/// Below the staging folder: what users changed and the content replaced.
const REPLACED: &str = "replaced";

/// Kept trees of one name.
const KEPT: u32 = 10_000;

impl Content {
    /// Remembers that the next thing done is an exchange, so that it can be told afterwards which tree is
    /// which.
    pub(crate) fn note_exchange(&self, new: &Path) -> Result<(), StorageError> {
        let id = self.disk.stat(new)?.map(|stat| stat.id);
        self.change_claim(|claim| claim.exchanging = id.filter(|id| *id != 0))
    }

    /// If the trees were exchanged and the old one still lies in staging, sets it aside. To be done before
    /// staging is read as ours.
    pub(crate) fn settle_exchange(&self) -> Result<(), StorageError> {
        if let Some(id) = self.claim().exchanging {
            let (staged, target) = (self.disk.top(Side::Staging), self.disk.top(Side::Target));
            let is_new = self.disk.stat(&target)?.is_some_and(|stat| stat.id == id);
            if is_new && self.disk.stat(&staged)?.is_some() {
                self.put_aside(&staged)?;
            }
        }
        self.change_claim(|claim| (claim.exchanging, claim.replacing) = (None, false))
    }

    /// Moves a tree to where the sweep finds it. What still lies there from before is kept as it is.
    pub(crate) fn put_aside(&self, tree: &Path) -> Result<PathBuf, StorageError> {
        let aside = set_aside(self.layout().meta().info_hash);
        if self.disk.stat(&aside)?.is_some() {
            let kept = self.free_kept()?;
            self.rename_new(&aside, &kept)?;
            tracing::warn!(
                from = %self.disk.absolute(&self.disk.top(Side::Target)).display(),
                to = %self.disk.absolute(&kept).display(),
                "what could not be sorted before is kept"
            );
        }
        self.disk.make_folder(Path::new(STAGING_FOLDER))?;
        self.rename_new(tree, &aside)?;
        Ok(aside)
    }

    /// Gives the user's files of an old tree back; see the module. Does nothing if there is none.
    ///
    /// # Errors
    /// The disk's, after everything else was done; what is left is tried again by the next call.
    pub(crate) fn sweep(&self) -> Result<(), StorageError> {
        let old = set_aside(self.layout().meta().info_hash);
        if self.disk.stat(&old)?.is_none() {
            return Ok(());
        }
        let new = self.disk.top(Side::Target);
        if self.disk.stat(&new)?.is_none() {
            // killed between two renames, and the content is not wanted any more
            return self.rename_new(&old, &new);
        }
        let ours = Ours::at(&self.state_dir, &self.claim());
        let mut sweep = Sweep {
            content: self,
            folders: self.folders_of(&ours),
            ours,
            old,
            new,
            kept: None,
            moves: Moves::default(),
        };
        // first what a user may miss
        sweep.entry(Path::new(""), true, 0);
        sweep.entry(Path::new(""), false, 0);
        sweep.moves.tell(self);
        match sweep.moves.failed {
            None => Ok(()),
            Some(error) => Err(error),
        }
    }

    /// Puts hard links to the user's files into the new tree, so that they are never away. What cannot be
    /// linked is moved by the sweep after the exchange.
    pub(crate) fn link_users_files(&self) -> Result<(), StorageError> {
        if !self.layout().meta().multi_file {
            return Ok(());
        }
        let ours = Ours::at(&self.state_dir, &self.claim());
        let top = self.disk.top(Side::Target);
        let named: BTreeSet<PathBuf> = self.layout().paths().map(|path| top.join(path)).collect();
        let mut folders = vec![PathBuf::new()];
        while let Some(below) = folders.pop() {
            let (from, to) = (
                self.disk.top(Side::Target).join(&below),
                self.disk.top(Side::Staging).join(&below),
            );
            let is_folder =
                |path: &Path| Ok(self.disk.stat(path)?.is_some_and(|stat| stat.kind == Kind::Folder));
            if !is_folder(&from)? || !is_folder(&to)? {
                continue;
            }
            let Ok(entries) = self.disk.folder.entries(&from) else {
                continue; // the sweep tells
            };
            for name in entries {
                let (old, new, rel) = (from.join(&name), to.join(&name), below.join(&name));
                match self.disk.stat(&old)? {
                    Some(stat) if stat.kind == Kind::Folder => folders.push(rel),
                    Some(stat)
                        if stat.kind == Kind::File
                            && !named.contains(&old)
                            && !is_ours(&ours, &rel, stat) =>
                    {
                        self.link_anew(&old, &new, stat);
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn link_anew(&self, old: &Path, new: &Path, stat: Stat) {
        let linked = match self.disk.folder.stat(new) {
            Ok(Some(there)) if is_same(there, stat) => Ok(()),
            Ok(Some(_)) => self // of an attempt that failed
                .disk
                .folder
                .remove_file(new)
                .and_then(|()| self.disk.folder.link(old, new)),
            _ => self.disk.folder.link(old, new),
        };
        if let Err(error) = linked {
            tracing::debug!(path = %self.disk.absolute(old).display(), %error, "cannot be linked; it is moved later");
        }
    }

    /// Before files are written in place: a copy of each that a user has changed since we left it, or since
    /// the last copy. What only decayed is not the user's.
    pub(crate) fn save_changed(&self, files: &BTreeSet<usize>) -> Result<(), StorageError> {
        let claim = self.claim();
        let mut kept = None;
        let mut moves = Moves::default();
        let mut saved = Vec::new();
        for file in files {
            let path = self.disk.relative(Side::Target, *file);
            let Some(stat) = self.disk.stat(&path)?.filter(|stat| stat.kind == Kind::File) else {
                continue;
            };
            let rel = self.layout().files()[*file].path.join("/");
            let stamp = Stamp::from(stat);
            let is_saved = claim.mending.get(file) == Some(&stamp);
            if is_saved
                || stat.size == 0
                || claim.files.iter().any(|(path, known)| *path == rel && *known == stamp)
            {
                continue;
            }
            let base = match &kept {
                Some(base) => base,
                None => kept.insert(self.free_kept()?),
            };
            let to = base.join(&rel);
            self.disk.make_folder(to.parent().unwrap_or(Path::new("")))?;
            self.copy(&path, &to)?;
            saved.push((*file, stamp));
            moves.kept.push((path, to));
        }
        moves.tell(self);
        self.change_claim(|claim| claim.mending.extend(saved))
    }

    /// Files that are being mended have changed because we wrote to them.
    pub(crate) fn note_mended(&self, files: &BTreeSet<usize>) -> Result<(), StorageError> {
        let stamps = self.state().stamps.clone();
        self.change_claim(|claim| {
            for (file, known) in claim.mending.iter_mut().filter(|(file, _)| files.contains(file)) {
                if let Some(stamp) = stamps.get(*file).copied().flatten() {
                    *known = stamp;
                }
            }
        })
    }

    fn copy(&self, from: &Path, to: &Path) -> Result<(), StorageError> {
        let open =
            |path: &Path, access| self.disk.folder.file(path, access).map_err(self.disk.error("open", path));
        let (mut source, mut copy) = (open(from, Access::Read)?, open(to, Access::Write)?);
        io::copy(&mut source, &mut copy)
            .and_then(|_| platform::copy_rights(&source, &copy))
            .and_then(|()| copy.sync_all())
            .map_err(self.disk.error("write", to))
    }

    /// A place for what is kept, that has nothing yet.
    pub(crate) fn free_kept(&self) -> Result<PathBuf, StorageError> {
        let folder = Path::new(STAGING_FOLDER).join(REPLACED);
        self.disk.make_folder(&folder)?;
        let name = &self.layout().meta().name;
        for number in 1..KEPT {
            let path = match number {
                1 => folder.join(name),
                _ => folder.join(format!("{name}.{number}")),
            };
            if self.disk.stat(&path)?.is_none() {
                return Ok(path);
            }
        }
        Err(StorageError::Unsafe {
            path: self.disk.absolute(&folder),
            why: "holds thousands of replaced files of users; look through them and remove what is not needed",
        })
    }

    fn folders_of(&self, ours: &Ours) -> BTreeSet<String> {
        let mut folders = BTreeSet::from([String::new()]);
        for path in self.layout().paths().chain(ours.paths().map(str::to_owned)) {
            folders.extend(path.match_indices('/').map(|(at, _)| path[..at].to_owned()));
        }
        folders
    }

    pub(crate) fn rename_new(&self, from: &Path, to: &Path) -> Result<(), StorageError> {
        self.disk.folder.rename_new(from, to).map_err(self.disk.error("move something to", to))
    }

    /// The files at the target are ours from now on, as they are.
    pub(crate) fn claim_files(&self) -> Result<(), StorageError> {
        let stamps = self.state().stamps.clone();
        let files = self.layout().stored().filter_map(|file| {
            let path = self.layout().files()[file].path.join("/");
            Some((path, (*stamps.get(file)?)?))
        });
        let links = self.layout().links().filter_map(|(file, _)| {
            let path = self.layout().files()[file].path.join("/");
            let stat = self.disk.stat(&self.disk.relative(Side::Target, file)).ok()??;
            Some((path, Stamp::from(stat)))
        });
        let files = files.chain(links).collect();
        self.change_claim(|claim| {
            claim.files = files;
            claim.mending.clear();
        })?;
        // what older versions left there was gone through
        let (claim, own) = (self.claim(), self.layout().meta().info_hash);
        for (info_hash, other) in Claim::all(&self.state_dir) {
            if info_hash != own && other.is_at(&claim) && other.origin.is_some() {
                Claim::remove(&self.state_dir, info_hash).map_err(StorageError::io(
                    "remove",
                    &Claim::path(&self.state_dir, info_hash),
                ))?;
            }
        }
        Ok(())
    }
}
