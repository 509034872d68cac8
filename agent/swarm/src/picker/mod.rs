//! Which piece next. This file holds the state of every piece; `choice` chooses.

mod active;
mod availability;
mod bits;
mod choice;
mod credited;
mod division;
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
pub use choice::{MayStandIn, MayTakeOver, Takeover};
pub use division::{Division, gateway_order};
pub use order::{Candidate, cmp};

use crate::{PeerKey, Time};
use active::{Active, Waits};
use availability::Availability;
use credited::Credited;
pub use credited::Word;
use order::WanOrder;

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
    /// Whether a piece comes that has `holders` local holders, `seeds` of which have everything.
    fn brings(self, holders: u32, seeds: u32) -> bool {
        match self {
            Nearby::Brings => holders > 0,
            Nearby::SeedsAreSlow => holders > seeds,
            Nearby::Silent => false,
        }
    }
}

/// The state of every piece and the choice of the next.
///
/// A piece is missing, reserved by one peer (from when its first block is asked for), verifying, or had. The
/// order:
///
/// | class    | a piece may be chosen if                         | first       | then           | then              | then             |
/// |----------|--------------------------------------------------|-------------|----------------|-------------------|------------------|
/// | local    | missing, not reserved, they have it              | begun ones  | fewest holders | -                 | random           |
/// | upstream | the same, none brings it nearby, ours or taken over | begun ones  | (none holds it)| the parent's share| site permutation |
/// | endgame  | nothing is unreserved, or it stands still: asked of one more | most missing blocks | - | -            | -                |
///
/// [`cmp`] is that order; the walks through sorted lists give the same and are tested against it.
#[derive(Debug)]
pub struct Picker {
    lengths: Lengths,
    /// Missing and not reserved.
    pickable: Bits,
    active: BTreeMap<u32, Active>,
    /// The clocks of pieces that were given back by peers that brought nothing of them.
    waits: BTreeMap<u32, Waits>,
    /// Active ones without owner.
    begun: BTreeSet<u32>,
    verifying: BTreeMap<u32, Vec<Source>>,
    /// Failed from several sources at once: next time from one alone.
    suspect: BTreeSet<u32>,
    /// Peers that send pieces alone.
    alone: BTreeSet<PeerKey>,
    local: Availability,
    /// Those of the local peers whose word counts.
    credited: Credited,
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
            waits: BTreeMap::new(),
            begun: BTreeSet::new(),
            verifying: BTreeMap::new(),
            suspect: BTreeSet::new(),
            alone: BTreeSet::new(),
            local,
            credited: Credited::new(pieces),
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

    /// Local peers that hold `piece` and whose word counts.
    pub fn credited_holders(&self, piece: u32) -> u32 {
        self.credited.holders(piece)
    }

    /// A local peer counts from now on: it may be asked, and if its word counts, what it has need not cross
    /// the WAN.
    pub fn add_holder(&mut self, theirs: &Bits, word: Word) {
        if theirs.is_full() {
            self.local.seeds += 1;
        } else {
            theirs.iter().for_each(|piece| self.local.gained(piece));
        }
        if word == Word::Counts {
            self.credited.add(theirs);
        }
    }

    /// A local peer that counted does not any more; `theirs` and `word` as they would be given to
    /// `add_holder`, `whole` if it was counted as having everything.
    pub fn remove_holder(&mut self, theirs: &Bits, whole: bool, word: Word) {
        if whole {
            self.local.seeds -= 1;
        } else {
            theirs.iter().for_each(|piece| self.local.lost(piece));
        }
        if word == Word::Counts {
            self.credited.remove(theirs, whole);
        }
    }

    /// A local peer that counts got this piece.
    pub fn gained(&mut self, piece: u32, word: Word) {
        self.local.gained(piece);
        if word == Word::Counts {
            self.credited.gained(piece);
        }
    }

    /// Sets what local peers are taken to bring.
    pub fn set_nearby(&mut self, nearby: Nearby) {
        self.nearby = nearby;
    }

