//! A piece on its way: which of its blocks are asked for and here.

use std::net::IpAddr;

use super::bits::Bits;
use crate::{PeerKey, Time};

/// A piece of which nothing came for this long is asked of others, too.
const STALLED: Time = Time::from_secs(2);
/// A piece that failed, which one peer alone is to send, is asked of others after this long.
const HELD_UP: Time = Time::from_secs(3);
/// And so much later of one that is to send pieces alone, too.
const AFTER_OTHERS: Time = Time::from_secs(1);
/// However it moves, another idle local peer helps after each such time: those that send it may all crawl.
const CRAWLS: Time = Time::from_secs(3);

/// A reserved piece.
#[derive(Debug)]
pub(super) struct Active {
    /// The peer that is to send it; `None`: it left, and the blocks that are here wait for another.
    pub(super) owner: Option<PeerKey>,
    /// Peers that send blocks of it too: in the endgame, and where it stands still.
    helpers: Vec<Helper>,
    /// Reserved from an upstream.
    pub(super) wan: bool,
    /// Its length in bytes.
    pub(super) size: u32,
    pub(super) waits: Waits,
    got: Bits,
    asked: Bits,
    /// All blocks before it are asked for or here.
    next: u32,
    blocks: u32,
    sources: Vec<Source>,
}

/// The clocks of a piece. A peer that gives it back and brought nothing of it that is kept does not set them back:
/// else one that reserves it again and again would keep all others from it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waits {
    /// When a block of it last came, or when it was reserved.
    pub(super) moved: Time,
    /// When the last of the peers that send it was asked to.
    joined: Time,
    /// It was taken away from a peer that was to send it alone and did not come on. From then on any may help:
    /// getting it is worth more than knowing which peer sent wrong data.
    taken_away: bool,
}

/// A peer that sends blocks of another's piece, and the blocks that it was asked for.
#[derive(Debug)]
struct Helper {
    peer: PeerKey,
    asked: Bits,
}

/// How much of a piece a peer sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Source {
    /// The connection.
    pub peer: PeerKey,
    /// Its address, which outlives the connection.
    pub ip: IpAddr,
    /// Blocks of it that were kept.
    pub blocks: u32,
}

/// What became of a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Taken {
    /// Kept; more are missing.
    Part,
    /// Kept; it was the last.
    Whole,
    /// It was here already.
    Again,
}

impl Active {
    /// A piece of `size` bytes in `blocks` blocks, reserved now; `waits`: its clocks, if peers reserved it
    /// before and brought nothing of it.
    pub(super) fn new(
        owner: PeerKey,
        wan: bool,
        (size, blocks): (u32, u32),
        waits: Option<Waits>,
        now: Time,
    ) -> Active {
        let waits = waits.unwrap_or(Waits {
            moved: now,
            joined: now,
            taken_away: false,
        });
        Active {
            owner: Some(owner),
            helpers: Vec::new(),
            wan,
            size,
            waits,
            got: Bits::new(blocks),
            asked: Bits::new(blocks),
            next: 0,
            blocks,
            sources: Vec::new(),
        }
    }

    /// Whether `peer` sends it, alone or beside others.
    pub(super) fn is_asked_of(&self, peer: PeerKey) -> bool {
        self.owner == Some(peer) || self.helpers.iter().any(|helper| helper.peer == peer)
    }

    /// Whether nothing of it has come for a while.
    pub(super) fn is_stalled(&self, now: Time) -> bool {
        now >= self.waits.moved + STALLED
    }

    /// The peers that send it.
    pub(super) fn asked_of(&self) -> impl Iterator<Item = PeerKey> {
        self.owner.into_iter().chain(self.helpers.iter().map(|helper| helper.peer))
    }

    /// Whether one more may send it. In the endgame (`calm`: nothing else is left) one helps at once. The
    /// longer nothing comes the more do, since those that were asked may all have stopped: within 5 s
    /// every peer may.
    pub(super) fn takes_help(&self, calm: bool, now: Time) -> bool {
        let most = match now.saturating_sub(self.waits.moved) {
            still if still < STALLED => usize::from(calm),
            still if still < STALLED * 2 => 2,
            _ => usize::MAX,
        };
        self.helpers.len() < most
    }

    /// Whether nothing of it has come for so long that others help even with a piece that failed: getting it
    /// is worth more than knowing which peer sent wrong data.
    pub(super) fn is_held_up(&self, now: Time) -> bool {
        now >= self.waits.moved + HELD_UP
    }

    /// Whether a peer that is to send it alone has had its time, so that another may begin it anew; one that
    /// is to send alone, too (`also`), comes after those that are not.
    pub(super) fn is_overdue(&self, also: bool, now: Time) -> bool {
        let later = if also { AFTER_OTHERS } else { Time::ZERO };
        let still = now >= self.waits.moved + HELD_UP + later;
        !self.waits.taken_away && (still || now >= self.waits.joined + (CRAWLS + later) * 2)
    }

