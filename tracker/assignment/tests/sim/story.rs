//! What happens in a simulated world.

use std::time::Duration;

use narrows_protocol::{AnnounceEvent, GatewayPreference, Sharing};

use super::check::Checks;
use super::client::{Client, SIZE};
use super::liar::Lie;
use super::maps;
use super::world::World;

/// What may go wrong in a story.
#[derive(Clone, Copy)]
pub struct Trouble {
    pub crashes: bool,
    pub stalls: bool,
    pub roaming: bool,
    pub operator: bool,
    pub stock: bool,
    pub nat: bool,
    /// Parents are planned beside the announces, as on large maps.
    pub beside: bool,
}

/// Steps through a random story. Returns the digest of all decisions.
pub fn random(seed: u64, steps: usize, most_sites: usize, most_clients: usize, trouble: Trouble) -> World {
    let mut world = World::new(seed, most_sites);
    if trouble.beside {
        world.policy.planning.at_once = 0;
    }
    if trouble.nat {
        // the first two can always be reached
        for site in &world.text.sites[2..] {
            if world.rng.one_in(8) {
                world.nat.insert(*site);
            }
        }
    }
    let mut checks = Checks::default();
    for step in 0..steps {
        world.step = step;
        if world.rng.one_in(6) || world.clients.iter().all(|client| !client.alive) {
            happen(&mut world, most_clients, trouble);
        } else {
            world.announce_next();
        }
        verify(&mut checks, &world);
    }
    world
}

/// Then nothing more goes wrong: every client that a seeder can reach becomes complete.
pub fn and_all_is_well(world: &mut World) {
    // the first two sites always share
    let site = world.text.sites[0];
    world.join(site, true, SIZE);
    let mut checks = Checks::default();
    let until = world.now + Duration::from_secs(4 * 3600);
    // a client that does not share is no gateway for others, and its neighbours behind the NAT cannot be
    // reached
    let can_complete = |world: &World, client: &Client| {
        let is_cut_off = world.is_nat_site(client.addr) && !client.shares();
        client.alive && world.site(client.addr).is_some() && !is_cut_off
    };
    while world.now < until {
        world.step += 1;
        if !world.announce_next() {
            break;
        }
        verify(&mut checks, world);
        let mut clients = world.clients.iter();
        if clients.all(|client| client.is_seeder() || !can_complete(world, client)) {
            return;
        }
    }
    let incomplete: Vec<_> =
        world.clients.iter().filter(|client| can_complete(world, client) && !client.is_seeder()).collect();
    let log = world.log.as_deref().unwrap_or_default();
    log[log.len().saturating_sub(80)..].iter().for_each(|line| eprintln!("{line}"));
    panic!(
        "seed {} step {}: these never completed: {incomplete:#?}",
        world.seed, world.step
    );
}

fn verify(checks: &mut Checks, world: &World) {
    if let Err(broken) = checks.after_step(world) {
        let log = world.log.as_deref().unwrap_or_default();
        for line in &log[log.len().saturating_sub(80)..] {
            eprintln!("{line}");
        }
        let status = world.swarm.status(&world.context(), world.now);
        panic!(
            "seed {} step {} at {:?}: {broken}\n{}\n{status:#?}",
            world.seed, world.step, world.now, world.text.text
        );
    }
}

