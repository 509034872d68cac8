//! Peers that the tracker names and that no connection can be made to are named, with the reason.

mod common;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use common::agent::Agent;
use common::content::{folder, torrent};
use common::peer::Peer;
use common::tracker::Tracker;
use common::{address, eventually};
use narrows_agent::ContentState;
use socket2::{Domain, Socket, Type};

const PIECE: u32 = 128 << 10;

/// An address that answers nothing: a listener whose queue is full, so that the system drops whatever comes.
/// Kept so by what is returned with it.
fn blackhole() -> (SocketAddr, Socket, Vec<Socket>) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((address(), 6881)).into()).unwrap();
    socket.listen(0).unwrap();
    let addr = socket.local_addr().unwrap().as_socket().unwrap();
    let mut queue = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(20);
    while Instant::now() < deadline {
        let one = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let limit = Duration::from_millis(300);
        let full = one.connect_timeout(&addr.into(), limit).is_err();
        queue.push(one);
        if full {
            return (addr, socket, queue);
        }
    }
    panic!("the queue of {addr} is never full");
}

#[test]
fn status_log_explain_and_metrics_name_a_peer_that_refuses_one_that_closes_and_one_that_is_silent() {
    let (dir, tracker) = (tempfile::tempdir().unwrap(), Tracker::start());
    let source = dir.path().join("seeder/office");
    folder(&source, 1, 1_000_000);
    let (file, meta) = torrent(&source, &tracker, PIECE);
    let refuses = SocketAddr::from((address(), 6881));
    let closing = TcpListener::bind((address(), 6881)).unwrap();
    let closes = closing.local_addr().unwrap();
    std::thread::spawn(move || closing.incoming().flatten().for_each(drop::<TcpStream>));
    let (silent, _listener, _queue) = blackhole();
    for peer in [refuses, closes, silent] {
        tracker.add(meta.info_hash, peer);
    }
    let agent = Agent::new(&dir.path().join("l"), &[(&file, &dir.path().join("target"))]).started();
    let expected = [
        (refuses, "connection refused", "port 6881"),
        (closes, "closes the connection before the handshake", "encryption"),
        (silent, "timed out", "both directions between sites"),
    ];
    let there = agent.wait("all three are told", |content| {
        content.unreachable.len() == 3 && content.unreachable.iter().all(|peer| peer.seconds >= 12)
    });
    for (address, why, help) in expected {
        let shown = there.unreachable.iter().find(|peer| peer.address == address);
        let shown = shown.unwrap_or_else(|| panic!("{address} in {:?}", there.unreachable));
        assert!(shown.why.contains(why) && shown.help.contains(help), "{shown:?}");
        let output = String::from_utf8(agent.command(&["status"]).stdout).unwrap();
        let line = output.lines().find(|line| line.contains(&format!("cannot reach {address} for ")));
        assert!(
            line.is_some_and(|line| line.contains(why) && line.contains(help)),
            "{output}"
        );
        let output = String::from_utf8(agent.command(&["explain"]).stdout).unwrap();
        assert!(
            output.contains(&format!("cannot reach {address} for ")),
            "{output}"
        );
        assert!(
            !output.contains(&format!("{address} does not answer")),
            "{output}"
        );
    }
    let metrics = agent.get("/metrics").1;
    let gauge = format!(
        "narrows_agent_unreachable_peers{{content=\"office\",info_hash=\"{}\"}} 3\n",
        meta.info_hash
    );
    assert!(metrics.contains(&gauge), "{metrics}");
    let log = std::fs::read_to_string(agent.dir.join("log")).unwrap();
    for (address, why, _) in expected {
        let shown = |line: &&str| line.contains("WARN") && line.contains(&format!("addr={address} "));
        let lines: Vec<&str> = log.lines().filter(shown).collect();
        assert!(
            lines.len() == 1 && lines[0].contains(why),
            "once, with the reason: {lines:?}"
        );
    }

    // it is there now
    let listener = TcpListener::bind(refuses).unwrap();
    let _peer = Peer::accept(&listener, meta.info_hash, meta.piece_count(), 3);
    eventually("it is told no more", || {
        let there = agent.content();
        assert_eq!(there.state, ContentState::Fetching);
        there.unreachable.iter().all(|peer| peer.address != refuses).then_some(())
    });
}
