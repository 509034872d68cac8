//! What may be trusted at a start and what must be read again. Pure.
//!
//! | record                     | trusted                                          | to be checked                           |
//! |----------------------------|--------------------------------------------------|-----------------------------------------|
//! | none, damaged, publishing  | nothing                                          | staging and target, all that exists     |
//! | complete                   | target: files of equal size, mtime and inode     | target: the pieces of all other files   |
//! | repairing                  | target: its pieces in files equal as above       | target: all other pieces that exist     |
//! | fetching, clean stop       | staging: its pieces in files equal as above      | its other pieces, those in the journal  |
//! | fetching, killed           | staging: its pieces in files of the right size   | its other pieces, those in the journal  |
//! | fetching, staging is gone  | as with none                                     |                                         |

use narrows_wire::Bitfield;

use crate::layout::Layout;
use crate::platform::Stat;
use crate::records::resume::{Phase, Record, Stamp};

/// What is trusted, and what is to be checked: the module's table.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Trust {
    /// Trusted in staging.
    pub(crate) staged: Bitfield,
    /// Trusted at the target.
    pub(crate) at_target: Bitfield,
    pub(crate) check_staging: Vec<u32>,
    pub(crate) check_target: Vec<u32>,
}

impl Trust {
    /// `staging` and `target`: what stands there, per file.
    pub(crate) fn new(
        layout: &Layout,
        record: Option<&Record>,
        journal: &[u32],
        staging: &[Option<Stat>],
        target: &[Option<Stat>],
    ) -> Self {
        match record {
            Some(record) if record.at_target() => Self::complete(layout, record, staging, target),
            Some(record) if record.phase == Phase::Fetching && staging.iter().any(Option::is_some) => {
                Self::fetching(layout, record, journal, staging)
            }
            _ => Self::distrust(layout, staging, target),
        }
    }

    /// Everything that exists is to be checked.
    pub(crate) fn distrust(layout: &Layout, staging: &[Option<Stat>], target: &[Option<Stat>]) -> Self {
        let nothing = Bitfield::new(layout.lengths().piece_count());
        Self {
            check_staging: existing(layout, staging).iter_ones().collect(),
            check_target: existing(layout, target).iter_ones().collect(),
            staged: nothing.clone(),
            at_target: nothing,
        }
    }

    fn complete(layout: &Layout, record: &Record, staging: &[Option<Stat>], target: &[Option<Stat>]) -> Self {
        let mut at_target = pieces_of_files(layout, |file| unchanged(record, file, target));
        record.have.iter_missing().for_each(|piece| {
            at_target.unset(piece);
        });
        let rest = existing(layout, target);
        Self {
            check_target: rest.iter_ones().filter(|piece| !at_target.has(*piece)).collect(),
            check_staging: existing(layout, staging).iter_ones().collect(),
            staged: Bitfield::new(layout.lengths().piece_count()),
            at_target,
        }
    }

    fn fetching(layout: &Layout, record: &Record, journal: &[u32], staging: &[Option<Stat>]) -> Self {
        let files = pieces_of_files(layout, |file| match record.stamps {
            Some(_) => unchanged(record, file, staging),
            None => staging[file].is_some_and(|stat| stat.size == layout.files()[file].length),
        });
        let mut staged = Bitfield::new(layout.lengths().piece_count());
        record.have.iter_ones().filter(|piece| files.has(*piece)).for_each(|piece| {
            staged.set(piece);
        });
        let mut check = Bitfield::new(layout.lengths().piece_count());
        record.have.iter_ones().chain(journal.iter().copied()).filter(|piece| !staged.has(*piece)).for_each(
            |piece| {
                check.set(piece);
            },
        );
        Self {
            check_staging: check.iter_ones().collect(),
            check_target: Vec::new(),
            at_target: Bitfield::new(layout.lengths().piece_count()),
            staged,
        }
    }
}

fn unchanged(record: &Record, file: usize, stats: &[Option<Stat>]) -> bool {
    let known = record.stamps.as_ref().and_then(|stamps| stamps[file]);
    known.is_some() && known == stats[file].map(Stamp::from)
}

/// The pieces that have bytes on disk, right or wrong.
fn existing(layout: &Layout, stats: &[Option<Stat>]) -> Bitfield {
    pieces_of_files(layout, |file| stats[file].is_some())
}

/// The pieces that lie wholly in files for which `good` holds.
fn pieces_of_files(layout: &Layout, good: impl Fn(usize) -> bool) -> Bitfield {
    let mut pieces = Bitfield::full(layout.lengths().piece_count());
    for file in layout.stored().filter(|file| !good(*file)) {
        layout.pieces_of(file).for_each(|piece| {
            pieces.unset(piece);
        });
    }
    pieces
}
