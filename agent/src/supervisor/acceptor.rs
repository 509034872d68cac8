//! Which content a connection that comes in is for.

use std::sync::Arc;

use narrows_protocol::InfoHash;

use super::Agent;
use crate::content::Input;
use crate::net::{Acceptor, Established, Event};

/// The contents of an agent as peers find them.
#[derive(Clone)]
pub(super) struct Served(pub(super) Arc<Agent>);

impl Acceptor for Served {
    fn serves(&self, info_hash: InfoHash) -> bool {
        self.0.handle(info_hash).is_some()
    }

    async fn take(&self, connection: Established) {
        if let Some(handle) = self.0.handle(connection.theirs.info_hash) {
            // an actor that just ended drops the connection
            let _ = handle.inputs.send(Input::Net(Event::Connected(connection))).await;
        }
    }
}
