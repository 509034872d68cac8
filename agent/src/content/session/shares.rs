//! What a content has of that which all of an agent share: memory for pieces, connections.

use std::sync::atomic::Ordering;

use narrows_swarm::{Event, Limits, Time};

use super::Session;
use crate::resources::descriptors;

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
            connections: descriptors::connections(
                self.shared.descriptors,
                self.shared.contents.load(Ordering::Relaxed),
            ),
            ..self.limits
        };
        if limits != self.limits {
            self.limits = limits;
            self.feed(Event::SetLimits(limits), now);
        }
    }
}
