use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use narrows_protocol::{InfoHash, PeerId};
use narrows_swarm::Class;
use narrows_wire::Handshake;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::handshake;

/// How long a TCP connection may take to open.
const CONNECT: Duration = Duration::from_secs(3);
/// How long an upstream may take for its handshake: one that is frozen still accepts connections.
const UPSTREAM_HANDSHAKE: Duration = Duration::from_secs(4);

/// Opens a TCP connection to `to` from the local address `from`, unless that is a wildcard or of the other family.
///
/// # Errors
/// The system's, or that it took longer than `limit`.
pub(crate) async fn connect_from(from: IpAddr, to: SocketAddr, limit: Duration) -> io::Result<TcpStream> {
    let socket = if to.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    if !from.is_unspecified() && from.is_ipv4() == to.is_ipv4() {
        socket.bind(SocketAddr::new(from, 0))?;
    }
    let stream = timeout(limit, socket.connect(to)).await??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Connects to a peer and shakes hands.
///
/// # Errors
/// The system's, a timeout, or a peer that speaks of another content.
pub(crate) async fn dial(
    from: IpAddr,
    to: SocketAddr,
    class: Class,
    info_hash: InfoHash,
    peer_id: PeerId,
) -> io::Result<(TcpStream, Handshake)> {
    let mut stream = connect_from(from, to, CONNECT).await?;
    let limit = match class {
        Class::Local => handshake::TIMEOUT,
        Class::Upstream => UPSTREAM_HANDSHAKE,
    };
    let theirs = timeout(limit, async {
        handshake::send(&mut stream, info_hash, peer_id).await?;
        handshake::receive(&mut stream).await
    })
    .await??;
    if theirs.info_hash != info_hash {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the peer serves another content",
        ));
    }
    Ok((stream, theirs))
}
