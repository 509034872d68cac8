//! What a content has of that which all of an agent share: memory for pieces, connections.

use std::sync::atomic::Ordering;

use narrows_swarm::{Event, Limits, Time};

use super::Session;

/// Memory for pieces, in bytes, of all content that is being fetched.
const PIECE_MEMORY: u64 = 64 << 20;

impl Session {
    /// Takes this content's part; it changes with how many others there are.
    pub(super) fn share_limits(&mut self, now: Time) {
        let fetching = !self.swarm.have().is_full();
        if fetching != self.counted_as_fetching {
            self.counted_as_fetching = fetching;
            match fetching {
                true => self.shared.fetching.fetch_add(1, Ordering::Relaxed),
                false => self.shared.fetching.fetch_sub(1, Ordering::Relaxed),
            };
        }
        let limits = Limits {
            memory: PIECE_MEMORY / self.shared.fetching.load(Ordering::Relaxed).max(1),
            connections: connections(
                self.shared.open_files,
                self.shared.contents.load(Ordering::Relaxed),
            ),
            ..self.limits
        };
        if limits != self.limits {
            self.limits = limits;
            self.feed(Event::SetLimits(limits), None, now);
        }
    }
}

/// Connections of each of so many contents: all together are half of what may be open, for files need the rest.
fn connections(open_files: u64, contents: u64) -> usize {
    let part = usize::try_from(open_files / 2 / contents.max(1)).unwrap_or(usize::MAX);
    part.clamp(16, Limits::default().connections)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_contents_together_leave_half_of_the_descriptors_to_files() {
        assert_eq!(connections(1024, 8), 64);
        assert_eq!(connections(u64::MAX, 8), 512);
        assert_eq!(connections(65_536, 0), 512);
        assert_eq!(connections(1024, 1000), 16);
    }
}
