//! What must hold after every step.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use narrows_assignment::Time;
use narrows_protocol::Role;
use narrows_topology::SiteId;

use super::client::Client;
use super::world::World;

/// Since when each site has had a cause to starve.
#[derive(Default)]
pub struct Checks {
    starving_since: BTreeMap<SiteId, Time>,
    /// The most remote peers that each client could be handed under any map so far.
    most_remote: BTreeMap<usize, u32>,
    pub longest_wait: Duration,
}

impl Checks {
    pub fn after_step(&mut self, world: &World) -> Result<(), String> {
        self.remote_peers_are_bounded(world)?;
        only_gateways_know_remote_peers(world)?;
        no_peer_is_handed_itself_or_another_twice(world)?;
        self.nobody_starves(world)?;
        world.swarm.recount()?;
        if world.step.is_multiple_of(16) {
            parents_have_no_cycle(world)?;
        }
        Ok(())
    }

    /// Every waiting site has a gateway with a live upstream within one announce of the cause.
    fn nobody_starves(&mut self, world: &World) -> Result<(), String> {
        let mut waiting: BTreeSet<SiteId> = BTreeSet::new();
        let mut supplied: BTreeSet<SiteId> = BTreeSet::new();
        // how much any of their peers that share has
        let mut holders: BTreeMap<SiteId, u64> = BTreeMap::new();
        let mut fed: BTreeSet<SiteId> = BTreeSet::new();
        // a reload forgets no peer
        let known =
            |client: &&Client| client.alive && client.announced.is_some_and(|at| at > world.restarted);
        for client in world.clients.iter().filter(known) {
            let Some(site) = world.site(client.announced_from) else {
                continue;
            };
            let sharing = world.map.sharing(site);
            if sharing && client.have > 0 && client.announced_sharing() {
                let most = holders.entry(site).or_default();
                *most = client.have.max(*most);
            }
            if client.is_seeder() && client.completed {
                if sharing && client.announced_sharing() {
                    supplied.insert(site);
                }
            } else {
                waiting.insert(site);
            }
            if client.role == Role::Gateway && client.upstream.iter().any(|up| world.client(*up).is_some()) {
                fed.insert(site);
            }
        }
        let starving = waiting.iter().filter(|site| {
            !supplied.contains(site)
                && !fed.contains(site)
                // a root may have all that there is, and no other to ask
                && holders.iter().any(|(holder, have)| {
                    *have > holders.get(site).copied().unwrap_or(0) && world.map.path(*holder, **site).is_some()
                })
        });
        let starving: BTreeSet<SiteId> = starving.copied().collect();
        let epoch = world.epoch;
        self.starving_since.retain(|site, since| starving.contains(site) && *since >= epoch);
        for site in starving {
            let since = *self.starving_since.entry(site).or_insert(world.now);
            let waited = world.now - since;
            let bound = world.policy.intervals.leecher.mul_f64(1.1) + Duration::from_secs(15);
            let is_vain = |client: &Client| client.have > 0 && world.is_behind_nat(client.announced_from);
            if world.now < world.ghosts_until + bound || registered(world).any(is_vain) {
                // records of the dead look alive; they are given time to expire. Those of machines that
                // no peer can connect to look like others: all that counts is that each completes in the
                // end
                self.starving_since.insert(site, world.now);
            } else if waited > bound {
                return Err(format!(
                    "{} has had no peer to fetch from for {waited:?}",
                    world.map.name(site)
                ));
            }
            self.longest_wait = self.longest_wait.max(waited);
        }
        Ok(())
    }

    /// A site never holds more than gateways x max_seeders peers of one parent site (only with stripes there are
    /// several), but for those that do not share; one peer never more than max_seeders.
    fn remote_peers_are_bounded(&mut self, world: &World) -> Result<(), String> {
        let mut held: BTreeMap<(SiteId, SiteId), u32> = BTreeMap::new();
        let cap = |source: SiteId, site: SiteId| {
            let route = world.map.path(source, site);
            route.map_or(0, |route| world.map.max_seeders(&route))
        };
        for client in registered(world).filter(|client| !client.upstream.is_empty()) {
            let Some(site) = world.site(client.announced_from) else {
                continue;
            };
            let sources = client.upstream.iter().filter_map(|up| world.site(*up));
            let sources: BTreeSet<SiteId> = sources.collect();
            let caps: Vec<u32> = sources.iter().map(|source| cap(*source, site)).collect();
            let least = if client.parents > 1 {
                caps.iter().sum()
            } else {
                caps.iter().min().copied().unwrap_or(0)
            };
            let most = caps.iter().max().copied().unwrap_or(0);
            if client.upstream.len() as u32 > least {
                return Err(format!(
                    "{} was handed {:?}, more than {least}",
                    client.addr, client.upstream
                ));
            }
            let alive = client.ever.iter().filter(|up| world.client(**up).is_some()).count() as u32;
            let ever_most = self.most_remote.entry(client.number).or_default();
            *ever_most = most.max(*ever_most);
            // those of one lease; a second one begins anew
            let of_lease = *ever_most + world.policy.stock_spares + 3;
            if !client.agent && alive > 2 * of_lease {
                return Err(format!(
                    "{} is a stock client and was handed {alive} remote peers in its life",
                    client.addr
                ));
            }
            if world.map.sharing(site) && client.announced_sharing() {
                for up in &client.upstream {
                    if let Some(source) = world.site(*up) {
                        *held.entry((site, source)).or_default() += 1;
                    }
                }
            }
        }
        for ((site, source), handed) in held {
            let bound = world.map.gateways(site) * cap(source, site);
            if handed > bound {
                return Err(format!(
                    "{} holds {handed} peers of {}, more than {bound}",
                    world.map.name(site),
                    world.map.name(source)
                ));
            }
        }
        Ok(())
    }
}

