//! The state of one content.

use narrows_protocol::InfoHash;

use crate::{Announce, Context, Decision, Refusal, SwarmStatus, Time};

/// How many peers a swarm has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Seeders.
    pub complete: u32,
    /// Everybody else.
    pub incomplete: u32,
    /// How often the content was completed.
    pub downloaded: u32,
}

/// Everything the tracker knows of one content.
#[derive(Debug)]
pub struct Swarm {
    info_hash: InfoHash,
}

impl Swarm {
    /// A swarm without peers, of a content whose size nobody has said.
    pub fn new(info_hash: InfoHash) -> Swarm {
        Swarm { info_hash }
    }

    /// A swarm without peers, of a content of `size` bytes. Knowing the size, the tracker can tell from the
    /// first announce on who holds data.
    pub fn with_size(info_hash: InfoHash, size: u64) -> Swarm {
        let _ = size;
        Swarm { info_hash }
    }

    /// Takes an announce and says what the peer is told. `now` never runs backwards.
    ///
    /// # Errors
    /// Refuses an address of no site; the swarm is then unchanged.
    pub fn announce(
        &mut self,
        cx: &Context<'_>,
        announce: &Announce<'_>,
        now: Time,
        rng: &mut dyn rand::Rng,
    ) -> Result<Decision, Refusal> {
        let _ = (cx, announce, now, rng);
        Err(Refusal::UnmappedAddress)
    }

    /// Forgets the peers that have not come back, and says how many. Called from a sweep, never for a request.
    pub fn expire(&mut self, cx: &Context<'_>, now: Time) -> usize {
        let _ = (cx, now);
        0
    }

    /// Takes over a new site map, that of `cx`: peers are located anew, those of no site are forgotten, parents
    /// are planned anew, gateways that work stay.
    pub fn remap(&mut self, cx: &Context<'_>, now: Time) {
        let _ = (cx, now);
    }

    /// Forgets everything: the swarm's flows leave the ledger. Call before dropping a swarm.
    pub fn retire(&mut self, cx: &Context<'_>) {
        let _ = cx;
    }

    /// How many peers there are.
    pub fn counts(&self) -> Counts {
        Counts::default()
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        true
    }

    /// What `/status` shows.
    pub fn status(&self, cx: &Context<'_>, now: Time) -> SwarmStatus {
        let _ = (cx, now);
        SwarmStatus {
            info_hash: self.info_hash.to_string(),
            peers: 0,
            seeders: 0,
            leechers: 0,
            downloaded: 0,
            sites: Vec::new(),
        }
    }
}
