//! Reading replies, of any tracker.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bendy::decoding::{Decoder, DictDecoder, ListDecoder, Object};
use thiserror::Error;

use super::request::Role;
use super::response::{AnnounceReply, AnnounceResponse, Assignment, Failure, Parent, Peer, RetryIn};
use crate::compact;
use crate::ids::PeerId;

/// How deep a reply may be nested; ours needs 4.
const DEPTH_MAX: usize = 8;

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
        let mut decoder = Decoder::new(body).with_max_depth(DEPTH_MAX);
        let Some(Object::Dict(mut dict)) = decoder.next_object()? else {
            return Err(ReplyError::NotADictionary);
        };
        let mut reply = Parts::default();
        while let Some((key, value)) = dict.next_pair()? {
            reply.take(key, value)?;
        }
        reply.finish()
    }
}

/// What was read so far; whether it is a failure is known at the end.
#[derive(Default)]
struct Parts {
    interval: Option<u32>,
    response: AnnounceResponse,
    reason: Option<String>,
    retry_in: Option<RetryIn>,
}

impl Parts {
    fn take(&mut self, key: &[u8], value: Object<'_, '_>) -> Result<(), ReplyError> {
        let response = &mut self.response;
        match key {
            b"complete" => response.complete = small(value, "complete")?,
            b"downloaded" => response.downloaded = small(value, "downloaded")?,
            b"external ip" => response.external_ip = ip(bytes(value, "external ip")?),
            b"failure reason" => self.reason = Some(text(value, "failure reason")?),
            b"incomplete" => response.incomplete = small(value, "incomplete")?,
            b"interval" => self.interval = Some(small(value, "interval")?),
            b"min interval" => response.min_interval = small(value, "min interval")?,
            b"narrows" => {
                let Object::Dict(dict) = value else {
                    return Err(ReplyError::Wrong("narrows"));
                };
                response.narrows = Some(assignment(dict)?);
            }
            b"peers" => match value {
                Object::Bytes(compact) => {
                    let addrs = compact::read_v4(compact).ok_or(ReplyError::Wrong("peers"))?;
                    response.peers.extend(addrs.map(unnamed));
                }
                Object::List(list) => dictionaries(list, &mut response.peers)?,
                _ => return Err(ReplyError::Wrong("peers")),
            },
            b"peers6" => {
                let addrs = compact::read_v6(bytes(value, "peers6")?).ok_or(ReplyError::Wrong("peers6"))?;
                response.peers.extend(addrs.map(unnamed));
            }
            b"retry in" => {
                self.retry_in = match value {
                    Object::Bytes(b"never") => Some(RetryIn::Never),
                    // some trackers write the minutes as a string
                    Object::Bytes(digits) => std::str::from_utf8(digits)
                        .ok()
                        .and_then(|digits| digits.parse().ok())
                        .map(RetryIn::Minutes),
                    value => Some(RetryIn::Minutes(small(value, "retry in")?)),
                }
            }
            b"warning message" => response.warning = Some(text(value, "warning message")?),
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
        let interval = self.interval.ok_or(ReplyError::Missing("interval"))?;
        Ok(AnnounceReply::Ok(AnnounceResponse {
            interval,
            ..self.response
        }))
    }
}

fn assignment(mut dict: DictDecoder<'_, '_>) -> Result<Assignment, ReplyError> {
    let mut assignment = Assignment::default();
    while let Some((key, value)) = dict.next_pair()? {
        match key {
            b"gateways" => {
                let read = compact::read_v4(bytes(value, "gateways")?);
                assignment.gateways.extend(read.ok_or(ReplyError::Wrong("gateways"))?);
            }
            b"gateways6" => {
                let read = compact::read_v6(bytes(value, "gateways6")?);
                assignment.gateways.extend(read.ok_or(ReplyError::Wrong("gateways6"))?);
            }
            b"again" => assignment.again = small(value, "again")?,
            b"epoch" => assignment.epoch = small(value, "epoch")?,
            b"watch" => assignment.watch = u16::try_from(small(value, "watch")?).unwrap_or(u16::MAX),
            b"dscp" => {
                let dscp = u8::try_from(integer(value, "dscp")?).ok().filter(|dscp| *dscp < 64);
                assignment.dscp = Some(dscp.ok_or(ReplyError::Wrong("dscp"))?);
            }
            b"lease" => assignment.lease = small(value, "lease")?,
            b"parts" => {
                let Object::List(mut list) = value else {
                    return Err(ReplyError::Wrong("parts"));
                };
                while let Some(item) = list.next_object()? {
                    let Object::Dict(dict) = item else {
                        return Err(ReplyError::Wrong("parts"));
                    };
                    assignment.parents.push(parent(dict)?);
                }
            }
            b"paused" => assignment.paused = integer(value, "paused")? != 0,
            b"slow_supply" => assignment.slow_supply = integer(value, "slow_supply")? != 0,
            b"rate" => assignment.rate = integer(value, "rate")?,
            b"role" => {
                assignment.role = match bytes(value, "role")? {
                    b"gateway" => Role::Gateway,
                    b"member" => Role::Member,
                    _ => return Err(ReplyError::Wrong("role")),
                }
            }
            b"site" => assignment.site = text(value, "site")?,
            b"stripes" => {
                assignment.stripes =
                    u8::try_from(integer(value, "stripes")?).map_err(|_| ReplyError::Wrong("stripes"))?;
            }
            b"upstream" | b"upstream6" => upstream(key, value, &mut assignment.upstream)?,
            _ => {}
        }
    }
    Ok(assignment)
}

fn parent(mut dict: DictDecoder<'_, '_>) -> Result<Parent, ReplyError> {
    let mut parent = Parent::default();
    while let Some((key, value)) = dict.next_pair()? {
        match key {
            b"paused" => parent.paused = integer(value, "paused")? != 0,
            b"rate" => parent.rate = integer(value, "rate")?,
            b"site" => parent.site = text(value, "site")?,
            b"stripes" => parent.stripes = bytes(value, "stripes")?.to_vec(),
            b"upstream" | b"upstream6" => upstream(key, value, &mut parent.upstreams)?,
            _ => {}
        }
    }
    Ok(parent)
}

fn upstream(key: &[u8], value: Object<'_, '_>, addrs: &mut Vec<SocketAddr>) -> Result<(), ReplyError> {
    let value = bytes(value, "upstream")?;
    if key.ends_with(b"6") {
        addrs.extend(compact::read_v6(value).ok_or(ReplyError::Wrong("upstream6"))?);
    } else {
        addrs.extend(compact::read_v4(value).ok_or(ReplyError::Wrong("upstream"))?);
    }
    Ok(())
}

/// Reads dictionary peers. One named by DNS (BEP 3 allows it) is left out: nobody resolves it here.
fn dictionaries(mut list: ListDecoder<'_, '_>, peers: &mut Vec<Peer>) -> Result<(), ReplyError> {
    while let Some(item) = list.next_object()? {
        let Object::Dict(mut dict) = item else {
            return Err(ReplyError::Wrong("peers"));
        };
        let (mut ip, mut port, mut peer_id) = (None, None, None);
        while let Some((key, value)) = dict.next_pair()? {
            match key {
                b"ip" => ip = text(value, "ip")?.parse::<IpAddr>().ok(),
                b"port" => port = u16::try_from(integer(value, "port")?).ok(),
                b"peer id" => peer_id = bytes(value, "peer id")?.try_into().ok().map(PeerId),
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
