//! Going through the tree that a content has replaced; see [`carry`](crate::content::carry).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::content::moves::Moves;
use crate::platform::{self, Access, Kind, Stat};
use crate::records::claim::Ours;
use crate::records::resume::Stamp;
use crate::{Content, StorageError};

/// Folders in each other; a deeper one is moved as a whole.
const DEEP: usize = 200;

/// Going through an old tree.
pub(crate) struct Sweep<'a> {
    pub(crate) content: &'a Content,
    pub(crate) ours: Ours,
    /// Folders, by their paths below the content's, that have or had files of some version.
    pub(crate) folders: BTreeSet<String>,
    pub(crate) old: PathBuf,
    pub(crate) new: PathBuf,
    /// Where changed files go; chosen when there is one.
    pub(crate) kept: Option<PathBuf>,
    pub(crate) moves: Moves,
}

impl Sweep<'_> {
    /// Goes through an entry of the old tree. `carry`: moves only what no version names; else the rest.
    pub(crate) fn entry(&mut self, rel: &Path, carry: bool, depth: usize) {
        if let Err(error) = self.try_entry(rel, carry, depth) {
            tracing::warn!(
                path = %self.content.disk.absolute(&self.old.join(rel)).display(),
                %error,
                "a file of the user cannot be moved; it stays here and is tried again at the next start"
            );
            self.moves.failed.get_or_insert(error);
        }
    }

    fn try_entry(&mut self, rel: &Path, carry: bool, depth: usize) -> Result<(), StorageError> {
        let disk = &self.content.disk;
        let (old, new) = (self.old.join(rel), self.new.join(rel));
        let Some(stat) = disk.stat(&old)? else {
            return Ok(());
        };
        let there = disk.stat(&new)?;
        if stat.kind == Kind::Folder {
            let of_a_version = rel.to_str().is_some_and(|rel| self.folders.contains(&slashes(rel)));
            if there.is_none() && !of_a_version {
                return self.carry(rel);
            }
            if depth > DEEP || there.is_some_and(|there| there.kind != Kind::Folder) {
                return match carry {
                    true => Ok(()),
                    false => self.remove_ours(rel, depth).and_then(|()| self.keep_rest(rel)),
                };
            }
            let entries = disk.folder.entries(&old).map_err(disk.error("list", &old))?;
            for name in entries {
                self.entry(&rel.join(name), carry, depth + 1);
            }
            if !carry {
                // one that has something left says why by itself
                self.content.disk.folder.remove_folder(&old).ok();
            }
            return Ok(());
        }
        if is_ours(&self.ours, rel, stat) {
            return if carry { Ok(()) } else { self.remove(&old) };
        }
        match there {
            None => self.carry(rel),
            Some(_) if carry => Ok(()),
            Some(there) if is_same(there, stat) || self.is_equal(&old, stat, &new, there)? => {
                self.remove(&old)
            }
            Some(_) if self.content.are_same_links(&old, &new) => self.remove(&old),
            Some(_) => self.keep(rel),
        }
    }

    /// Takes what is ours out of a folder in whose place the content has something else now.
    fn remove_ours(&mut self, rel: &Path, depth: usize) -> Result<(), StorageError> {
        let (disk, old) = (&self.content.disk, self.old.join(rel));
        match disk.stat(&old)? {
            Some(stat) if stat.kind == Kind::Folder && depth <= DEEP => {
                let entries = disk.folder.entries(&old).map_err(disk.error("list", &old))?;
                for name in entries {
                    self.remove_ours(&rel.join(name), depth + 1)?;
                }
                self.content.disk.folder.remove_folder(&old).ok(); // if it is empty
                Ok(())
            }
            Some(stat) if is_ours(&self.ours, rel, stat) => self.remove(&old),
            _ => Ok(()),
        }
    }

    fn keep_rest(&mut self, rel: &Path) -> Result<(), StorageError> {
        match self.content.disk.stat(&self.old.join(rel))? {
            Some(_) => self.keep(rel),
            None => Ok(()),
        }
    }

    fn carry(&mut self, rel: &Path) -> Result<(), StorageError> {
        let (old, new) = (self.old.join(rel), self.new.join(rel));
        let moved = self
            .content
            .disk
            .make_folder(new.parent().unwrap_or(Path::new("")))
            .and_then(|()| self.content.rename_new(&old, &new));
        match moved {
            Ok(()) => {
                self.moves.carried.push(new);
                Ok(())
            }
            // something of the content, or something new, is in its way
            Err(_) => self.keep(rel),
        }
    }

    fn keep(&mut self, rel: &Path) -> Result<(), StorageError> {
        let base = match &self.kept {
            Some(base) => base.clone(),
            None => self.kept.insert(self.content.free_kept()?).clone(),
        };
        let to = match rel.as_os_str().is_empty() {
            true => base,
            false => base.join(rel),
        };
        self.content.disk.make_folder(to.parent().unwrap_or(Path::new("")))?;
        self.content.rename_new(&self.old.join(rel), &to)?;
        self.moves.kept.push((self.new.join(rel), to));
        Ok(())
    }

    fn remove(&self, old: &Path) -> Result<(), StorageError> {
        let disk = &self.content.disk;
        disk.folder.remove_file(old).map_err(disk.error("remove", old))
    }

    /// Whether two files have the same bytes.
    fn is_equal(&self, a: &Path, a_stat: Stat, b: &Path, b_stat: Stat) -> Result<bool, StorageError> {
        const CHUNK: usize = 1 << 17;
        if a_stat.kind != Kind::File || b_stat.kind != Kind::File || a_stat.size != b_stat.size {
            return Ok(false);
        }
        let disk = &self.content.disk;
        let open = |path: &Path| disk.folder.file(path, Access::Read).map_err(disk.error("open", path));
        let (file_a, file_b) = (open(a)?, open(b)?);
        let (mut part_a, mut part_b) = (vec![0; CHUNK], vec![0; CHUNK]);
        let mut at = 0;
        while at < a_stat.size {
            let len = usize::try_from(a_stat.size - at).unwrap_or(CHUNK).min(CHUNK);
            let (part_a, part_b) = (&mut part_a[..len], &mut part_b[..len]);
            platform::read_exact_at(&file_a, part_a, at).map_err(disk.error("read", a))?;
            platform::read_exact_at(&file_b, part_b, at).map_err(disk.error("read", b))?;
            if part_a != part_b {
                return Ok(false);
            }
            at += len as u64;
        }
        Ok(true)
    }
}

pub(crate) fn is_ours(ours: &Ours, rel: &Path, stat: Stat) -> bool {
    matches!(stat.kind, Kind::File | Kind::Symlink)
        && rel.to_str().is_some_and(|rel| ours.has(&slashes(rel), Stamp::from(stat)))
}

/// Whether two paths lead to one file. Where there are no inodes that is never known.
pub(crate) fn is_same(a: Stat, b: Stat) -> bool {
    a.id != 0 && (a.id, a.size, a.modified, a.kind) == (b.id, b.size, b.modified, b.kind)
}

/// As in a torrent.
fn slashes(path: &str) -> String {
    path.replace(std::path::MAIN_SEPARATOR, "/")
}
