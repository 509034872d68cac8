//! What must hold in a swarm. Where it does not, the fault is the tracker's, never a peer's.

/// An invariant that does not hold. No announce can break one; a swarm in which one is broken goes on with a
/// safe answer, counts it, and says so: see [`crate::Swarm::take_broken`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, thiserror::Error)]
pub enum Broken {
    /// A peer is known to be in a site that the swarm does not have.
    #[error("the site of a known peer is not in the swarm")]
    SiteMissing,
    /// A peer that announces, or that an index names, has no record in its site.
    #[error("a known peer has no record in its site")]
    PeerMissing,
    /// A peer that was found to hold a lease holds none.
    #[error("a gateway holds no lease of its site")]
    LeaseMissing,
}

/// The invariants that broke in a swarm, with how often each did.
#[derive(Clone, Debug)]
pub(crate) struct Faults {
    counts: Vec<(Broken, u32)>,
    strict: bool,
}

impl Default for Faults {
    fn default() -> Self {
        Faults {
            counts: Vec::new(),
            strict: cfg!(debug_assertions),
        }
    }
}

impl Faults {
    /// Whether a broken invariant ends the program, as it does in debug builds.
    pub(crate) fn set_strict(&mut self, strict: bool) {
        self.strict = strict;
    }

    /// Counts a broken invariant.
    ///
    /// # Panics
    /// Where that is asked for: in debug builds and simulations.
    pub(crate) fn note(&mut self, broken: Broken) {
        assert!(!self.strict, "broken invariant: {broken}");
        match self.counts.iter_mut().find(|(known, _)| *known == broken) {
            Some((_, count)) => *count = count.saturating_add(1),
            None => self.counts.push((broken, 1)),
        }
    }

    pub(crate) fn take(&mut self) -> Vec<(Broken, u32)> {
        std::mem::take(&mut self.counts)
    }
}
