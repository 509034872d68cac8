//! What we know about one connection.

use std::collections::VecDeque;
use std::net::SocketAddr;

use narrows_protocol::PeerId;
use narrows_wire::{Block, Extensions, Hello};

use crate::picker::{Bits, Word};
use crate::policy::credit::Probation;
use crate::policy::depth;
use crate::policy::first_block::FirstBlock;
use crate::policy::owing::Owing;
use crate::policy::rate::Meter;
use crate::policy::relation::Relation;
use crate::policy::serve::Queue;
use crate::policy::sites::Whereabouts;
use crate::{Class, Origin, Time};

/// A request on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) block: Block,
    pub(super) at: Time,
}

/// How a local peer was counted as holder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Counted {
    /// As one of everything.
    pub(super) whole: bool,
    pub(super) word: Word,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) addr: SocketAddr,
    pub(super) origin: Origin,
    pub(super) peer_id: PeerId,
    pub(super) fast: bool,
    /// It knows the extension protocol.
    pub(super) extended: bool,
    /// Its extension handshake came.
    pub(super) introduced: bool,
    /// Extension messages that it takes.
    pub(super) takes: Extensions,
    /// It said that it has all it wants (BEP 21).
    pub(super) upload_only: bool,
    /// Pieces that it said came wrong from us.
    pub(super) complaints: u32,
    /// Where it listens, if we know.
    pub(super) listen: Option<SocketAddr>,
    pub(super) hello: Option<Hello>,
    pub(super) relation: Relation,
    /// Where it is by its address, as far as the tracker told.
    pub(super) whereabouts: Whereabouts,
    /// An upstream: its site, if the tracker said.
    pub(super) parent_site: Option<String>,
    /// It crosses a link, and its packets bear this mark.
    pub(super) marked: Option<u8>,

    /// The pieces it has.
    pub(super) has: Bits,
    /// How many of these we do not have.
    pub(super) lacking: u32,
    /// It said what it has (or something else, which means nothing): no bitfield may follow.
    pub(super) spoke: bool,
    /// It counts as a local holder of its pieces.
    pub(super) counted: Option<Counted>,
    /// What it says it has does not count until it has brought its share.
    pub(super) probation: Option<Probation>,
    /// Bytes of blocks that it brought, that were kept, and that were of use as far as is known.
    pub(super) brought: u64,
    /// Of these, what it had brought when the present term began.
    pub(super) term_began: u64,
    /// How long a link has stood idle in this term while it owed us something.
    pub(super) owed: Time,
    /// What it says meanwhile.
    pub(super) owing: Owing,
    /// It was named, since it speaks and brings nothing.
    pub(super) named: bool,

    /// It chokes us, since when.
    pub(super) choking: Option<Time>,
    /// We said that we are interested.
    pub(super) interested: bool,
    /// It said that it is.
    pub(super) wants: bool,
    /// Requests it queues.
    pub(super) reqq: u32,
    /// What we asked for, oldest first.
    pub(super) asked: VecDeque<Asked>,
    pub(super) asked_bytes: u64,
    /// What we asked for and gave up; still welcome.
    pub(super) late: Vec<Block>,
    /// Pieces reserved from it with blocks not asked for.
    pub(super) open: Vec<u32>,
    /// It disappointed: owes us blocks and is silent, or refused all; since when.
    pub(super) snubbed: Option<Time>,
    /// An upstream that owes us blocks and is silent, since when.
    pub(super) silent: Option<Time>,
    /// The last block, or the first request after none were on their way.
    pub(super) last_block: Time,
    /// The least time from request to block.
    pub(super) rtt: Option<Time>,
    pub(super) down: Meter,
    /// When payload last went to it.
    pub(super) last_sent: Time,
    /// Payload bytes that came and went.
    pub(super) received: u64,
    pub(super) sent: u64,
    /// Its rate when the last block came: a rate that fades in silence says nothing about what to expect.
    pub(super) rate_then: u64,
    /// An upstream that disappointed: others first until then.
    pub(super) bad_until: Time,
    /// An upstream: since when it is the active one.
    pub(super) active_since: Time,
    /// An upstream: how long it has been asked for its first block.
    pub(super) first_block: FirstBlock,
    /// An upstream that we must leave, by then at the latest.
    pub(super) leaving: Option<Time>,
    /// It sent a block we wanted.
    pub(super) useful: bool,

    pub(super) queue: Queue,
    /// Requests in vain.
    pub(super) vain: u32,
    /// Blocks that it sent unasked.
    pub(super) unasked: u32,
    /// How often it has let us ask since it last brought a block.
    pub(super) offers: u32,
    pub(super) last_heard: Time,
    /// When we last sent it a keep-alive or something that every local peer gets.
    pub(super) last_said: Time,
}

