//! The first 68 bytes each way (BEP 3). Whoever has not got through this far costs 68 bytes and a timer.

use std::io;
use std::time::Duration;

use narrows_protocol::{InfoHash, PeerId};
use narrows_wire::{Handshake, PROTOCOL, WireError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long a handshake may take.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);

/// Sends ours.
pub(super) async fn send(stream: &mut TcpStream, info_hash: InfoHash, peer_id: PeerId) -> io::Result<()> {
    let ours = Handshake {
        info_hash,
        peer_id,
        fast: true,
        extended: true,
    };
    stream.write_all(&ours.encode()).await
}

/// Reads theirs; other protocols are refused from their first bytes.
pub(super) async fn receive(stream: &mut TcpStream) -> io::Result<Handshake> {
    let mut bytes = [0; Handshake::LEN];
    let (head, rest) = bytes.split_at_mut(PROTOCOL.len());
    stream.read_exact(head).await?;
    if head != PROTOCOL {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            WireError::NotBitTorrent,
        ));
    }
    stream.read_exact(rest).await?;
    Handshake::decode(&bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}
