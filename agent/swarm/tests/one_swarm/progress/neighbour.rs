//! A modelled peer, and what happens to it.

use std::collections::VecDeque;
use std::net::SocketAddr;

use narrows_swarm::{Class, PeerKey, Time};
use narrows_wire::Block;
use rand::RngExt;
use rand::rngs::SmallRng;

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Fault {
    Kill,
    Freeze,
    Thaw,
    Slow(f64),
    Choke,
    Unchoke,
    Reject,
}

/// A modelled peer.
pub struct Neighbour {
    pub addr: SocketAddr,
    pub class: Class,
    pub stock: bool,
    pub has: Vec<bool>,
    pub rate: f64,
    pub connected: Option<PeerKey>,
    pub dead: bool,
    pub frozen: bool,
    pub choking: bool,
    pub rejects: bool,
    pub queue: VecDeque<Block>,
    /// Of the block that it sends, bytes that have not left.
    pub credit: f64,
    /// When it last sent a keep-alive.
    pub spoke: Time,
    /// Dialled by the swarm; answers or fails then.
    pub dialled: Option<Time>,
}

impl Neighbour {
    /// The `number`-th of `count`. The last one has everything and always serves.
    pub fn random(
        rng: &mut SmallRng,
        pieces: u32,
        gateway: bool,
        (number, count): (usize, usize),
    ) -> Neighbour {
        let good = number + 1 == count;
        let whole = good || rng.random_bool(0.7);
        // in use is one, and there is at most one spare
        let upstream = gateway && (good || (number == 0 && rng.random_bool(0.5)));
        let site = if upstream { 0 } else { 1 };
        Neighbour {
            addr: format!("10.{site}.0.{}:6881", number + 10).parse().expect("an address"),
            class: if upstream { Class::Upstream } else { Class::Local },
            stock: rng.random_bool(0.3),
            has: (0..pieces).map(|_| whole || rng.random_bool(0.5)).collect(),
            rate: rng.random_range(100_000.0..5_000_000.0),
            connected: None,
            dead: false,
            frozen: false,
            choking: false,
            rejects: false,
            queue: VecDeque::new(),
            credit: 0.0,
            spoke: Time::ZERO,
            dialled: None,
        }
    }
}

/// What happens to all but the last neighbour: at which progress, to which, what.
pub fn faults(rng: &mut SmallRng, count: usize) -> Vec<(f64, usize, Fault)> {
    let mut faults = Vec::new();
    for number in 0..count - 1 {
        for _ in 0..rng.random_range(1..4) {
            let fault = match rng.random_range(0..8) {
                0 | 1 => Fault::Kill,
                2 => Fault::Freeze,
                3 => Fault::Thaw,
                4 => Fault::Slow(rng.random_range(1.0..2000.0)),
                5 => Fault::Choke,
                6 => Fault::Unchoke,
                _ => Fault::Reject,
            };
            // half of them in the last pieces
            let at = if rng.random_bool(0.5) {
                rng.random_range(0.8..1.0)
            } else {
                rng.random_range(0.0..0.9)
            };
            faults.push((at, number, fault));
        }
    }
    faults
}
