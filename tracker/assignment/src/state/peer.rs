//! What is kept of one peer. Memory per peer counts: 56 bytes, and a box for agents.

use std::num::NonZeroU16;
use std::time::Duration;

use narrows_protocol::{AnnounceEvent, GatewayPreference, PeerId, Sharing};

use crate::endpoint::Endpoint;
use crate::hash::{AgentKey, Machine};
use crate::{Announce, Time};

/// A moment in tenths of a second since the tracker's start: 13 years in four bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(crate) struct Tick(u32);

impl Tick {
    pub(crate) fn of(time: Time) -> Tick {
        Tick(u32::try_from(time.as_millis() / 100).unwrap_or(u32::MAX))
    }

    pub(crate) fn number(self) -> u64 {
        u64::from(self.0)
    }

    pub(crate) fn time(self) -> Time {
        Duration::from_millis(u64::from(self.0) * 100)
    }
}

/// What a peer is to the others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Class {
    /// Has everything.
    Seeder,
    /// Wants something.
    Leecher,
    /// Has some and wants no more (BEP 21): no demand, but a source.
    Partial,
    /// Serves no other peer (`share: never`).
    NonSharing(NonSharing),
}

/// What a peer is that serves no other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NonSharing {
    /// Wants something.
    Leecher,
    /// Wants nothing.
    Complete,
}

impl Class {
    pub(crate) const ALL: [Class; 5] = [
        Class::Seeder,
        Class::Leecher,
        Class::Partial,
        Class::NonSharing(NonSharing::Leecher),
        Class::NonSharing(NonSharing::Complete),
    ];

    /// Its place in [`Class::ALL`]; snapshots hold it.
    pub(crate) fn index(self) -> usize {
        match self {
            Class::Seeder => 0,
            Class::Leecher => 1,
            Class::Partial => 2,
            Class::NonSharing(NonSharing::Leecher) => 3,
            Class::NonSharing(NonSharing::Complete) => 4,
        }
    }

    /// What a peer is that announces this.
    pub(crate) fn of(announce: &Announce<'_>) -> Class {
        let shares = announce.agent.is_none_or(|report| report.share == Sharing::Always);
        match (announce.left, announce.event) {
            (0, _) if shares => Class::Seeder,
            (_, AnnounceEvent::Paused) if shares => Class::Partial,
            (0, _) | (_, AnnounceEvent::Paused) => Class::NonSharing(NonSharing::Complete),
            _ if shares => Class::Leecher,
            _ => Class::NonSharing(NonSharing::Leecher),
        }
    }

    /// Whether it serves others: only then is it handed out.
    pub(crate) fn shares(self) -> bool {
        matches!(self, Class::Seeder | Class::Leecher | Class::Partial)
    }

    /// Whether it wants something.
    pub(crate) fn wants(self) -> bool {
        matches!(self, Class::Leecher | Class::NonSharing(NonSharing::Leecher))
    }

    /// Whether a peer that lacks so much counts as having everything.
    pub(crate) fn is_complete(self, left: u64) -> bool {
        self == Class::Seeder || (self == Class::NonSharing(NonSharing::Complete) && left == 0)
    }
}

#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) agent: Option<Box<Agent>>,
    /// Bytes it still wants; `u64::MAX`: it does not say.
    pub(crate) left: u64,
    pub(crate) id: PeerId,
    /// What its machine calls itself (`key`); 0: it does not.
    pub(crate) key: u32,
    /// When it is forgotten.
    pub(crate) expires: Tick,
    /// When it was last seen to move or not to.
    pub(crate) judged: Tick,
    /// Announces in a row without progress.
    pub(crate) still: u8,
    /// Its step on the starvation ladder.
    pub(crate) step: u8,
    /// It wanted something when it came, or since, or in a run before: its rollout is for it.
    pub(crate) wanted: bool,
}

/// What more is kept of an agent.
#[derive(Debug)]
pub(crate) struct Agent {
    pub(crate) key: AgentKey,
    pub(crate) machine: Machine,
    pub(crate) name: Box<str>,
    pub(crate) second: Second,
    /// When this record of it was made.
    pub(crate) since: Tick,
    pub(crate) preference: GatewayPreference,
    /// What its `wan` was when it last moved on the ladder.
    pub(crate) wan: u64,
    /// Bytes it had before it fetched any.
    pub(crate) reused: u64,
    /// At which port its metrics are, if it says so.
    pub(crate) metrics: Option<NonZeroU16>,
}

/// The address of a peer in the other family than the one it is kept under, which it announces from now and
/// then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Second {
    pub(crate) other: Option<Endpoint>,
    /// When it last announced from the address it is kept under, and from the other.
    pub(crate) seen: [Tick; 2],
}

impl Second {
    /// Of a peer that announced from the address it is kept under at `seen`.
    pub(crate) fn none(seen: Tick) -> Second {
        Second {
            other: None,
            seen: [seen; 2],
        }
    }
}

impl Peer {
    /// The key of its agent's id.
    pub(crate) fn agent_key(&self) -> Option<AgentKey> {
        self.agent.as_ref().map(|agent| agent.key)
    }

    /// From this on it is an agent's.
    pub(crate) const FITNESS_OF_AGENTS: u8 = 2;

    /// How fit it is to be a gateway: agents before stock clients, which never drop a peer they were handed.
    pub(crate) fn fitness(&self) -> u8 {
        match self.agent.as_ref().map(|agent| agent.preference) {
            Some(GatewayPreference::Prefer) => 3,
            Some(GatewayPreference::Auto) => 2,
            None => 1,
            Some(GatewayPreference::Never) => 0,
        }
    }

    /// Whether the record has been left to expire.
    pub(crate) fn is_expired(&self, now: Tick) -> bool {
        self.expires < now
    }
}
