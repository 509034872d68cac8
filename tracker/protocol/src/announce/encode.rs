//! Writing replies: by hand, without an allocation per peer, keys in the order bencode demands.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use super::response::{AnnounceResponse, Assignment, Failure, Parent, Peer, RetryIn};
use crate::{bencode, compact};

impl AnnounceResponse {
    /// Appends the bencoded reply to `out`.
    ///
    /// With `compact`, peers are byte strings: `peers` always, as old clients need the key, `peers6` where
    /// there are IPv6 peers (BEP 23, BEP 7). Otherwise `peers` is a list of dictionaries, with names unless
    /// `no_peer_id`.
    pub fn encode(&self, compact: bool, no_peer_id: bool, out: &mut Vec<u8>) {
        out.extend_from_slice(b"d8:complete");
        bencode::integer(out, self.complete.into());
        out.extend_from_slice(b"10:downloaded");
        bencode::integer(out, self.downloaded.into());
        external_ip(out, self.external_ip);
        out.extend_from_slice(b"10:incomplete");
        bencode::integer(out, self.incomplete.into());
        out.extend_from_slice(b"8:interval");
        bencode::integer(out, self.interval.into());
        out.extend_from_slice(b"12:min interval");
        bencode::integer(out, self.min_interval.into());
        if let Some(assignment) = &self.narrows {
            out.extend_from_slice(b"7:narrows");
            assignment.encode(out);
        }
        if compact {
            addresses(
                out,
                b"5:peers",
                b"6:peers6",
                self.peers.iter().map(|peer| peer.addr),
            );
        } else {
            dictionaries(out, &self.peers, no_peer_id);
        }
        if let Some(warning) = &self.warning {
            out.extend_from_slice(b"15:warning message");
            bencode::bytes(out, warning.as_bytes());
        }
        out.push(b'e');
    }
}

impl Assignment {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(b'd');
        if self.again > 0 {
            out.extend_from_slice(b"5:again");
            bencode::integer(out, self.again.into());
        }
        if let Some(dscp) = self.dscp {
            out.extend_from_slice(b"4:dscp");
            bencode::integer(out, dscp.into());
        }
        if self.epoch > 0 {
            out.extend_from_slice(b"5:epoch");
            bencode::integer(out, self.epoch.into());
        }
        addresses(out, b"8:gateways", b"9:gateways6", self.gateways.iter().copied());
        out.extend_from_slice(b"5:lease");
        bencode::integer(out, self.lease.into());
        if !self.parents.is_empty() {
            out.extend_from_slice(b"5:partsl");
            self.parents.iter().for_each(|parent| parent.encode(out));
            out.push(b'e');
        }
        if self.paused {
            out.extend_from_slice(b"6:pausedi1e");
        }
        out.extend_from_slice(b"4:rate");
        bencode::integer(out, self.rate);
        out.extend_from_slice(b"4:role");
        bencode::bytes(out, self.role.as_str().as_bytes());
        out.extend_from_slice(b"4:site");
        bencode::bytes(out, self.site.as_bytes());
        if self.slow_supply {
            out.extend_from_slice(b"11:slow_supplyi1e");
        }
        if self.stripes > 1 {
            out.extend_from_slice(b"7:stripes");
            bencode::integer(out, self.stripes.into());
        }
        addresses(out, b"8:upstream", b"9:upstream6", self.upstream.iter().copied());
        if self.watch > 0 {
            out.extend_from_slice(b"5:watch");
            bencode::integer(out, self.watch.into());
        }
        out.push(b'e');
    }
}

impl Parent {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(b'd');
        if self.paused {
            out.extend_from_slice(b"6:pausedi1e");
        }
        out.extend_from_slice(b"4:rate");
        bencode::integer(out, self.rate);
        out.extend_from_slice(b"4:site");
        bencode::bytes(out, self.site.as_bytes());
        out.extend_from_slice(b"7:stripes");
        bencode::bytes(out, &self.stripes);
        addresses(out, b"8:upstream", b"9:upstream6", self.upstreams.iter().copied());
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
        out.extend_from_slice(b"14:failure reason");
        bencode::bytes(out, self.reason.as_bytes());
        if let Some(interval) = self.interval {
            out.extend_from_slice(b"8:interval");
            bencode::integer(out, interval.into());
        }
        match self.retry_in {
            None => {}
            Some(RetryIn::Never) => out.extend_from_slice(b"8:retry in5:never"),
            Some(RetryIn::Minutes(minutes)) => {
                out.extend_from_slice(b"8:retry in");
                bencode::integer(out, minutes.into());
            }
        }
        out.push(b'e');
    }
}

/// BEP 24: 4 or 16 bytes.
fn external_ip(out: &mut Vec<u8>, ip: Option<IpAddr>) {
    match ip {
        Some(IpAddr::V4(ip)) => {
            out.extend_from_slice(b"11:external ip");
            bencode::bytes(out, &ip.octets());
        }
        Some(IpAddr::V6(ip)) => {
            out.extend_from_slice(b"11:external ip");
            bencode::bytes(out, &ip.octets());
        }
        None => {}
    }
}

/// The key of IPv4 addresses always, the key of IPv6 addresses where there are any.
fn addresses(out: &mut Vec<u8>, key4: &[u8], key6: &[u8], addrs: impl Iterator<Item = SocketAddr> + Clone) {
    out.extend_from_slice(key4);
    let count6 = compact::v4(out, addrs.clone());
    if count6 > 0 {
        out.extend_from_slice(key6);
        compact::v6(out, count6, addrs);
    }
}

fn dictionaries(out: &mut Vec<u8>, peers: &[Peer], no_peer_id: bool) {
    out.extend_from_slice(b"5:peersl");
    let mut ip = String::with_capacity(40);
    for peer in peers {
        ip.clear();
        // writing to a String cannot fail
        let _ = write!(ip, "{}", peer.addr.ip());
        out.extend_from_slice(b"d2:ip");
        bencode::bytes(out, ip.as_bytes());
        if let Some(id) = peer.peer_id.filter(|_| !no_peer_id) {
            out.extend_from_slice(b"7:peer id");
            bencode::bytes(out, &id.0);
        }
        out.extend_from_slice(b"4:port");
        bencode::integer(out, peer.addr.port().into());
        out.push(b'e');
    }
    out.push(b'e');
}
