//! The tracker dials peers that others accuse: whether one accepts a connection is a fact, that it does not
//! answer a claim.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use narrows_protocol::{Host, InfoHash};
use tokio::net::TcpStream;
use tracing::{debug, info};

use crate::net::offences::Offence;
use crate::state::tracker::Tracker;

/// A peer that has not accepted a connection by then is not reached.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Connections that are tried at a time; what is to be dialled beside them is left, and accused again.
const MAX_PROBES: usize = 64;

/// ... and to one address: a machine that swallows them takes no other's place.
const MAX_PROBES_OF_ADDRESS: usize = 4;

/// ... and to one host: more than to an address, since an IPv6 network may be a whole site.
const MAX_PROBES_OF_HOST: usize = 16;

/// Which addresses are being dialled, and how often.
#[derive(Debug, Default)]
pub(crate) struct Probes(Mutex<HashMap<IpAddr, usize>>);

impl Probes {
    /// Dials peers of a content beside the requests, and tells its swarm what comes of it.
    pub(crate) fn dial(self: &Arc<Self>, tracker: &Arc<Tracker>, hash: InfoHash, peers: &[SocketAddr]) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        for addr in peers.iter().copied() {
            let Some(slot) = self.take(addr.ip()) else {
                debug!(%addr, "too many peers are being dialled");
                continue;
            };
            let tracker = Arc::clone(tracker);
            runtime.spawn(async move {
                let connected = tokio::time::timeout(TIMEOUT, TcpStream::connect(addr)).await;
                let found = found(connected.as_ref().ok());
                drop((connected, slot));
                match found {
                    Some(reached) => note(&tracker, hash, addr, reached),
                    None => debug!(%addr, "a peer that others accuse could not be dialled"),
                }
            });
        }
    }

    fn take(self: &Arc<Self>, ip: IpAddr) -> Option<Slot> {
        let mut dialled = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_address = dialled.get(&ip).copied().unwrap_or(0);
        let of = |is: &dyn Fn(IpAddr) -> bool| -> usize {
            dialled.iter().filter(|(ip, _)| is(**ip)).map(|(_, count)| count).sum()
        };
        if of_address >= MAX_PROBES_OF_ADDRESS
            || of(&|other| Host::of(other) == Host::of(ip)) >= MAX_PROBES_OF_HOST
            || of(&|_| true) >= MAX_PROBES
        {
            return None;
        }
        dialled.insert(ip, of_address + 1);
        Some(Slot(Arc::clone(self), ip))
    }
}

/// One of the connections that may be tried.
struct Slot(Arc<Probes>, IpAddr);

impl Drop for Slot {
    fn drop(&mut self) {
        let mut dialled = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = dialled.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                dialled.remove(&self.1);
            }
        }
    }
}

/// Whether a peer was reached by what came of dialling it in time; `None`: that says nothing of the peer, since the
/// tracker lacks something itself, as descriptors.
fn found<S>(connected: Option<&io::Result<S>>) -> Option<bool> {
    match connected {
        None => Some(false),
        Some(Ok(_)) => Some(true),
        Some(Err(error)) => match error.kind() {
            io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::TimedOut
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable => Some(false),
            _ => None,
        },
    }
}

fn note(tracker: &Tracker, hash: InfoHash, addr: SocketAddr, reached: bool) {
    let Some(probed) = tracker.store.probed(hash, addr, reached) else {
        return;
    };
    debug!(%addr, reached, "a peer was dialled that others say does not answer");
    if probed.given_up > 0 {
        info!(info_hash = %hash, %addr, "neither the tracker nor its neighbours reach a peer: it is given up");
    }
    let now = tracker.store.conditions().uptime();
    for (ip, agent) in probed.refuted {
        if tracker.store.is_untrue_again(hash, ip, now) {
            tracker.offences.record(Offence::FalseAccusation, ip, agent.as_deref(), now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_the_tracker_lacks_descriptors_says_nothing_of_a_peer() {
        let failed = |error: io::Error| found::<()>(Some(&Err(error)));
        assert_eq!(found(Some(&Ok(()))), Some(true));
        assert_eq!(found::<()>(None), Some(false), "silence");
        assert_eq!(failed(io::ErrorKind::ConnectionRefused.into()), Some(false));
        // EMFILE, and where the machine has no free port
        #[cfg(unix)]
        assert_eq!(failed(io::Error::from_raw_os_error(24)), None);
        assert_eq!(failed(io::ErrorKind::AddrNotAvailable.into()), None);
    }

    #[test]
    fn an_address_that_swallows_connections_takes_no_other_ones_place() {
        let probes = Arc::new(Probes::default());
        let ip = |n: u8| IpAddr::from([10, 0, 0, n]);
        let one: Vec<Slot> = (0..10).filter_map(|_| probes.take(ip(1))).collect();
        assert_eq!(one.len(), MAX_PROBES_OF_ADDRESS);
        let others: Vec<Slot> = (2..100).filter_map(|n| probes.take(ip(n))).collect();
        assert_eq!(one.len() + others.len(), MAX_PROBES);
        drop(one);
        assert!(probes.take(ip(1)).is_some());
    }

    #[test]
    fn a_machine_with_an_ipv6_network_takes_a_quarter_of_the_places_at_most() {
        let probes = Arc::new(Probes::default());
        let ip = |net: u16, n: u16| IpAddr::from([0x2001, 0xdb8, 0, net, 0, 0, 0, n]);
        let one: Vec<Slot> = (0..200).filter_map(|n| probes.take(ip(1, n / 2))).collect();
        assert_eq!(one.len(), MAX_PROBES_OF_HOST);
        let others: Vec<Slot> = (2..200).filter_map(|net| probes.take(ip(net, 1))).collect();
        assert_eq!(one.len() + others.len(), MAX_PROBES);
    }
}
