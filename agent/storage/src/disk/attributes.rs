//! Which files lack the bits that their torrent gives them (BEP 47).

use std::sync::atomic::{AtomicBool, Ordering};

use super::Disk;
use crate::platform::Stat;

/// Whether the volume holds such bits, as far as was seen.
#[derive(Debug, Default)]
pub(crate) struct Attributes {
    pub(crate) not_held: AtomicBool,
}

impl Disk {
    /// Whether a file (an index) that stands there lacks what its torrent says.
    pub(crate) fn lacks_attributes(&self, file: usize, stat: &Stat) -> bool {
        let wanted = self.layout.files().get(file).is_some_and(|file| file.executable);
        wanted && !stat.executable && !self.attributes.not_held.load(Ordering::Relaxed)
    }

    /// Whether each of these files has what its torrent says; what does not stand there lacks nothing.
    pub(crate) fn has_attributes(&self, stats: &[Option<Stat>]) -> bool {
        let mut each = stats.iter().enumerate();
        !each.any(|(file, stat)| stat.is_some_and(|stat| self.lacks_attributes(file, &stat)))
    }
}
