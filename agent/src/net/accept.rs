use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use narrows_host::Repeats;
use narrows_protocol::{InfoHash, PeerId};
use narrows_wire::Handshake;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::handshake;

/// How many connections may be without a handshake; beyond, the oldest is closed.
const PENDING: usize = 64;

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

    /// Whether a peer listener at `listen` and the control port at `control` want one port; 0 is a free one.
    pub(crate) fn is_in_the_way(listen: SocketAddr, control: SocketAddr) -> bool {
        let (peers, other) = (listen.ip(), control.ip());
        // a wildcard for peers is both families; for control that of IPv6 is, where the system has it so
        let overlap = peers == other
            || peers.is_unspecified()
            || other.is_unspecified() && (other.is_ipv6() || peers.is_ipv4());
        listen.port() != 0 && listen.port() == control.port() && overlap
    }

    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
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

/// Who decides about connections that come in.
pub(crate) trait Door: Clone + Send + Sync + 'static {
    /// Whether to talk to this address at all.
    fn admits(&self, addr: SocketAddr) -> bool;
    /// Whether this content is served here.
    fn serves(&self, info_hash: InfoHash) -> bool;
    /// Our name.
    fn peer_id(&self) -> PeerId;
    /// Takes a connection over after both handshakes.
    fn enter(
        &self,
        stream: TcpStream,
        addr: SocketAddr,
        theirs: Handshake,
    ) -> impl Future<Output = ()> + Send;
}

/// Accepts connections for ever. Until its handshake is through, a connection has ten seconds and 68 bytes.
pub(crate) async fn accept(listener: Listener, door: impl Door) {
    let mut pending: VecDeque<AbortHandle> = VecDeque::new();
    let (mut failures, began) = (Repeats::default(), Instant::now());
    loop {
        let (stream, addr) = match listener.accept().await {
            Ok(accepted) => {
                if failures.went_well() {
                    tracing::info!("connections are accepted again");
                }
                accepted
            }
            Err(error) => {
                // out of descriptors, mostly: the next try must not spin
                if let Some(times) = failures.failed(&error.to_string(), began.elapsed()) {
                    tracing::warn!(%error, times, "cannot accept connections");
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            }
        };
        let addr = SocketAddr::new(addr.ip().to_canonical(), addr.port());
        if !door.admits(addr) {
            continue;
        }
        pending.retain(|task| !task.is_finished());
        if pending.len() >= PENDING
            && let Some(oldest) = pending.pop_front()
        {
            oldest.abort();
        }
        let door = door.clone();
        let greeting = tokio::spawn(async move {
            match timeout(handshake::TIMEOUT, greet(stream, &door)).await {
                Ok(Ok((stream, theirs))) => door.enter(stream, addr, theirs).await,
                Ok(Err(error)) => tracing::debug!(%addr, %error, "no handshake"),
                Err(_) => tracing::debug!(%addr, "no handshake in time"),
            }
        });
        pending.push_back(greeting.abort_handle());
    }
}

async fn greet(mut stream: TcpStream, door: &impl Door) -> io::Result<(TcpStream, Handshake)> {
    stream.set_nodelay(true)?;
    let theirs = handshake::receive(&mut stream).await?;
    if !door.serves(theirs.info_hash) {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            "it asks for a content that is not served here",
        ));
    }
    handshake::send(&mut stream, theirs.info_hash, door.peer_id()).await?;
    Ok((stream, theirs))
}
