//! Which piece next.

mod active;
mod availability;
mod bits;
mod order;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use narrows_protocol::metainfo::Lengths;
use narrows_wire::{BLOCK_LEN, Bitfield, Block};
use rand::SeedableRng;
use rand::rngs::SmallRng;

pub use active::{Source, Taken};
pub use bits::Bits;
pub use order::{Candidate, Plan, cmp, gateway_order};

use crate::{PeerKey, Time};
use active::Active;
use availability::Availability;
use order::WanOrder;

/// Whether all these gateways, which come before us for a piece, have been silent for long enough.
pub type MayTakeOver<'a> = dyn Fn(&mut dyn Iterator<Item = SocketAddr>) -> bool + 'a;

/// Whether all these lines, which come before one for a piece, have stood still for long enough.
pub type MayStandIn<'a> = dyn Fn(&mut dyn Iterator<Item = usize>) -> bool + 'a;

/// What a line may fetch beside its own share. `None`: nothing of that kind.
#[derive(Clone, Copy, Default)]
pub struct Takeover<'a> {
    /// Pieces of other gateways.
    pub gateways: Option<&'a MayTakeOver<'a>>,
    /// Pieces of our other lines.
    pub lines: Option<&'a MayStandIn<'a>>,
}

/// What local peers are taken to bring, so that it need not cross the WAN.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Nearby {
    /// What they have.
    Brings,
    /// The same, but for what only peers have that have everything: these bring less than the link would.
    SeedsAreSlow,
    /// Nothing: all are silent.
    Silent,
}

impl Nearby {
    /// Whether a piece comes that has so many local holders, of which so many have everything.
    fn brings(self, holders: u32, seeds: u32) -> bool {
        match self {
            Nearby::Brings => holders > 0,
            Nearby::SeedsAreSlow => holders > seeds,
            Nearby::Silent => false,
        }
    }
}

/// Questions asked piece by piece before the sets are intersected word by word.
const TRIES: u32 = 256;

/// The state of every piece and the choice of the next.
///
/// A piece is missing, reserved by one peer (from when its first block is asked for), verifying, or had. The
/// order:
///
/// | class    | a piece may be chosen if                         | first       | then           | then              | then             |
/// |----------|--------------------------------------------------|-------------|----------------|-------------------|------------------|
/// | local    | missing, not reserved, they have it              | begun ones  | fewest holders | -                 | random           |
/// | upstream | the same, no local holder, ours or taken over    | begun ones  | (none holds it)| the line's share  | site permutation |
/// | endgame  | nothing is unreserved, or it stands still: asked of one more | most missing blocks | - | -            | -                |
///
/// [`cmp`] is that order; the walks through sorted lists below give the same and are tested against it.
#[derive(Debug)]
pub struct Picker {
    lengths: Lengths,
    /// Missing and not reserved.
    pickable: Bits,
    active: BTreeMap<u32, Active>,
    /// Active ones without owner.
    begun: BTreeSet<u32>,
    verifying: BTreeMap<u32, Vec<Source>>,
    /// Failed from several sources at once: next time from one alone.
    suspect: BTreeSet<u32>,
    local: Availability,
    nearby: Nearby,
    wan: WanOrder,
    /// Bytes of pieces with an owner and of those being verified.
    held: u64,
    rng: SmallRng,
}

impl Picker {
    /// With the pieces of `have` done.
    pub fn new(lengths: Lengths, have: &Bitfield, seed: u64) -> Picker {
        let pieces = lengths.piece_count();
        let mut pickable = Bits::new(pieces);
        have.iter_missing().for_each(|piece| {
            pickable.set(piece);
        });
        let mut rng = SmallRng::seed_from_u64(seed);
        let local = Availability::new(pieces, have.iter_missing(), &mut rng);
        Picker {
            lengths,
            pickable,
            active: BTreeMap::new(),
            begun: BTreeSet::new(),
            verifying: BTreeMap::new(),
            suspect: BTreeSet::new(),
            local,
            nearby: Nearby::Brings,
            wan: WanOrder::default(),
            held: 0,
            rng,
        }
    }

    /// Bytes of pieces with an owner and of those being verified.
    pub fn held(&self) -> u64 {
        self.held
    }

    /// Pieces that are missing and not reserved.
    pub fn pickable(&self) -> u32 {
        self.pickable.count()
    }

