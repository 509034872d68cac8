//! Rule 4, gateways: fail-over. Neighbours see a gateway's connection close and announce at once.

use std::net::SocketAddr;

use super::accusations::{self, Case, Word};
use crate::Time;
use crate::endpoint::Endpoint;
use crate::state::site::Offer;
use crate::state::view::View;

/// The gateway that a neighbour says it lost.
pub(crate) fn accused(reporter: &View<'_>, lost: Endpoint) -> Option<Endpoint> {
    let site = reporter.site;
    if site.peers.is_at(reporter.at, lost) {
        // that is its own address: what is behind it beside itself, it cannot know
        return None;
    }
    let mut there = site.peers.residents(lost).filter(|at| *at != reporter.at);
    let (gateway, lease) = there.find_map(|at| Some((at, site.gateways.get(&at)?)))?;
    // of several behind one address and port nothing tells which: the one that does not come back in time
    let is_one_of_several = site.peers.residents(lost).nth(1).is_some();
    (!is_one_of_several || reporter.now > lease.due).then_some(gateway)
}

/// Judges what neighbours say of a gateway. One that is late is given up at their word, since its silence is no
/// claim: its process may have frozen, and the machine accepts connections for it.
pub(crate) fn judge(case: &Case<'_>, gateway: Endpoint) -> Word {
    let (site, now) = (case.site, case.now);
    let Some(lease) = site.gateways.get(&gateway) else {
        return Word::Doubted;
    };
    let is_late = lease.due + case.cx.policy.reach.probe_again < now;
    if is_late && site.accusations.against(gateway).next().is_some() {
        return Word::Believed;
    }
    // an agent that restarts has its lease back before its neighbours have reported the end of the old
    // session
    let is_new = now < lease.since + case.cx.policy.failover;
    match accusations::weigh(case, gateway) {
        Word::OnTrust if is_new => Word::Doubted,
        word => word,
    }
}

/// The gateway that a neighbour has lost and is still without: that it has no other to name is a repetition.
pub(crate) fn still_lost(reporter: &View<'_>) -> Option<Endpoint> {
    let site = reporter.site;
    let mut mine = site.accusations.iter().filter(|accusation| accusation.by == reporter.at);
    mine.find(|accusation| site.gateways.contains_key(&accusation.accused))
        .map(|accusation| accusation.accused)
}

