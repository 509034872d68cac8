//! What the tracker handed out, from the recorded announces: its promises, and which peers became gateways.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Result, bail};
use narrows_protocol::announce::{AnnounceReply, AnnounceResponse};

use super::fleet::{Fleet, site};
use super::recorder::Exchange;

/// The least time over which the tracker measures what a leecher gets.
const MEASURED: Duration = Duration::from_secs(8);

impl Fleet {
    /// Checks the tracker's promises on everything it handed out so far: a seeder and a member were never
    /// handed a remote address, a gateway at most `max_seeders` at once, and local peers came first.
    ///
    /// # Errors
    /// The first announce that breaks a promise, whole.
    pub fn assert_handouts(&self, max_seeders: usize) -> Result<()> {
        let exchanges = self.recorder.exchanges();
        for exchange in &exchanges {
            let AnnounceReply::Ok(reply) = &exchange.reply else {
                continue;
            };
            let own = site(exchange.from);
            let is_agent = reply.narrows.is_some();
            if is_agent && reply.peers.iter().any(|peer| site(peer.addr.ip()) != own) {
                bail!("an agent's `peers` hold a remote address: {exchange:?}");
            }
            let addresses = handed_out(reply);
            let remote = addresses.iter().filter(|&&ip| site(ip) != own).count();
            if exchange.request.left == 0 && remote > 0 {
                bail!("a seeder was handed a remote address: {exchange:?}");
            }
            if remote > max_seeders {
                bail!("more than {max_seeders} remote peers: {exchange:?}");
            }
            if addresses.iter().skip_while(|&&ip| site(ip) == own).any(|&ip| site(ip) == own) {
                bail!("a remote peer came before a local one: {exchange:?}");
            }
        }
        if exchanges.is_empty() {
            bail!("no client announced through the recorder");
        }
        Ok(())
    }

    /// Which addresses of a site were ever handed a remote address: its gateways.
    pub fn gateways(&self, site_number: u8) -> BTreeSet<IpAddr> {
        let exchanges = self.recorder.exchanges();
        exchanges
            .iter()
            .filter(|exchange| site(exchange.from) == site_number && was_handed_remote(exchange))
            .map(|exchange| exchange.from)
            .collect()
    }

    /// Whether the peer at `ip` starved before it was first handed a remote address: it said that it was
    /// stalled, or announced at least three times without getting on (rule 8, nobody starves).
    pub fn starved_first(&self, ip: IpAddr) -> bool {
        let exchanges = self.recorder.exchanges();
        let own: Vec<&Exchange> = exchanges.iter().filter(|exchange| exchange.from == ip).collect();
        let first = own
            .iter()
            .position(|exchange| was_handed_remote(exchange))
            .unwrap_or(own.len().saturating_sub(1));
        let Some(until) = own.get(..=first) else {
            return false;
        };
        let stalled = until
            .iter()
            .any(|exchange| exchange.request.narrows.as_ref().is_some_and(|report| report.stalled));
        let still =
            until.iter().rev().take_while(|exchange| exchange.request.left == own[first].request.left);
        stalled || still.count() >= 3
    }

    /// Whether the peer at `ip` was first handed a remote address because its site's own seeders are slow (rule
    /// 2, supply): the reply says so, and it had been there for long enough to be measured.
    pub fn was_supplied_slowly(&self, ip: IpAddr) -> bool {
        let exchanges = self.recorder.exchanges();
        let mut own = exchanges.iter().filter(|exchange| exchange.from == ip);
        let Some(begun) = own.clone().next() else {
            return false;
        };
        own.find(|exchange| was_handed_remote(exchange)).is_some_and(|first| {
            let measured = first.at.duration_since(begun.at) >= MEASURED;
            let AnnounceReply::Ok(reply) = &first.reply else {
                return false;
            };
            measured && reply.narrows.as_ref().is_some_and(|assignment| assignment.slow_supply)
        })
    }
}

fn was_handed_remote(exchange: &Exchange) -> bool {
    let AnnounceReply::Ok(reply) = &exchange.reply else {
        return false;
    };
    handed_out(reply).iter().any(|&ip| site(ip) != site(exchange.from))
}

/// Every peer that a reply names, in its order: `peers`, then an agent's upstreams.
fn handed_out(reply: &AnnounceResponse) -> Vec<IpAddr> {
    let upstream = reply.narrows.iter().flat_map(|assignment| &assignment.upstream);
    let peers = reply.peers.iter().map(|peer| peer.addr);
    peers.chain(upstream.copied()).map(|addr| addr.ip()).collect()
}
