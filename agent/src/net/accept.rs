//! The one place where connections come in: which are let in, for how long they may be without a handshake,
//! and what takes them over then.
//!
//! What one machine can do here is bounded by its address: how often it comes ([`Arrivals`]), and how many of
//! the places without a handshake it holds ([`Admission`]). Half of these are kept for addresses that the
//! tracker named. A pending connection costs its socket, 68 bytes and a timer; there are [`BOUNDS`] of them.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use narrows_host::Repeats;
use narrows_protocol::InfoHash;
use narrows_swarm::Origin;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;

use super::{Established, Listener, Network, handshake};
use crate::resources::{Admission, Arrivals, Bounds, Offence, Standing};

/// How many connections may be without a handshake. Of one address as many as a NAT opens in half a second at
/// [its rate](Arrivals); those that give way come again by their own back-off.
const BOUNDS: Bounds = Bounds {
    all: 64,
    per_address: 16,
    kept: 32,
};

/// How long to wait after a failure to accept: mostly the process is out of descriptors.
const PAUSE: Duration = Duration::from_millis(200);

/// What takes connections over that come in.
pub(crate) trait Acceptor: Clone + Send + Sync + 'static {
    /// Whether this content is served here.
    fn serves(&self, info_hash: InfoHash) -> bool;
    /// Takes a connection over after both handshakes.
    fn take(&self, connection: Established) -> impl Future<Output = ()> + Send;
}

