//! Neighbours that say they have what they do not bring, one kind of each.

use std::collections::VecDeque;
use std::net::SocketAddr;

use narrows_swarm::{PeerKey, Time};
use narrows_wire::Block;
use rand::RngExt;
use rand::rngs::SmallRng;

/// What a neighbour does with requests.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Kind {
    /// Sends what it was asked for.
    Honest,
    /// Sends nothing.
    Silent,
    /// Sends nothing but keep-alives.
    KeepsAlive,
    /// Honest, but frozen from 10 s on for so many seconds.
    Freezes(u64),
    /// Never lets us ask.
    Chokes,
    /// Sends nothing, chokes and unchokes.
    Toggles,
    /// Sends a block now and then.
    Drips,
    /// The same, of another piece each time, so that none is whole.
    DripsEverywhere,
    /// Refuses each request.
    Rejects,
    /// Refuses, and offers to serve again at once.
    RejectsAndOffers,
    /// Sends all pieces but every third.
    SomePieces,
    /// Sends all blocks of a piece but the last.
    HalfPieces,
    /// Says that it has one piece more, whenever it can, and sends none.
    OneByOne,
    /// Sends nothing, goes and comes back with another peer id.
    Reconnects,
    /// The same from another address each time.
    ManyAddresses,
    /// Sends well for a while, then nothing for a while.
    Alternates,
    /// Drips, refuses and comes back, as it likes.
    Mixed,
    /// Sends whole pieces of rubbish.
    Wrong,
    /// Sends one block of rubbish of each piece, chokes and unchokes: others send the rest in vain.
    Poisons,
}

impl Kind {
    pub const LIARS: [Kind; 16] = [
        Kind::Silent,
        Kind::KeepsAlive,
        Kind::Chokes,
        Kind::Toggles,
        Kind::Drips,
        Kind::Rejects,
        Kind::RejectsAndOffers,
        Kind::SomePieces,
        Kind::HalfPieces,
        Kind::OneByOne,
        Kind::Reconnects,
        Kind::ManyAddresses,
        Kind::Alternates,
        Kind::Mixed,
        Kind::Wrong,
        Kind::Poisons,
    ];
}

/// A neighbour.
pub struct Neighbour {
    pub kind: Kind,
    pub addr: SocketAddr,
    pub key: Option<PeerKey>,
    pub upstream: bool,
    /// The pieces that it says it has.
    pub claims: Vec<bool>,
    pub rate: f64,
    pub credit: f64,
    pub queue: VecDeque<Block>,
    pub choking: bool,
    /// How often it does what its kind does.
    pub every: Time,
    pub next: Time,
    /// When it comes back.
    pub comes: Option<Time>,
    pub lives: u32,
}

impl Neighbour {
    pub fn new(rng: &mut SmallRng, kind: Kind, number: usize, pieces: u32, rate: f64) -> Neighbour {
        let whole = kind != Kind::Honest && rng.random_bool(0.7);
        let claims = (0..pieces).map(|_| kind != Kind::OneByOne && (whole || rng.random_bool(0.8)));
        Neighbour {
            kind,
            addr: format!("10.1.0.{}:6881", number + 10).parse().expect("an address"),
            key: None,
            upstream: false,
            claims: claims.collect(),
            rate,
            credit: 0.0,
            queue: VecDeque::new(),
            choking: kind == Kind::Chokes,
            every: Time::from_millis(rng.random_range(300..9000)),
            next: Time::ZERO,
            comes: Some(Time::ZERO),
            lives: 0,
        }
    }

    /// The only one that has everything, of its own site.
    pub fn gateway(pieces: u32, rate: f64) -> Neighbour {
        Neighbour {
            addr: "10.1.0.1:6881".parse().expect("an address"),
            upstream: false,
            ..Neighbour::upstream(pieces, rate)
        }
    }

    /// The one upstream.
    pub fn upstream(pieces: u32, rate: f64) -> Neighbour {
        Neighbour {
            kind: Kind::Honest,
            addr: "10.0.0.1:6881".parse().expect("an address"),
            key: None,
            upstream: true,
            claims: vec![true; pieces as usize],
            rate,
            credit: 0.0,
            queue: VecDeque::new(),
            choking: false,
            every: Time::from_secs(3600),
            next: Time::ZERO,
            comes: Some(Time::ZERO),
            lives: 0,
        }
    }

    /// Whether its machine stands still.
    pub fn is_frozen(&self, now: Time) -> bool {
        let since = Time::from_secs(10);
        matches!(self.kind, Kind::Freezes(seconds) if now >= since && now < since + Time::from_secs(seconds))
    }

    /// Whether it sends this block when its turn comes; else it sits on it.
    pub fn sends(&self, block: Block, last: bool, now: Time) -> bool {
        match self.kind {
            Kind::Honest | Kind::Wrong => true,
            Kind::Freezes(_) => !self.is_frozen(now),
            Kind::SomePieces => !block.piece.is_multiple_of(3),
            Kind::HalfPieces => !last,
            Kind::Poisons => block.begin == 0 || last,
            Kind::Alternates => (now.as_secs() / (self.every.as_secs() + 1)).is_multiple_of(2),
            _ => false,
        }
    }
}
