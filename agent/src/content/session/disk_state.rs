//! What a session knows of the disk.

use narrows_host::Repeats;
use narrows_swarm::Time;

/// What is known of the disk, and what is under way there.
#[derive(Default)]
pub(super) struct Disk {
    pub(super) unsynced: u64,
    pub(super) last_sync: Time,
    pub(super) syncing: bool,
    /// The swarm was told that nothing can be stored, and why.
    pub(super) fault: Option<String>,
    pub(super) probing: bool,
    pub(super) next_probe: Time,
    /// Publishing is under way, or failed and waits.
    pub(super) publishing: bool,
    pub(super) publish_error: Option<String>,
    pub(super) publish_failures: Repeats,
    pub(super) sync_failures: Repeats,
    pub(super) store_failures: Repeats,
    pub(super) read_failures: Repeats,
    pub(super) hash_failures: Repeats,
    pub(super) next_publish: Time,
}

impl Disk {
    /// In good order at `now`.
    pub(super) fn new(now: Time) -> Self {
        Self {
            last_sync: now,
            ..Self::default()
        }
    }
}
