//! Who comes, who goes, and who notices.

use super::calendar::{Due, Millis};
use super::setup::part;
use super::simulation::Simulation;

/// Most neighbours of a gateway that see their connection to it close.
const NEIGHBOURS: usize = 16;

/// In sites of up to so many clients, the best-supplied one is looked for when one goes; in others many have
/// the same.
const SMALL: u32 = 64;

impl Simulation {
    /// A client arrives or comes back, with what it had.
    pub(crate) fn come(&mut self, number: u32) {
        self.to_come -= 1;
        let now = self.now;
        let client = &mut self.clients[number as usize];
        client.up = true;
        client.silent = false;
        client.at = now;
        let (have, complete) = (client.have, client.complete);
        let site = &mut self.sites[usize::from(client.site)];
        site.live += 1;
        site.lacking += u32::from(!complete);
        if site.live == 1 {
            site.progressed = now;
        }
        site.began.get_or_insert(now);
        let deserted = site.deserted.take().filter(|_| site.done.is_none());
        site.absent += deserted.map_or(0, |since| now - since);
        site.level = site.level.max(have);
        site.spread = site.spread.max(have);
        self.announce(number, false);
    }

    /// A client stops or is switched off. It comes back after half a minute to five minutes.
    pub(crate) fn vanish(&mut self, number: u32) {
        self.to_come -= 1;
        if !self.clients[number as usize].up {
            return;
        }
        let silent = self.rng.one_in(2);
        if !silent {
            self.announce(number, true);
        }
        let have = self.have(number);
        let client = &mut self.clients[number as usize];
        let (was_gateway, was_upstream, complete) = (client.gateway, client.upstream, client.complete);
        client.have = have;
        client.at = self.now;
        client.wan = 0.0;
        client.up = false;
        client.started = false;
        client.gateway = false;
        client.noticed = false;
        client.silent = silent;
        let number_of_site = usize::from(client.site);
        let site = &mut self.sites[number_of_site];
        site.live -= 1;
        site.lacking -= u32::from(!complete);
        site.fetches.retain(|fetch| fetch.client != number);
        if !was_gateway {
            self.look_for_best(number_of_site);
        }
        let site = &mut self.sites[number_of_site];
        let best = site.fetches.iter().map(|fetch| fetch.have);
        let level = best.fold(site.spread, f64::max);
        if site.done.is_none() {
            self.meter.lost(site.level - level, site.live > 0);
        }
        site.level = level;
        site.deserted = (site.live == 0).then_some(self.now);
        site.full &= site.spread >= self.setup.size as f64;
        if was_gateway {
            self.meter.gateways_gone += 1;
            self.tell_neighbours(number, number_of_site);
        }
        if was_upstream {
            self.tell_downstream(number);
        }
        let back = self.now + 30_000 + (part(&mut self.rng) * 270_000.0) as Millis;
        self.to_come += 1;
        self.calendar.add(back, Due::Up, number);
    }

    /// A member has gone: what its site has without it.
    fn look_for_best(&mut self, number: usize) {
        let site = &self.sites[number];
        if site.members() > 0 && site.count > SMALL {
            return;
        }
        let members = site.clients().filter(|client| {
            let client = &self.clients[*client as usize];
            client.up && !client.gateway
        });
        let best = members.map(|client| self.have(client)).fold(0.0, f64::max);
        self.sites[number].spread = best;
    }

    /// Neighbours of a gateway see their connection to it close, or silent for too long.
    fn tell_neighbours(&mut self, gateway: u32, number: usize) {
        let site = &mut self.sites[number];
        site.lost = Some(gateway);
        let (first, count) = (site.first, site.count as usize);
        let start = self.rng.below(count);
        let around = (0..count).map(|n| first + ((start + n) % count) as u32);
        let concerned = around.filter(|member| {
            let member = &self.clients[*member as usize];
            member.up && member.started && !member.complete && !member.gateway
        });
        let concerned: Vec<u32> = concerned.take(NEIGHBOURS).collect();
        for member in concerned {
            self.clients[member as usize].noticed = true;
            let at = self.notice(gateway);
            self.schedule(member, at);
        }
    }

    /// Gateways whose upstreams are all gone say so.
    fn tell_downstream(&mut self, upstream: u32) {
        let fetches = self.sites.iter().flat_map(|site| &site.fetches);
        let starving = fetches.filter(|fetch| {
            fetch.upstreams.contains(&upstream)
                && fetch.upstreams.iter().all(|up| !self.clients[*up as usize].up)
        });
        let starving: Vec<u32> = starving.map(|fetch| fetch.client).collect();
        for gateway in starving {
            let at = self.notice(upstream);
            self.schedule(gateway, at);
        }
    }

    /// When a client that is connected to a client notices that it has just gone: at once if the connection
    /// is closed, when it has been silent for long enough otherwise.
    fn notice(&mut self, gone: u32) -> Millis {
        let after = if self.clients[gone as usize].silent {
            10_000 + self.rng.below(4_000)
        } else {
            20 + self.rng.below(300)
        };
        self.now + after as Millis
    }
}
