//! Peers that cannot be connected to.

use std::net::SocketAddr;
use std::time::Duration;

use narrows_swarm::{Action, AnnounceReason, DialError, Event, Origin, Time};

use crate::table::{LOCAL, Table, gateway, hello, member};

fn failed(addr: SocketAddr) -> Event {
    let why = DialError::TimedOut;
    Event::DialFailed { addr, why }
}

#[test]
fn a_peer_that_cannot_be_connected_to_is_listed_until_a_connection_comes_from_either_side() {
    let mut table = Table::leecher();
    let local = ["10.1.0.1:6881", "10.1.0.2:6881"];
    table.assign(member(), &local);
    let addrs = local.map(|addr| addr.parse().expect("an address"));
    let told =
        |table: &Table| -> Vec<SocketAddr> { table.swarm.unreachable().map(|peer| peer.addr).collect() };
    table.now = Duration::from_secs(10);
    for addr in addrs {
        table.tell(failed(addr));
    }
    table.tell(failed("10.9.0.1:6881".parse().expect("an address")));
    assert_eq!(
        told(&table),
        addrs,
        "what the tracker does not name does not matter"
    );
    table.wait(590);
    let since: Vec<Time> = table.swarm.unreachable().map(|peer| peer.since).collect();
    assert_eq!(since, [Duration::from_secs(10); 2]);
    table.connect(local[0], LOCAL, true);
    assert_eq!(told(&table), addrs[1..]);
    table.agent("10.1.0.2:50123", Origin::Accepted, hello("b1", false, false));
    assert_eq!(told(&table), []);
}

#[test]
fn a_peer_that_is_named_no_more_is_forgotten_as_unreachable_after_ten_minutes() {
    let mut table = Table::leecher();
    table.assign(member(), &["10.1.0.1:6881"]);
    table.tell(failed("10.1.0.1:6881".parse().expect("an address")));
    table.assign(member(), &[]);
    table.wait(598);
    assert_eq!(table.swarm.unreachable().count(), 1);
    table.wait(3);
    assert_eq!(table.swarm.unreachable().count(), 0);
}

#[test]
fn a_peer_that_does_not_answer_is_named_for_thirty_seconds() {
    let mut table = Table::leecher();
    table.assign(gateway(&["10.0.0.1:6881"]), &["10.1.0.1:6881"]);
    let addrs: Vec<_> =
        ["10.0.0.1:6881", "10.1.0.1:6881"].iter().map(|a| a.parse().expect("an address")).collect();
    table.tell(failed(addrs[1]));
    assert!(!table.swarm.report().stalled, "a neighbour is not all");
    let out = table.tell(failed(addrs[0]));
    assert!(out.contains(&Action::Announce(AnnounceReason::Stalled)));
    let mut gone = table.swarm.report().gone;
    gone.sort_unstable();
    assert_eq!(gone, addrs);
    table.wait(31);
    assert!(table.swarm.report().gone.is_empty());
}