/// Clients that the tracker of this epoch knows, as they know themselves.
fn registered(world: &World) -> impl Iterator<Item = &Client> {
    world
        .clients
        .iter()
        .filter(|client| client.alive && client.announced.is_some_and(|at| at > world.epoch))
}

/// None but a gateway is handed a remote address, and no seeder is.
fn only_gateways_know_remote_peers(world: &World) -> Result<(), String> {
    for client in registered(world).filter(|client| client.announced == Some(world.now)) {
        let site = world.site(client.announced_from);
        if let Some(remote) = client.local.iter().find(|local| client.agent && world.site(**local) != site) {
            return Err(format!("{} was handed {remote} as a local peer", client.addr));
        }
        if let Some(local) = client.upstream.iter().find(|up| world.site(**up) == site) {
            return Err(format!("{} was handed {local} as a remote peer", client.addr));
        }
        if client.role == Role::Member && !client.upstream.is_empty() {
            return Err(format!(
                "{} is no gateway and was handed {:?}",
                client.addr, client.upstream
            ));
        }
        if client.is_seeder()
            && client.completed
            && (client.role == Role::Gateway || !client.upstream.is_empty())
        {
            return Err(format!(
                "{} is a seeder and was handed {:?}",
                client.addr, client.upstream
            ));
        }
        let handed = client.local.iter().chain(&client.upstream);
        let private =
            |addr: &&std::net::SocketAddr| world.site(**addr).is_some_and(|s| !world.map.sharing(s));
        if let Some(private) = handed.filter(|_| client.agent).find(private) {
            return Err(format!(
                "{} was handed {private}, which may not share",
                client.addr
            ));
        }
        let handed = client.local.iter().chain(&client.upstream).chain(&client.gateways);
        // in the same moment the one or the other may have been first
        let before = |peer: &Client| peer.announced < Some(world.now);
        let is_silent = |peer: &Client| before(peer) && !peer.announced_sharing();
        let silent = |addr: &&std::net::SocketAddr| world.client(**addr).is_some_and(is_silent);
        if let Some(silent) = handed.filter(|_| client.agent).find(silent) {
            return Err(format!(
                "{client:?} was handed {silent}, which does not share: {:?}",
                world.client(*silent)
            ));
        }
        // the record of one that neighbours cannot reach may be gone
        let is_known = |other: &Client| {
            let agent = format!("agent-{}", other.image);
            // an id of several machines says nothing of one of them
            let clones = world.clients.iter().filter(|client| client.image == other.image);
            clones.count() == 1 && world.swarm.explain(&world.context(), &agent, world.now).is_some()
        };
        let could = |other: &&Client| {
            other.announced_sharing()
                && before(other)
                && world.site(other.announced_from) == site
                && site.is_some_and(|site| world.map.sharing(site))
                && is_known(other)
        };
        if !client.announced_sharing()
            && client.role == Role::Gateway
            && let Some(other) = registered(world).find(could)
        {
            return Err(format!(
                "{} does not share and is gateway beside {}",
                client.addr, other.addr
            ));
        }
    }
    Ok(())
}

fn no_peer_is_handed_itself_or_another_twice(world: &World) -> Result<(), String> {
    for client in registered(world).filter(|client| client.announced == Some(world.now)) {
        // its other address may be news, and it may have moved since
        let is_own = |addr: &SocketAddr| *addr == client.announced_from;
        let lists = [&client.local, &client.upstream, &client.gateways];
        for (list, others) in lists.into_iter().zip([true, true, client.role == Role::Member]) {
            let once: BTreeSet<SocketAddr> = list.iter().copied().collect();
            if once.len() < list.len() || (others && list.iter().any(is_own)) {
                return Err(format!("{} {:?} was handed {list:?}", client.addr, client.other));
            }
        }
    }
    Ok(())
}

fn parents_have_no_cycle(world: &World) -> Result<(), String> {
    let status = world.swarm.status(&world.context(), world.now);
    let parents: BTreeMap<&str, &str> =
        status.sites.iter().filter_map(|site| Some((site.site.as_str(), site.parent.as_deref()?))).collect();
    for start in parents.keys() {
        let (mut at, mut hops) = (*start, 0);
        while let Some(parent) = parents.get(at) {
            (at, hops) = (*parent, hops + 1);
            if hops > parents.len() {
                return Err(format!("the parents of {start} are a cycle: {parents:?}"));
            }
        }
    }
    let seeders: u32 = status.sites.iter().map(|site| site.seeders).sum();
    let peers: u32 = status.sites.iter().map(|site| site.peers).sum();
    let counts = world.swarm.counts();
    if (seeders, peers - seeders) != (counts.complete, counts.incomplete) {
        return Err(format!(
            "counts {counts:?}, but the sites have {seeders} seeders of {peers}"
        ));
    }
    Ok(())
}
