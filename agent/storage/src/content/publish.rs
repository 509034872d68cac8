//! Moving whole content to its target, where a consumer sees the old or the new, never half of either.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use narrows_protocol::metainfo::names::STAGING_FOLDER;
use narrows_wire::Bitfield;

use crate::content::sync::Note;
use crate::layout::Side;
use crate::platform::{Access, Kind};
use crate::records::claim::{Claim, Origin};
use crate::records::resume::{Phase, Record};
use crate::{Content, StorageError};

impl Content {
    /// Moves complete content from staging to its target; reads go on. Durable on return.
    ///
    /// What stands there is replaced in one step on Linux; elsewhere there is a moment without any, and a kill just then is
    /// undone by [`put_back`](crate::put_back). Files
    /// that are not ours stay where they are; those that the content has too are kept in
    /// `<target>/.narrows/replaced/<name>`.
    ///
    /// # Errors
    /// [`StorageError::Incomplete`], or the disk's; the content is still in staging then, and it may be
    /// called again.
    pub fn publish(&self) -> Result<(), StorageError> {
        let _upkeep = self.upkeep();
        if self.is_published() {
            return Ok(());
        }
        self.require_whole()?;
        self.sync_with(Note::IfStored)?;
        self.require_whole()?; // a sync may find that the disk lost something
        let completed = {
            let _stay = self.stay();
            self.complete_tree()?
        };
        if self.state().repairing {
            self.stamp_again(&completed)?;
            self.repaired();
            return Ok(());
        }
        self.change_claim(|claim| {
            claim.origin.get_or_insert(Origin::Fetched);
        })?;
        let have = self.state().staged.clone();
        self.save(&Record {
            phase: Phase::Publishing,
            have: have.clone(),
            stamps: None,
        })?;
        {
            let _moving = self.moving();
            self.disk.close_files(); // Windows moves no open files
            if let Err(error) = self.move_into_place() {
                // best effort: else everything is checked at the next start
                self.save(&Record {
                    phase: Phase::Fetching,
                    have,
                    stamps: None,
                })
                .ok();
                return Err(error);
            }
            // before anything can be compared with them
            let stamps = self.stamps(Side::Target);
            let mut state = self.state();
            match stamps {
                Ok(stamps) => state.stamps = stamps,
                Err(error) => tracing::warn!(%error, "what was published cannot be looked at"),
            }
            state.published = true;
            state.at_target = Bitfield::full(state.at_target.len());
            state.staged = Bitfield::new(state.staged.len());
        }
        self.finish_published();
        Ok(())
    }

    /// Removes what is left of the staging folder and of the resume data: for content that is no longer
    /// wanted. What is at the target stays, and so do all files of the user.
    ///
    /// # Errors
    /// The disk's.
    pub fn forget(self) -> Result<(), StorageError> {
        self.disk.close_files();
        self.settle_exchange()?;
        self.sweep()?;
        self.disk.remove(self.disk.base(Side::Staging))?;
        self.disk.folder.remove_folder(Path::new(STAGING_FOLDER)).ok(); // if it is empty
        let (claim, info_hash) = (self.claim(), self.layout().meta().info_hash);
        let removed = self.wan_history.remove().and_then(|()| self.resume.remove());
        let removed = removed.and_then(|()| self.resume.remove_scrub());
        removed
            .and_then(|()| match claim.origin {
                Some(_) => Ok(()), // says whose it is that stays at the target
                None => Claim::remove(&self.state_dir, info_hash),
            })
            .map_err(StorageError::io("remove", &self.resume.record_path()))
    }

    fn require_whole(&self) -> Result<(), StorageError> {
        let mut state = self.state();
        let work = state.work();
        match work.len() - work.count() {
            0 => Ok(()),
            missing => Err(StorageError::Incomplete { missing }),
        }
    }