    /// Whether all may help, though it or one of them was to be alone.
    pub(super) fn is_for_all(&self) -> bool {
        self.waits.taken_away
    }

    /// It is taken away from its owner.
    pub(super) fn take_away(&mut self) {
        self.waits.taken_away = true;
    }

    /// Whether the peers that send it have had their time, so that an idle local peer may help: a block now
    /// and then from each of several that crawl looks like progress and takes for ever.
    pub(super) fn crawls(&self, now: Time) -> bool {
        now >= self.waits.joined + CRAWLS
    }

    /// The same where local peers alone send it: then an upstream may help.
    pub(super) fn crawls_nearby(&self, now: Time) -> bool {
        !self.wan && self.crawls(now)
    }

    /// `peer` sends it, too.
    pub(super) fn help(&mut self, peer: PeerKey, now: Time) {
        self.waits.joined = now;
        let asked = Bits::new(self.blocks);
        self.helpers.push(Helper { peer, asked });
    }

    /// The next block to ask `peer` for. The owner goes forward, first through what no peer was asked for,
    /// then through what helpers were, who may never send it; a helper goes backward through what is not
    /// here.
    pub(super) fn ask(&mut self, peer: PeerKey) -> Option<u32> {
        if self.owner == Some(peer) {
            let mine = |block: &u32| !self.got.has(*block) && !self.asked.has(*block);
            let helped = |block: &u32| self.helpers.iter().any(|helper| helper.asked.has(*block));
            let free = (self.next..self.blocks).find(|block| mine(block) && !helped(block));
            self.next = free.map_or(self.blocks, |block| block + 1);
            let block = free.or_else(|| (0..self.blocks).find(mine))?;
            self.asked.set(block);
            return Some(block);
        }
        let helper = self.helpers.iter_mut().find(|helper| helper.peer == peer)?;
        let missing = |block: &u32| !self.got.has(*block) && !helper.asked.has(*block);
        let block = (0..self.blocks).rev().find(missing)?;
        helper.asked.set(block);
        Some(block)
    }

    /// The block will not come from `peer`.
    pub(super) fn unask(&mut self, peer: PeerKey, block: u32) {
        if self.owner == Some(peer) {
            self.asked.unset(block);
        } else if let Some(helper) = self.helpers.iter_mut().find(|helper| helper.peer == peer) {
            helper.asked.unset(block);
        }
        self.next = self.next.min(block);
    }

    /// The block came.
    pub(super) fn take(&mut self, peer: PeerKey, ip: IpAddr, block: u32, now: Time) -> Taken {
        if !self.got.set(block) {
            return Taken::Again;
        }
        self.waits.moved = now;
        match self.sources.iter_mut().find(|source| source.peer == peer) {
            Some(source) => source.blocks += 1,
            None => self.sources.push(Source { peer, ip, blocks: 1 }),
        }
        if self.got.is_full() {
            Taken::Whole
        } else {
            Taken::Part
        }
    }

    /// The other peers that the block was asked of, too.
    pub(super) fn rivals(&self, peer: PeerKey, block: u32) -> Vec<PeerKey> {
        let owner = self.owner.filter(|_| self.asked.has(block));
        let helpers = self.helpers.iter().filter(|helper| helper.asked.has(block));
        let all = owner.into_iter().chain(helpers.map(|helper| helper.peer));
        all.filter(|other| *other != peer).collect()
    }

    /// `peer` will send no more of it. A helper takes the owner's place.
    pub(super) fn leave(&mut self, peer: PeerKey) {
        self.helpers.retain(|helper| helper.peer != peer);
        self.next = 0;
        if self.owner == Some(peer) {
            let heir = (!self.helpers.is_empty()).then(|| self.helpers.remove(0));
            self.owner = heir.as_ref().map(|heir| heir.peer);
            self.asked = heir.map_or_else(|| Bits::new(self.blocks), |heir| heir.asked);
        }
    }

    /// Another peer goes on with it.
    pub(super) fn adopt(&mut self, owner: PeerKey, wan: bool) {
        self.owner = Some(owner);
        self.wan = wan;
        self.asked.clear();
        self.next = 0;
    }

    /// Whether blocks of it came from `ip`.
    pub(super) fn is_begun_by(&self, ip: IpAddr) -> bool {
        self.sources.iter().any(|source| source.ip == ip)
    }

    /// Blocks that are here.
    pub(super) fn got(&self) -> u32 {
        self.got.count()
    }

    /// Blocks that are not.
    pub(super) fn missing(&self) -> u32 {
        self.blocks - self.got.count()
    }

    /// The peers that sent it, the one that sent most first.
    pub(super) fn into_sources(mut self) -> Vec<Source> {
        self.sources.sort_by_key(|source| (std::cmp::Reverse(source.blocks), source.peer));
        self.sources
    }
}
