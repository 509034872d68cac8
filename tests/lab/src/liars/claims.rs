//! Lies to the tracker: announces that say what is not so.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::TcpStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::liars::http::{PATIENCE, announce, get, took};
use crate::liars::scene::{Agent, Scene, Tally};
use crate::programs::poll::{AgentStatus, ContentStatus};

/// Announces, and counts whether it was taken; whether it was answered as a member.
fn tell(scene: &Scene, tally: &Tally, content: usize, peer_id: &str, keys: &[(&str, &str)]) -> bool {
    tally.tried();
    let answer = get(scene.tracker, &announce(scene, content, peer_id, keys));
    if took(&answer) {
        tally.taken();
    }
    let answer = answer.unwrap_or_default();
    let answer = String::from_utf8_lossy(&answer);
    if answer.contains("4:role7:gateway") {
        tally.lease();
    }
    answer.contains("4:role6:member")
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

/// An accusation of the same gateway counts again after so long: the tracker dials one that is accused each 5 s.
const AGAIN: Duration = Duration::from_secs(6);

/// Two leechers of one machine that accuse all who work, and offer themselves once another has the lease: a site
/// without another gateway has none that could be accused.
pub(super) fn accuse(scene: &Scene) -> io::Result<()> {
    let (tally, mut left) = (Tally::default(), scene.size);
    let (mut members, mut counted) = (HashSet::new(), HashMap::new());
    loop {
        left = left.saturating_sub(1);
        let left = left.to_string();
        for (id, port) in [("accuser-1", "7001"), ("accuser-2", "7002")] {
            for (content, hash) in scene.info_hashes.iter().enumerate() {
                let base = [
                    ("narrows", "1"),
                    ("agent", id),
                    ("port", port),
                    ("left", &left),
                    ("key", port),
                ];
                let said = |more: &[(&str, &str)]| {
                    tell(scene, &tally, content, id, &[base.as_slice(), more].concat())
                };
                let others = scene.agents.iter().filter(|agent| agent.site != scene.site);
                let gone: Vec<String> = others.map(|agent| agent.addr.to_string()).take(8).collect();
                let gone: Vec<(&str, &str)> = gone.iter().map(|addr| ("gone", addr.as_str())).collect();
                let mut member = said(&gone);
                for neighbour in scene.neighbours() {
                    let works = is_gateway(neighbour, hash);
                    let addr = neighbour.addr.to_string();
                    // a tracker that does not answer has not heard it, and one that gave us the lease knows no other
                    let heard = said(&[("lost", &addr), ("gone", &addr)]);
                    member |= heard;
                    let last: &mut Option<Instant> = counted.entry((port, content, addr)).or_default();
                    if works && heard && last.is_none_or(|last| last.elapsed() > AGAIN) {
                        *last = Some(Instant::now());
                        tally.accused();
                    }
                }
                if member {
                    members.insert((port, content));
                }
                if members.contains(&(port, content)) {
                    said(&[("role", "gateway"), ("gw", "prefer")]);
                }
            }
        }
        tally.save(scene)?;
        sleep(Duration::from_secs(2));
    }
}

/// Whether an agent says that it is its site's gateway for a content, and is where it was at first: an accusation of
/// an address that it has left accuses no gateway.
fn is_gateway(agent: &Agent, info_hash: &str) -> bool {
    if TcpStream::connect_timeout(&agent.addr, PATIENCE).is_err() {
        return false;
    }
    let answer = get(agent.control, "/status").unwrap_or_default();
    let body = answer.windows(4).position(|end| end == b"\r\n\r\n").and_then(|at| answer.get(at + 4..));
    let status = body.and_then(|body| serde_json::from_slice::<AgentStatus>(body).ok());
    status.is_some_and(|status| {
        let works = |content: &ContentStatus| content.gateway() && !content.complete();
        status.content.iter().any(|content| content.info_hash == info_hash && works(content))
    })
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
