//! Which liar must be named how, which fault excuses that an honest machine is named, and how much memory a
//! program may take: one table each.

use crate::events::{Deed, What};
use crate::liars::{Kind, Outcome};

/// The most resident memory of an agent, in bytes: 24 MiB of requests and blocks under way, buffers of 512
/// connections of 64 KiB each, and the program itself.
pub const MAX_AGENT_MEMORY: u64 = 96 << 20;

/// The same of the tracker: tables of peers and offenders have bounds per address, and here are few addresses.
pub const MAX_TRACKER_MEMORY: u64 = 96 << 20;

/// What must be true of a liar at the end.
#[derive(Debug, Clone, Copy)]
pub struct Expectation {
    /// With any of these its address counts as named: `offence` of an offender that tracker or agents list.
    pub named: &'static [&'static str],
    /// From when on a liar that is not named is a finding.
    pub must: Must,
    /// How much payload it may get.
    pub payload: Payload,
}

/// How much payload a liar may get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload {
    /// Whatever its neighbours or upstreams have.
    Any,
    /// Nothing.
    None,
    /// What each seeder for itself may send to its site (rule 10, rates): 1.25 times the path's rate. All of them together
    /// are bounded only once a seeder can ask for a gateway's ticket (issue 17). A brake is heard by a seeder within a
    /// minute, longer than one of a round lasts, so what came meanwhile is not looked at.
    Paced,
}

/// What a seeder may send to a site in a second, over the path's rate.
pub const HEADROOM: f64 = 1.25;

/// On top: what a sender may have saved up, in seconds of its rate, and what was under way.
pub const BURST: f64 = 2.0;

/// When a liar must be named.
#[derive(Debug, Clone, Copy)]
pub enum Must {
    /// In any case.
    Always,
    /// If it did so often what can do harm, of so many contents, in one life of the tracker, which does not count over
    /// a restart.
    After(fn(&Outcome, u64) -> u64, u64),
    /// It may go unnamed.
    Never,
}

/// Of a kind of liar.
pub fn of(kind: Kind) -> Expectation {
    let (named, must): (&'static [&'static str], Must) = match kind {
        Kind::Stopper => (&["id_taken"], Must::Always),
        // accusations of those who are no gateways have no effect; five refuted ones are named, and what its two agents say
        // of all contents at once counts as one (seeds 7001, 9401)
        Kind::Accuser => (
            &["false_accusation"],
            Must::After(|outcome, contents| outcome.accused / (2 * contents.max(1)), 6),
        ),
        // it announces each 5 s, and no gateway is blamed before its term of 66 s is over (seeds 102, 302, 1142); while a
        // fault keeps a site from its supply none is either
        Kind::Idler => (
            &["no_progress"],
            Must::After(|outcome, contents| outcome.leases / contents.max(1), 20),
        ),
        // named only where a link stood idle for it, which faults may prevent
        Kind::Choker => (&["no_delivery"], Must::Never),
        Kind::Poisoner => (&["wrong_pieces"], Must::Always),
        Kind::Crowd => (&["too_many_connections", "handshake_flood"], Must::Always),
        Kind::Deaf => (&["slow_client", "flooding"], Must::Always),
        // an address may have 1,024 clients of a content (seed 1127: two lives of the tracker, 900 in each)
        Kind::Ids => (
            &["crowded_address"],
            Must::After(|outcome, contents| outcome.taken / contents.max(1), 1_100),
        ),
        Kind::Boaster => (&["impossible_counters"], Must::Always),
        Kind::Stranger => (&["unmapped_address"], Must::Always),
        // what it does, an agent without a gateway's lease can do too: nothing tells them apart (issue 17)
        Kind::Glutton => (&[], Must::Never),
    };
    Expectation {
        named,
        must,
        payload: match kind {
            Kind::Stranger => Payload::None,
            Kind::Glutton => Payload::Paced,
            _ => Payload::Any,
        },
    }
}

/// What befell an honest machine, as far as it looks like an offence to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Befell {
    /// It stood still, was away, or came back at another address.
    Away,
    /// What it had was changed on its disk.
    Spoilt,
    /// There are two of it.
    Cloned,
    /// Its site's supply was interrupted: by a link, or by what befell those that it is fed by.
    Unsupplied,
}

impl Befell {
    /// What something that happens is to the agents that it hits.
    pub fn of(what: &What) -> Option<Befell> {
        match what {
            What::Agents(Deed::Kill { .. } | Deed::Stop { .. } | Deed::Freeze, _) => Some(Befell::Away),
            What::Agents(Deed::Vanish | Deed::Move, _) => Some(Befell::Away),
            What::Agents(Deed::Spoil | Deed::Delete, _) => Some(Befell::Spoilt),
            What::Clone(..) => Some(Befell::Cloned),
            _ => None,
        }
    }

    /// The offences that it excuses, from then on.
    pub fn excuses(self) -> &'static [&'static str] {
        match self {
            // what was asked of it did not come, what it was sent was not taken, and it found others gone
            Befell::Away => &["no_delivery", "no_progress", "slow_client", "false_accusation"],
            // a file that is gone, or not as hashed, is not brought or brought wrong
            Befell::Spoilt => &["wrong_pieces", "no_delivery"],
            // two machines with one id, and the counters of both
            Befell::Cloned => &["id_taken", "impossible_counters"],
            // it could not fetch, and could not say in time that it could not
            Befell::Unsupplied => &["no_progress", "no_delivery"],
        }
    }
}
