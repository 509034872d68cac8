//! Writing replies: by hand, without an allocation per peer, keys in the order bencode demands.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use super::keys::{self, narrows, peer, refusal, reply};
use super::response::{AnnounceResponse, Assignment, Failure, Parent, Peer, RetryIn};
use crate::networks::{ToldNetworks, ToldRates};
use crate::{bencode, compact};

impl AnnounceResponse {
    /// Appends the bencoded reply to `out`.
    ///
    /// With `compact`, peers are byte strings: `peers` always, as old clients need the key, `peers6` where
    /// there are IPv6 peers (BEP 23, BEP 7). Otherwise `peers` is a list of dictionaries, with names unless
    /// `no_peer_id`.
    pub fn encode(&self, compact: bool, no_peer_id: bool, out: &mut Vec<u8>) {
        out.push(b'd');
        key(out, reply::COMPLETE);
        bencode::integer(out, self.complete.into());
        key(out, reply::DOWNLOADED);
        bencode::integer(out, self.downloaded.into());
        external_ip(out, self.external_ip);
        key(out, reply::INCOMPLETE);
        bencode::integer(out, self.incomplete.into());
        key(out, reply::INTERVAL);
        bencode::integer(out, self.interval.into());
        key(out, reply::MIN_INTERVAL);
        bencode::integer(out, self.min_interval.into());
        if let Some(assignment) = &self.narrows {
            key(out, reply::NARROWS);
            assignment.encode(out);
        }
        if compact {
            addresses(
                out,
                reply::PEERS,
                reply::PEERS6,
                self.peers.iter().map(|peer| peer.addr),
            );
        } else {
            dictionaries(out, &self.peers, no_peer_id);
        }
        if let Some(warning) = &self.warning {
            key(out, reply::WARNING);
            bencode::bytes(out, warning.as_bytes());
        }
        out.push(b'e');
    }
}

impl Assignment {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(b'd');
        if self.again > 0 {
            key(out, narrows::AGAIN);
            bencode::integer(out, self.again.into());
        }
        if self.told.as_ref().is_some_and(|told| told.braked) {
            key(out, narrows::BRAKED);
            bencode::integer(out, 1);
        }
        if let Some(dscp) = self.dscp {
            key(out, narrows::DSCP);
            bencode::integer(out, dscp.into());
        }
        if self.epoch > 0 {
            key(out, narrows::EPOCH);
            bencode::integer(out, self.epoch.into());
        }
        addresses(
            out,
            narrows::GATEWAYS,
            narrows::GATEWAYS6,
            self.gateways.iter().copied(),
        );
        key(out, narrows::LEASE);
        bencode::integer(out, self.lease.into());
        if let Some(told) = &self.told {
            key(out, narrows::NETWORKS);
            networks(out, &told.networks);
        }
        if !self.parents.is_empty() {
            key(out, narrows::PARTS);
            out.push(b'l');
            self.parents.iter().for_each(|parent| parent.encode(out));
            out.push(b'e');
        }
        if self.paused {
            key(out, narrows::PAUSED);
            bencode::integer(out, 1);
        }
        key(out, narrows::RATE);
        bencode::integer(out, self.rate);
        if let Some(told) = self.told.as_ref().and_then(|told| told.rates.as_ref()) {
            key(out, narrows::RATES);
            rates(out, told);
        }
        key(out, narrows::ROLE);
        bencode::bytes(out, self.role.as_str().as_bytes());
        key(out, narrows::SITE);
        bencode::bytes(out, self.site.as_bytes());
        if self.slow_supply {
            key(out, narrows::SLOW_SUPPLY);
            bencode::integer(out, 1);
        }
        if self.stripes > 1 {
            key(out, narrows::STRIPES);
            bencode::integer(out, self.stripes.into());
        }
        addresses(
            out,
            narrows::UPSTREAM,
            narrows::UPSTREAM6,
            self.upstream.iter().copied(),
        );
        if self.watch > 0 {
            key(out, narrows::WATCH);
            bencode::integer(out, self.watch.into());
        }
        out.push(b'e');
    }
}

