//! A machine that announces what belongs to another one: its id, its name, all but its key.

use std::net::SocketAddr;

use narrows_protocol::{AnnounceEvent, PeerId, Role};

use super::star;
use crate::sim::client::{SIZE, address};
use crate::sim::liar::Lie;
use crate::sim::world::World;

const EVENTS: [AnnounceEvent; 5] = [
    AnnounceEvent::Stopped,
    AnnounceEvent::Started,
    AnnounceEvent::None,
    AnnounceEvent::Completed,
    AnnounceEvent::Paused,
];

/// A seeder at the origin and a gateway of zone a, which lacks everything.
fn rollout() -> (World, usize, usize) {
    let mut world = star(2);
    let seeder = world.join(1, true, SIZE);
    world.announce(seeder, AnnounceEvent::Started);
    let gateway = world.join(2, true, 0);
    world.announce(gateway, AnnounceEvent::Started);
    (world, seeder, gateway)
}

/// Whether a record of this agent is at its address.
fn is_there(world: &World, number: usize) -> bool {
    let addr = world.clients[number].addr;
    let site = if addr.to_string().starts_with("10.1.") {
        "origin"
    } else {
        "zone-a"
    };
    let site = world.map.site_named(site).unwrap();
    let (_, listed) = world.swarm.roster(site, "", (0, 100), world.now);
    listed.iter().any(|peer| format!("{peer:?}").contains(&addr.to_string()))
}

#[test]
fn an_id_without_its_key_neither_stops_nor_moves_nor_demotes_its_agent_from_wherever_it_is_said() {
    let places = [
        address(1, 90, false),
        address(2, 91, false),
        address(3, 92, false),
        address(2, 93, true),
    ];
    for event in EVENTS {
        for addr in places {
            for key in [None, Some(0), Some(999)] {
                let (mut world, seeder, gateway) = rollout();
                for number in [seeder, gateway] {
                    let lie = Lie::of(&format!("agent-{number}"), addr, 0).with(|lie| {
                        (lie.event, lie.key) = (event, key);
                        // what peers are told of each other
                        lie.peer_id = world.peer_id(number);
                    });
                    for _ in 0..5 {
                        let reply = world.hear(&lie);
                        assert!(!reply.outcome.moved, "{event:?} {addr} {key:?}");
                    }
                    assert!(is_there(&world, number), "{event:?} {addr} {key:?} {number}");
                }
                let reply = world.announce(gateway, AnnounceEvent::None).unwrap();
                assert!(!reply.outcome.moved);
                if event == AnnounceEvent::Stopped {
                    assert_eq!(reply.role, Role::Gateway);
                    assert_eq!(
                        reply.upstream.iter().map(|up| up.addr).collect::<Vec<SocketAddr>>(),
                        [world.clients[seeder].addr]
                    );
                }
                world.swarm.recount().unwrap();
            }
        }
    }
}

#[test]
fn who_says_the_id_of_another_agent_is_named_and_a_stop_leaves_nothing_behind() {
    let (mut world, _, gateway) = rollout();
    let peers = world.swarm.counts();
    let stop = Lie::of(&format!("agent-{gateway}"), address(3, 9, false), 0)
        .with(|lie| lie.event = AnnounceEvent::Stopped);
    let reply = world.hear(&stop);
    assert_eq!(reply.outcome.id_taken, Some(world.clients[gateway].addr));
    assert_eq!((reply.outcome.double, world.swarm.counts()), (None, peers));
    let start = stop.with(|lie| lie.event = AnnounceEvent::Started);
    assert_eq!(
        world.hear(&start).outcome.id_taken,
        Some(world.clients[gateway].addr)
    );
    // once it is known as another machine, it is one
    assert_eq!(world.hear(&start).outcome.id_taken, None);
}

