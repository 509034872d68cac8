//! Connections that come in: who is let in, and to which content.

use std::net::SocketAddr;
use std::sync::Arc;

use narrows_protocol::{InfoHash, PeerId};
use narrows_swarm::Origin;
use narrows_wire::Handshake;
use tokio::net::TcpStream;

use super::Agent;
use crate::content::Input;
use crate::net::Door;

/// Decides about connections that come in.
#[derive(Clone)]
pub(super) struct AgentDoor(pub(super) Arc<Agent>);

impl Door for AgentDoor {
    fn admits(&self, addr: SocketAddr) -> bool {
        !self.0.shared.bans.holds(addr.ip(), self.0.shared.now())
    }

    fn serves(&self, info_hash: InfoHash) -> bool {
        self.0.handle(info_hash).is_some()
    }

    fn peer_id(&self) -> PeerId {
        self.0.shared.peer_id
    }

    async fn enter(&self, stream: TcpStream, addr: SocketAddr, theirs: Handshake) {
        if let Some(handle) = self.0.handle(theirs.info_hash) {
            // an actor that just ended drops the connection
            let _ = handle
                .inputs
                .send(Input::Connected {
                    stream,
                    addr,
                    origin: Origin::Accepted,
                    theirs,
                })
                .await;
        }
    }
}
