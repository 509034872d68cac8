//! Which liar must be named how, and how much memory a program may take: one table each.

use crate::liars::Kind;

/// The most resident memory of an agent, in bytes: 24 MiB of requests and blocks under way, buffers of 512
/// connections of 64 KiB each, and the program itself.
pub const MAX_AGENT_MEMORY: u64 = 96 << 20;

/// The same of the tracker: tables of peers and offenders have bounds per address, and here are few addresses.
pub const MAX_TRACKER_MEMORY: u64 = 96 << 20;

/// What must be true of a liar at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expectation {
    /// Any of these counts as named: the label `offence` of `narrows_tracker_offences_total` or
    /// `narrows_agent_offences_total`.
    pub named: &'static [&'static str],
    /// Whether a liar that is not named is a finding. Switched on as its defence is there.
    pub must: bool,
    /// Only one that was given the lease so often: while a fault keeps a site from its supply, no gateway is
    /// blamed, and who never had the lease does no harm.
    pub leases: u64,
    /// Whether it may get any payload.
    pub payload: bool,
}

/// Of a kind of liar.
pub fn of(kind: Kind) -> Expectation {
    let (named, must, payload): (&'static [&'static str], bool, bool) = match kind {
        Kind::Stopper => (&["id_taken"], true, true),
        Kind::Accuser => (&["false_accusation"], true, true),
        Kind::Idler => (&["no_progress"], true, true),
        // named only where a link stood idle for it, which faults may prevent
        Kind::Choker => (&["no_delivery"], false, true),
        Kind::Poisoner => (&["wrong_pieces"], true, true),
        Kind::Crowd => (&["too_many_connections", "handshake_flood"], true, true),
        Kind::Deaf => (&["slow_client", "flooding"], true, true),
        Kind::Ids => (&["crowded_address"], true, true),
        Kind::Boaster => (&["impossible_counters"], true, true),
        Kind::Stranger => (&["unmapped_address"], true, false),
    };
    Expectation {
        named,
        must,
        leases: if kind == Kind::Idler { 10 } else { 0 },
        payload,
    }
}
