//! What one content has of that which all of an agent share: memory for pieces, connections.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use narrows_swarm::Limits;

use super::{Resources, descriptors};

/// Memory for pieces, in bytes, of all contents that are being fetched.
const PIECE_MEMORY: u64 = 64 << 20;

/// A content's part of the resources, as long as it is held. It changes with how many others there are.
#[derive(Debug)]
pub(crate) struct Allotment {
    resources: Arc<Resources>,
    fetching: bool,
}

impl Allotment {
    /// One more content, which does not fetch yet.
    pub(crate) fn of(resources: Arc<Resources>) -> Self {
        resources.contents.fetch_add(1, Ordering::Relaxed);
        Self {
            resources,
            fetching: false,
        }
    }

    /// Whether the content fetches: only then it needs memory for pieces.
    pub(crate) fn set_fetching(&mut self, fetching: bool) {
        if fetching != self.fetching {
            self.fetching = fetching;
            match fetching {
                true => self.resources.fetching.fetch_add(1, Ordering::Relaxed),
                false => self.resources.fetching.fetch_sub(1, Ordering::Relaxed),
            };
        }
    }

    /// The limits of the content's swarm at the moment; what is not shared stays as in `limits`.
    pub(crate) fn limits(&self, limits: Limits) -> Limits {
        let resources = &self.resources;
        Limits {
            memory: PIECE_MEMORY / resources.fetching.load(Ordering::Relaxed).max(1),
            connections: descriptors::connections(
                resources.descriptors,
                resources.contents.load(Ordering::Relaxed),
            ),
            ..limits
        }
    }
}

impl Drop for Allotment {
    fn drop(&mut self) {
        self.set_fetching(false);
        self.resources.contents.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_share_connections_and_those_that_fetch_the_memory() {
        let resources = Arc::new(Resources::new(1024));
        let mut one = Allotment::of(resources.clone());
        one.set_fetching(true);
        let alone = one.limits(Limits::default());
        assert_eq!((alone.memory, alone.connections), (PIECE_MEMORY, 512));
        let mut two = Allotment::of(resources);
        assert_eq!(
            one.limits(alone).memory,
            PIECE_MEMORY,
            "the other one does not fetch"
        );
        assert_eq!(one.limits(alone).connections, 256);
        two.set_fetching(true);
        assert_eq!(one.limits(alone).memory, PIECE_MEMORY / 2);
        drop(two);
        assert_eq!(one.limits(alone), alone);
    }
}
