//! Reading the query of an announce.

use std::net::{IpAddr, SocketAddr};

use super::{
    AgentReport, AnnounceEvent, AnnounceRequest, GatewayPreference, MAX_BROUGHT, MAX_GONE,
    MAX_SEEN_OFFENDERS, MAX_SOURCES, Role, SeenOffender, Sharing,
};
use crate::announce::keys::{agent, request};
use crate::ids::{InfoHash, PeerId};
use crate::query::{self, Pairs, RequestError};
use crate::text::is_printable;

/// Most characters of an agent's id.
const MAX_AGENT: usize = 64;

impl AnnounceRequest {
    /// Reads the part of an announce URL after the `?`.
    ///
    /// Unknown keys, keys without a value, `a=b=c` and a trailing `&` pass; the last of several equal
    /// keys counts, but two info hashes are an error.
    ///
    /// # Errors
    /// Says what is missing or wrong, in a constant text that is safe to show to the client.
    pub fn parse(query: &str) -> Result<Self, RequestError> {
        let mut fields = Fields::default();
        for pair in Pairs::new(query)? {
            let (key, value) = pair?;
            fields.take(key, value)?;
        }
        fields.finish()
    }
}

/// The values of a query as they come, before it is known whether they make a request.
struct Fields<'q> {
    info_hash: Option<InfoHash>,
    peer_id: Option<PeerId>,
    port: Option<u16>,
    uploaded: u64,
    downloaded: u64,
    left: u64,
    event: AnnounceEvent,
    compact: bool,
    no_peer_id: bool,
    numwant: Option<u32>,
    key: Option<u32>,
    ip: Option<IpAddr>,
    /// Values of the extension: raw, because they count only if `narrows=1` stands somewhere.
    narrows: bool,
    agent: &'q str,
    role: &'q str,
    gateway: &'q str,
    wan: u64,
    reused: u64,
    wanted: bool,
    stalled: bool,
    restarted: bool,
    lost: &'q str,
    preference: &'q str,
    share: &'q str,
    gone: Vec<&'q str>,
    sources: Vec<&'q str>,
    brought: Vec<&'q str>,
    metrics: &'q str,
    networks: Option<u64>,
    rates: Option<u64>,
    offenders: Vec<&'q str>,
}

impl Default for Fields<'_> {
    fn default() -> Self {
        Self {
            info_hash: None,
            peer_id: None,
            port: None,
            uploaded: 0,
            downloaded: 0,
            left: u64::MAX,
            event: AnnounceEvent::None,
            compact: true,
            no_peer_id: false,
            numwant: None,
            key: None,
            ip: None,
            narrows: false,
            agent: "",
            role: "",
            gateway: "",
            wan: 0,
            reused: 0,
            wanted: false,
            stalled: false,
            restarted: false,
            lost: "",
            preference: "",
            share: "",
            gone: Vec::new(),
            sources: Vec::new(),
            brought: Vec::new(),
            metrics: "",
            networks: None,
            rates: None,
            offenders: Vec::new(),
        }
    }
}

impl<'q> Fields<'q> {
    fn take(&mut self, key: &str, value: &'q str) -> Result<(), RequestError> {
        match key {
            request::INFO_HASH => {
                let hash = InfoHash(query::decode20(value).ok_or(RequestError::BadInfoHash)?);
                if self.info_hash.replace(hash).is_some() {
                    return Err(RequestError::DuplicateInfoHash);
                }
            }
            request::PEER_ID => {
                self.peer_id = Some(PeerId(query::decode20(value).ok_or(RequestError::BadPeerId)?))
            }
            request::PORT => {
                let port = value.parse().ok().filter(|&port| port != 0);
                self.port = Some(port.ok_or(RequestError::BadPort)?);
            }
            request::UPLOADED => self.uploaded = number(value).unwrap_or(0),
            request::DOWNLOADED => self.downloaded = number(value).unwrap_or(0),
            request::LEFT => self.left = number(value).unwrap_or(u64::MAX),
            request::EVENT => {
                self.event = match value {
                    "started" => AnnounceEvent::Started,
                    "stopped" => AnnounceEvent::Stopped,
                    "completed" => AnnounceEvent::Completed,
                    "paused" => AnnounceEvent::Paused,
                    _ => AnnounceEvent::None,
                }
            }
            request::COMPACT => self.compact = value != "0",
            request::NO_PEER_ID => self.no_peer_id = value == "1",
            request::NUMWANT => self.numwant = number(value).map(|n| u32::try_from(n).unwrap_or(u32::MAX)),
            request::KEY => self.key = u32::from_str_radix(value, 16).ok(),
            request::IP => self.ip = query::decode_text(value).and_then(|text| parse_ip(&text)),
            agent::NARROWS => self.narrows = value == "1",
            agent::AGENT => self.agent = value,
            agent::ROLE => self.role = value,
            agent::GATEWAY => self.gateway = value,
            agent::WAN => self.wan = number(value).unwrap_or(0),
            agent::REUSED => self.reused = number(value).unwrap_or(0),
            agent::WANTED => self.wanted = value == "1",
            agent::STALLED => self.stalled = value == "1",
            agent::RESTARTED => self.restarted = value == "1",
            agent::LOST => self.lost = value,
            agent::GW => self.preference = value,
            agent::SHARE => self.share = value,
            agent::METRICS => self.metrics = value,
            // one that is no number is none of ours
            agent::NETWORKS => self.networks = Some(number(value).unwrap_or(0)),
            agent::RATES => self.rates = Some(number(value).unwrap_or(0)),
            agent::GONE if self.gone.len() < MAX_GONE => self.gone.push(value),
            agent::FROM if self.sources.len() < MAX_SOURCES => self.sources.push(value),
            agent::BY if self.brought.len() < MAX_BROUGHT => self.brought.push(value),
            agent::OFFENDER if self.offenders.len() < MAX_SEEN_OFFENDERS => self.offenders.push(value),
            _ => {}
        }
        Ok(())
    }