/// A member of a site says that it is connected to a gateway that the tracker does not know: the tracker may
/// have restarted. Within a gateway's interval of the swarm's first announce, that gateway is waited for instead
/// of naming another, for some seconds and once at a site: it is hearsay. A tracker that kept a snapshot knows
/// better. `None`: it is not waited for.
pub(crate) fn expected(member: &View<'_>, gateway: SocketAddr) -> Option<Offer> {
    let (site, cx, now) = (member.site, member.cx, member.now);
    let young: Time = member.swarm.born.unwrap_or(now) + cx.policy.intervals.gateway;
    let until = young.min(now + cx.policy.hearsay);
    let to = Endpoint::of(gateway);
    let is_here = cx.map.locate(to.ip()) == Some(site.id);
    let is_unknown = site.gateways.is_empty() && site.peers.residents(to).next().is_none();
    let may_wait = !member.swarm.restored && !site.has_waited;
    (may_wait && now < until && is_here && is_unknown).then_some(Offer { to, until })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::rules::fixture::{Fixture, agent};
    use crate::state::accused::Found;

    const MINUTE: Duration = Duration::from_secs(60);

    /// Leechers, of which the first has the lease and is in time.
    fn fixture(others: usize) -> Fixture {
        let mut fixture = Fixture::with_leechers(&vec![600; others + 1]);
        fixture.lease(0, MINUTE);
        fixture.in_time(0);
        fixture
    }

    fn says_lost(fixture: &mut Fixture, reporter: u8) -> Word {
        let (now, again) = (fixture.now, fixture.policy.reach.probe_again);
        fixture.site().accusations.add(agent(0), agent(reporter), again, now);
        judged(fixture)
    }

    fn judged(fixture: &Fixture) -> Word {
        fixture.case(|case| judge(case, agent(0)))
    }

    fn dialled(fixture: &mut Fixture, peer: u8, reached: bool) {
        let (at, now, policy) = (agent(peer), fixture.now, fixture.policy.reach);
        fixture.swarm.probes.ask(&policy, at, now);
        assert!(fixture.swarm.probes.note(at.addr(), Found { reached, at: now }));
        if reached {
            fixture.site().note_reached(at, now);
        }
    }

    #[test]
    fn one_accuser_is_doubted_until_the_tracker_has_looked_itself() {
        let mut fixture = fixture(3);
        for _ in 0..5 {
            assert_eq!(
                says_lost(&mut fixture, 1),
                Word::Doubted,
                "however often it says so"
            );
        }
        dialled(&mut fixture, 2, true);
        assert_eq!(judged(&fixture), Word::Doubted);
        dialled(&mut fixture, 0, true);
        assert_eq!(judged(&fixture), Word::Doubted);
        dialled(&mut fixture, 0, false);
        assert_eq!(judged(&fixture), Word::Believed);
    }

    #[test]
    fn where_the_tracker_reaches_no_peer_of_a_site_a_second_address_decides() {
        let mut fixture = fixture(3);
        says_lost(&mut fixture, 1);
        for peer in [0, 2, 3] {
            dialled(&mut fixture, peer, false);
        }
        assert_eq!(judged(&fixture), Word::Doubted);
        // that it reaches the accuser says nothing: it may be the only one that listens to the tracker
        dialled(&mut fixture, 1, true);
        assert_eq!(judged(&fixture), Word::Doubted);
        assert_eq!(says_lost(&mut fixture, 2), Word::Believed);
    }

    #[test]
    fn two_addresses_are_believed_before_the_tracker_has_looked_but_once_in_a_while_only() {
        let mut fixture = fixture(3);
        says_lost(&mut fixture, 1);
        assert_eq!(says_lost(&mut fixture, 2), Word::OnTrust);
        let now = fixture.now;
        fixture.site().trusted = Some((agent(9), now));
        assert_eq!(judged(&fixture), Word::Doubted);
        fixture.now += fixture.policy.reach.trusted;
        fixture.in_time(0);
        assert_eq!(judged(&fixture), Word::OnTrust);
    }

    #[test]
    fn of_two_that_are_alone_at_a_site_the_one_is_compared_with_the_other() {
        let mut fixture = fixture(1);
        assert_eq!(says_lost(&mut fixture, 1), Word::Doubted);
        dialled(&mut fixture, 0, false);
        assert_eq!(judged(&fixture), Word::Doubted);
        dialled(&mut fixture, 1, true);
        assert_eq!(judged(&fixture), Word::Believed);
    }

    #[test]
    fn a_gateway_that_does_not_come_back_in_time_is_given_up_at_one_word() {
        let mut fixture = fixture(3);
        assert_eq!(judged(&fixture), Word::Doubted, "without a word it has its lease");
        says_lost(&mut fixture, 1);
        dialled(&mut fixture, 0, true);
        fixture.site().accusations.refute(agent(0));
        assert_eq!(judged(&fixture), Word::Doubted);
        fixture.now += MINUTE;
        assert_eq!(judged(&fixture), Word::Believed);
    }

    #[test]
    fn a_gateway_that_has_only_just_taken_office_is_not_given_up_on_trust_and_a_member_cannot_be() {
        let mut fixture = fixture(3);
        assert_eq!(fixture.of(1, |view| accused(view, agent(2))), None);
        fixture.lease(0, Duration::from_secs(1));
        fixture.in_time(0);
        says_lost(&mut fixture, 1);
        assert_eq!(says_lost(&mut fixture, 2), Word::Doubted);
    }
}