    /// Local peers that hold `piece`.
    pub fn holders(&self, piece: u32) -> u32 {
        self.local.holders(piece)
    }

    // Who has what.

    /// A local peer counts from now on.
    pub fn add_holder(&mut self, theirs: &Bits) {
        if theirs.is_full() {
            self.local.seeds += 1;
        } else {
            theirs.iter().for_each(|piece| self.local.gained(piece));
        }
    }

    /// A local peer that counted does not any more; `theirs` as it would be given to `add_holder`, `whole` if
    /// it was counted as having everything.
    pub fn remove_holder(&mut self, theirs: &Bits, whole: bool) {
        if whole {
            self.local.seeds -= 1;
        } else {
            theirs.iter().for_each(|piece| self.local.lost(piece));
        }
    }

    /// A local peer that counts got this piece.
    pub fn gained(&mut self, piece: u32) {
        self.local.gained(piece);
    }

    /// Sets what local peers are taken to bring.
    pub fn set_nearby(&mut self, nearby: Nearby) {
        self.nearby = nearby;
    }

    /// Whether local peers bring `piece`, so that it need not cross the WAN.
    pub fn comes_nearby(&self, piece: u32) -> bool {
        self.nearby.brings(self.local.holders(piece), self.local.seeds)
    }

    fn seeds_bring_all(&self) -> bool {
        self.nearby.brings(self.local.seeds, self.local.seeds)
    }

    /// Sets order and shares for upstreams.
    pub fn set_plan(&mut self, plan: Plan) {
        if !self.wan.is_for(&plan) {
            self.wan = WanOrder::new(self.lengths.piece_count(), plan);
        }
    }

    /// The gateway whose piece it is by rendezvous hash.
    pub fn gateway_of(&self, piece: u32) -> Option<SocketAddr> {
        self.wan.owner(piece)
    }

    // Choosing.

    /// Reserves the next piece for a local peer.
    pub fn pick_local(&mut self, peer: PeerKey, theirs: &Bits, now: Time) -> Option<u32> {
        if let Some(piece) = self.begun.iter().copied().find(|piece| theirs.has(*piece)) {
            return Some(self.adopt(piece, peer, false, now));
        }
        let found = self.local.rarest(TRIES, &mut self.rng, |piece| theirs.has(piece));
        let piece = match found {
            Ok(piece) => piece,
            Err(true) => return None,
            Err(false) => self.rarest_of(theirs)?,
        };
        Some(self.reserve(piece, peer, false, now))
    }