fn happen(world: &mut World, most_clients: usize, trouble: Trouble) {
    let pause = Duration::from_millis(world.rng.below(3000) as u64);
    let soonest = world.clients.iter().filter(|client| client.alive).map(|client| client.next).min();
    let to = (world.now + pause).min(soonest.unwrap_or(world.now + pause));
    world.advance(to);
    let alive: Vec<usize> = world.clients.iter().filter(|c| c.alive).map(|c| c.number).collect();
    let someone = if alive.is_empty() {
        None
    } else {
        Some(alive[world.rng.below(alive.len())])
    };
    let site = world.random_site();
    match (world.rng.below(24), someone) {
        (0..8, _) if world.clients.len() < most_clients => {
            // (nor do stock clients say what they cannot reach)
            let agent = !trouble.stock || !world.nat.is_empty() || !world.rng.one_in(4);
            let have = [0, 0, 0, 0, SIZE / 3, SIZE][world.rng.below(6)];
            let number = world.join(site, agent, have);
            // some machines are clones of another, and share its id (one that starts beside its twin, behind
            // a NAT, is taken for it until both have announced again)
            if agent && number > 0 && world.rng.one_in(8) && world.nat.is_empty() {
                world.clients[number].image = world.rng.below(number);
            }
            world.clients[number].preference = match world.rng.below(10) {
                0 => GatewayPreference::Prefer,
                1 => GatewayPreference::Never,
                _ => GatewayPreference::Auto,
            };
            if agent && world.rng.one_in(6) {
                world.clients[number].share = Sharing::Never;
            }
        }
        (8..10, Some(number)) if world.clients[number].announced.is_some() => world.stop(number),
        (10..13, Some(number)) if trouble.crashes => world.crash(number),
        (13..16, _) => {
            let gone: Vec<usize> = world.clients.iter().filter(|c| !c.alive).map(|c| c.number).collect();
            if !gone.is_empty() {
                let number = gone[world.rng.below(gone.len())];
                let now = world.now;
                world.clients[number].restart(now);
            }
        }
        (16..18, Some(number)) if trouble.stalls => {
            let until = world.now + Duration::from_secs(world.rng.below(300) as u64);
            world.clients[number].blocked_until = until;
        }
        (18..20, Some(number)) if trouble.roaming && world.clients[number].agent => {
            let v6 = world.rng.one_in(2);
            world.roam(number, site, v6);
        }
        (20, _) if trouble.operator && world.rng.one_in(6) => {
            let most = world.text.sites.len() + 2;
            let text = maps::random(&mut world.rng, most);
            world.reload(text);
        }
        (22, Some(number)) if trouble.operator && world.clients[number].agent => {
            let client = &mut world.clients[number];
            client.share = match client.share {
                Sharing::Always => Sharing::Never,
                Sharing::Never => Sharing::Always,
            };
        }
        (21, _) if trouble.operator && world.rng.one_in(4) => {
            let kept = world.rng.one_in(2);
            world.restart_tracker(kept);
        }
        _ => {}
    }
}

/// What the machine of a liar does, at one address of one site.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Rogue {
    /// Says the ids of others, stops and moves them.
    Thief,
    /// Says of others that they do not answer.
    Accuser,
    /// Wants the lease and brings nothing.
    Idler,
    /// Speaks of gateways that are not there, and of restarts.
    Gossip,
    /// Says that it fetched more than there is.
    Boaster,
    /// Makes clients up.
    Crowd,
    /// Says that it has everything, and sends nothing.
    Choker,
}

impl Rogue {
    pub const ALL: [Rogue; 7] = [
        Rogue::Thief,
        Rogue::Accuser,
        Rogue::Idler,
        Rogue::Gossip,
        Rogue::Boaster,
        Rogue::Crowd,
        Rogue::Choker,
    ];

    fn speaks(self, world: &mut World, site: u8) {
        let mut addr = super::client::address(site, 65_000 - self as usize, false);
        let n = world.rng.below(20) as u16;
        let number = world.rng.below(world.clients.len());
        let (victim, other) = (world.clients[number].addr, world.random_site());
        let peer_id = world.peer_id(number);
        addr.set_port(
            7000 + if self == Rogue::Crowd {
                n * 50 + world.rng.below(50) as u16
            } else {
                n % 3
            },
        );
        let name = format!("rogue-{}", addr.port());
        let mut lie = Lie::of(&name, addr, SIZE).with(|lie| lie.key = Some(50_000 + u32::from(addr.port())));
        lie.peer_id.0[18..].copy_from_slice(&addr.port().to_be_bytes());
        world.listening.insert(addr);
        let events = [
            AnnounceEvent::None,
            AnnounceEvent::Started,
            AnnounceEvent::Stopped,
        ];
        match self {
            Rogue::Thief => {
                lie = lie.saying(|report| report.agent = format!("agent-{number}"));
                (lie.event, lie.peer_id) = (events[usize::from(n) % 3], peer_id);
                lie.key = lie.key.filter(|_| n.is_multiple_of(2));
            }
            Rogue::Accuser => {
                lie = lie.saying(|report| {
                    report.lost = n.is_multiple_of(2).then_some(victim);
                    report.gone = vec![victim];
                });
            }
            Rogue::Idler => {
                lie.left = SIZE / 10 - world.now.as_secs() % 1000;
                lie = lie.saying(|report| {
                    report.role = narrows_protocol::Role::Gateway;
                    report.preference = GatewayPreference::Prefer;
                });
            }
            Rogue::Gossip => {
                lie = lie.saying(|report| {
                    report.gateway = Some(super::client::address(site, 64_000, false));
                    report.restarted = true;
                });
            }
            Rogue::Boaster => {
                let source = world.map.name(world.site(super::client::address(other, 1, false)).unwrap());
                let source = source.into_owned();
                lie = lie.saying(|report| {
                    report.wan = u64::MAX - u64::from(n);
                    report.sources = vec![(source, u64::MAX)];
                });
            }
            Rogue::Crowd => lie.report = lie.report.filter(|_| n.is_multiple_of(2)),
            Rogue::Choker => {
                lie.left = 0;
                world.mute.insert(addr);
            }
        }
        world.hear(&lie);
    }
}