    /// Makes empty files and links, cuts files that are too long, makes programs executable, and makes all
    /// names durable. Answers which files it changed.
    pub(super) fn complete_tree(&self) -> Result<BTreeSet<usize>, StorageError> {
        let side = self.state().side();
        let mut changed = BTreeSet::new();
        let mut folders = BTreeSet::new();
        for file in self.layout().stored() {
            let path = self.disk.relative(side, file);
            let length = self.layout().files()[file].length;
            if self.disk.stat(&path)?.is_none_or(|stat| stat.size != length) {
                changed.insert(file);
                let handle = self.disk.handle(side, file, Access::Write)?;
                handle
                    .set_len(length)
                    .and_then(|()| handle.sync_all())
                    .map_err(self.disk.error("write", &path))?;
            }
            folders.extend(path.ancestors().skip(1).map(Path::to_owned));
        }
        match side {
            Side::Staging => {
                self.mend_attributes(side)?;
                folders.extend(self.make_links()?);
            }
            Side::Target => {
                self.heal_attributes()?;
                self.heal_links()?;
            }
        }
        self.disk.sync_folders(&folders)?;
        Ok(changed)
    }

    fn move_into_place(&self) -> Result<(), StorageError> {
        self.require_movable()?; // something may have been mounted meanwhile
        let (from, to) = (self.disk.top(Side::Staging), self.disk.top(Side::Target));
        let multi_file = self.layout().meta().multi_file;
        match self.disk.stat(&to)?.map(|stat| stat.kind) {
            // of an attempt of which the second step failed, and putting back too
            None => self.rename(&from, &to).inspect_err(|_| self.undo_two_steps())?,
            Some(Kind::File) if !multi_file => self.replace(&from, &to)?,
            Some(Kind::Folder) if multi_file => self.replace(&from, &to)?,
            Some(_) => {
                let why = "something of another kind appeared where the content belongs; move it away";
                return Err(StorageError::Unsafe {
                    path: self.disk.absolute(&to),
                    why,
                });
            }
        }
        let bases = [Side::Target, Side::Staging].map(|side| self.disk.base(side).to_owned());
        self.disk.sync_folders(&BTreeSet::from(bases))
    }

    fn replace(&self, from: &Path, to: &Path) -> Result<(), StorageError> {
        self.link_users_files()?;
        self.note_exchange(from)?;
        match (self.swap)(&self.disk.folder, from, to) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Unsupported => self.replace_in_two_steps(from, to),
            Err(error) => Err(self.unmoved("replace", to)(error)),
        }
    }

    /// Writes down that the content is whole and tidies up; failures cost a check at the next start, no more.
    pub(crate) fn finish_published(&self) {
        let result = self.settle_exchange().and_then(|()| {
            if let Err(error) = self.sweep() {
                tracing::warn!(%error, "not all files of the user are back; this is tried again at the next start");
            }
            self.claim_files()?;
            self.disk.remove(self.disk.base(Side::Staging))?;
            let (have, stamps) = {
                let state = self.state();
                (state.at_target.clone(), Some(state.stamps.clone()))
            };
            self.save(&Record {
                phase: Phase::Complete,
                have,
                stamps,
            })?;
            self.resume
                .remove_journal()
                .map_err(StorageError::io("remove", &self.resume.journal_path()))
        });
        if let Err(error) = result {
            tracing::warn!(%error, "the content is whole, but this cannot be noted; it is checked at the next start");
        }
        let folder = Path::new(STAGING_FOLDER);
        self.disk.folder.remove_folder(folder).ok(); // if it is empty
    }

    pub(super) fn rename(&self, from: &Path, to: &Path) -> Result<(), StorageError> {
        self.disk.folder.rename(from, to).map_err(self.unmoved("move something to", to))
    }

    /// [`Disk::error`](crate::disk::Disk::error) that knows what hinders a move.
    fn unmoved<'a>(
        &'a self,
        action: &'static str,
        to: &'a Path,
    ) -> impl FnOnce(io::Error) -> StorageError + 'a {
        move |error| match error.kind() {
            io::ErrorKind::CrossesDevices | io::ErrorKind::ResourceBusy => StorageError::Unsafe {
                path: self.disk.absolute(to),
                why: "cannot be replaced in one step: it is another volume, a mount point, or of a lower layer of an overlay; \
                      set `target` to a folder on one volume, or move away what stands there",
            },
            _ => self.disk.error(action, to)(error),
        }
    }
}
