//! Connections that this agent opens: to peers, and to trackers by [`connect_from`].

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use narrows_protocol::InfoHash;
use narrows_swarm::{Class, DialError, Origin};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::{Established, handshake};
use crate::identity::Identity;

/// How long a TCP connection may take to open.
const CONNECT: Duration = Duration::from_secs(3);
/// How long an upstream may take for its handshake: one that is frozen still accepts connections.
const UPSTREAM_HANDSHAKE: Duration = Duration::from_secs(4);

/// Opens a TCP connection to `to` from the local address `from`, unless that is a wildcard or of the other
/// family.
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
/// What kept us from it, told apart by what a person can do about it.
pub(super) async fn dial(
    me: &Identity,
    to: SocketAddr,
    class: Class,
    info_hash: InfoHash,
) -> Result<Established, DialError> {
    let mut stream = connect_from(me.listen.ip(), to, CONNECT).await.map_err(unconnected)?;
    let limit = match class {
        Class::Local => handshake::TIMEOUT,
        Class::Upstream => UPSTREAM_HANDSHAKE,
    };
    let theirs = handshake::offer(&mut stream, info_hash, me.peer_id, limit)
        .await
        .map_err(|error| unshaken(&error))?;
    if theirs.info_hash != info_hash {
        return Err(DialError::Foreign);
    }
    let (addr, origin) = (to, Origin::Dialled(class));
    Ok(Established {
        stream,
        addr,
        origin,
        theirs,
    })
}

/// Why there is no connection.
fn unconnected(error: io::Error) -> DialError {
    match error.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => DialError::Refused,
        io::ErrorKind::TimedOut => DialError::TimedOut,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown => {
            DialError::NoRoute
        }
        _ => DialError::Local(error.to_string()),
    }
}

/// Why there is a connection and no handshake.
fn unshaken(error: &io::Error) -> DialError {
    match error.kind() {
        io::ErrorKind::InvalidData => DialError::Foreign,
        io::ErrorKind::TimedOut => DialError::Silent,
        _ => DialError::Closed,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use narrows_protocol::PeerId;
    use narrows_wire::Handshake;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    async fn dialled(to: SocketAddr) -> DialError {
        let me = Identity {
            id: "test".to_owned(),
            peer_id: PeerId([2; 20]),
            key: 1,
            listen: (HERE, 6881).into(),
            v4: true,
            v6: false,
            metrics: None,
        };
        match dial(&me, to, Class::Upstream, InfoHash([1; 20])).await {
            Ok(_) => panic!("no peer shakes hands here"),
            Err(why) => why,
        }
    }

    /// Takes one connection, reads the handshake, answers `reply` and closes.
    async fn answering(reply: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind((HERE, 0)).await.expect("a port");
        let addr = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            if let Ok((mut stream, _)) = listener.accept().await {
                let mut theirs = [0; Handshake::LEN];
                let _ = stream.read_exact(&mut theirs).await;
                let _ = stream.write_all(reply).await;
            }
        });
        addr
    }

    #[tokio::test]
    async fn what_keeps_us_from_a_peer_is_told_apart() {
        let free = TcpListener::bind((HERE, 0)).await.expect("a port");
        let closed = free.local_addr().expect("an address");
        drop(free);
        assert_eq!(dialled(closed).await, DialError::Refused);
        assert_eq!(dialled(answering(b"").await).await, DialError::Closed);
        let http = answering(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        assert_eq!(dialled(http).await, DialError::Foreign);
        let other = Handshake {
            info_hash: InfoHash([7; 20]),
            peer_id: PeerId([3; 20]),
            fast: true,
            extended: true,
        };
        let another = answering(other.encode().to_vec().leak()).await;
        assert_eq!(dialled(another).await, DialError::Foreign);
        let unroutable = io::Error::from(io::ErrorKind::HostUnreachable);
        assert_eq!(unconnected(unroutable), DialError::NoRoute);
    }
}
