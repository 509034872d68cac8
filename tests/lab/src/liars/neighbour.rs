//! A neighbour that says it has everything: one never sends and toggles choke, one sends wrong bytes.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use crate::liars::Kind;
use crate::liars::http::{announce, get, took};
use crate::liars::scene::{Scene, Tally};
use crate::liars::wire::{CHOKE, HAVE_ALL, INTERESTED, PIECE, Peer, REQUEST, UNCHOKE};

/// Where it listens, as agents do.
const PORT: u16 = 6881;

/// How long it leaves peers unchoked, and choked.
const TOGGLE: Duration = Duration::from_secs(2);

/// Announces as a seeder, takes those who dial, and dials its neighbours.
pub(super) fn serve(scene: &Scene) -> io::Result<()> {
    let (tally, scene) = (Arc::new(Tally::default()), Arc::new(scene.clone()));
    // two of them at a site are two agents
    let name = format!("full-{}", scene.kind);
    let listener = TcpListener::bind(SocketAddr::new(scene.own, PORT))?;
    {
        let (tally, scene, name) = (tally.clone(), scene.clone(), name.clone());
        spawn(move || {
            for stream in listener.incoming().flatten() {
                let (tally, scene, name) = (tally.clone(), scene.clone(), name.clone());
                spawn(move || {
                    // a peer that has had enough closes: that is its right
                    let _ = Peer::take(stream, &name, &scene.site)
                        .and_then(|peer| converse(peer, &scene, &tally));
                });
            }
        });
    }
    for agent in scene.neighbours() {
        for hash in &scene.info_hashes {
            let (tally, scene, name) = (tally.clone(), scene.clone(), name.clone());
            let (addr, hash) = (agent.addr, hash.clone());
            spawn(move || {
                loop {
                    let _ = Peer::dial(addr, &hash, &name, &scene.site)
                        .and_then(|peer| converse(peer, &scene, &tally));
                    sleep(Duration::from_secs(3));
                }
            });
        }
    }
    let key = format!("F011{:02X}", scene.kind as u8);
    for turn in 0u32.. {
        for content in 0..scene.info_hashes.len() {
            let keys = [
                ("narrows", "1"),
                ("agent", &name),
                ("port", "6881"),
                ("left", "0"),
                ("key", &key),
            ];
            let started: &[(&str, &str)] = if turn == 0 { &[("event", "started")] } else { &[] };
            let path = announce(
                &scene,
                content,
                "-XX0001-neighbour",
                &[keys.as_slice(), started].concat(),
            );
            tally.tried();
            if took(&get(scene.tracker, &path)) {
                tally.taken();
            }
        }
        tally.save(&scene)?;
        sleep(Duration::from_secs(5));
    }
    Ok(())
}

fn converse(mut peer: Peer, scene: &Scene, tally: &Tally) -> io::Result<()> {
    peer.send(HAVE_ALL, &[])?;
    peer.send(INTERESTED, &[])?;
    peer.send(UNCHOKE, &[])?;
    let (mut open, mut since) = (true, Instant::now());
    loop {
        let heard = peer.hear(Duration::from_millis(500))?;
        match heard {
            Some((PIECE, payload)) => tally.payload(payload.len().saturating_sub(8)),
            Some((REQUEST, payload)) if scene.kind == Kind::Poisoner => {
                let (place, length) = payload.split_at(payload.len().min(8));
                let length = length.try_into().map_or(0, u32::from_be_bytes).min(1 << 14);
                peer.send(PIECE, &[place, &vec![0xaa; length as usize]].concat())?;
            }
            _ => {}
        }
        if scene.kind == Kind::Choker && since.elapsed() > TOGGLE {
            (open, since) = (!open, Instant::now());
            peer.send(if open { UNCHOKE } else { CHOKE }, &[])?;
        }
    }
}
