//! Looking again at what was published: is it still what was verified?

use std::ops::Range;

use crate::layout::Side;
use crate::platform::{self, Kind};
use crate::records::resume::Stamp;
use crate::{Content, StorageError};

/// What [`Content::look`] saw.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Looked {
    /// Every file is as it was when its bytes were hashed.
    Same,
    /// These files (indices into the metainfo) have another size, time or inode, or lost what the torrent
    /// says of them, or cannot be looked at.
    Changed(Vec<usize>),
    /// The content, or the folder it stands in, is not there any more: it has to be opened anew.
    Gone,
}

impl Content {
    /// Compares files (indices into the metainfo) of published content with what is known of them, by size,
    /// time of modification, inode and whether they can be executed. Reads nothing. Content that is not
    /// published is always the [`Same`](Looked::Same).
    #[must_use]
    pub fn look(&self, files: Range<usize>) -> Looked {
        let known: Vec<Option<Stamp>> = {
            let state = self.state();
            if !state.published {
                return Looked::Same;
            }
            state.stamps.get(files.clone()).unwrap_or_default().to_vec()
        };
        let top = self.disk.top(Side::Target);
        let gone = self.disk.folder.stat(&top).is_ok_and(|stat| stat.is_none());
        if gone || !self.disk.is_in_place() {
            return Looked::Gone;
        }
        let mut changed = Vec::new();
        for (file, known) in files.zip(known) {
            let metainfo = &self.layout().files()[file];
            let stat = self.disk.folder.stat(&self.disk.relative(Side::Target, file));
            if stat.as_ref().is_err_and(platform::is_shortage) {
                return Looked::Same; // as far as can be seen now
            }
            if metainfo.link.is_some() && !self.disk.is_link_right(Side::Target, file) {
                changed.push(file);
            }
            if !metainfo.is_stored() {
                continue;
            }
            let now = stat.ok().flatten().filter(|stat| stat.kind == Kind::File);
            let lacks = now.is_none_or(|now| self.disk.lacks_attributes(file, &now));
            if lacks || now.map(Stamp::from) != known {
                changed.push(file);
            }
        }
        match changed.is_empty() || !self.is_published() {
            true => Looked::Same,
            false => Looked::Changed(changed),
        }
    }

    /// Whether its target still is the folder that was opened; else it has to be opened anew.
    #[must_use]
    pub fn is_in_place(&self) -> bool {
        self.disk.is_in_place()
    }

    /// The piece from which a slow look at everything goes on; the first if that was never written down.
    #[must_use]
    pub fn scrub_position(&self) -> u32 {
        self.resume.load_scrub()
    }

    /// Writes down how far a slow look at everything has come, for a later start.
    ///
    /// # Errors
    /// The disk's; the next start goes on from an earlier piece then.
    pub fn keep_scrub_position(&self, next: u32) -> Result<(), StorageError> {
        let path = self.resume.record_path();
        self.resume.save_scrub(next).map_err(StorageError::io("write beside", &path))
    }

    /// Reads and hashes these pieces where they are and answers those that are wrong or cannot be read.
    /// Changes nothing: that is for [`doubt`](Self::doubt). Pieces that are not here are not wrong, nor are those for which
    /// descriptors or memory are lacking.
    #[must_use]
    pub fn recheck(&self, pieces: &[u32]) -> Vec<u32> {
        self.disk.close_files(); // a file that was removed or replaced must not be read as if it were there
        let mut buf = Vec::new();
        let wrong = pieces.iter().copied().filter(|piece| {
            let _stay = self.stay();
            let is_wrong = |side| matches!(self.disk.is_right(side, *piece, &mut buf), Ok(false));
            self.side(*piece).is_some_and(is_wrong)
        });
        wrong.collect()
    }
}
