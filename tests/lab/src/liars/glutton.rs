//! A member of a site that takes content from the seeders of others: with many connections, as fast as they send, by
//! no gateway's leave and at no rate of its own.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use crate::liars::http::PATIENCE;
use crate::liars::scene::{Scene, Tally};
use crate::liars::wire::{INTERESTED, PIECE, Peer, REQUEST};

/// For each content, to each seeder: as many as one address has for sure at an agent.
const CONNECTIONS: usize = 4;

/// Blocks that are asked for at a time, on each.
const AHEAD: u32 = 16;

/// Takes as much as there is, until it is killed.
pub(super) fn take(scene: &Scene) -> io::Result<()> {
    let (tally, begun) = (Arc::new(Tally::default()), Instant::now());
    for agent in scene.agents.iter().filter(|agent| agent.seeder && agent.site != scene.site) {
        for hash in &scene.info_hashes {
            for number in 0..CONNECTIONS {
                let (addr, hash, site) = (agent.addr, hash.clone(), scene.site.clone());
                // as many agents of one machine
                let (tally, pieces, id) = (tally.clone(), scene.pieces, format!("glutton-{number}"));
                spawn(move || {
                    loop {
                        tally.tried();
                        // a seeder that has had enough closes: that is its right
                        let _ = from((addr, &hash), (&id, &site), pieces, &tally);
                        sleep(Duration::from_secs(1));
                    }
                });
            }
        }
    }
    loop {
        tally.lasted(begun.elapsed());
        tally.save(scene)?;
        sleep(Duration::from_millis(500));
    }
}

fn from(
    (addr, hash): (SocketAddr, &str),
    (id, site): (&str, &str),
    pieces: u32,
    tally: &Tally,
) -> io::Result<()> {
    let mut peer = Peer::dial(addr, hash, id, site)?;
    peer.send(INTERESTED, &[])?;
    tally.taken();
    // the first block of one piece after the other: which bytes they are is the same to a link
    let mut next = 0u32;
    let mut ask = |peer: &mut Peer| {
        let request = [next % pieces.max(1), 0, 1 << 14].map(u32::to_be_bytes).concat();
        next = next.wrapping_add(1);
        peer.send(REQUEST, &request)
    };
    for _ in 0..AHEAD {
        ask(&mut peer)?;
    }
    let mut heard = Instant::now();
    while heard.elapsed() < PATIENCE * 4 {
        if let Some((PIECE, payload)) = peer.hear(Duration::from_millis(500))? {
            tally.payload(payload.len().saturating_sub(8));
            heard = Instant::now();
            ask(&mut peer)?;
        }
    }
    Ok(())
}
