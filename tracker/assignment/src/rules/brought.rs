//! Rule 4, gateways: of several gateways of a site, which one brought what.
//!
//! That a peer comes on says that one of them is of use. Which one, those say that had something from it: an agent
//! at another address tells how much each gateway sent it. So one that says that it fetches, and has half of the
//! link, is of no use where others come on by the other one alone. One that sends next to nothing of what it says it
//! fetched is none either: each piece that it brings has to leave it once. Peers that do not speak of gateways
//! (stock clients, older agents) count for each of them.

use narrows_protocol::AgentReport;

use crate::endpoint::Endpoint;
use crate::state::service::speaks_for_itself;
use crate::state::view::View;

/// What a peer says that it had from one of several gateways.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Brought {
    /// It does not speak of gateways, and came on by so many bytes.
    Unattributed(u64),
    /// It speaks of others only.
    OfOthers,
    /// So much, in all and since it last said so. `elsewhere`: it also had something from another gateway, or
    /// fetches itself.
    Of {
        total: u64,
        growth: u64,
        elsewhere: bool,
    },
}

/// What the announcing peer, which lacked `left_before`, says that it had from a gateway; `None`: its site has no
/// other gateway, or it is that machine. `one_address`: all peers there have the same, so that each record is a
/// machine.
pub(crate) fn brought(
    view: &View<'_>,
    report: Option<&AgentReport>,
    (gateway, one_address): (Endpoint, bool),
    left_before: u64,
) -> Option<Brought> {
    let site = view.site;
    let lease = site.gateways.get(&gateway).filter(|lease| !lease.extra && site.regular() > 1)?;
    if !speaks_for_itself(view.at, gateway, one_address) {
        return None;
    }
    let said = report.map_or(&[][..], |report| &report.brought);
    if said.is_empty() {
        return Some(Brought::Unattributed(left_before.saturating_sub(view.peer.left)));
    }
    let of = |gateway: Endpoint| {
        let mut said = said.iter().filter(|(addr, _)| site.peers.is_at(gateway, Endpoint::of(*addr)));
        said.next().map(|(_, total)| *total)
    };
    let Some(total) = of(gateway) else {
        return Some(Brought::OfOthers);
    };
    let mut others = site.gateways.iter().filter(|(at, _)| **at != gateway);
    let elsewhere = view.gateway().is_some()
        || others.any(|(at, other)| of(*at).is_some_and(|total| other.account.growth(view.at, total) > 0));
    Some(Brought::Of {
        total,
        growth: lease.account.growth(view.at, total),
        elsewhere,
    })
}
