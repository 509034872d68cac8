//! Stock neighbours that have more than they say.
//!
//! libtorrent up to 2.0.10 neither lists a piece in its bitfield nor announces it by Have if it passed its
//! hash and was not flushed when we shook hands (pull request 7781 there): it looks as if it lacked that
//! piece for ever. Only a new handshake tells. It does say `upload_only` (BEP 21) once it is complete.

use super::Swarm;
use super::peer::Peer;
use crate::policy::relation::Relation;
use crate::{Action, Class, CloseReason, Origin, PeerKey, Time};

/// How long nothing came before we ask anew what a neighbour has.
const QUIET: Time = Time::from_secs(5);
/// Between two times that one neighbour is asked anew.
const BETWEEN: Time = Time::from_secs(60);

impl Swarm {
    /// Dials a stock peer of our site anew that seems to lack little, when no peer can be asked for
    /// anything any more.
    pub(super) fn meet_again(&mut self, now: Time, out: &mut Vec<Action>) {
        if !self.is_fetching() || self.peers.values().any(|peer| peer.lacking > 0) {
            return;
        }
        let quiet = now >= self.last_progress + QUIET;
        let pieces = self.config.lengths.piece_count();
        let worth = |peer: &Peer| {
            peer.relation == Relation::Local
                && peer.origin == Origin::Dialled(Class::Local)
                && peer.hello.is_none()
                && !peer.has.is_full()
                && (peer.upload_only || quiet && peer.has.count() >= pieces / 2)
                // what it sent wrong is asked for again by itself
                && self.blame.shunned_of(peer.addr.ip()).next().is_none()
                && self
                    .met_again
                    .get(&peer.addr)
                    .is_none_or(|at| now >= *at + BETWEEN)
        };
        let found = self.peers.iter().find(|(_, peer)| worth(peer));
        let Some((key, addr)): Option<(PeerKey, _)> = found.map(|(key, peer)| (*key, peer.addr)) else {
            return;
        };
        self.met_again.retain(|_, at| now < *at + BETWEEN);
        self.met_again.insert(addr, now);
        self.close(key, CloseReason::Again, now, out);
        if let Some(known) = self.known.get_mut(&addr) {
            known.due = now;
        }
        self.dial(now, out);
    }
}
