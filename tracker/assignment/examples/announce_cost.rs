//! CPU and memory of the core per announce:
//! `cargo run --release -p narrows-assignment --example announce_cost`.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use narrows_assignment::{Announce, Context, Ledger, Policy, Swarm};
use narrows_protocol::{AgentReport, AnnounceEvent, InfoHash, PeerId};
use narrows_topology::SiteMap;

struct Xorshift(u64);

impl rand::TryRng for Xorshift {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.try_next_u64().map(|n| (n >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        Ok(self.0)
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for byte in out {
            *byte = self.try_next_u32()? as u8;
        }
        Ok(())
    }
}

fn main() {
    let peers: u32 = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(100_000);
    let mut text = "version: 1\nsites:\n  core: {}\n".to_owned();
    (0..20).for_each(|n| text.push_str(&format!("  s{n}: {{networks: [10.{n}.0.0/16]}}\n")));
    text.push_str("links:\n");
    (0..20).for_each(|n| text.push_str(&format!("  - {{between: [s{n}, core], rate: 100 Mbit/s}}\n")));
    let map = match SiteMap::parse("bench", &text) {
        Ok(map) => map,
        Err(mistakes) => return eprintln!("{mistakes}"),
    };
    let (policy, ledger) = (Policy::default(), Ledger::new());
    let cx = Context {
        map: &map,
        policy: &policy,
        ledger: &ledger,
        wall: jiff::Timestamp::UNIX_EPOCH,
    };
    let mut rng = Xorshift(88_172_645_463_325_252);
    for agents in [false, true] {
        let mut swarm = Swarm::with_size(InfoHash([1; 20]), 1 << 30);
        let reports: Vec<AgentReport> = (0..peers)
            .map(|n| AgentReport {
                agent: format!("agent-{n}"),
                ..AgentReport::default()
            })
            .collect();
        let before = resident();
        let mut round = |swarm: &mut Swarm, left: u64, now: Duration| {
            let started = Instant::now();
            let mut handed_out = 0;
            for n in 0..peers {
                let ip = Ipv4Addr::new(10, (n % 20) as u8, ((n / 20) >> 8) as u8, (n / 20) as u8);
                let announce = Announce {
                    key: None,
                    addr: SocketAddr::from((ip, 6881)),
                    peer_id: PeerId([n as u8; 20]),
                    left: if n < 4 { 0 } else { left },
                    downloaded: 0,
                    uploaded: 0,
                    event: AnnounceEvent::None,
                    numwant: None,
                    agent: agents.then(|| &reports[n as usize]),
                };
                if let Ok(decision) = swarm.announce(&cx, &announce, now, &mut rng) {
                    handed_out += decision.local.len() + decision.upstream.len();
                }
            }
            (started.elapsed() / peers, handed_out as f64 / f64::from(peers))
        };
        let (join, _) = round(&mut swarm, 1 << 30, Duration::from_secs(1));
        let bytes = resident().saturating_sub(before) / u64::from(peers);
        let (update, handed_out) = round(&mut swarm, 1 << 29, Duration::from_secs(60));
        let who = if agents { "agents" } else { "stock clients" };
        println!(
            "{peers} {who} in 20 sites: first announce {join:?}, later ones {update:?} ({handed_out:.1} peers each), \
             {bytes} bytes each"
        );
        swarm.retire(&cx);
    }
}

/// Resident memory in bytes, where the system tells.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}