    fn finish(self) -> Result<AnnounceRequest, RequestError> {
        Ok(AnnounceRequest {
            info_hash: self.info_hash.ok_or(RequestError::MissingInfoHash)?,
            peer_id: self.peer_id.ok_or(RequestError::MissingPeerId)?,
            port: self.port.ok_or(RequestError::MissingPort)?,
            uploaded: self.uploaded,
            downloaded: self.downloaded,
            left: self.left,
            event: self.event,
            compact: self.compact,
            no_peer_id: self.no_peer_id,
            numwant: self.numwant,
            key: self.key,
            ip: self.ip,
            narrows: if self.narrows { Some(self.report()?) } else { None },
        })
    }

    fn report(&self) -> Result<AgentReport, RequestError> {
        let agent = query::decode_text(self.agent).ok_or(RequestError::BadAgent)?;
        if agent.is_empty() || agent.chars().count() > MAX_AGENT || !agent.chars().all(is_printable) {
            return Err(RequestError::BadAgent);
        }
        Ok(AgentReport {
            agent,
            role: match self.role {
                "" => Role::Member,
                word => Role::of(word).ok_or(RequestError::BadRole)?,
            },
            gateway: address(self.gateway).ok_or(RequestError::BadGateway)?,
            wan: self.wan,
            reused: self.reused,
            wanted: self.wanted,
            stalled: self.stalled,
            restarted: self.restarted,
            lost: address(self.lost).ok_or(RequestError::BadLost)?,
            preference: match self.preference {
                "" | "auto" => GatewayPreference::Auto,
                "never" => GatewayPreference::Never,
                "prefer" => GatewayPreference::Prefer,
                _ => return Err(RequestError::BadPreference),
            },
            share: match self.share {
                "" | "always" => Sharing::Always,
                "never" => Sharing::Never,
                _ => return Err(RequestError::BadShare),
            },
            gone: self
                .gone
                .iter()
                .map(|gone| address(gone).flatten().ok_or(RequestError::BadGone))
                .collect::<Result<_, _>>()?,
            sources: self
                .sources
                .iter()
                .map(|source| parse_source(source).ok_or(RequestError::BadFrom))
                .collect::<Result<_, _>>()?,
            // no cause to refuse an announce: what is odd is left out
            brought: self.brought.iter().filter_map(|brought| parse_brought(brought)).collect(),
            // no cause to refuse an announce: its metrics are not read then
            metrics: self.metrics.parse().ok().filter(|port| *port != 0),
            networks: self.networks,
            rates: self.rates,
            // no cause to refuse an announce: what is odd is not shown
            offenders: self
                .offenders
                .iter()
                .filter_map(|seen| SeenOffender::parse(&query::decode_text(seen)?))
                .collect(),
        })
    }
}

/// A whole number that is not negative; one too large for the type is as large as the type can say.
fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

fn parse_ip(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok()
}

/// `SITE:BYTES`; a site's name may hold colons itself.
fn parse_source(value: &str) -> Option<(String, u64)> {
    let value = query::decode_text(value)?;
    let (site, bytes) = value.rsplit_once(':')?;
    Some((site.to_owned(), number(bytes)?))
}

/// `ADDRESS:BYTES`.
fn parse_brought(value: &str) -> Option<(SocketAddr, u64)> {
    let value = query::decode_text(value)?;
    let (addr, bytes) = value.rsplit_once(':')?;
    Some((addr.parse().ok()?, number(bytes)?))
}

/// An optional address: `Some(None)` if the value is empty, `None` if it is no address.
fn address(value: &str) -> Option<Option<SocketAddr>> {
    if value.is_empty() {
        return Some(None);
    }
    query::decode_text(value)?.parse().ok().map(Some)
}
