//! Reading replies, of any tracker.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use bendy::decoding::{Decoder, DictDecoder, ListDecoder, Object};
use thiserror::Error;

use super::keys::{self, narrows, peer, refusal, reply};
use super::request::Role;
use super::response::{AnnounceReply, AnnounceResponse, Assignment, Failure, Parent, Peer, RetryIn};
use crate::compact;
use crate::ids::PeerId;
use crate::networks::{Networks, PathRate, PathRates, Told, ToldNetworks, ToldRates};

/// How deep a reply may be nested; ours needs 4.
const MAX_DEPTH: usize = 8;

/// Why the body of a reply could not be read.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum ReplyError {
    /// The body is no bencode.
    #[error("the tracker's reply is not bencoded: {0}")]
    Bencode(String),
    /// It is bencode, but no dictionary.
    #[error("the tracker's reply is not a dictionary")]
    NotADictionary,
    /// A key that every reply needs.
    #[error("the tracker's reply has no `{0}`")]
    Missing(&'static str),
    /// A value of the wrong type or out of range.
    #[error("the tracker's reply has a wrong value for `{0}`")]
    Wrong(&'static str),
}

impl From<bendy::decoding::Error> for ReplyError {
    fn from(error: bendy::decoding::Error) -> Self {
        Self::Bencode(error.to_string())
    }
}

impl AnnounceReply {
    /// Reads the body of a reply to an announce: compact or dictionary peers, both families, or a failure.
    ///
    /// Unknown keys pass, and so do bytes after the dictionary, which some trackers send.
    ///
    /// # Errors
    /// If the body is no bencoded dictionary of bounded depth, or a key we need is missing or of another
    /// type.
    pub fn decode(body: &[u8]) -> Result<Self, ReplyError> {
        let mut decoder = Decoder::new(body).with_max_depth(MAX_DEPTH);
        let Some(Object::Dict(mut dict)) = decoder.next_object()? else {
            return Err(ReplyError::NotADictionary);
        };
        let mut reply = Partial::default();
        while let Some((key, value)) = dict.next_pair()? {
            reply.take(key, value)?;
        }
        reply.finish()
    }
}

/// What was read so far; whether it is a failure is known at the end.
#[derive(Default)]
struct Partial {
    interval: Option<u32>,
    response: AnnounceResponse,
    reason: Option<String>,
    retry_in: Option<RetryIn>,
}

impl Partial {
    fn take(&mut self, key: &[u8], value: Object<'_, '_>) -> Result<(), ReplyError> {
        let response = &mut self.response;
        match str::from_utf8(key).unwrap_or_default() {
            reply::COMPLETE => response.complete = small(value, reply::COMPLETE)?,
            reply::DOWNLOADED => response.downloaded = small(value, reply::DOWNLOADED)?,
            reply::EXTERNAL_IP => response.external_ip = ip(bytes(value, reply::EXTERNAL_IP)?),
            refusal::FAILURE_REASON => self.reason = Some(text(value, refusal::FAILURE_REASON)?),
            reply::INCOMPLETE => response.incomplete = small(value, reply::INCOMPLETE)?,
            reply::INTERVAL => self.interval = Some(small(value, reply::INTERVAL)?),
            reply::MIN_INTERVAL => response.min_interval = small(value, reply::MIN_INTERVAL)?,
            reply::NARROWS => {
                let Object::Dict(dict) = value else {
                    return Err(ReplyError::Wrong(reply::NARROWS));
                };
                response.narrows = Some(assignment(dict)?);
            }
            reply::PEERS => match value {
                Object::Bytes(compact) => {
                    let addrs = compact::read_v4(compact).ok_or(ReplyError::Wrong(reply::PEERS))?;
                    response.peers.extend(addrs.map(unnamed));
                }
                Object::List(list) => dictionaries(list, &mut response.peers)?,
                _ => return Err(ReplyError::Wrong(reply::PEERS)),
            },
            reply::PEERS6 => {
                let addrs =
                    compact::read_v6(bytes(value, reply::PEERS6)?).ok_or(ReplyError::Wrong(reply::PEERS6))?;
                response.peers.extend(addrs.map(unnamed));
            }
            refusal::RETRY_IN => {
                self.retry_in = match value {
                    Object::Bytes(b"never") => Some(RetryIn::Never),
                    // some trackers write the minutes as a string
                    Object::Bytes(digits) => std::str::from_utf8(digits)
                        .ok()
                        .and_then(|digits| digits.parse().ok())
                        .map(RetryIn::Minutes),
                    value => Some(RetryIn::Minutes(small(value, refusal::RETRY_IN)?)),
                }
            }
            reply::WARNING => response.warning = Some(text(value, reply::WARNING)?),
            _ => {}
        }
        Ok(())
    }

    fn finish(self) -> Result<AnnounceReply, ReplyError> {
        if let Some(reason) = self.reason {
            let reason = Cow::Owned(reason);
            return Ok(AnnounceReply::Failure(Failure {
                reason,
                interval: self.interval,
                retry_in: self.retry_in,
                external_ip: self.response.external_ip,
            }));
        }
        let interval = self.interval.ok_or(ReplyError::Missing(reply::INTERVAL))?;
        Ok(AnnounceReply::Ok(AnnounceResponse {
            interval,
            ..self.response
        }))
    }
}

fn assignment(mut dict: DictDecoder<'_, '_>) -> Result<Assignment, ReplyError> {
    let mut assignment = Assignment::default();
    let (mut told, mut told_rates, mut braked) = (None, None, false);
    while let Some((key, value)) = dict.next_pair()? {
        match str::from_utf8(key).unwrap_or_default() {
            narrows::GATEWAYS => addresses(narrows::GATEWAYS, value, &mut assignment.gateways)?,
            narrows::GATEWAYS6 => addresses(narrows::GATEWAYS6, value, &mut assignment.gateways)?,
            narrows::AGAIN => assignment.again = small(value, narrows::AGAIN)?,
            narrows::EPOCH => assignment.epoch = small(value, narrows::EPOCH)?,
            narrows::WATCH => {
                assignment.watch = u16::try_from(small(value, narrows::WATCH)?).unwrap_or(u16::MAX)
            }
            narrows::DSCP => {
                let dscp = u8::try_from(integer(value, narrows::DSCP)?).ok().filter(|dscp| *dscp < 64);
                assignment.dscp = Some(dscp.ok_or(ReplyError::Wrong(narrows::DSCP))?);
            }
            narrows::LEASE => assignment.lease = small(value, narrows::LEASE)?,
            narrows::PARTS => {
                let Object::List(mut list) = value else {
                    return Err(ReplyError::Wrong(narrows::PARTS));
                };
                while let Some(item) = list.next_object()? {
                    let Object::Dict(dict) = item else {
                        return Err(ReplyError::Wrong(narrows::PARTS));
                    };
                    assignment.parents.push(parent(dict)?);
                }
            }
            narrows::NETWORKS => told = Some(networks(value)?),
            narrows::RATES => told_rates = Some(rates(value)?),
            narrows::BRAKED => braked = integer(value, narrows::BRAKED)? != 0,
            narrows::PAUSED => assignment.paused = integer(value, narrows::PAUSED)? != 0,
            narrows::SLOW_SUPPLY => assignment.slow_supply = integer(value, narrows::SLOW_SUPPLY)? != 0,
            narrows::RATE => assignment.rate = integer(value, narrows::RATE)?,
            narrows::ROLE => {
                let word = str::from_utf8(bytes(value, narrows::ROLE)?).ok();
                assignment.role = word.and_then(Role::of).ok_or(ReplyError::Wrong(narrows::ROLE))?;
            }
            narrows::SITE => assignment.site = text(value, narrows::SITE)?,
            narrows::STRIPES => {
                assignment.stripes = u8::try_from(integer(value, narrows::STRIPES)?)
                    .map_err(|_| ReplyError::Wrong(narrows::STRIPES))?;
            }
            narrows::UPSTREAM => addresses(narrows::UPSTREAM, value, &mut assignment.upstream)?,
            narrows::UPSTREAM6 => addresses(narrows::UPSTREAM6, value, &mut assignment.upstream)?,
            _ => {}
        }
    }
    assignment.told = told.map(|networks| {
        Box::new(Told {
            networks,
            rates: told_rates,
            braked,
        })
    });
    Ok(assignment)
}

/// The map's networks. A dictionary without a table says which the agent is to hold.
fn networks(value: Object<'_, '_>) -> Result<ToldNetworks, ReplyError> {
    const WRONG: ReplyError = ReplyError::Wrong(narrows::NETWORKS);
    let Object::Dict(mut dict) = value else {
        return Err(WRONG);
    };
    let (mut attach, mut table, mut version) = (false, None, None);
    while let Some((key, value)) = dict.next_pair()? {
        match str::from_utf8(key).unwrap_or_default() {
            keys::networks::ATTACH => attach = integer(value, keys::networks::ATTACH)? != 0,
            keys::networks::TABLE => table = Some(bytes(value, keys::networks::TABLE)?),
            keys::networks::VERSION => version = Some(integer(value, keys::networks::VERSION)?),
            _ => {}
        }
    }
    let table = table.map(|table| Networks::read(table, attach)).transpose().map_err(|_| WRONG)?;
    Ok(ToldNetworks {
        version: version.ok_or(WRONG)?,
        table: table.map(Arc::new),
    })
}

fn rates(value: Object<'_, '_>) -> Result<ToldRates, ReplyError> {
    const WRONG: ReplyError = ReplyError::Wrong(narrows::RATES);
    let Object::Dict(mut dict) = value else {
        return Err(WRONG);
    };
    let (mut attached, mut stopped, mut table) = (0, &[][..], None);
    let (mut change, mut version) = (0, None);
    while let Some((key, value)) = dict.next_pair()? {
        match str::from_utf8(key).unwrap_or_default() {
            keys::rates::ATTACHED => attached = integer(value, keys::rates::ATTACHED)?,
            keys::rates::CHANGE => change = small(value, keys::rates::CHANGE)?,
            keys::rates::STOPPED => stopped = bytes(value, keys::rates::STOPPED)?,
            keys::rates::TABLE => table = Some(bytes(value, keys::rates::TABLE)?),
            keys::rates::VERSION => version = Some(integer(value, keys::rates::VERSION)?),
            _ => {}
        }
    }
    let attached = PathRate::of_code(attached);
    let table =
        table.map(|table| PathRates::read(table, attached, stopped)).transpose().map_err(|_| WRONG)?;
    Ok(ToldRates {
        version: version.ok_or(WRONG)?,
        change,
        table: table.map(Arc::new),
    })
}

fn parent(mut dict: DictDecoder<'_, '_>) -> Result<Parent, ReplyError> {
    let mut parent = Parent::default();
    while let Some((key, value)) = dict.next_pair()? {
        match str::from_utf8(key).unwrap_or_default() {
            keys::parent::PAUSED => parent.paused = integer(value, keys::parent::PAUSED)? != 0,
            keys::parent::RATE => parent.rate = integer(value, keys::parent::RATE)?,
            keys::parent::SITE => parent.site = text(value, keys::parent::SITE)?,
            keys::parent::STRIPES => parent.stripes = bytes(value, keys::parent::STRIPES)?.to_vec(),
            keys::parent::UPSTREAM => addresses(keys::parent::UPSTREAM, value, &mut parent.upstreams)?,
            keys::parent::UPSTREAM6 => addresses(keys::parent::UPSTREAM6, value, &mut parent.upstreams)?,
            _ => {}
        }
    }
    Ok(parent)
}

/// Addresses of either family; the key says which.
fn addresses(
    key: &'static str,
    value: Object<'_, '_>,
    addrs: &mut Vec<SocketAddr>,
) -> Result<(), ReplyError> {
    let value = bytes(value, key)?;
    if key.ends_with('6') {
        addrs.extend(compact::read_v6(value).ok_or(ReplyError::Wrong(key))?);
    } else {
        addrs.extend(compact::read_v4(value).ok_or(ReplyError::Wrong(key))?);
    }
    Ok(())
}

/// Reads dictionary peers. One named by DNS (BEP 3 allows it) is left out: names are not resolved here.
fn dictionaries(mut list: ListDecoder<'_, '_>, peers: &mut Vec<Peer>) -> Result<(), ReplyError> {
    while let Some(item) = list.next_object()? {
        let Object::Dict(mut dict) = item else {
            return Err(ReplyError::Wrong(reply::PEERS));
        };
        let (mut ip, mut port, mut peer_id) = (None, None, None);
        while let Some((key, value)) = dict.next_pair()? {
            match str::from_utf8(key).unwrap_or_default() {
                peer::IP => ip = text(value, peer::IP)?.parse::<IpAddr>().ok(),
                peer::PORT => port = u16::try_from(integer(value, peer::PORT)?).ok(),
                peer::PEER_ID => peer_id = bytes(value, peer::PEER_ID)?.try_into().ok().map(PeerId),
                _ => {}
            }
        }
        if let (Some(ip), Some(port)) = (ip, port) {
            peers.push(Peer {
                addr: SocketAddr::new(ip, port),
                peer_id,
            });
        }
    }
    Ok(())
}

const fn unnamed(addr: SocketAddr) -> Peer {
    Peer { addr, peer_id: None }
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(v4).into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|v6| Ipv6Addr::from(v6).into())
}

fn bytes<'o>(value: Object<'_, 'o>, key: &'static str) -> Result<&'o [u8], ReplyError> {
    match value {
        Object::Bytes(bytes) => Ok(bytes),
        _ => Err(ReplyError::Wrong(key)),
    }
}

fn text(value: Object<'_, '_>, key: &'static str) -> Result<String, ReplyError> {
    Ok(String::from_utf8_lossy(bytes(value, key)?).into_owned())
}

fn integer(value: Object<'_, '_>, key: &'static str) -> Result<u64, ReplyError> {
    match value {
        Object::Integer(digits) => digits.parse().map_err(|_| ReplyError::Wrong(key)),
        _ => Err(ReplyError::Wrong(key)),
    }
}

fn small(value: Object<'_, '_>, key: &'static str) -> Result<u32, ReplyError> {
    Ok(u32::try_from(integer(value, key)?).unwrap_or(u32::MAX))
}
