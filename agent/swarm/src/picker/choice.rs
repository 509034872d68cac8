//! The choice of the next piece: for a local peer, for an upstream, and where a piece stands still.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use narrows_wire::{BLOCK_LEN, Block};

use super::active::Active;
use super::availability::Search;
use super::{Bits, Candidate, Nearby, Picker, cmp};
use crate::{PeerKey, Time};

/// Whether all these gateways, which come before us for a piece, have been silent for long enough.
pub type MayTakeOver<'a> = dyn Fn(&mut dyn Iterator<Item = SocketAddr>) -> bool + 'a;

/// Whether all these parents, which come before one for a piece, have stood still for long enough.
pub type MayStandIn<'a> = dyn Fn(&mut dyn Iterator<Item = usize>) -> bool + 'a;

/// What a parent may fetch beside its own share. `None`: nothing of that kind.
#[derive(Clone, Copy, Default)]
pub struct Takeover<'a> {
    /// Pieces of other gateways.
    pub gateways: Option<&'a MayTakeOver<'a>>,
    /// Pieces of our other parents.
    pub parents: Option<&'a MayStandIn<'a>>,
}

/// Questions asked piece by piece before the sets are intersected word by word.
const TRIES: u32 = 256;

impl Picker {
    /// Reserves the next piece for a local peer.
    pub fn pick_local(&mut self, peer: PeerKey, theirs: &Bits, now: Time) -> Option<u32> {
        let mixes = !self.alone.contains(&peer);
        if let Some(piece) = self.begun.iter().copied().find(|piece| mixes && theirs.has(*piece)) {
            return Some(self.adopt(piece, peer, false));
        }
        let found = self.local.rarest(TRIES, &mut self.rng, |piece| theirs.has(piece));
        let piece = match found {
            Search::Found(piece) => piece,
            Search::Exhausted => return None,
            Search::GaveUp => self.rarest_of(theirs)?,
        };
        Some(self.reserve(piece, peer, false, now))
    }

    /// The same by intersecting the sets: for a peer that has few of the rarest.
    pub(super) fn rarest_of(&mut self, theirs: &Bits) -> Option<u32> {
        let key = |piece: u32| u64::from(piece.wrapping_mul(0x9E37_79B1));
        let candidates = self.pickable.and(theirs).map(|piece| Candidate {
            piece,
            begun: false,
            holders: self.local.holders(piece),
            own: true,
            key: key(piece),
        });
        candidates.min_by(cmp).map(|best| best.piece)
    }

    /// Reserves the next piece for an upstream of `parent`.
    pub fn pick_upstream(
        &mut self,
        peer: PeerKey,
        theirs: &Bits,
        parent: usize,
        takeover: Takeover<'_>,
        now: Time,
    ) -> Option<u32> {
        let mixes = !self.alone.contains(&peer);
        let begun = self.begun.iter().copied().filter(|_| mixes);
        if let Some(piece) = begun
            .into_iter()
            .find(|p| theirs.has(*p) && !self.comes_nearby(*p) && self.is_for_parent(*p, parent, takeover))
        {
            return Some(self.adopt(piece, peer, true));
        }
        let piece = self.own_next(theirs, parent).or_else(|| self.taken_over(theirs, parent, takeover))?;
        Some(self.reserve(piece, peer, true, now))
    }

    /// Whether [`Self::pick_upstream`] would find a piece of the parent's share, or [`Self::pick_stalled`]
    /// one.
    pub fn upstream_has_work(&mut self, theirs: &Bits, parent: usize, now: Time) -> bool {
        let begun = self.begun.iter().any(|piece| {
            theirs.has(*piece)
                && !self.comes_nearby(*piece)
                && self.is_for_parent(*piece, parent, Takeover::default())
        });
        begun
            || self.own_next(theirs, parent).is_some()
            || self.stalled_for(theirs, parent, now).next().is_some()
    }

    /// Whether `parent` may go on with a piece that another peer began, whichever gateway's it is.
    fn is_for_parent(&self, piece: u32, parent: usize, takeover: Takeover<'_>) -> bool {
        if self.wan.parents.len() < 2 {
            return true;
        }
        let mut before = self.wan.parents_before(piece, parent).peekable();
        before.peek().is_none() || takeover.parents.is_some_and(|allowed| allowed(&mut before))
    }