impl Peer {
    pub(super) fn new(
        addr: SocketAddr,
        origin: Origin,
        peer_id: PeerId,
        fast: bool,
        pieces: u32,
        now: Time,
    ) -> Peer {
        Peer {
            addr,
            origin,
            peer_id,
            fast,
            extended: false,
            introduced: false,
            takes: Extensions::default(),
            upload_only: false,
            complaints: 0,
            listen: matches!(origin, Origin::Dialled(_)).then_some(addr),
            hello: None,
            relation: match origin {
                Origin::Dialled(Class::Local) => Relation::Local,
                Origin::Dialled(Class::Upstream) => Relation::Upstream,
                Origin::Accepted => Relation::Unknown,
            },
            whereabouts: Whereabouts::default(),
            parent_site: None,
            marked: None,
            has: Bits::new(pieces),
            lacking: 0,
            spoke: false,
            counted: None,
            probation: None,
            brought: 0,
            term_began: 0,
            owed: Time::ZERO,
            owing: Owing::default(),
            named: false,
            choking: Some(now),
            interested: false,
            wants: false,
            reqq: depth::STOCK_REQUESTS,
            asked: VecDeque::new(),
            asked_bytes: 0,
            late: Vec::new(),
            open: Vec::new(),
            snubbed: None,
            silent: None,
            last_block: now,
            last_sent: now,
            rtt: None,
            down: Meter::new(now),
            received: 0,
            sent: 0,
            rate_then: 0,
            bad_until: Time::ZERO,
            active_since: now,
            first_block: FirstBlock::default(),
            leaving: None,
            useful: false,
            queue: Queue::default(),
            vain: 0,
            unasked: 0,
            offers: 0,
            last_heard: now,
            last_said: now,
        }
    }

    /// Takes the request for `block` out; `None` if there is none.
    pub(super) fn answer(&mut self, block: Block) -> Option<Asked> {
        let index = self.asked.iter().position(|asked| asked.block == block)?;
        self.asked_bytes -= u64::from(block.len);
        self.asked.remove(index)
    }

    /// Whether `other` is a connection to the same peer: by its id, which is a claim, and its address,
    /// which is a fact.
    pub(super) fn is_same_peer(&self, other: &Peer) -> bool {
        self.peer_id == other.peer_id && self.addr.ip() == other.addr.ip()
    }

    /// Takes all requests out.
    pub(super) fn forget_asked(&mut self) -> VecDeque<Asked> {
        self.asked_bytes = 0;
        std::mem::take(&mut self.asked)
    }

    /// When payload last went either way; now, while some is owed.
    pub(super) fn used(&self, now: Time) -> Time {
        let owed = !self.queue.is_idle() || (!self.asked.is_empty() && self.snubbed.is_none());
        if owed {
            now
        } else {
            self.last_block.max(self.last_sent)
        }
    }

    /// Bytes to have asked for at a time.
    pub(super) fn depth(&self, piece: u32) -> u64 {
        match self.relation {
            _ if self.snubbed.is_some() => u64::from(narrows_wire::BLOCK_LEN),
            _ if self.probation.is_some() => depth::doubted(self.down.rate()),
            Relation::Upstream => depth::upstream(self.down.rate(), self.rtt, piece),
            _ => depth::local(self.down.rate(), piece),
        }
    }

    /// Whether it counts that it says it has a piece.
    pub(super) fn word(&self) -> Word {
        match self.probation {
            None => Word::Counts,
            Some(_) => Word::Broken,
        }
    }

    /// Whether it counts as a local holder of everything, and its word does.
    pub(super) fn is_credited_seed(&self) -> bool {
        self.counted.is_some_and(|counted| counted.whole && counted.word == Word::Counts)
    }

    /// Whether it says that it has what we lack, and was asked for it or does not let us ask.
    pub(super) fn owes(&self, now: Time) -> bool {
        let waits = self.choking.is_some() || self.snubbed.is_some() || now < self.bad_until;
        self.counted.is_some() && self.lacking > 0 && (waits || !self.asked.is_empty())
    }

    /// Whether it is there and does not bring what it says it has: it speaks meanwhile, or does not let us ask. One
    /// that says nothing at all may be frozen.
    pub(super) fn withholds(&self) -> bool {
        self.choking.is_some() || self.owing.withholds()
    }

    /// Whether it is one of us and of our site.
    pub(super) fn is_local_agent(&self) -> bool {
        self.relation == Relation::Local && self.hello.is_some()
    }

    /// Whether it does not share: no other peer gets from it what it has.
    pub(super) fn is_non_sharing(&self) -> bool {
        self.hello.as_ref().is_some_and(|hello| hello.non_sharing)
    }

    /// A gateway of another site that is one of our agents: it fetches from us.
    pub(super) fn is_remote_agent(&self) -> bool {
        self.relation == Relation::Remote && self.hello.is_some()
    }

    /// One of our agents that we fetch from across a link.
    pub(super) fn is_upstream_agent(&self) -> bool {
        self.relation == Relation::Upstream && self.hello.is_some()
    }

    /// Whether it is of our site and says that it is gateway.
    pub(super) fn is_local_gateway(&self) -> bool {
        self.relation == Relation::Local && self.hello.as_ref().is_some_and(|hello| hello.gateway)
    }

    /// Whether this is a connection that we dialled as upstream. One peer may be our upstream and, by its own
    /// dial, be fed by us: these are two connections.
    pub(super) fn is_upstream_dial(&self) -> bool {
        self.origin == Origin::Dialled(Class::Upstream)
    }
}
