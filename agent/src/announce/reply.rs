//! What a tracker's reply means to a swarm.

use std::net::SocketAddr;
use std::time::Duration;

use narrows_protocol::AnnounceResponse;
use narrows_swarm::Assigned;

/// A tracker's reply in the swarm's terms.
pub(super) fn assigned(response: AnnounceResponse) -> Assigned {
    let again = response.narrows.as_ref().map_or(0, |assignment| assignment.again);
    let interval = match again {
        0 => Duration::from_secs(response.interval.into()),
        again => Duration::from_millis(again.into()),
    };
    Assigned {
        local: response.peers.into_iter().map(|peer| peer.addr).collect(),
        assignment: response.narrows,
        interval,
        min_interval: Duration::from_secs(response.min_interval.into()).min(interval),
        external_ip: response.external_ip,
    }
}

/// What the tracker said over two address families, as one: it is one agent.
pub(super) fn merged(mut one: Assigned, other: Assigned) -> Assigned {
    extend(&mut one.local, other.local);
    one.interval = one.interval.min(other.interval);
    one.min_interval = one.min_interval.max(other.min_interval);
    match (&mut one.assignment, other.assignment) {
        (Some(one), Some(other)) => {
            extend(&mut one.gateways, other.gateways);
            extend(&mut one.upstream, other.upstream);
            for parent in other.parents {
                match one.parents.iter_mut().find(|known| known.site == parent.site) {
                    Some(known) => extend(&mut known.upstreams, parent.upstreams),
                    None => one.parents.push(parent),
                }
            }
        }
        (mine, other) => *mine = mine.take().or(other),
    }
    one
}

fn extend(list: &mut Vec<SocketAddr>, more: Vec<SocketAddr>) {
    for addr in more {
        if !list.contains(&addr) {
            list.push(addr);
        }
    }
}
