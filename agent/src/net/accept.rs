//! The one place where connections come in: which are let in, for how long they may be without a handshake,
//! and what takes them over then.

use std::collections::VecDeque;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use narrows_host::Repeats;
use narrows_protocol::InfoHash;
use narrows_swarm::Origin;
use tokio::task::AbortHandle;

use super::{Established, Listener, Network, handshake};

/// How many connections may be without a handshake; beyond, the oldest is closed.
const MAX_PENDING: usize = 64;

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
    let mut pending: VecDeque<AbortHandle> = VecDeque::new();
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
        pending.retain(|task| !task.is_finished());
        if pending.len() >= MAX_PENDING
            && let Some(oldest) = pending.pop_front()
        {
            oldest.abort();
        }
        let (acceptor, peer_id) = (acceptor.clone(), network.me.peer_id);
        let handshake = tokio::spawn(async move {
            match handshake::answer(stream, peer_id, |info_hash| acceptor.serves(info_hash)).await {
                Ok((stream, theirs)) => {
                    let origin = Origin::Accepted;
                    acceptor
                        .take(Established {
                            stream,
                            addr,
                            origin,
                            theirs,
                        })
                        .await;
                }
                Err(error) => tracing::debug!(%addr, %error, "no handshake"),
            }
        });
        pending.push_back(handshake.abort_handle());
    }
}
