//! What happens to clients and to the tracker beside announces.

use std::time::Duration;

use narrows_assignment::Ledger;
use narrows_protocol::{AnnounceEvent, Role};
use narrows_topology::SiteMap;

use super::maps::MapText;
use super::world::World;

impl World {
    /// A client dies without a word. Agents that were connected to it notice within milliseconds.
    pub fn crash(&mut self, number: usize) {
        let addr = self.clients[number].addr;
        if let Some(log) = &mut self.log {
            log.push(format!("{} {:?} {number} {addr} crashes", self.step, self.now));
        }
        let was_announced = self.clients[number].announced.is_some();
        let noticed = !self.is_behind_nat(addr) || self.clients[number].role == Role::Gateway;
        let (now, mut delay) = (self.now, 0);
        self.clients[number].restart(now);
        self.clients[number].alive = false;
        for client in self.clients.iter_mut().filter(|client| client.alive && client.agent) {
            let lost =
                noticed && client.gateways.contains(&addr) && client.addr != addr && !client.is_seeder();
            if lost || client.upstream.contains(&addr) {
                delay += 3;
                client.lost = lost.then_some(addr);
                client.next = client.next.min(now + Duration::from_millis(delay));
            }
        }
        if was_announced {
            let longest = self.policy.intervals.seeder.max(self.policy.stock_interval);
            self.ghosts_until = now + longest.mul_f64(2.3) + Duration::from_secs(5);
        }
    }

    pub fn stop(&mut self, number: usize) {
        let addr = self.clients[number].addr;
        let noticed = !self.is_behind_nat(addr) || self.clients[number].role == Role::Gateway;
        self.announce(number, AnnounceEvent::Stopped);
        let now = self.now;
        for client in self.clients.iter_mut().filter(|client| client.alive && client.agent) {
            if noticed && client.gateways.contains(&addr) && !client.is_seeder() {
                client.lost = Some(addr);
                client.next = client.next.min(now + Duration::from_millis(5));
            } else if client.upstream.contains(&addr) {
                client.next = client.next.min(now + Duration::from_millis(5));
            }
        }
    }

    /// An agent goes elsewhere, with what it has. The others may not notice.
    pub fn roam(&mut self, number: usize, site: u8, v6: bool) {
        let to = self.address(site, number, v6);
        let here = self.map.locate(to.ip()) == self.map.locate(self.clients[number].announced_from.ip());
        let client = &mut self.clients[number];
        let (before, other) = (client.addr, client.other.take());
        client.addr = to;
        client.next = self.now;
        if here && before.is_ipv4() != to.is_ipv4() {
            // the other of its two families
            client.other = Some(before);
        } else {
            self.by_addr.remove(&before);
            other.filter(|other| *other != to).and_then(|other| self.by_addr.remove(&other));
        }
        if !self.is_behind_nat(to) {
            self.by_addr.insert(to, number);
        }
    }

    pub fn reload(&mut self, text: MapText) {
        self.map = SiteMap::parse("sites.yaml", &text.text).unwrap_or_else(|e| panic!("{e}\n{}", text.text));
        self.log.iter_mut().for_each(|log| log.push("the map is reloaded".to_owned()));
        self.text = text;
        self.epoch = self.now;
        self.advance(self.now + Duration::from_millis(1));
        self.on_swarm(|swarm, cx, now| swarm.remap(cx, now));
    }

    /// With what it had written down, or without.
    pub fn restart_tracker(&mut self, kept: bool) {
        self.log
            .iter_mut()
            .for_each(|log| log.push(format!("the tracker restarts, with its snapshot: {kept}")));
        let record = kept.then(|| self.swarm.record(&self.context(), self.now));
        let record = record.map(|record| serde_json::to_string(&record).unwrap());
        self.ledger = Ledger::new();
        self.swarm = World::new_swarm();
        self.plan = None;
        for client in &mut self.clients {
            client.ever.clear();
            client.restarted = client.alive;
        }
        self.epoch = self.now;
        if !kept {
            // it knows no client that has not announced since
            self.restarted = self.now;
        }
        self.advance(self.now + Duration::from_millis(1));
        if let Some(record) = record {
            let record = serde_json::from_str(&record).unwrap();
            self.on_swarm(|swarm, cx, now| swarm.restore(cx, record, Duration::from_millis(1), now));
        }
    }
}
