//! The sockets that peers connect to.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};

/// The sockets that peers connect to: one, or for a wildcard one per address family.
#[derive(Debug)]
pub(crate) struct Listener {
    /// As configured, with the real port.
    pub(crate) addr: SocketAddr,
    /// Whether IPv4 peers can connect.
    pub(crate) v4: bool,
    /// Whether IPv6 peers can connect.
    pub(crate) v6: bool,
    sockets: Vec<TcpListener>,
}

impl Listener {
    /// Binds `addr`. A wildcard of either family listens on the other one too, where the host has it.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn bind(addr: SocketAddr) -> io::Result<Self> {
        let first = bind(addr)?;
        let addr = SocketAddr::new(addr.ip(), first.local_addr()?.port());
        let mut sockets = vec![first];
        let (mut v4, mut v6) = (addr.is_ipv4(), addr.is_ipv6());
        if addr.ip().is_unspecified() {
            let other = match addr {
                SocketAddr::V4(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, addr.port())),
                SocketAddr::V6(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, addr.port())),
            };
            if let Ok(socket) = bind(other) {
                sockets.push(socket);
                (v4, v6) = (true, true);
            }
        }
        Ok(Self {
            addr,
            v4,
            v6,
            sockets,
        })
    }

    pub(super) async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        match &self.sockets[..] {
            [one, other] => tokio::select! { got = one.accept() => got, got = other.accept() => got },
            [one] => one.accept().await,
            _ => std::future::pending().await,
        }
    }
}

/// Why an address cannot be listened on: the system's reason, and what to do.
pub(crate) fn unbound(error: &io::Error) -> String {
    let help = narrows_host::listen::hint(error.kind());
    format!("{error}{help}")
}

fn bind(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    // on Windows this would let others take the port over; on Unix a restart need not wait for old
    // connections
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    if addr.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(1024)?;
    TcpListener::from_std(socket.into())
}
