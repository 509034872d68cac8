//! A machine at an address that the map does not have: the tracker refuses it, and it dials agents by itself.

use std::io;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::liars::http::{announce, get, took};
use crate::liars::scene::{Agent, Scene, Tally};
use crate::liars::wire::{INTERESTED, PIECE, Peer, REQUEST};

/// How long it stays with one agent.
const STAY: Duration = Duration::from_secs(5);

/// Asks each agent for the first blocks, as a machine of that agent's own site.
pub(super) fn fetch(scene: &Scene) -> io::Result<()> {
    let tally = Tally::default();
    loop {
        for agent in &scene.agents {
            for (content, hash) in scene.info_hashes.iter().enumerate() {
                tally.tried();
                let keys = [
                    ("narrows", "1"),
                    ("agent", "stranger"),
                    ("port", "7001"),
                    ("left", "1"),
                    ("key", "57A6"),
                ];
                if took(&get(
                    scene.tracker,
                    &announce(scene, content, "-XX0001-stranger", &keys),
                )) {
                    tally.taken();
                }
                // one that closes at once has done what it should
                let _ = from(agent, hash, &tally);
                tally.save(scene)?;
            }
        }
        sleep(Duration::from_secs(1));
    }
}

fn from(agent: &Agent, hash: &str, tally: &Tally) -> io::Result<()> {
    let mut peer = Peer::dial(agent.addr, hash, "stranger", &agent.site)?;
    peer.send(INTERESTED, &[])?;
    for block in 0u32..16 {
        let request = [0u32, block << 14, 1 << 14].map(u32::to_be_bytes).concat();
        peer.send(REQUEST, &request)?;
    }
    let begun = Instant::now();
    while begun.elapsed() < STAY {
        if let Some((PIECE, payload)) = peer.hear(Duration::from_millis(500))? {
            tally.payload(payload.len().saturating_sub(8));
        }
    }
    Ok(())
}
