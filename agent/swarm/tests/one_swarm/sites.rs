//! One swarm among peers of its own site, of another one and of none, as their addresses say.

use std::sync::Arc;
use std::time::Duration;

use narrows_protocol::{Networks, PathRate, PathRates, Place, Told, ToldNetworks};
use narrows_swarm::policy::sites::Sites;
use narrows_swarm::{Action, AnnounceReason, CloseReason, Event, Misdeed, Origin};
use narrows_wire::Message;

use crate::table::{LOCAL, Table, all_pieces, block, closed, hello, member};

const HERE: &str = "10.1.0.7:6881";
const THERE: &str = "10.2.0.7:6881";

/// We are at 10.1.0.0/16; so much may be sent to 10.2.0.0/16.
fn told(there: Option<PathRate>) -> Event {
    let networks = ["10.1.0.0/16", "10.2.0.0/16"].map(|net| [net.parse().expect("a network")]);
    let rates = there.map(|rate| {
        Arc::new(PathRates::new(
            [PathRate::Unlimited, rate],
            PathRate::Stopped,
            Vec::new(),
        ))
    });
    Event::Sites(Some(Arc::new(Sites {
        networks: Arc::new(Networks::new(networks, false).expect("short")),
        ours: [Place::Site(0)].into(),
        rates,
        change: None,
    })))
}

/// A seeder of b1, which has announced.
fn seeder(event: Event) -> Table {
    let mut table = Table::new(all_pieces());
    table.tell(event);
    table.assign(member(), &[]);
    table
}

fn asks(actions: &[Action]) -> usize {
    actions.iter().filter(|action| **action == Action::Announce(AnnounceReason::Rates)).count()
}

fn served(actions: &[Action]) -> usize {
    actions.iter().filter(|action| matches!(action, Action::Serve { .. })).count()
}

#[test]
fn a_peer_of_another_site_gets_nothing_until_the_tracker_has_said_what_it_may() {
    let mut table = seeder(told(None));
    let (there, out) = table.agent(THERE, Origin::Accepted, hello("hq", true, true));
    assert_eq!(asks(&out), 1, "at once");
    assert_eq!(served(&table.say(there, Message::Request(block(0, 0)))), 0);
    let (here, _) = table.agent(HERE, Origin::Accepted, hello("b1", false, false));
    assert_eq!(
        served(&table.say(here, Message::Request(block(0, 0)))),
        1,
        "a neighbour"
    );
    table.assign(member(), &[]);
    let out = table.tell(told(Some(PathRate::Limited(1000))));
    assert_eq!(served(&out), 1, "it had asked");
}

#[test]
fn while_it_sends_across_it_asks_each_minute_and_often_while_a_peer_waits_at_a_stop() {
    let mut table = seeder(told(Some(PathRate::Limited(1000))));
    assert_eq!(asks(&table.wait(200)), 0, "to no other site");
    let (there, out) = table.agent(THERE, Origin::Accepted, hello("hq", true, true));
    assert_eq!(asks(&out), 1);
    table.assign(member(), &[]);
    assert_eq!(asks(&table.wait(59)), 0);
    assert_eq!(asks(&table.wait(2)), 1);
    table.assign(member(), &[]);
    table.tell(told(Some(PathRate::Stopped)));
    assert_eq!(served(&table.say(there, Message::Request(block(0, 0)))), 0);
    assert_eq!(asks(&table.wait(4)), 1);
    assert_eq!(asks(&table.wait(10)), 0, "not while a question is under way");
    table.assign(member(), &[]);
    assert_eq!(asks(&table.wait(1)), 1, "its answer has not let it go on");
}

#[test]
fn a_schedule_that_changes_is_asked_about_when_it_does() {
    let mut table = seeder(told(None));
    let Event::Sites(Some(sites)) = told(Some(PathRate::Limited(1000))) else {
        unreachable!("it is told");
    };
    table.agent(THERE, Origin::Accepted, hello("hq", true, true));
    table.assign(member(), &[]);
    table.tell(Event::Sites(Some(Arc::new(Sites {
        change: Some(table.now + Duration::from_secs(20)),
        ..Sites::clone(&sites)
    }))));
    assert_eq!(asks(&table.wait(19)), 0);
    assert_eq!(asks(&table.wait(2)), 1);
}

#[test]
fn a_content_that_an_operator_stopped_goes_to_neighbours_alone() {
    let mut table = seeder(told(Some(PathRate::Unlimited)));
    let (there, _) = table.agent(THERE, Origin::Accepted, hello("hq", true, true));
    let (here, _) = table.agent(HERE, Origin::Accepted, hello("b1", false, false));
    let braked = |braked| {
        member().map(|assignment| narrows_protocol::Assignment {
            told: Some(Box::new(Told {
                networks: ToldNetworks {
                    version: 1,
                    table: None,
                },
                rates: None,
                braked,
            })),
            ..assignment
        })
    };
    table.assign(braked(true), &[]);
    assert_eq!(served(&table.say(there, Message::Request(block(0, 0)))), 0);
    assert_eq!(served(&table.say(here, Message::Request(block(0, 0)))), 1);
    assert_eq!(served(&table.assign(braked(false), &[])), 1);
}

#[test]
fn a_machine_that_claims_our_site_from_elsewhere_is_remote_and_named() {
    let mut table = seeder(told(Some(PathRate::Unlimited)));
    let (liar, out) = table.agent(THERE, Origin::Accepted, hello("b1", false, false));
    let named = |action: &Action| {
        matches!(
            action,
            Action::Name {
                misdeed: Misdeed::FalseSite,
                ..
            }
        )
    };
    assert!(out.iter().any(named), "{out:?}");
    let (_, out) = table.agent(HERE, Origin::Accepted, hello("b1", false, false));
    assert!(!out.iter().any(named), "{out:?}");
    let status = table.swarm.status(table.now);
    assert_eq!((status.peers_local, status.peers_remote), (1, 1));
    table.say(liar, Message::Request(block(0, 0)));
    table.tell(Event::Sent {
        peer: liar,
        bytes: 16384,
    });
    let status = table.swarm.status(table.now);
    assert_eq!((status.sent_lan, status.sent_wan), (0, 16384));
}

#[test]
fn a_peer_in_no_network_is_refused_and_one_that_the_map_loses_is_closed() {
    let mut table = seeder(told(None));
    let ip = "192.0.2.7".parse().expect("an address");
    let (_, out) = table.connect("192.0.2.7:6881", Origin::Accepted, true);
    assert_eq!(closed(&out), Some(CloseReason::Unmapped(ip)));
    let mut table = seeder(Event::Sites(None));
    table.connect("192.0.2.7:6881", LOCAL, true);
    assert_eq!(closed(&table.tell(told(None))), Some(CloseReason::Unmapped(ip)));
}
