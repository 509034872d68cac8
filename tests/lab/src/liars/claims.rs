//! Lies to the tracker: announces that say what is not so.

use std::io;
use std::thread::sleep;
use std::time::Duration;

use crate::liars::http::{announce, get, took};
use crate::liars::scene::{Scene, Tally};

/// Announces, and counts whether it was taken.
fn tell(scene: &Scene, tally: &Tally, content: usize, peer_id: &str, keys: &[(&str, &str)]) {
    tally.tried();
    let answer = get(scene.tracker, &announce(scene, content, peer_id, keys));
    if took(&answer) {
        tally.taken();
    }
    if answer.is_ok_and(|answer| String::from_utf8_lossy(&answer).contains("4:role7:gateway")) {
        tally.lease();
    }
}

/// `event=stopped` in the name of each agent, with no key, a wrong one, and its place's port.
pub(super) fn stop_others(scene: &Scene) -> io::Result<()> {
    let tally = Tally::default();
    loop {
        for agent in &scene.agents {
            for content in 0..scene.info_hashes.len() {
                let stopped = [
                    ("narrows", "1"),
                    ("agent", &agent.id),
                    ("event", "stopped"),
                    ("left", "0"),
                    ("port", "6881"),
                ];
                tell(scene, &tally, content, "-XX0001-stopper", &stopped);
                let keyed = [stopped.as_slice(), &[("key", "DEADBEEF")]].concat();
                tell(scene, &tally, content, "-XX0001-stopper", &keyed);
            }
        }
        tally.save(scene)?;
        sleep(Duration::from_secs(1));
    }
}

/// Two leechers of one machine that accuse all who work, and offer themselves.
pub(super) fn accuse(scene: &Scene) -> io::Result<()> {
    let (tally, mut left) = (Tally::default(), scene.size);
    for turn in 0usize.. {
        left = left.saturating_sub(1);
        let left = left.to_string();
        for (id, port) in [("accuser-1", "7001"), ("accuser-2", "7002")] {
            for content in 0..scene.info_hashes.len() {
                let base = [
                    ("narrows", "1"),
                    ("agent", id),
                    ("port", port),
                    ("left", &left),
                    ("key", port),
                ];
                let others = scene.agents.iter().filter(|agent| agent.site != scene.site);
                let gone: Vec<String> = others.map(|agent| agent.addr.to_string()).take(8).collect();
                let mut keys = base.to_vec();
                keys.extend(gone.iter().map(|addr| ("gone", addr.as_str())));
                tell(scene, &tally, content, id, &keys);
                let neighbours = scene.neighbours();
                let lost = neighbours.get(turn % neighbours.len().max(1)).map(|agent| agent.addr.to_string());
                if let Some(lost) = &lost {
                    tell(
                        scene,
                        &tally,
                        content,
                        id,
                        &[base.as_slice(), &[("lost", lost)]].concat(),
                    );
                }
                let offer = [("role", "gateway"), ("gw", "prefer")];
                tell(scene, &tally, content, id, &[base.as_slice(), &offer].concat());
            }
        }
        tally.save(scene)?;
        sleep(Duration::from_secs(2));
    }
    Ok(())
}

/// A leecher that wants the lease and never gets further, and that names a gateway where there is none.
pub(super) fn idle(scene: &Scene) -> io::Result<()> {
    let (tally, left) = (Tally::default(), scene.size.to_string());
    let empty = std::net::SocketAddr::new(scene.own, 1).to_string();
    for turn in 0u32.. {
        for content in 0..scene.info_hashes.len() {
            let first = [("event", "started")];
            let base = [
                ("narrows", "1"),
                ("agent", "idler"),
                ("port", "7001"),
                ("left", &left),
                ("key", "1D1E"),
            ];
            let more = [("role", "gateway"), ("gw", "prefer"), ("gateway", &empty)];
            let begun: &[(&str, &str)] = if turn == 0 { &first } else { &[] };
            tell(
                scene,
                &tally,
                content,
                "-XX0001-idler",
                &[base.as_slice(), &more, begun].concat(),
            );
        }
        tally.save(scene)?;
        sleep(Duration::from_secs(5));
    }
    Ok(())
}

/// A hundred agents a second.
pub(super) fn many_ids(scene: &Scene) -> io::Result<()> {
    let (tally, left) = (Tally::default(), scene.size.to_string());
    for turn in 0u64.. {
        let id = format!("agent-{turn:x}");
        let port = (10_000 + turn % 50_000).to_string();
        let keys = [
            ("narrows", "1"),
            ("agent", &id),
            ("port", &port),
            ("left", &left),
            ("wan", "1"),
            ("key", &port),
        ];
        tell(
            scene,
            &tally,
            (turn % 2) as usize % scene.info_hashes.len().max(1),
            &id,
            &keys,
        );
        if turn % 100 == 0 {
            tally.save(scene)?;
        }
        sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Bytes that no link brings, and their sums that no counter holds.
pub(super) fn boast(scene: &Scene) -> io::Result<()> {
    let tally = Tally::default();
    let left = (scene.size / 2).to_string();
    let bytes = ["9223372036854775807", "18446744073709551615", "1000000000000000"];
    for turn in 0usize.. {
        let wan = bytes.get(turn % bytes.len()).copied().unwrap_or("1");
        let from = format!("hq:{wan}");
        for content in 0..scene.info_hashes.len() {
            let keys = [
                ("narrows", "1"),
                ("agent", "boaster"),
                ("port", "7001"),
                ("left", &left),
                ("key", "B0A5"),
                ("wan", wan),
                ("from", &from),
            ];
            tell(scene, &tally, content, "-XX0001-boaster", &keys);
        }
        tally.save(scene)?;
        sleep(Duration::from_secs(2));
    }
    Ok(())
}