    /// Whether local peers bring `piece`, so that it need not cross the WAN.
    pub fn comes_nearby(&self, piece: u32) -> bool {
        self.nearby.brings(self.credited.holders(piece), self.credited.seeds)
    }

    fn seeds_bring_all(&self) -> bool {
        self.nearby.brings(self.credited.seeds, self.credited.seeds)
    }

    /// Sets order and shares for upstreams.
    pub fn set_division(&mut self, division: Division) {
        if !self.wan.is_for(&division) {
            self.wan = WanOrder::new(self.lengths.piece_count(), division);
        }
    }

    /// The gateway whose piece it is by rendezvous hash.
    pub fn gateway_of(&self, piece: u32) -> Option<SocketAddr> {
        self.wan.owner(piece)
    }

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

    /// A block that was asked of `peer` came. Also says which other peers were asked for it.
    pub fn take(&mut self, peer: PeerKey, ip: IpAddr, block: Block, now: Time) -> (Taken, Vec<PeerKey>) {
        let Some(active) = self.active.get_mut(&block.piece) else {
            return (Taken::Again, Vec::new());
        };
        // a block that was asked for before, and would come to what another is to send alone
        let one = [Some(peer), active.owner].into_iter().flatten().any(|peer| self.alone.contains(&peer));
        let alone = (one || self.suspect.contains(&block.piece)) && !active.is_for_all();
        if alone && !active.is_asked_of(peer) {
            return (Taken::Again, Vec::new());
        }
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

    /// The piece is hashed and on disk, or not. Returns the peers that sent it, the one that sent
    /// most first.
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

    /// Sets whether what `peer` sends is kept apart from what others send.
    pub fn set_alone(&mut self, peer: PeerKey, alone: bool) {
        if alone {
            self.alone.insert(peer);
        } else {
            self.alone.remove(&peer);
        }
    }

    /// Forgets pieces without owner of which `ip` sent a part, which is not to be mixed with others'; returns
    /// them.
    pub fn forget_begun_by(&mut self, ip: IpAddr) -> Vec<u32> {
        let by = |piece: &u32| self.active.get(piece).is_some_and(|active| active.is_begun_by(ip));
        let begun: Vec<u32> = self.begun.iter().copied().filter(by).collect();
        begun.iter().for_each(|piece| self.forget(*piece));
        begun
    }

    /// Forgets a piece without owner that `peer`, which is to send pieces alone and which nothing else can be
    /// asked for, may then begin anew; returns it.
    pub fn forget_begun_for(&mut self, peer: PeerKey, theirs: &Bits, wan: bool) -> Option<u32> {
        if !self.alone.contains(&peer) {
            return None;
        }
        let may = |piece: &u32| theirs.has(*piece) && !(wan && self.comes_nearby(*piece));
        let piece = self.begun.iter().copied().find(may)?;
        self.forget(piece);
        Some(piece)
    }

    fn forget(&mut self, piece: u32) {
        self.begun.remove(&piece);
        self.active.remove(&piece);
        self.put_back(piece);
    }

    /// What `peer` is to send alone, and does not come on with, is about to be released.
    pub fn take_away(&mut self, peer: PeerKey) {
        let owned = |active: &&mut Active| active.owner == Some(peer);
        self.active.values_mut().filter(owned).for_each(Active::take_away);
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
        let alone = self.suspect.contains(&piece) || self.alone.contains(&peer);
        if got > 0 && waiting + u64::from(active.size) <= keep && !alone {
            self.begun.insert(piece);
            return false;
        }
        if let Some(active) = self.active.remove(&piece)
            && (got == 0 || alone)
        {
            self.waits.insert(piece, active.waits);
        }
        self.put_back(piece);
        got > 0
    }

    /// Forgets all pieces without owner; returns those whose blocks are to be forgotten.
    pub fn forget_begun(&mut self) -> Vec<u32> {
        let begun: Vec<u32> = self.begun.iter().copied().collect();
        begun.iter().for_each(|piece| self.forget(*piece));
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

    fn put_back(&mut self, piece: u32) {
        self.pickable.set(piece);
        self.local.insert(piece);
    }
}