/// An agent that keeps no key is known at its address alone.
#[test]
fn an_agent_without_a_key_is_stopped_from_its_own_address_alone() {
    let (mut world, ..) = rollout();
    let (own, other) = (address(2, 50, false), address(2, 51, false));
    let agent = Lie::of("old-one", own, SIZE);
    world.hear(&agent);
    let peers = world.swarm.counts();
    for key in [None, Some(7)] {
        world.hear(&agent.clone().with(|lie| {
            (lie.addr, lie.key, lie.event) = (other, key, AnnounceEvent::Stopped);
        }));
        assert_eq!(world.swarm.counts(), peers);
    }
    world.hear(&agent.with(|lie| lie.event = AnnounceEvent::Stopped));
    assert_eq!(world.swarm.counts().incomplete, peers.incomplete - 1);
}

#[test]
fn a_stock_clients_stop_ends_what_is_at_its_own_address_and_port() {
    let (mut world, ..) = rollout();
    let own = address(2, 50, false);
    let stock = Lie::of("", own, SIZE).with(|lie| {
        (lie.report, lie.key, lie.event) = (None, Some(5), AnnounceEvent::Started);
    });
    world.hear(&stock);
    let peers = world.swarm.counts();
    let mut other_port = own;
    other_port.set_port(7000);
    for addr in [
        address(2, 51, false),
        address(1, 51, false),
        address(2, 52, true),
        other_port,
    ] {
        world.hear(&stock.clone().with(|lie| {
            (lie.addr, lie.event) = (addr, AnnounceEvent::Stopped);
        }));
        assert_eq!(world.swarm.counts(), peers, "{addr}");
    }
    world.hear(&stock.with(|lie| lie.event = AnnounceEvent::Stopped));
    assert_eq!(world.swarm.counts().incomplete, peers.incomplete - 1);
}

/// Behind the same NAT the address is no proof either, beyond one machine that starts.
#[test]
fn a_neighbour_behind_the_same_address_and_port_takes_no_record_by_name_or_peer_id() {
    let (mut world, _, gateway) = rollout();
    let victim = world.clients[gateway].addr;
    let lie = Lie::of("another", victim, SIZE).with(|lie| {
        (lie.key, lie.peer_id) = (Some(999), world.peer_id(gateway));
    });
    for event in [
        AnnounceEvent::None,
        AnnounceEvent::Stopped,
        AnnounceEvent::Started,
    ] {
        world.hear(&lie.clone().with(|lie| lie.event = event));
        let reply = world.announce(gateway, AnnounceEvent::None).unwrap();
        assert_eq!(
            (reply.role, reply.outcome.elected),
            (Role::Gateway, false),
            "{event:?}"
        );
    }
}

/// The most machines of one id are kept; an address that makes them up crowds out its own.
#[test]
fn a_machine_that_makes_up_doubles_of_an_id_crowds_out_none_but_its_own() {
    let (mut world, _, gateway) = rollout();
    world.policy.identity.max_of_id = 80;
    let name = format!("agent-{gateway}");
    let clone = |n: u32, site: u8, at: usize| {
        Lie::of(&name, address(site, at, false), SIZE).with(|lie| {
            lie.key = Some(1000 + n);
            lie.peer_id = PeerId(*b"-LI0001-------------");
            lie.peer_id.0[16..].copy_from_slice(&n.to_be_bytes());
            lie.addr.set_port(10_000 + n as u16);
        })
    };
    let honest: Vec<Lie> = (0..8).map(|n| clone(n, 3, 100 + n as usize)).collect();
    honest.iter().for_each(|clone| drop(world.hear(clone)));
    for n in 100..400 {
        world.hear(&clone(n, 2, 200 + (n % 4) as usize));
    }
    assert_eq!(
        world.announce(gateway, AnnounceEvent::None).unwrap().role,
        Role::Gateway
    );
    for clone in &honest {
        let reply = world.hear(clone);
        assert_eq!(
            (reply.outcome.double, reply.outcome.crowded_out),
            (None, false),
            "it was there"
        );
    }
    world.swarm.recount().unwrap();
}
