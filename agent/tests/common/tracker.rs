//! A tracker of the plainest kind: every peer is told of every other one.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use narrows_protocol::{
    AnnounceEvent, AnnounceRequest, AnnounceResponse, Assignment, InfoHash, Networks, PathRates, Peer, Told,
    ToldNetworks, ToldRates,
};

/// Runs until the test process ends.
#[derive(Clone)]
pub(crate) struct Tracker {
    addr: SocketAddr,
    /// Seconds between regular announces.
    interval: u32,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    swarms: BTreeMap<InfoHash, Vec<SocketAddr>>,
    announces: Vec<(SocketAddr, AnnounceRequest)>,
    /// What agents that ask are told of a map.
    map: Option<(Arc<Networks>, Arc<PathRates>)>,
}

impl Tracker {
    pub(crate) fn start() -> Self {
        Self::start_at(super::address(), 1)
    }

    /// At this address, with so many seconds between regular announces.
    pub(crate) fn start_at(ip: IpAddr, interval: u32) -> Self {
        let listener = TcpListener::bind((ip, 0)).unwrap();
        let tracker = Self {
            interval,
            addr: listener.local_addr().unwrap(),
            state: Arc::default(),
        };
        let this = tracker.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let this = this.clone();
                std::thread::spawn(move || this.answer(stream));
            }
        });
        tracker
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/announce", self.addr)
    }

    /// Every peer that announces from now on is told of this one.
    pub(crate) fn add(&self, info_hash: InfoHash, peer: SocketAddr) {
        self.state.lock().unwrap().swarms.entry(info_hash).or_default().push(peer);
    }

    /// Agents that ask are told from now on that they are at hq, of this map.
    pub(crate) fn tell(&self, networks: Networks, rates: PathRates) {
        self.state.lock().unwrap().map = Some((Arc::new(networks), Arc::new(rates)));
    }

    fn told(&self, request: &AnnounceRequest) -> Option<Assignment> {
        let report = request.narrows.as_ref()?;
        let (networks, rates) = self.state.lock().unwrap().map.clone()?;
        let version = networks.version();
        let told = report.networks.map(|held| Told {
            networks: ToldNetworks {
                version,
                table: (held != version).then_some(networks),
            },
            rates: report.rates.map(|held| ToldRates {
                version: rates.version(version),
                change: 0,
                table: (held != rates.version(version)).then_some(rates),
            }),
            braked: false,
        });
        Some(Assignment {
            site: "hq".to_owned(),
            told: told.map(Box::new),
            ..Assignment::default()
        })
    }

    /// All announces so far, with the listen address of each sender.
    pub(crate) fn announces(&self) -> Vec<(SocketAddr, AnnounceRequest)> {
        self.state.lock().unwrap().announces.clone()
    }

    /// All that the agent which listens there has said so far.
    pub(crate) fn said_by(&self, listen: SocketAddr) -> Vec<AnnounceRequest> {
        let of_it = self.announces().into_iter().filter(|(from, _)| *from == listen);
        of_it.map(|(_, request)| request).collect()
    }

    /// Whether this peer has announced this event.
    pub(crate) fn has_announced(&self, from: SocketAddr, event: AnnounceEvent) -> bool {
        self.announces().iter().any(|(peer, request)| *peer == from && request.event == event)
    }

    fn answer(&self, stream: TcpStream) -> Option<()> {
        let source = stream.peer_addr().ok()?.ip();
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let query = line.split(' ').nth(1)?.split_once('?')?.1.to_owned();
        let mut header = String::new();
        while reader.read_line(&mut header).ok()? > 2 {
            header.clear();
        }
        let request = AnnounceRequest::parse(&query).ok()?;
        let me = SocketAddr::new(source, request.port);
        let peers = self.note(me, &request);
        let response = AnnounceResponse {
            interval: self.interval,
            min_interval: self.interval,
            peers,
            external_ip: Some(source),
            narrows: self.told(&request),
            ..AnnounceResponse::default()
        };
        let mut body = Vec::new();
        response.encode(true, true, &mut body);
        let mut stream = reader.into_inner();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        )
        .ok()?;
        stream.write_all(&body).ok()
    }

    fn note(&self, me: SocketAddr, request: &AnnounceRequest) -> Vec<Peer> {
        let mut state = self.state.lock().unwrap();
        state.announces.push((me, request.clone()));
        let swarm = state.swarms.entry(request.info_hash).or_default();
        let others = swarm
            .iter()
            .filter(|peer| **peer != me)
            .map(|addr| Peer {
                addr: *addr,
                peer_id: None,
            })
            .collect();
        swarm.retain(|peer| *peer != me);
        if request.event != AnnounceEvent::Stopped {
            swarm.push(me);
        }
        others
    }
}
