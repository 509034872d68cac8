//! Announces, as plain text on a socket: liars say what no library lets them say.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::liars::scene::Scene;

/// How long a liar waits for anything.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);

/// The query of an announce of the first keys that every client sends, and these.
pub(super) fn announce(scene: &Scene, content: usize, peer_id: &str, keys: &[(&str, &str)]) -> String {
    let hash = scene.info_hashes.get(content).map_or("", String::as_str);
    let hash: String =
        hash.as_bytes().chunks(2).map(|pair| format!("%{}", String::from_utf8_lossy(pair))).collect();
    let mut query =
        format!("/announce?info_hash={hash}&peer_id={peer_id:-<20.20}&uploaded=0&downloaded=0&compact=1");
    for (key, value) in keys {
        query.push_str(&format!("&{key}={value}"));
    }
    query
}

/// A GET; the answer's bytes with its head.
pub(super) fn get(addr: SocketAddr, path: &str) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&addr, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.take(1 << 20).read_to_end(&mut answer)?;
    Ok(answer)
}

/// Whether the tracker took an announce.
pub(super) fn took(answer: &io::Result<Vec<u8>>) -> bool {
    answer.as_ref().is_ok_and(|answer| {
        let text = String::from_utf8_lossy(answer);
        text.starts_with("HTTP/1.1 200") && !text.contains("failure reason")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::liars::Kind;
    use narrows_protocol::announce::AnnounceRequest;

    #[test]
    fn what_a_liar_says_is_an_announce_that_the_tracker_reads() {
        let scene = Scene {
            kind: Kind::Stopper,
            own: [127, 0, 0, 1].into(),
            site: "b1".to_owned(),
            tracker: ([127, 0, 0, 1], 1).into(),
            admin: ([127, 0, 0, 1], 2).into(),
            info_hashes: vec!["0a".repeat(20)],
            size: 1,
            pieces: 1,
            agents: Vec::new(),
            outcome: "x".into(),
        };
        let path = announce(
            &scene,
            0,
            "-XX0001-liar",
            &[("port", "7001"), ("narrows", "1"), ("agent", "liar")],
        );
        let query = path.split_once('?').unwrap().1;
        let read = AnnounceRequest::parse(query).unwrap();
        assert_eq!(read.port, 7001);
    }
}
