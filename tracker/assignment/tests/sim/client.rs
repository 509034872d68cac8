//! A model of a peer. What it has is a prefix of the content, so one that has more can serve one that has
//! less.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use narrows_assignment::{Announce, Decision, Time};
use narrows_protocol::{AgentReport, AnnounceEvent, GatewayPreference, PeerId, Role, Sharing};

/// The size of the content.
pub const SIZE: u64 = 100_000;

#[derive(Debug)]
pub struct Client {
    pub number: usize,
    /// The number in its id: another client's, if its machine is a clone of that one's.
    pub image: usize,
    /// What its machine calls itself.
    pub key: u32,
    pub addr: SocketAddr,
    /// Its address in the other family, if it has two.
    pub other: Option<SocketAddr>,
    /// Where it last announced from.
    pub announced_from: SocketAddr,
    /// A stock client knows nothing of roles and never drops a peer.
    pub agent: bool,
    pub preference: GatewayPreference,
    pub share: Sharing,
    /// As it last announced.
    pub announced_share: Sharing,
    pub alive: bool,
    /// Whether its present record was announced.
    pub announced: Option<Time>,
    pub have: u64,
    pub rate: u64,
    pub next: Time,
    pub fetched_at: Time,
    pub completed: bool,
    pub lost: Option<SocketAddr>,
    pub stalled: bool,
    /// It has noticed that the tracker restarted, and not said so yet.
    pub restarted: bool,
    /// It reaches no other until then.
    pub blocked_until: Time,
    pub wan: u64,
    /// Had before it fetched any.
    pub reused: u64,
    /// It says that it lacked some of the content once.
    pub wanted: bool,
    pub role: Role,
    pub local: Vec<SocketAddr>,
    pub gateways: Vec<SocketAddr>,
    pub upstream: Vec<SocketAddr>,
    /// How many parents it was handed, if several.
    pub parents: usize,
    /// Peers that it was handed and could not reach.
    pub gone: Vec<SocketAddr>,
    /// What gateways of its site sent it, as it says.
    pub brought: BTreeMap<SocketAddr, u64>,
    /// All remote peers that a stock client was ever handed.
    pub ever: Vec<SocketAddr>,
}

pub fn address(site: u8, number: usize, v6: bool) -> SocketAddr {
    let (high, low) = ((number >> 8) as u8, number as u8);
    let ip: IpAddr = if v6 {
        Ipv6Addr::new(
            0xfd00,
            decimal_as_hex(site),
            0,
            0,
            0,
            0,
            u16::from(high),
            u16::from(low),
        )
        .into()
    } else {
        Ipv4Addr::new(10, site, high, low).into()
    };
    SocketAddr::new(ip, 6881)
}

/// The map writes site numbers in decimal into hexadecimal addresses.
fn decimal_as_hex(n: u8) -> u16 {
    u16::from_str_radix(&n.to_string(), 16).unwrap()
}

impl Client {
    pub fn new(number: usize, addr: SocketAddr, agent: bool, now: Time) -> Client {
        Client {
            number,
            image: number,
            key: number as u32 + 1,
            addr,
            other: None,
            announced_from: addr,
            agent,
            preference: GatewayPreference::Auto,
            share: Sharing::Always,
            announced_share: Sharing::Always,
            alive: true,
            announced: None,
            have: 0,
            rate: 500,
            next: now,
            fetched_at: now,
            completed: false,
            lost: None,
            stalled: false,
            restarted: false,
            blocked_until: Time::ZERO,
            wan: 0,
            reused: 0,
            wanted: false,
            role: Role::Member,
            local: Vec::new(),
            gateways: Vec::new(),
            upstream: Vec::new(),
            parents: 0,
            gone: Vec::new(),
            brought: BTreeMap::new(),
            ever: Vec::new(),
        }
    }

    pub fn is_seeder(&self) -> bool {
        self.have >= SIZE
    }

    pub fn shares(&self) -> bool {
        self.share == Sharing::Always
    }

    /// Whether the tracker takes it for one that shares.
    pub fn announced_sharing(&self) -> bool {
        self.announced_share == Sharing::Always
    }

    /// A new session: no peer is known.
    pub fn restart(&mut self, now: Time) {
        self.role = Role::Member;
        self.lost = None;
        self.stalled = false;
        self.announced = None;
        self.local.clear();
        self.gateways.clear();
        self.upstream.clear();
        self.gone.clear();
        self.brought.clear();
        self.parents = 0;
        self.ever.clear();
        self.alive = true;
        self.next = now;
        self.fetched_at = now;
    }

    pub fn report(&self, gateway: Option<SocketAddr>) -> Option<AgentReport> {
        self.agent.then(|| AgentReport {
            agent: format!("agent-{}", self.image),
            role: self.role,
            gateway,
            wan: self.wan,
            reused: self.reused,
            wanted: self.wanted,
            stalled: self.stalled,
            restarted: self.restarted,
            lost: self.lost,
            preference: self.preference,
            share: self.share,
            gone: self.gone.clone(),
            brought: self.brought(),
            ..AgentReport::default()
        })
    }

    /// What each gateway that it knows sent it, where it knows several.
    fn brought(&self) -> Vec<(SocketAddr, u64)> {
        let known = self.gateways.iter().filter(|_| self.gateways.len() > 1);
        known.map(|addr| (*addr, self.brought.get(addr).copied().unwrap_or(0))).collect()
    }

    pub fn announce<'a>(&self, event: AnnounceEvent, report: Option<&'a AgentReport>) -> Announce<'a> {
        let mut id = *b"-SI0001-000000000000";
        id[12..].copy_from_slice(&(self.number as u64).to_be_bytes());
        Announce {
            key: Some(self.key),
            addr: self.addr,
            peer_id: PeerId(id),
            left: SIZE - self.have,
            downloaded: 0,
            uploaded: 0,
            event,
            numwant: None,
            agent: report,
        }
    }

    pub fn obey(&mut self, decision: &Decision, now: Time) {
        self.restarted = false;
        let addrs = |peers: &[narrows_protocol::Peer]| peers.iter().map(|p| p.addr).collect::<Vec<_>>();
        self.role = decision.role;
        self.parents = decision.parents.len();
        self.upstream = addrs(&decision.upstream);
        if self.agent {
            self.local = addrs(&decision.local);
            self.gateways = decision.gateways.clone();
        } else {
            self.local.extend(addrs(&decision.local));
            self.local.sort_unstable();
            self.local.dedup();
            self.ever.extend(&self.upstream);
            self.ever.sort_unstable();
            self.ever.dedup();
        }
        self.lost = None;
        self.announced = Some(now);
        self.announced_share = self.share;
        self.announced_from = self.addr;
        self.next = now + decision.interval.max(Duration::from_millis(100));
    }
}