fn networks(out: &mut Vec<u8>, told: &ToldNetworks) {
    out.push(b'd');
    if let Some(table) = &told.table {
        if table.attaches() {
            key(out, keys::networks::ATTACH);
            bencode::integer(out, 1);
        }
        key(out, keys::networks::TABLE);
        bencode::bytes(out, table.table());
    }
    key(out, keys::networks::VERSION);
    bencode::integer(out, told.version);
    out.push(b'e');
}

fn rates(out: &mut Vec<u8>, told: &ToldRates) {
    out.push(b'd');
    if let Some(rates) = &told.table {
        key(out, keys::rates::ATTACHED);
        bencode::integer(out, rates.attached().code());
    }
    if told.change > 0 {
        key(out, keys::rates::CHANGE);
        bencode::integer(out, told.change.into());
    }
    if let Some(rates) = &told.table {
        if !rates.stops().is_empty() {
            key(out, keys::rates::STOPPED);
            bencode::bytes(out, rates.stops());
        }
        key(out, keys::rates::TABLE);
        bencode::bytes(out, rates.table());
    }
    key(out, keys::rates::VERSION);
    bencode::integer(out, told.version);
    out.push(b'e');
}

impl Parent {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(b'd');
        if self.paused {
            key(out, keys::parent::PAUSED);
            bencode::integer(out, 1);
        }
        key(out, keys::parent::RATE);
        bencode::integer(out, self.rate);
        key(out, keys::parent::SITE);
        bencode::bytes(out, self.site.as_bytes());
        key(out, keys::parent::STRIPES);
        bencode::bytes(out, &self.stripes);
        addresses(
            out,
            keys::parent::UPSTREAM,
            keys::parent::UPSTREAM6,
            self.upstreams.iter().copied(),
        );
        out.push(b'e');
    }
}

impl Failure {
    /// Appends the bencoded refusal to `out`.
    ///
    /// `interval` stands beside `retry in` because most clients never learned BEP 31.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(b'd');
        external_ip(out, self.external_ip);
        key(out, refusal::FAILURE_REASON);
        bencode::bytes(out, self.reason.as_bytes());
        if let Some(interval) = self.interval {
            key(out, refusal::INTERVAL);
            bencode::integer(out, interval.into());
        }
        if let Some(retry_in) = self.retry_in {
            key(out, refusal::RETRY_IN);
            match retry_in {
                RetryIn::Never => bencode::bytes(out, b"never"),
                RetryIn::Minutes(minutes) => bencode::integer(out, minutes.into()),
            }
        }
        out.push(b'e');
    }
}

/// BEP 24: 4 or 16 bytes. The key is that of replies and refusals.
fn external_ip(out: &mut Vec<u8>, ip: Option<IpAddr>) {
    let Some(ip) = ip else { return };
    key(out, reply::EXTERNAL_IP);
    match ip {
        IpAddr::V4(ip) => bencode::bytes(out, &ip.octets()),
        IpAddr::V6(ip) => bencode::bytes(out, &ip.octets()),
    }
}

fn key(out: &mut Vec<u8>, key: &str) {
    bencode::bytes(out, key.as_bytes());
}

/// The key of IPv4 addresses always, the key of IPv6 addresses where there are any.
fn addresses(out: &mut Vec<u8>, key4: &str, key6: &str, addrs: impl Iterator<Item = SocketAddr> + Clone) {
    key(out, key4);
    let count6 = compact::v4(out, addrs.clone());
    if count6 > 0 {
        key(out, key6);
        compact::v6(out, count6, addrs);
    }
}

fn dictionaries(out: &mut Vec<u8>, peers: &[Peer], no_peer_id: bool) {
    key(out, reply::PEERS);
    out.push(b'l');
    let mut ip = String::with_capacity(40);
    for Peer { addr, peer_id } in peers {
        ip.clear();
        // writing to a String cannot fail
        let _ = write!(ip, "{}", addr.ip());
        out.push(b'd');
        key(out, peer::IP);
        bencode::bytes(out, ip.as_bytes());
        if let Some(id) = peer_id.filter(|_| !no_peer_id) {
            key(out, peer::PEER_ID);
            bencode::bytes(out, &id.0);
        }
        key(out, peer::PORT);
        bencode::integer(out, addr.port().into());
        out.push(b'e');
    }
    out.push(b'e');
}
