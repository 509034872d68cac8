//! What a peer tells the tracker.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use crate::ids::{InfoHash, PeerId};
use crate::query::{self, Pairs, RequestError};

/// Most characters of an agent's id.
const AGENT_MAX: usize = 64;
/// Most peers that an announce can call gone; further ones are left out.
const GONE_MAX: usize = 8;
/// Most parent sites that an announce can divide its bytes among; further ones are left out.
const SOURCES_MAX: usize = 16;

/// What happened to the peer since its last announce.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub enum AnnounceEvent {
    /// Nothing: a regular update. Events nobody knows are this, as BEP 21 clients would be refused otherwise.
    #[default]
    None,
    /// The first announce of a session.
    Started,
    /// The last one.
    Stopped,
    /// The content became complete.
    Completed,
    /// A partial seed that wants no more (BEP 21).
    Paused,
}

/// An agent's part in a swarm.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub enum Role {
    /// Fetches across the WAN for its site.
    Gateway,
    /// Fetches inside its site only.
    #[default]
    Member,
}

/// What an agent's operator set for its being a gateway (`gateway:` in agent.yaml).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub enum GatewayPreference {
    /// The tracker decides.
    #[default]
    Auto,
    /// Never a gateway, whatever the tracker says.
    Never,
    /// A gateway before others.
    Prefer,
}

/// Whether an agent serves others what it has (`share:` in agent.yaml).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub enum Sharing {
    /// Everybody who asks.
    #[default]
    Always,
    /// Nobody: it only fetches, over a metered line for instance.
    Never,
}

/// A valid announce.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AnnounceRequest {
    /// The content.
    pub info_hash: InfoHash,
    /// The peer's name for itself.
    pub peer_id: PeerId,
    /// Where it accepts connections; never 0.
    pub port: u16,
    /// Bytes sent to other peers.
    pub uploaded: u64,
    /// Bytes received.
    pub downloaded: u64,
    /// Bytes still wanted; missing or unreadable: `u64::MAX`, which is a leecher.
    pub left: u64,
    /// What happened.
    pub event: AnnounceEvent,
    /// Whether the reply's peers are compact (BEP 23). The default, as in all trackers since.
    pub compact: bool,
    /// Whether the reply's dictionary peers may do without names.
    pub no_peer_id: bool,
    /// How many peers are wanted; `None`: the tracker's default.
    pub numwant: Option<u32>,
    /// Identifies the client across address changes.
    pub key: Option<u32>,
    /// The address the client says it has. Believed only from trusted proxies.
    pub ip: Option<IpAddr>,
    /// What only agents say.
    pub narrows: Option<AgentReport>,
}

/// What an agent adds to its announce (`narrows=1`).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AgentReport {
    /// Its stable id: 1 to 64 printable characters.
    pub agent: String,
    /// The role it plays at present.
    pub role: Role,
    /// The gateway it is served by, if connected.
    pub gateway: Option<SocketAddr>,
    /// Bytes it fetched across links, over all its runs.
    pub wan: u64,
    /// Bytes it had before it fetched any, of an older version or put there; 0 also if that was all of it
    /// (`reused=`; absent: 0).
    pub reused: u64,
    /// It lacked some of the content once, also if it has all by now (`wanted=1`): what it has, it got by the
    /// rollout.
    pub wanted: bool,
    /// Nobody it knows has a piece it lacks.
    pub stalled: bool,
    /// The tracker has restarted since it was last announced to (`restarted=1`): it is told what it may have
    /// forgotten.
    pub restarted: bool,
    /// A gateway whose connection just closed.
    pub lost: Option<SocketAddr>,
    /// Whether it may, must not or should be a gateway (`gw=never|prefer`; absent: auto).
    pub preference: GatewayPreference,
    /// Whether it serves others (`share=never`; absent: always).
    pub share: Sharing,
    /// Peers it was told of that do not answer: a dial failed or they fell silent (`gone=`, repeated, at most
    /// 8).
    pub gone: Vec<SocketAddr>,
    /// Of `wan`: the bytes by the parent site they came from (`from=SITE:BYTES`, repeated, at most 16).
    pub sources: Vec<(String, u64)>,
    /// At which port of the address it announces from it serves `/metrics`; absent: it does not want to be
    /// found.
    pub metrics: Option<u16>,
}

impl AnnounceRequest {
    /// Reads the part of an announce URL after the `?`.
    ///
    /// Keys nobody knows, keys without a value, `a=b=c` and a trailing `&` pass; the last of several equal
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

    /// Writes the query that [`AnnounceRequest::parse`] reads.
    pub fn to_query(&self) -> String {
        let mut out = String::with_capacity(384);
        out.push_str("info_hash=");
        query::encode(&self.info_hash.0, &mut out);
        out.push_str("&peer_id=");
        query::encode(&self.peer_id.0, &mut out);
        // writing to a String cannot fail
        let _ = write!(
            out,
            "&port={}&uploaded={}&downloaded={}",
            self.port, self.uploaded, self.downloaded
        );
        if self.left != u64::MAX {
            let _ = write!(out, "&left={}", self.left);
        }
        let _ = write!(out, "&compact={}", u8::from(self.compact));
        if self.no_peer_id {
            out.push_str("&no_peer_id=1");
        }
        if let Some(event) = self.event.as_str() {
            let _ = write!(out, "&event={event}");
        }
        if let Some(numwant) = self.numwant {
            let _ = write!(out, "&numwant={numwant}");
        }
        if let Some(key) = self.key {
            let _ = write!(out, "&key={key:08X}");
        }
        if let Some(ip) = self.ip {
            let _ = write!(out, "&ip={ip}");
        }
        if let Some(report) = &self.narrows {
            report.write(&mut out);
        }
        out
    }
}

