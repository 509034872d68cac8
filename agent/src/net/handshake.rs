//! The first 68 bytes each way (BEP 3), of both sides. A connection that has not got through this costs 68
//! bytes and a timer.

use std::io;
use std::time::Duration;

use narrows_protocol::{InfoHash, PeerId};
use narrows_wire::{Handshake, PROTOCOL, WireError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a handshake may take.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);

/// The dialling side's: sends ours and reads theirs.
///
/// # Errors
/// The system's, [`io::ErrorKind::InvalidData`] for another protocol, [`io::ErrorKind::TimedOut`] after
/// `limit`.
pub(super) async fn offer(
    stream: &mut TcpStream,
    info_hash: InfoHash,
    peer_id: PeerId,
    limit: Duration,
) -> io::Result<Handshake> {
    timeout(limit, async {
        send(stream, info_hash, peer_id).await?;
        receive(stream).await
    })
    .await?
}

/// The accepting side's: reads theirs and answers if the content that it names is served to that peer; else
/// not a byte is sent.
///
/// # Errors
/// As [`offer`]'s; [`io::ErrorKind::NotFound`] if it is not served.
pub(super) async fn answer<S: Future<Output = Result<(), &'static str>>>(
    mut stream: TcpStream,
    peer_id: PeerId,
    serves: impl FnOnce(InfoHash) -> S,
) -> io::Result<(TcpStream, Handshake)> {
    timeout(TIMEOUT, async {
        stream.set_nodelay(true)?;
        let theirs = receive(&mut stream).await?;
        serves(theirs.info_hash).await.map_err(|why| io::Error::new(io::ErrorKind::NotFound, why))?;
        send(&mut stream, theirs.info_hash, peer_id).await?;
        Ok((stream, theirs))
    })
    .await?
}

async fn send(stream: &mut TcpStream, info_hash: InfoHash, peer_id: PeerId) -> io::Result<()> {
    let ours = Handshake {
        info_hash,
        peer_id,
        fast: true,
        extended: true,
    };
    stream.write_all(&ours.encode()).await
}

/// Other protocols are refused from their first bytes.
async fn receive(stream: &mut TcpStream) -> io::Result<Handshake> {
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