/// Accepts connections for ever. Until its handshake is through, a connection has ten seconds and 68 bytes.
pub(crate) async fn accept(listener: Listener, network: Arc<Network>, acceptor: impl Acceptor) {
    let mut pending: Admission<AbortHandle> = Admission::new(BOUNDS);
    let mut arrivals = Arrivals::default();
    let mut failures = Repeats::default();
    loop {
        let (stream, addr) = match listener.accept().await {
            Ok(accepted) => {
                if failures.went_well() {
                    tracing::info!("connections are accepted again");
                }
                accepted
            }
            Err(error) => {
                if let Some(times) = failures.failed(&error.to_string(), network.clock.now()) {
                    tracing::warn!(%error, times, "cannot accept connections");
                }
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let addr = SocketAddr::new(addr.ip().to_canonical(), addr.port());
        if network.is_banned(addr.ip()) {
            continue;
        }
        let standing = match network.is_named(addr.ip()) {
            true => Standing::Named,
            false => Standing::Stranger,
        };
        if !arrivals.may_come(standing.host(addr.ip()), network.clock.now()) {
            network.offends(Offence::HandshakeFlood, addr.ip());
            continue;
        }
        pending.retain(|task| !task.is_finished());
        let handshake = tokio::spawn(shake_hands(stream, addr, network.clone(), acceptor.clone()));
        if let Some(evicted) = pending.admit(addr.ip(), standing, handshake.abort_handle()) {
            evicted.held.abort();
            if evicted.of >= BOUNDS.per_address {
                network.offends(Offence::HandshakeFlood, evicted.ip);
            }
        }
    }
}

async fn shake_hands(stream: TcpStream, addr: SocketAddr, network: Arc<Network>, acceptor: impl Acceptor) {
    let peer_id = network.me.peer_id;
    let serves = |info_hash| admits(info_hash, addr.ip(), &network, &acceptor);
    let answered = handshake::answer(stream, peer_id, serves);
    match answered.await {
        Ok((stream, theirs)) => {
            let origin = Origin::Accepted;
            let connection = Established {
                stream,
                addr,
                origin,
                theirs,
            };
            acceptor.take(connection).await;
        }
        // one whose link is cut, or that is frozen, ends like this too
        Err(error) => tracing::debug!(%addr, %error, "no handshake"),
    }
}

/// Whether a content is served to a peer at `ip`; else why not.
async fn admits(
    info_hash: InfoHash,
    ip: IpAddr,
    network: &Network,
    acceptor: &impl Acceptor,
) -> Result<(), &'static str> {
    if !acceptor.serves(info_hash) {
        return Err("it asks for a content that is not served here");
    }
    match network.admits(info_hash, ip).await {
        true => Ok(()),
        false => Err("its address is in no network of the site map"),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use narrows_protocol::PeerId;
    use narrows_wire::Handshake;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpSocket;
    use tokio::time::timeout;

    use super::*;
    use crate::clock::Clock;
    use crate::config::Serve;
    use crate::identity::Identity;
    use crate::net::Told;
    use crate::resources::Resources;

    const CONTENT: InfoHash = InfoHash([1; 20]);

    #[derive(Clone)]
    struct Serving;

    impl Acceptor for Serving {
        fn serves(&self, info_hash: InfoHash) -> bool {
            info_hash == CONTENT
        }

        async fn take(&self, connection: Established) {
            // held open by its test, which reads to the end
            drop(connection);
        }
    }

    /// An agent that listens.
    fn listening() -> (SocketAddr, Arc<Network>) {
        let listener = Listener::bind(([127, 0, 0, 1], 0).into()).expect("a port");
        let addr = listener.addr;
        let me = Identity {
            id: "test".to_owned(),
            peer_id: PeerId([2; 20]),
            key: 1,
            listen: addr,
            v4: true,
            v6: false,
            metrics: None,
        };
        let network = Arc::new(Network::new(
            Arc::new(me),
            Clock::start(),
            Arc::new(Resources::new(1024)),
            Arc::new(Told::load(Serve::Any, "".as_ref(), Clock::start())),
        ));
        tokio::spawn(accept(listener, network.clone(), Serving));
        (addr, network)
    }

    /// A connection from `127.0.3.last`.
    async fn from(last: u8, to: SocketAddr) -> io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(([127, 0, 3, last], 0).into())?;
        socket.connect(to).await
    }

    /// Whether the agent answers the handshake of this connection.
    async fn is_answered(stream: &mut TcpStream) -> bool {
        let ours = Handshake {
            info_hash: CONTENT,
            peer_id: PeerId([3; 20]),
            fast: true,
            extended: true,
        };
        let exchange = async {
            stream.write_all(&ours.encode()).await?;
            let mut theirs = [0; Handshake::LEN];
            stream.read_exact(&mut theirs).await
        };
        matches!(timeout(Duration::from_secs(5), exchange).await, Ok(Ok(_)))
    }

    /// Waits until the agent has closed this one; so it has accepted all that came before.
    async fn is_closed(mut stream: TcpStream) -> bool {
        let mut byte = [0; 1];
        matches!(
            timeout(Duration::from_secs(5), stream.read(&mut byte)).await,
            Ok(Ok(0) | Err(_))
        )
    }

    #[tokio::test]
    async fn a_machine_that_connects_all_the_time_takes_no_place_from_one_that_is_slow() {
        let (addr, _network) = listening();
        let mut slow = Vec::new();
        for honest in 1..=20 {
            slow.push(from(honest, addr).await.expect("a connection"));
        }
        let mut flood = Vec::new();
        for _ in 0..1000 {
            // one that is refused already may fail on our side
            flood.extend(from(200, addr).await.ok());
        }
        assert!(
            is_closed(flood.remove(0)).await,
            "the oldest of the flood gave way"
        );
        for (n, stream) in slow.iter_mut().enumerate() {
            assert!(is_answered(stream).await, "honest {n}");
        }
    }

    #[tokio::test]
    async fn places_are_kept_for_addresses_that_the_tracker_named() {
        let (addr, network) = listening();
        let named: Vec<IpAddr> = (101..=120).map(|last| IpAddr::from([127, 0, 3, last])).collect();
        network.name(CONTENT, named.into_iter());
        let mut slow = Vec::new();
        for honest in 101..=120 {
            slow.push(from(honest, addr).await.expect("a connection"));
        }
        let mut strangers = Vec::new();
        for round in 0..200_u8 {
            strangers.extend(from(1 + round % 100, addr).await.ok());
        }
        assert!(
            is_closed(strangers.remove(0)).await,
            "strangers push out strangers"
        );
        for (n, stream) in slow.iter_mut().enumerate() {
            assert!(is_answered(stream).await, "named {n}");
        }
    }
}
