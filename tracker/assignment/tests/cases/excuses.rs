//! A machine that holds its site's lease, brings nothing, and says that it is not to blame (chaos seeds 201 and 301).

use std::time::Duration;

use narrows_assignment::Time;
use narrows_protocol::{AnnounceEvent, GatewayPreference, PeerId, Role};

use super::star;
use crate::sim::client::{SIZE, address};
use crate::sim::liar::Lie;
use crate::sim::world::World;

/// One of two clients of one machine: first it says that its upstreams do not answer, then that it works.
fn lie(n: u16, gone: &[usize], world: &World, working: bool) -> Lie {
    let mut addr = address(2, 200, false);
    addr.set_port(7000 + n);
    let left = SIZE - world.now.as_secs().min(SIZE - 1);
    let gone = gone.iter().map(|number| world.clients[*number].addr).collect();
    let mut lie = Lie::of(&format!("excused-{n}"), addr, left).saying(|report| {
        report.preference = GatewayPreference::Prefer;
        match working {
            true => report.role = Role::Gateway,
            false => report.gone = gone,
        }
    });
    (lie.key, lie.peer_id) = (Some(9000 + u32::from(n)), PeerId([n as u8; 20]));
    lie
}

/// Such a machine is first at its site, beside so many clients. `elsewhere`: at another site there is a client
/// that gets nothing, from which the tracker may let the site fetch. Returns when all others were complete, and
/// for how long it had a lease.
fn rollout(clients: usize, elsewhere: bool) -> (World, Time, Duration) {
    let mut world = star(2);
    let seeders: Vec<usize> = (0..2).map(|_| world.join(1, true, SIZE)).collect();
    if elsewhere {
        let number = world.join(3, true, 0);
        world.clients[number].rate = 0;
    }
    for number in 0..world.clients.len() {
        world.announce(number, AnnounceEvent::Started);
    }
    let others = world.clients.len();
    let (mut held, pause) = (Duration::ZERO, Duration::from_secs(2));
    while world.clients[others..].iter().any(|client| !client.is_seeder()) || world.clients.len() == others {
        let mut leads = false;
        for n in 0..2 {
            for working in [false, true] {
                let lie = lie(n, &seeders, &world, working);
                let decision = world.hear(&lie);
                leads |= decision.role == Role::Gateway;
                world.named.extend(decision.outcome.no_progress.map(|(ip, _)| ip));
            }
        }
        held += if leads { pause } else { Duration::ZERO };
        if world.clients.len() == others {
            for _ in 0..clients {
                let number = world.join(2, true, 0);
                world.announce(number, AnnounceEvent::Started);
            }
        }
        let end = world.now + pause;
        world.announce_until(end);
        assert!(world.now < Duration::from_secs(3600), "{:?}", world.clients);
    }
    let ended = world.now;
    (world, ended, held)
}

#[test]
fn a_gateway_that_says_its_upstreams_do_not_answer_has_a_term_as_others_have_and_is_named_as_others_reach_them()
 {
    for (clients, elsewhere) in [1, 2, 3, 8].into_iter().flat_map(|n| [(n, false), (n, true)]) {
        let (world, ended, held) = rollout(clients, elsewhere);
        let term = world.policy.intervals.gateway.mul_f64(world.policy.terms.lease);
        let what = format!(
            "{clients} clients, {elsewhere}: {ended:?}, held {held:?}, {:?}",
            world.named
        );
        assert!(held <= term + Duration::from_secs(2), "{what}");
        // a term, and the interval of a member for some that were not asked to come back soon
        assert!(ended < Duration::from_secs(200 + 90) + term, "{what}");
        let liar = address(2, 200, false).ip();
        assert!(
            world.named == [liar] || (clients == 1 && world.named.is_empty()),
            "{what}"
        );
    }
}
