//! Which machines a rollout is for: a site's progress is that of its machines that wanted the content.

mod sim;
mod support;

use narrows_assignment::SiteStatus;
use narrows_protocol::AnnounceEvent;
use sim::client::SIZE;
use sim::world::World;

/// An origin (1) and a branch (2).
fn pair() -> World {
    let text = "version: 1\nsites:\n  origin: {networks: [10.1.0.0/16]}\n  branch: {networks: [10.2.0.0/16]}\nlinks:\n  - \
                {between: [branch, origin], rate: 10 Mbit/s}\n";
    World::of(text, &[1, 2])
}

fn branch(world: &World) -> SiteStatus {
    let status = world.swarm.status(&world.context(), world.now);
    status.sites.into_iter().find(|site| site.site == "branch").unwrap()
}

#[test]
fn a_sites_progress_is_that_of_the_machines_that_wanted_the_content() {
    let mut world = pair();
    for _ in 0..3 {
        let seeder = world.join(2, true, SIZE);
        world.announce(seeder, AnnounceEvent::Started);
    }
    assert_eq!(
        (branch(&world).wanted, branch(&world).progress_mean),
        (0, Some(1.0))
    );
    let clients: Vec<usize> = (0..2).map(|_| world.join(2, true, 0)).collect();
    for client in &clients {
        world.announce(*client, AnnounceEvent::Started);
    }
    assert_eq!(
        (branch(&world).wanted, branch(&world).progress_mean),
        (2, Some(0.0))
    );
    world.clients[clients[0]].have = SIZE;
    world.announce(clients[0], AnnounceEvent::Completed);
    world.clients[clients[1]].have = SIZE / 2;
    world.announce(clients[1], AnnounceEvent::None);
    world.restart_tracker(true);
    let now = branch(&world);
    assert_eq!((now.wanted, now.wanted_complete), (2, 1));
    assert_eq!((now.progress_mean, now.seeders), (Some(0.75), 4));
}

/// It is of a site whose gateway was another machine: nothing came to it across a link, and it had nothing
/// before.
#[test]
fn a_machine_that_fetched_inside_its_site_and_restarts_is_still_one_that_wanted_the_content() {
    let mut world = pair();
    let source = world.join(2, true, SIZE);
    world.announce(source, AnnounceEvent::Started);
    let clients: Vec<usize> = (0..2).map(|_| world.join(2, true, 0)).collect();
    for client in &clients {
        world.clients[*client].wanted = true;
        world.announce(*client, AnnounceEvent::Started);
    }
    let done = clients[0];
    world.clients[done].have = SIZE;
    world.announce(done, AnnounceEvent::Completed);
    let before = branch(&world);
    world.announce(done, AnnounceEvent::Stopped);
    assert_eq!(branch(&world).wanted, 1);
    world.clients[done].restart(world.now);
    world.announce(done, AnnounceEvent::Started);
    let now = branch(&world);
    assert_eq!(
        (now.wanted, now.wanted_complete, now.progress_mean),
        (2, 1, Some(0.5))
    );
    assert_eq!((before.wanted, before.progress_mean), (2, Some(0.5)));
    // the source restarts, too, and is still none
    world.announce(source, AnnounceEvent::Stopped);
    world.clients[source].restart(world.now);
    world.announce(source, AnnounceEvent::Started);
    assert_eq!(branch(&world).wanted, 2);
}

#[test]
fn a_gateway_that_restarts_with_an_agent_of_before_is_one_that_wanted_the_content() {
    let mut world = pair();
    let source = world.join(2, true, SIZE);
    world.announce(source, AnnounceEvent::Started);
    let client = world.join(2, true, 0);
    world.announce(client, AnnounceEvent::Started);
    world.clients[client].have = SIZE;
    world.clients[client].wan = SIZE;
    world.announce(client, AnnounceEvent::Completed);
    world.announce(client, AnnounceEvent::Stopped);
    world.clients[client].restart(world.now);
    world.announce(client, AnnounceEvent::Started);
    let now = branch(&world);
    assert_eq!((now.wanted, now.wanted_complete), (1, 1));
}