    /// The same by intersecting the sets: for a peer that has few of the rarest.
    fn rarest_of(&mut self, theirs: &Bits) -> Option<u32> {
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

    /// Reserves the next piece for an upstream of `line`.
    pub fn pick_upstream(
        &mut self,
        peer: PeerKey,
        theirs: &Bits,
        line: usize,
        takeover: Takeover<'_>,
        now: Time,
    ) -> Option<u32> {
        let begun = self.begun.iter().copied();
        if let Some(piece) = begun
            .into_iter()
            .find(|p| theirs.has(*p) && !self.comes_nearby(*p) && self.is_for_line(*p, line, takeover))
        {
            return Some(self.adopt(piece, peer, true, now));
        }
        let piece = self.own_next(theirs, line).or_else(|| self.taken_over(theirs, line, takeover))?;
        Some(self.reserve(piece, peer, true, now))
    }

    /// Whether [`Self::pick_upstream`] would find a piece of the line's share, or [`Self::pick_stalled`] one.
    pub fn upstream_has_work(&mut self, theirs: &Bits, line: usize, now: Time) -> bool {
        let begun = self.begun.iter().any(|piece| {
            theirs.has(*piece)
                && !self.comes_nearby(*piece)
                && self.is_for_line(*piece, line, Takeover::default())
        });
        begun || self.own_next(theirs, line).is_some() || self.stalled_for(theirs, line, now).next().is_some()
    }

    /// Whether `line` may go on with a piece that another peer began, whichever gateway's it is.
    fn is_for_line(&self, piece: u32, line: usize, takeover: Takeover<'_>) -> bool {
        if self.wan.lines.len() < 2 {
            return true;
        }
        let mut before = self.wan.lines_before(piece, line).peekable();
        before.peek().is_none() || takeover.lines.is_some_and(|allowed| allowed(&mut before))
    }

    fn own_next(&mut self, theirs: &Bits, line: usize) -> Option<u32> {
        if self.seeds_bring_all() {
            return None;
        }
        let share = self.wan.lines.get_mut(line)?;
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
        let share = &self.wan.lines[line];
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

    fn taken_over(&self, theirs: &Bits, line: usize, takeover: Takeover<'_>) -> Option<u32> {
        if self.seeds_bring_all() || (takeover.gateways.is_none() && takeover.lines.is_none()) {
            return None;
        }
        let share = &self.wan.lines.get(line)?.pieces;
        let gateway = |piece: u32| {
            self.wan.is_own(piece)
                || takeover.gateways.is_some_and(|allowed| allowed(&mut self.wan.before(piece)))
        };
        let others = self.pickable.and(theirs).filter(|piece| {
            !share.has(*piece)
                && !self.comes_nearby(*piece)
                && gateway(*piece)
                && self.is_for_line(*piece, line, takeover)
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

    /// The same for an upstream of `line`: only what no local peer brings, and beside slow seeds alone before
    /// it stands still. There is no endgame across the WAN.
    pub fn pick_stalled(&mut self, peer: PeerKey, theirs: &Bits, line: usize, now: Time) -> Option<u32> {
        let calm = self.is_calm_beside_slow_seeds();
        if !calm && !self.is_stalled(now) {
            return None;
        }
        let may: BTreeSet<u32> = self.stalled_for(theirs, line, now).collect();
        let open = |active: &Active| active.takes_help(calm, now);
        self.help(peer, open, |piece| may.contains(&piece), now)
    }

    fn is_calm_beside_slow_seeds(&self) -> bool {
        self.nearby == Nearby::SeedsAreSlow && self.pickable.is_empty() && self.begun.is_empty()
    }

    /// Pieces on their way that [`Self::pick_stalled`] may choose from.
    fn stalled_for(&self, theirs: &Bits, line: usize, now: Time) -> impl Iterator<Item = u32> {
        let calm = self.is_calm_beside_slow_seeds();
        let open = self.active.iter().filter(move |(piece, active)| {
            active.takes_help(calm, now)
                && theirs.has(**piece)
                && (!self.suspect.contains(piece) || active.is_held_up(now))
                && !self.comes_nearby(**piece)
                && self.is_for_line(**piece, line, Takeover::default())
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
        let suspect = &self.suspect;
        let slow = self.active.iter_mut().filter(|(piece, active)| {
            let alone = suspect.contains(piece) && !active.is_held_up(now);
            open(active) && !active.is_asked_of(peer) && may(**piece) && !alone
        });
        let (piece, active) = slow.max_by_key(|(piece, active)| (active.missing(), **piece))?;
        active.help(peer, now);
        Some(*piece)
    }

    /// Whether some piece on its way has stood still for so long that others may help.
    pub fn is_stalled(&self, now: Time) -> bool {
        let mut owned = self.active.values().filter(|active| active.owner.is_some());
        owned.any(|active| active.is_stalled(now))
    }

    /// Begun pieces that stand still: which, since when, and who is asked for them.
    pub fn stalled(&self, now: Time) -> impl Iterator<Item = (u32, Time, Vec<PeerKey>)> {
        let stalled = self.active.iter().filter(move |(_, active)| active.is_stalled(now));
        stalled.map(|(piece, active)| (*piece, active.moved, active.asked_of().collect()))
    }

    /// The next block of any piece that `peer` sends: what it or another refused, or left. An upstream
    /// (`wan`) only of pieces that no local peer brings.
    pub fn resume(&mut self, peer: PeerKey, wan: bool) -> Option<Block> {
        let (nearby, local) = (self.nearby, &self.local);
        let mut theirs = self.active.iter_mut().filter(|(piece, active)| {
            active.is_asked_of(peer) && !(wan && nearby.brings(local.holders(**piece), local.seeds))
        });
        let (piece, block) = theirs.find_map(|(piece, active)| Some((*piece, active.ask(peer)?)))?;
        Some(self.block(piece, block))
    }

    // Blocks.

    /// The next block of a reserved piece to ask `peer` for.
    pub fn ask(&mut self, piece: u32, peer: PeerKey) -> Option<Block> {
        let block = self.active.get_mut(&piece)?.ask(peer)?;
        Some(self.block(piece, block))
    }

    /// A block that was asked of `peer` will not come.
    pub fn unask(&mut self, peer: PeerKey, block: Block) {
        if let Some(active) = self.active.get_mut(&block.piece) {
            active.unask(peer, block.begin / BLOCK_LEN);
        }
    }

    /// A block that was asked of `peer` came. Also tells who else was asked for it.
    pub fn take(&mut self, peer: PeerKey, ip: IpAddr, block: Block, now: Time) -> (Taken, Vec<PeerKey>) {
        let Some(active) = self.active.get_mut(&block.piece) else {
            return (Taken::Again, Vec::new());
        };
        let index = block.begin / BLOCK_LEN;
        let rivals = active.rivals(peer, index);
        let taken = active.take(peer, ip, index, now);
        if taken == Taken::Whole
            && let Some(active) = self.active.remove(&block.piece)
        {
            if active.owner.is_none() {
                self.held += u64::from(active.size);
            }
            self.begun.remove(&block.piece);
            self.verifying.insert(block.piece, active.into_sources());
        }
        (taken, rivals)
    }

    /// Who sent most of a piece that is being verified.
    pub fn main_source(&self, piece: u32) -> Option<PeerKey> {
        self.verifying.get(&piece)?.first().map(|source| source.peer)
    }

    /// The piece is hashed and on disk, or not. Returns who sent it, most first.
    pub fn verified(&mut self, piece: u32, ok: bool) -> Option<Vec<Source>> {
        let sources = self.verifying.remove(&piece)?;
        self.held -= u64::from(self.lengths.piece_size(piece));
        if ok {
            self.suspect.remove(&piece);
        } else {
            if sources.len() > 1 {
                self.suspect.insert(piece);
            }
            self.put_back(piece);
        }
        Some(sources)
    }

    /// `peer` sends nothing more of what it reserved. Pieces of which blocks are here wait for another peer
    /// as long as these take up no more than `keep` bytes; returns those whose blocks are to be forgotten.
    pub fn release(&mut self, peer: PeerKey, keep: u64) -> Vec<u32> {
        let theirs: Vec<u32> = self
            .active
            .iter()
            .filter(|(_, active)| active.is_asked_of(peer))
            .map(|(piece, _)| *piece)
            .collect();
        theirs.into_iter().filter(|piece| self.release_piece(*piece, peer, keep)).collect()
    }

    /// The same for one piece; whether its blocks are to be forgotten.
    pub fn release_piece(&mut self, piece: u32, peer: PeerKey, keep: u64) -> bool {
        let waiting: u64 = self.begun.iter().map(|piece| u64::from(self.lengths.piece_size(*piece))).sum();
        let Some(active) = self.active.get_mut(&piece) else {
            return false;
        };
        let had_owner = active.owner.is_some();
        active.leave(peer);
        if active.owner.is_some() || !had_owner {
            return false;
        }
        self.held -= u64::from(active.size);
        let got = active.got();
        if got > 0 && waiting + u64::from(active.size) <= keep && !self.suspect.contains(&piece) {
            self.begun.insert(piece);
            return false;
        }
        self.active.remove(&piece);
        self.put_back(piece);
        got > 0
    }

    /// Forgets all pieces without owner; returns those whose blocks are to be forgotten.
    pub fn forget_begun(&mut self) -> Vec<u32> {
        let begun: Vec<u32> = std::mem::take(&mut self.begun).into_iter().collect();
        for piece in &begun {
            self.active.remove(piece);
            self.put_back(*piece);
        }
        begun
    }

    fn block(&self, piece: u32, index: u32) -> Block {
        let begin = index * BLOCK_LEN;
        Block {
            piece,
            begin,
            len: self.lengths.block_len(piece, begin),
        }
    }

    fn reserve(&mut self, piece: u32, peer: PeerKey, wan: bool, now: Time) -> u32 {
        self.pickable.unset(piece);
        self.local.remove(piece);
        let size = self.lengths.piece_size(piece);
        self.held += u64::from(size);
        self.active.insert(piece, Active::new(peer, wan, size, size.div_ceil(BLOCK_LEN), now));
        piece
    }

    fn adopt(&mut self, piece: u32, peer: PeerKey, wan: bool, now: Time) -> u32 {
        self.begun.remove(&piece);
        self.held += u64::from(self.lengths.piece_size(piece));
        if let Some(active) = self.active.get_mut(&piece) {
            active.adopt(peer, wan, now);
        }
        piece
    }

    fn put_back(&mut self, piece: u32) {
        self.pickable.set(piece);
        self.local.insert(piece);
    }
}
