//! Messages between peers (BEP 3, 6, 10), as bytes: as much as a liar needs.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::liars::http::PATIENCE;

pub(super) const CHOKE: u8 = 0;
pub(super) const UNCHOKE: u8 = 1;
pub(super) const INTERESTED: u8 = 2;
pub(super) const REQUEST: u8 = 6;
pub(super) const PIECE: u8 = 7;
pub(super) const HAVE_ALL: u8 = 14;
const EXTENDED: u8 = 20;

/// The most that a message of an honest peer has here.
const MAX_MESSAGE: usize = 1 << 20;

/// A connection after both handshakes.
pub(super) struct Peer {
    pub(super) stream: TcpStream,
}

impl Peer {
    /// Dials a peer; says that it is of that site.
    pub(super) fn dial(addr: SocketAddr, info_hash: &str, id: &str, site: &str) -> io::Result<Peer> {
        let stream = TcpStream::connect_timeout(&addr, PATIENCE)?;
        let mut peer = Peer { stream };
        peer.limits()?;
        peer.greet(&bytes_of(info_hash))?;
        peer.hear_greeting()?;
        peer.introduce(id, site)?;
        Ok(peer)
    }

    /// Takes a peer that has dialled, for whichever content it asks.
    pub(super) fn take(stream: TcpStream, id: &str, site: &str) -> io::Result<Peer> {
        let mut peer = Peer { stream };
        peer.limits()?;
        let info_hash = peer.hear_greeting()?;
        peer.greet(&info_hash)?;
        peer.introduce(id, site)?;
        Ok(peer)
    }

    fn limits(&self) -> io::Result<()> {
        self.stream.set_read_timeout(Some(PATIENCE))?;
        self.stream.set_write_timeout(Some(PATIENCE))
    }

    fn greet(&mut self, info_hash: &[u8]) -> io::Result<()> {
        let mut text = b"\x13BitTorrent protocol\0\0\0\0\0\x10\0\x04".to_vec();
        text.extend_from_slice(info_hash);
        text.extend_from_slice(b"-XX0001-abcdefghijkl");
        self.stream.write_all(&text)
    }

    fn hear_greeting(&mut self) -> io::Result<Vec<u8>> {
        let mut text = [0; 68];
        self.stream.read_exact(&mut text)?;
        Ok(text[28..48].to_vec())
    }

    fn introduce(&mut self, id: &str, site: &str) -> io::Result<()> {
        let hello = format!(
            "d1:mde7:narrowsd5:agent{}:{id}4:site{}:{site}e1:v6:Liar 1e",
            id.len(),
            site.len()
        );
        self.send(EXTENDED, &[&[0], hello.as_bytes()].concat())
    }

    pub(super) fn send(&mut self, kind: u8, payload: &[u8]) -> io::Result<()> {
        let length = u32::try_from(payload.len() + 1).map_err(io::Error::other)?;
        self.stream.write_all(&[&length.to_be_bytes(), [kind].as_slice(), payload].concat())
    }

    /// The next message that is no keep-alive; `None` if there is none in time.
    pub(super) fn hear(&mut self, patience: Duration) -> io::Result<Option<(u8, Vec<u8>)>> {
        self.stream.set_read_timeout(Some(patience))?;
        let mut length = [0; 4];
        match self.stream.read_exact(&mut length) {
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                return Ok(None);
            }
            other => other?,
        }
        let length = u32::from_be_bytes(length) as usize;
        if length == 0 {
            return Ok(None);
        }
        if length > MAX_MESSAGE {
            return Err(io::Error::other("a message that is too long"));
        }
        self.stream.set_read_timeout(Some(PATIENCE))?;
        let mut message = vec![0; length];
        self.stream.read_exact(&mut message)?;
        let payload = message.split_off(1);
        Ok(message.first().map(|kind| (*kind, payload)))
    }
}

fn bytes_of(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2);
    digits.filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn two_liars_understand_each_other() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let other = std::thread::spawn(move || {
            let mut peer = Peer::take(listener.accept().unwrap().0, "one", "b1").unwrap();
            let heard = [peer.hear(PATIENCE).unwrap(), peer.hear(PATIENCE).unwrap()];
            heard.map(|heard| heard.unwrap())
        });
        let mut peer = Peer::dial(addr, &"0a".repeat(20), "two", "b1").unwrap();
        peer.send(REQUEST, &[1, 2, 3]).unwrap();
        let [(hello, _), request] = other.join().unwrap();
        assert_eq!((hello, request), (EXTENDED, (REQUEST, vec![1, 2, 3])));
    }
}