    fn own_next(&mut self, theirs: &Bits, parent: usize) -> Option<u32> {
        if self.seeds_bring_all() {
            return None;
        }
        let share = self.wan.parents.get_mut(parent)?;
        while let Some(piece) = share.order.get(share.cursor) {
            // reserved ones may come back, so the cursor stops at them
            if self.pickable.has(*piece)
                || self.active.contains_key(piece)
                || self.verifying.contains_key(piece)
            {
                break;
            }
            share.cursor += 1;
        }
        let share = &self.wan.parents[parent];
        let eligible =
            |piece: u32| self.pickable.has(piece) && !self.comes_nearby(piece) && theirs.has(piece);
        let rest = &share.order[share.cursor.min(share.order.len())..];
        let walk = rest.iter().copied().take(TRIES as usize).find(|piece| eligible(*piece));
        if walk.is_some() || rest.len() <= TRIES as usize {
            return walk;
        }
        let candidates = self.pickable.and(theirs).filter(|p| share.pieces.has(*p) && eligible(*p));
        self.first_by_permutation(candidates, true)
    }

    fn taken_over(&self, theirs: &Bits, parent: usize, takeover: Takeover<'_>) -> Option<u32> {
        if self.seeds_bring_all() || (takeover.gateways.is_none() && takeover.parents.is_none()) {
            return None;
        }
        let share = &self.wan.parents.get(parent)?.pieces;
        let gateway = |piece: u32| {
            self.wan.is_own(piece)
                || takeover.gateways.is_some_and(|allowed| allowed(&mut self.wan.before(piece)))
        };
        let others = self.pickable.and(theirs).filter(|piece| {
            !share.has(*piece)
                && !self.comes_nearby(*piece)
                && gateway(*piece)
                && self.is_for_parent(*piece, parent, takeover)
        });
        self.first_by_permutation(others, false)
    }

    fn first_by_permutation(&self, pieces: impl Iterator<Item = u32>, own: bool) -> Option<u32> {
        let candidates = pieces.map(|piece| Candidate {
            piece,
            begun: false,
            holders: 0,
            own,
            key: self.wan.key(piece),
        });
        candidates.min_by(cmp).map(|best| best.piece)
    }

    /// Makes `peer`, which nothing else can be asked for, a helper with the piece that misses most: in the
    /// endgame, and where a piece stands still. With one that failed not before it is held up: that is to
    /// come from one peer alone.
    pub fn pick_endgame(&mut self, peer: PeerKey, theirs: &Bits, now: Time) -> Option<u32> {
        let calm = self.pickable.is_empty() && self.begun.is_empty();
        let open = |active: &Active| active.takes_help(calm, now) || active.crawls(now);
        self.help(peer, open, |piece| theirs.has(piece), now)
    }

    /// The same for an upstream of `parent`: only what no local peer brings, and beside slow seeds alone
    /// before it stands still. There is no endgame across the WAN.
    pub fn pick_stalled(&mut self, peer: PeerKey, theirs: &Bits, parent: usize, now: Time) -> Option<u32> {
        let calm = self.is_calm_beside_slow_seeds();
        let mut owned = self.active.values().filter(|active| active.owner.is_some());
        if !calm && !owned.any(|active| active.is_stalled(now) || active.crawls_nearby(now)) {
            return None;
        }
        let may: BTreeSet<u32> = self.stalled_for(theirs, parent, now).collect();
        let open = |active: &Active| active.takes_help(calm, now) || active.crawls_nearby(now);
        self.help(peer, open, |piece| may.contains(&piece), now)
    }

    fn is_calm_beside_slow_seeds(&self) -> bool {
        self.nearby == Nearby::SeedsAreSlow && self.pickable.is_empty() && self.begun.is_empty()
    }

