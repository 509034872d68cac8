use super::*;
use crate::rules::fixture::{Fixture, agent};
use crate::state::site::Offer;

const MINUTE: Duration = Duration::from_secs(60);

fn settled(fixture: &Fixture, n: u8) -> Verdict {
    fixture.of(n, |view| settle(view, None))
}

#[test]
fn the_first_leecher_gets_the_lease_whatever_others_have_and_keeps_it() {
    let mut fixture = Fixture::with_leechers(&[900, 100]);
    assert_eq!(settled(&fixture, 0), Verdict::Grant(Lease::REGULAR));
    fixture.lease(0, MINUTE);
    assert_eq!(settled(&fixture, 0), Verdict::Keep);
    assert_eq!(settled(&fixture, 1), Verdict::Member);
}

#[test]
fn a_lease_that_became_free_is_offered_to_one_that_is_ahead_and_else_taken_by_the_next() {
    for (others, expected) in [
        (&[900, 100][..], Some(agent(1))),
        // not far enough ahead to wait for
        (&[900, 899][..], None),
    ] {
        let mut fixture = Fixture::with_leechers(others);
        fixture.swarm.most_left = 1000;
        fixture.site().orphaned = true;
        let lasting = Duration::from_secs(2);
        let verdict = expected.map_or(Verdict::Grant(Lease::REGULAR), |to| Verdict::Offer {
            to,
            lasting,
        });
        assert_eq!(settled(&fixture, 0), verdict, "{others:?}");
    }
}

#[test]
fn while_a_lease_is_offered_others_wait_and_then_the_next_takes_it() {
    let mut fixture = Fixture::with_leechers(&[900, 100]);
    let (to, until) = (agent(1), fixture.now + Duration::from_secs(1));
    fixture.site().offer = Some(Offer { to, until });
    assert_eq!(settled(&fixture, 0), Verdict::Wait(Duration::from_secs(1)));
    assert_eq!(settled(&fixture, 1), Verdict::Grant(Lease::REGULAR));
    fixture.now = until;
    assert_eq!(settled(&fixture, 0), Verdict::Grant(Lease::REGULAR));
}

#[test]
fn a_gateway_that_is_stuck_gives_way_if_there_is_another() {
    for (others, verdict) in [
        (
            &[900, 950][..],
            Verdict::GiveWay {
                to: agent(1),
                why: Cause::Stuck,
            },
        ),
        (&[900][..], Verdict::Keep),
    ] {
        let mut fixture = Fixture::with_leechers(others);
        fixture.lease(0, MINUTE);
        let peer = fixture.peer(0);
        (peer.step, peer.still) = (3, 3);
        assert_eq!(settled(&fixture, 0), verdict, "{others:?}");
    }
}

#[test]
fn one_that_wants_nothing_any_more_retires() {
    let mut fixture = Fixture::with_leechers(&[0, 900]);
    fixture.lease(0, MINUTE);
    assert_eq!(settled(&fixture, 0), Verdict::Retire);
    assert_eq!(settled(&fixture, 1), Verdict::Member, "its site has a seeder");
}
