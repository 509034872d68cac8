//! Rule 4, gateways: fail-over. Neighbours see a gateway's connection close and announce at once.

use std::net::SocketAddr;

use crate::Time;
use crate::endpoint::Endpoint;
use crate::state::site::Offer;
use crate::state::view::View;

/// What follows from a neighbour's report that it lost a gateway.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Loss {
    /// Nothing: there is no such gateway, or it may be another one that was meant.
    None,
    /// The report is not enough. The reporter is to come back soon, so that it is there when another has said
    /// the same. `first`: it has not reported this before.
    Doubted { gateway: Endpoint, first: bool },
    /// The gateway is given up.
    Believed { gateway: Endpoint },
}

/// Judges a report. One may be one broken connection: the gateway is given up when two neighbours say so (or
/// all there are), or when one says so again after [`crate::Policy::failover`] while the gateway has not
/// announced.
pub(crate) fn judge(reporter: &View<'_>, lost: Endpoint) -> Loss {
    let (site, now, policy) = (reporter.site, reporter.now, reporter.cx.policy);
    if site.peers.is_at(reporter.at, lost) {
        // that is its own address: what is behind it beside itself, it cannot know
        return Loss::None;
    }
    let mut there = site.peers.residents(lost).filter(|at| *at != reporter.at);
    let found = there.find_map(|at| Some((at, site.gateways.get(&at)?)));
    let Some((gateway, lease)) = found else {
        return Loss::None;
    };
    // of several behind one address and port nothing tells which: the one that does not come back in time
    if site.peers.residents(lost).nth(1).is_some() && now <= lease.due {
        return Loss::None;
    }
    // an agent that restarts has its lease back before its neighbours have reported the end of the old
    // session
    let is_new = now < lease.since + policy.failover;
    let is_agent = site.peers.find(gateway).is_some_and(|(_, peer)| peer.agent.is_some());
    let neighbours = site.peers.agents() - u32::from(is_agent);
    let reports = || site.lost.iter().filter(|report| report.gateway == gateway);
    let repeated =
        reports().any(|report| report.reporter == reporter.at && report.at + policy.failover <= now);
    let first = reports().all(|report| report.reporter != reporter.at);
    let reporters = reports().count() as u32 + u32::from(first);
    if !is_new && (repeated || reporters >= neighbours.clamp(1, policy.reach.witnesses)) {
        Loss::Believed { gateway }
    } else {
        Loss::Doubted { gateway, first }
    }
}

/// The gateway that a neighbour has lost and is still without: that it has no other to name is a repetition.
pub(crate) fn still_lost(reporter: &View<'_>) -> Option<SocketAddr> {
    let mine = reporter.site.lost.iter().find(|report| report.reporter == reporter.at);
    mine.map(|report| report.gateway.addr())
}

/// A member of a site is connected to a gateway that the tracker does not know: the tracker has restarted.
/// Within a gateway's interval of the swarm's first announce, it is waited for instead of naming another;
/// `None`: it is not.
pub(crate) fn expected(member: &View<'_>, gateway: SocketAddr) -> Option<Offer> {
    let (site, cx, now) = (member.site, member.cx, member.now);
    let until: Time = member.swarm.born.unwrap_or(now) + cx.policy.intervals.gateway;
    let to = Endpoint::of(gateway);
    let is_here = cx.map.locate(to.ip()) == Some(site.id);
    let is_unknown = site.gateways.is_empty() && site.peers.residents(to).next().is_none();
    (now < until && is_here && is_unknown).then_some(Offer { to, until })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::rules::fixture::{Fixture, agent};
    use crate::state::site::Lost;

    const MINUTE: Duration = Duration::from_secs(60);

    fn reported(fixture: &mut Fixture, reporter: u8, ago: Duration) {
        let (gateway, reporter, at) = (agent(0), agent(reporter), fixture.now - ago);
        fixture.site().lost.push(Lost {
            gateway,
            reporter,
            at,
        });
    }

    fn loss(fixture: &Fixture, reporter: u8) -> Loss {
        fixture.of(reporter, |view| judge(view, agent(0)))
    }

    #[test]
    fn one_report_of_several_neighbours_is_doubted_and_the_second_is_believed() {
        let mut fixture = Fixture::with_leechers(&[500, 600, 600, 600]);
        fixture.lease(0, MINUTE);
        let gateway = agent(0);
        assert_eq!(loss(&fixture, 1), Loss::Doubted { gateway, first: true });
        reported(&mut fixture, 1, Duration::ZERO);
        assert_eq!(
            loss(&fixture, 1),
            Loss::Doubted {
                gateway,
                first: false
            }
        );
        assert_eq!(loss(&fixture, 2), Loss::Believed { gateway });
    }

    #[test]
    fn the_only_neighbour_is_believed_and_so_is_one_that_says_so_again_after_a_while() {
        let gateway = agent(0);
        let mut fixture = Fixture::with_leechers(&[500, 600]);
        fixture.lease(0, MINUTE);
        assert_eq!(loss(&fixture, 1), Loss::Believed { gateway });

        let mut fixture = Fixture::with_leechers(&[500, 600, 600]);
        fixture.lease(0, MINUTE);
        reported(&mut fixture, 1, Duration::from_secs(2));
        assert_eq!(loss(&fixture, 1), Loss::Believed { gateway });
    }

    #[test]
    fn a_gateway_that_has_only_just_taken_office_is_not_given_up_and_a_member_cannot_be() {
        let mut fixture = Fixture::with_leechers(&[500, 600]);
        assert_eq!(loss(&fixture, 1), Loss::None);
        fixture.lease(0, Duration::from_secs(1));
        let gateway = agent(0);
        assert_eq!(loss(&fixture, 1), Loss::Doubted { gateway, first: true });
    }
}