    /// Pieces on their way that [`Self::pick_stalled`] may choose from.
    fn stalled_for(&self, theirs: &Bits, parent: usize, now: Time) -> impl Iterator<Item = u32> {
        let calm = self.is_calm_beside_slow_seeds();
        let open = self.active.iter().filter(move |(piece, active)| {
            (active.takes_help(calm, now) || active.crawls_nearby(now))
                && theirs.has(**piece)
                && (!self.suspect.contains(piece) || active.is_held_up(now) || active.is_for_all())
                && !self.comes_nearby(**piece)
                && self.is_for_parent(**piece, parent, Takeover::default())
        });
        open.map(|(piece, _)| *piece)
    }

    fn help(
        &mut self,
        peer: PeerKey,
        open: impl Fn(&Active) -> bool,
        may: impl Fn(u32) -> bool,
        now: Time,
    ) -> Option<u32> {
        let (suspect, apart) = (&self.suspect, &self.alone);
        let slow = self.active.iter_mut().filter(|(piece, active)| {
            let one = apart.contains(&peer) || active.owner.is_some_and(|owner| apart.contains(&owner));
            let alone = one || (suspect.contains(piece) && !active.is_held_up(now));
            let mixes = !alone || active.is_for_all();
            open(active) && !active.is_asked_of(peer) && may(**piece) && mixes
        });
        let (piece, active) = slow.max_by_key(|(piece, active)| (active.missing(), **piece))?;
        active.help(peer, now);
        Some(*piece)
    }

    /// The peer that keeps from `peer`, which nothing else can be asked for, a piece that one of the two is to
    /// send alone and that has stood still or crawled for too long.
    pub fn keeps_from(&self, peer: PeerKey, theirs: &Bits, wan: bool, now: Time) -> Option<PeerKey> {
        let mut kept = self.active.iter().filter(|(piece, active)| {
            let also = self.alone.contains(&peer);
            let kept =
                active.owner.is_some_and(|owner| (also || self.alone.contains(&owner)) && owner != peer);
            let over = active.is_overdue(also, now);
            kept && over && theirs.has(**piece) && !(wan && self.comes_nearby(**piece))
        });
        kept.next().and_then(|(_, active)| active.owner)
    }

    /// Whether some piece on its way has stood still for so long that others may help.
    pub fn is_stalled(&self, now: Time) -> bool {
        let mut owned = self.active.values().filter(|active| active.owner.is_some());
        owned.any(|active| active.is_stalled(now))
    }

    /// Begun pieces that stand still: which, since when, and the peers that are asked for them.
    pub fn stalled(&self, now: Time) -> impl Iterator<Item = (u32, Time, Vec<PeerKey>)> {
        let stalled = self.active.iter().filter(move |(_, active)| active.is_stalled(now));
        stalled.map(|(piece, active)| (*piece, active.waits.moved, active.asked_of().collect()))
    }

    /// The next block of any piece that `peer` sends: what it or another refused, or left. An upstream
    /// (`wan`) only of pieces that no local peer brings.
    pub fn resume(&mut self, peer: PeerKey, wan: bool) -> Option<Block> {
        let (nearby, credited) = (self.nearby, &self.credited);
        let mut theirs = self.active.iter_mut().filter(|(piece, active)| {
            active.is_asked_of(peer) && !(wan && nearby.brings(credited.holders(**piece), credited.seeds))
        });
        let (piece, block) = theirs.find_map(|(piece, active)| Some((*piece, active.ask(peer)?)))?;
        Some(self.block(piece, block))
    }

    fn reserve(&mut self, piece: u32, peer: PeerKey, wan: bool, now: Time) -> u32 {
        self.pickable.unset(piece);
        self.local.remove(piece);
        let size = self.lengths.piece_size(piece);
        self.held += u64::from(size);
        let (blocks, waits) = (size.div_ceil(BLOCK_LEN), self.waits.remove(&piece));
        self.active.insert(piece, Active::new(peer, wan, (size, blocks), waits, now));
        piece
    }

    fn adopt(&mut self, piece: u32, peer: PeerKey, wan: bool) -> u32 {
        self.begun.remove(&piece);
        self.held += u64::from(self.lengths.piece_size(piece));
        if let Some(active) = self.active.get_mut(&piece) {
            active.adopt(peer, wan);
        }
        piece
    }
}
