//! Connections to peers: accepted in one place ([`accept`]), dialled in one place ([`Network::dial`]), and
//! from there on the same ([`Established`]). Nothing here knows what a content is: what happens on a
//! connection is an [`Event`], which its owner maps to its own.

mod accept;
mod bans;
mod dial;
mod dscp;
mod event;
mod handshake;
mod listener;
mod named;
mod outbox;
mod peer;
mod told;

pub(crate) use accept::{Acceptor, accept};
pub(crate) use dial::connect_from;
pub(crate) use event::{Established, Event};
pub(crate) use listener::{Listener, unbound};
pub(crate) use outbox::Outbox;
pub(crate) use peer::Connection;
pub(crate) use told::Told;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use narrows_protocol::InfoHash;
use narrows_swarm::{Class, DialError, PeerKey, Time};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::identity::Identity;
use crate::resources::{Offence, Resources};
use bans::Bans;
use named::Named;

/// This agent among its peers.
#[derive(Debug)]
pub(crate) struct Network {
    me: Arc<Identity>,
    clock: Clock,
    resources: Arc<Resources>,
    bans: Bans,
    named: Named,
    told: Arc<Told>,
    moved: watch::Sender<()>,
    next_peer: AtomicU64,
}

impl Network {
    /// Without any connection.
    pub(crate) fn new(me: Arc<Identity>, clock: Clock, resources: Arc<Resources>, told: Arc<Told>) -> Self {
        Self {
            me,
            clock,
            resources,
            bans: Bans::default(),
            named: Named::default(),
            told,
            moved: watch::Sender::new(()),
            next_peer: AtomicU64::new(1),
        }
    }

    /// Connects to a peer and shakes hands.
    ///
    /// # Errors
    /// What kept us from it, told apart by what a person can do about it.
    pub(crate) async fn dial(
        &self,
        to: SocketAddr,
        class: Class,
        info_hash: InfoHash,
    ) -> Result<Established, DialError> {
        if self.is_banned(to.ip()) {
            return Err(DialError::Banned);
        }
        if !self.told.admits(info_hash, to.ip()).await {
            return Err(DialError::Unmapped);
        }
        dial::dial(&self.me, to, class, info_hash).await
    }

    /// Neither dials nor accepts `ip` until then; without an end as long as the agent runs.
    pub(crate) fn ban(&self, ip: IpAddr, until: Option<Time>) {
        self.bans.add(ip, until);
    }

    /// Takes over which addresses the tracker's last reply for a content named; places are kept for these.
    pub(crate) fn name(&self, info_hash: InfoHash, addresses: impl Iterator<Item = IpAddr>) {
        self.named.set(info_hash, addresses);
    }

    /// What trackers told of the map.
    pub(crate) fn told(&self) -> &Arc<Told> {
        &self.told
    }

    /// This machine has another address: connections from those that it lost end. Packets from these are not
    /// answered any more, which would not be noticed before a keep-alive is missing.
    pub(crate) fn has_moved(&self) {
        self.moved.send_replace(());
    }

    /// Is told when this machine has another address.
    pub(crate) fn moves(&self) -> watch::Receiver<()> {
        self.moved.subscribe()
    }

    /// Whether a peer at `ip` is served this content; one that is not is named.
    async fn admits(&self, info_hash: InfoHash, ip: IpAddr) -> bool {
        let admitted = self.told.admits(info_hash, ip).await;
        if !admitted {
            self.offends(Offence::UnmappedAddress, ip);
        }
        admitted
    }

    /// The peer at `ip` does what honest ones do not.
    fn offends(&self, offence: Offence, ip: IpAddr) {
        self.resources.offences.record(offence, ip, None, self.clock.now());
    }

    fn is_named(&self, ip: IpAddr) -> bool {
        self.named.holds(ip)
    }

    fn is_banned(&self, ip: IpAddr) -> bool {
        self.bans.holds(ip, self.clock.now())
    }

    /// A name for a connection that no other one of this agent has, of whichever content.
    pub(crate) fn next_peer(&self) -> PeerKey {
        PeerKey(self.next_peer.fetch_add(1, Ordering::Relaxed))
    }
}
