//! What clients do that honest ones do not. Each kind is counted (`narrows_tracker_offences_total`), named in
//! the log, and shown with its addresses in `/status` and on the page.

use narrows_host::OffenceKind;

/// Counts and names the clients that do so.
pub(crate) type Offences = narrows_host::Offences<Offence>;

/// A kind of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Offence {
    /// Reads no answers, or sends no body, until its time is over.
    SlowClient,
    /// More connections at a time than one address may have.
    TooManyConnections,
    /// Requests that are longer than any that is answered.
    OversizedRequest,
    /// Comes to the admin port by a name, or from a page, that is not its own.
    ForeignHost,
    /// Announces the id of another agent without that one's key.
    IdTaken,
    /// Says again and again of peers which the tracker reaches that they do not answer.
    FalseAccusation,
    /// Took a site's lease, and the site got nothing.
    NoProgress,
    /// Says that it fetched more than links can have carried.
    ImpossibleCounters,
    /// More peers of one content than one address may have, or more contents than one may begin.
    CrowdedAddress,
}

impl OffenceKind for Offence {
    const ALL: &'static [Self] = &[
        Self::SlowClient,
        Self::TooManyConnections,
        Self::OversizedRequest,
        Self::ForeignHost,
        Self::IdTaken,
        Self::FalseAccusation,
        Self::NoProgress,
        Self::ImpossibleCounters,
        Self::CrowdedAddress,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::SlowClient => "slow_client",
            Self::TooManyConnections => "too_many_connections",
            Self::OversizedRequest => "oversized_request",
            Self::ForeignHost => "foreign_host",
            Self::IdTaken => "id_taken",
            Self::FalseAccusation => "false_accusation",
            Self::NoProgress => "no_progress",
            Self::ImpossibleCounters => "impossible_counters",
            Self::CrowdedAddress => "crowded_address",
        }
    }

    fn sentence(self) -> &'static str {
        match self {
            Self::SlowClient => {
                "a client opens connections and does not read answers or does not send what it announced; its connections \
                 are closed: look what runs on that machine"
            }
            Self::TooManyConnections => {
                "an address has more connections open than one may have; its idlest are closed: look what runs there, or, if \
                 it is a proxy or a NAT of many clients, see `trusted_proxies` and `max_connections_per_address`"
            }
            Self::OversizedRequest => {
                "a client sends requests that are longer than any that is answered; they are refused: look what runs on \
                 that machine"
            }
            Self::ForeignHost => {
                "a browser asked the admin port by a name that is not its own, or for a page of another site, and was refused: \
                 if the name is one that you gave it, add it to `admin_names`; if not, look which page was open there"
            }
            Self::IdTaken => {
                "a client announces the id of another agent without that one's key; the other agent's record and lease stay \
                 as they are: it is a clone, which needs an `id` of its own in agent.yaml, or it wants to stop the other one"
            }
            Self::FalseAccusation => {
                "a client says again and again of peers that they do not answer, and the tracker reaches them; it is not \
                 believed: a firewall or a broken network card is between them, or it lies: look at that machine"
            }
            Self::NoProgress => {
                "a gateway could fetch, and its site got nothing of it for a whole lease; another one has the lease, and this \
                 address is last in line for minutes: its neighbours cannot reach it (a firewall?), or it keeps what it gets"
            }
            Self::ImpossibleCounters => {
                "an agent says that it fetched more across links than they can have carried since its last report; the rest is \
                 not booked: the map gives its link less than it has, or it lies: look at that machine"
            }
            Self::CrowdedAddress => {
                "more peers of one content announce from an address than are kept for one (1,024; 64 with one port; 16,384 from \
                 an IPv6 /64), and those that were silent for longest are forgotten; or it begins more than 1,024 contents, and \
                 further ones are refused: a large NAT, which needs ports of its own or a route to the tracker, or a machine \
                 that makes clients up"
            }
        }
    }
}