/// Honest clients join, and liars speak all the time. Returns how long it took until each had everything.
pub fn beside(rogues: &[Rogue], seed: u64, faults: bool) -> (World, Duration) {
    let mut rng = crate::support::rng::SplitMix(seed);
    let most = 2 + rng.below(4);
    let text = maps::trees(&mut rng, most);
    let mut world = World::with_map(seed, rng, text);
    let sites = world.text.sites.clone();
    let homes: Vec<u8> = rogues.iter().map(|_| sites[world.rng.below(sites.len())]).collect();
    world.join(sites[0], true, SIZE);
    for site in &sites {
        for (rogue, home) in rogues.iter().zip(&homes) {
            // as it waits for the rollout
            if site == home {
                world.announce_next();
                rogue.speaks(&mut world, *home);
            }
        }
        for _ in 0..2 + world.rng.below(6) {
            world.join(*site, true, 0);
        }
    }
    let mut spoken = vec![world.now; rogues.len()];
    let mut back: Vec<(Duration, usize)> = Vec::new();
    while world.clients.iter().any(|client| !client.is_seeder()) {
        let turn = world.rng.below(rogues.len().max(1));
        let pause = Duration::from_millis(500 + world.rng.below(12_000) as u64);
        let next = world.clients.iter().filter(|client| client.alive).map(|client| client.next).min();
        if !rogues.is_empty() && next.is_none_or(|next| next > spoken[turn] + pause) {
            spoken[turn] += pause;
            let to = spoken[turn].max(world.now);
            world.advance(to);
            rogues[turn].speaks(&mut world, homes[turn]);
        } else if next.is_some() {
            world.announce_next();
        } else {
            world.advance(world.now + pause);
        }
        if faults {
            fault(&mut world, &mut back);
        }
        complain(&mut world);
        if let Err(problem) = world.swarm.recount() {
            let log = world.log.as_deref().unwrap_or_default();
            log[log.len().saturating_sub(80)..].iter().for_each(|line| eprintln!("{line}"));
            panic!("{rogues:?}, seed {seed}: {problem}");
        }
        if world.now >= Duration::from_secs(2 * 3600) {
            let log = world.log.as_deref().unwrap_or_default();
            log[log.len().saturating_sub(80)..].iter().for_each(|line| eprintln!("{line}"));
            let left: Vec<&Client> = world.clients.iter().filter(|client| !client.is_seeder()).collect();
            panic!("{rogues:?}, seed {seed}: {left:#?}");
        }
    }
    let took = world.now;
    (world, took)
}

/// Faults end after so long.
pub const FAULTS: Duration = Duration::from_secs(120);

/// Now and then, a machine is killed and comes back, or the tracker is.
fn fault(world: &mut World, back: &mut Vec<(Duration, usize)>) {
    let now = world.now;
    while let Some(at) = back.iter().position(|(at, _)| *at <= now) {
        let (_, number) = back.swap_remove(at);
        world.clients[number].restart(now);
    }
    if now >= FAULTS || !world.rng.one_in(20) {
        return;
    }
    if world.rng.one_in(6) {
        let kept = !world.rng.one_in(3);
        world.restart_tracker(kept);
        return;
    }
    let number = 1 + world.rng.below(world.clients.len() - 1);
    if world.clients[number].alive {
        world.crash(number);
        let away = Duration::from_secs(2 + world.rng.below(10) as u64);
        back.push((now + away, number));
    }
}

/// Agents say within seconds that they are stalled, or that their gateway is lost.
fn complain(world: &mut World) {
    for number in 0..world.clients.len() {
        let client = &world.clients[number];
        if client.alive
            && client.announced.is_some()
            && world.now >= client.fetched_at + Duration::from_secs(10)
        {
            world.fetch(number);
        }
        let client = &world.clients[number];
        let lost = client.gateways.first().copied();
        let is_away =
            |addr: &std::net::SocketAddr| world.client(*addr).is_none() && !world.listening.contains(addr);
        let lost = lost.filter(is_away);
        let now = world.now;
        let client = &mut world.clients[number];
        if !client.alive || client.is_seeder() || client.announced.is_none() {
            continue;
        }
        let soon = match (lost, client.stalled) {
            (Some(_), _) => Duration::from_secs(3),
            (None, true) => Duration::from_secs(10),
            _ => continue,
        };
        client.lost = lost;
        let soon = client.announced.unwrap_or_default() + soon;
        client.next = client.next.min(soon.max(now));
    }
}