impl AgentReport {
    fn write(&self, out: &mut String) {
        out.push_str("&narrows=1&agent=");
        query::encode(self.agent.as_bytes(), out);
        let _ = write!(out, "&role={}&wan={}", self.role.as_str(), self.wan);
        if self.reused > 0 {
            let _ = write!(out, "&reused={}", self.reused);
        }
        if self.wanted {
            out.push_str("&wanted=1");
        }
        if let Some(gateway) = self.gateway {
            let _ = write!(out, "&gateway={gateway}");
        }
        if let Some(lost) = self.lost {
            let _ = write!(out, "&lost={lost}");
        }
        if self.stalled {
            out.push_str("&stalled=1");
        }
        if self.restarted {
            out.push_str("&restarted=1");
        }
        for gone in self.gone.iter().take(GONE_MAX) {
            let _ = write!(out, "&gone={gone}");
        }
        for (site, bytes) in self.sources.iter().take(SOURCES_MAX) {
            out.push_str("&from=");
            query::encode(site.as_bytes(), out);
            let _ = write!(out, ":{bytes}");
        }
        match self.preference {
            GatewayPreference::Auto => {}
            GatewayPreference::Never => out.push_str("&gw=never"),
            GatewayPreference::Prefer => out.push_str("&gw=prefer"),
        }
        match self.share {
            Sharing::Always => {}
            Sharing::Never => out.push_str("&share=never"),
        }
        if let Some(port) = self.metrics {
            let _ = write!(out, "&metrics={port}");
        }
    }
}

impl AnnounceEvent {
    /// The word on the wire; a regular update has none.
    pub const fn as_str(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Started => Some("started"),
            Self::Stopped => Some("stopped"),
            Self::Completed => Some("completed"),
            Self::Paused => Some("paused"),
        }
    }
}

impl Role {
    /// The word on the wire and in labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Member => "member",
        }
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
    metrics: &'q str,
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
            metrics: "",
        }
    }
}

impl<'q> Fields<'q> {
    fn take(&mut self, key: &str, value: &'q str) -> Result<(), RequestError> {
        match key {
            "info_hash" => {
                let hash = InfoHash(query::decode20(value).ok_or(RequestError::BadInfoHash)?);
                if self.info_hash.replace(hash).is_some() {
                    return Err(RequestError::DuplicateInfoHash);
                }
            }
            "peer_id" => self.peer_id = Some(PeerId(query::decode20(value).ok_or(RequestError::BadPeerId)?)),
            "port" => {
                let port = value.parse().ok().filter(|&port| port != 0);
                self.port = Some(port.ok_or(RequestError::BadPort)?);
            }
            "uploaded" => self.uploaded = number(value).unwrap_or(0),
            "downloaded" => self.downloaded = number(value).unwrap_or(0),
            "left" => self.left = number(value).unwrap_or(u64::MAX),
            "event" => {
                self.event = match value {
                    "started" => AnnounceEvent::Started,
                    "stopped" => AnnounceEvent::Stopped,
                    "completed" => AnnounceEvent::Completed,
                    "paused" => AnnounceEvent::Paused,
                    _ => AnnounceEvent::None,
                }
            }
            "compact" => self.compact = value != "0",
            "no_peer_id" => self.no_peer_id = value == "1",
            "numwant" => self.numwant = number(value).map(|n| u32::try_from(n).unwrap_or(u32::MAX)),
            "key" => self.key = u32::from_str_radix(value, 16).ok(),
            "ip" => self.ip = query::decode_text(value).and_then(|text| parse_ip(&text)),
            "narrows" => self.narrows = value == "1",
            "agent" => self.agent = value,
            "role" => self.role = value,
            "gateway" => self.gateway = value,
            "wan" => self.wan = number(value).unwrap_or(0),
            "reused" => self.reused = number(value).unwrap_or(0),
            "wanted" => self.wanted = value == "1",
            "stalled" => self.stalled = value == "1",
            "restarted" => self.restarted = value == "1",
            "lost" => self.lost = value,
            "gw" => self.preference = value,
            "share" => self.share = value,
            "metrics" => self.metrics = value,
            "gone" if self.gone.len() < GONE_MAX => self.gone.push(value),
            "from" if self.sources.len() < SOURCES_MAX => self.sources.push(value),
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
        if agent.is_empty() || agent.chars().count() > AGENT_MAX || agent.chars().any(char::is_control) {
            return Err(RequestError::BadAgent);
        }
        Ok(AgentReport {
            agent,
            role: match self.role {
                "gateway" => Role::Gateway,
                "member" | "" => Role::Member,
                _ => return Err(RequestError::BadRole),
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
            // no cause to refuse an announce: then nobody looks at its metrics
            metrics: self.metrics.parse().ok().filter(|port| *port != 0),
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

/// An optional address: `Some(None)` if the value is empty, `None` if it is no address.
fn address(value: &str) -> Option<Option<SocketAddr>> {
    if value.is_empty() {
        return Some(None);
    }
    query::decode_text(value)?.parse().ok().map(Some)
}
