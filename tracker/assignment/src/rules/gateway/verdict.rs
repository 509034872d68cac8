//! What rule 4, gateways, says of an announcing peer.

use std::time::Duration;

use crate::endpoint::Endpoint;

/// What becomes of an announcing peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// It keeps its lease.
    Keep,
    /// It is given a lease.
    Grant(Lease),
    /// It is a member.
    Member,
    /// It is a member that is to come back after this, because the lease is being settled.
    Wait(Duration),
    /// As [`Verdict::Wait`], and it says that it works, as does the one that has the lease.
    Contest(Duration),
    /// As [`Verdict::Wait`], and the free lease is offered to another one for so long.
    Offer { to: Endpoint, lasting: Duration },
    /// As [`Verdict::Wait`], and it claims the next room among the site's remote peers.
    Claim,
    /// It held a lease and holds none any more.
    Retire,
    /// As [`Verdict::Retire`]: a lease by the starvation ladder has brought it nothing, and it takes a part of
    /// the link from those that fetch.
    Forgo,
    /// As [`Verdict::Retire`]: the lease was given before the tracker could know that it has lost its memory.
    Recall(Duration),
    /// As [`Verdict::Retire`], and the lease is offered to another one that can.
    GiveWay { to: Endpoint, why: Cause },
    /// It is given the lease of one whose site got nothing of it.
    Replace { fruitless: Endpoint },
    /// A newcomer that holds the lease and cannot use it is to give it back; then ask [`fill`] again.
    Reclaim { from: Endpoint },
}

/// Why a gateway gives way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cause {
    /// It cannot fetch, or another one claims its place.
    Unable,
    /// It alone says that it reaches no peer of any parent.
    Unreaching,
    /// It has not come on for long.
    Stuck,
    /// Its site got nothing of it.
    Fruitless,
}

/// A lease as it is given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Lease {
    /// By the starvation ladder, or to a peer that fetches for itself alone.
    pub(crate) extra: bool,
    /// The peer says that it fetches across the WAN already.
    pub(crate) adopted: bool,
    /// A gateway that is overdue and loses its lease to this peer.
    pub(crate) instead_of: Option<Endpoint>,
}

impl Lease {
    pub(crate) const REGULAR: Lease = Lease {
        extra: false,
        adopted: false,
        instead_of: None,
    };
}
