//! One swarm at a table with scripted peers.

use std::net::SocketAddr;
use std::time::Duration;

use narrows_protocol::metainfo::Lengths;
use narrows_protocol::{Assignment, PeerId, Role, Sharing};
use narrows_swarm::{Action, Assigned, Class, CloseReason, Config, Event, Origin, PeerKey, Swarm, Time};
use narrows_wire::{Bitfield, Block, ExtendedHandshake, Hello, Message};

use crate::pair;

pub const LOCAL: Origin = Origin::Dialled(Class::Local);
pub const UPSTREAM: Origin = Origin::Dialled(Class::Upstream);
pub const PIECES: u32 = 20;
pub const PIECE: u32 = 64 << 10;

pub struct Table {
    pub swarm: Swarm,
    pub now: Time,
    pub peers: u64,
}

pub fn block(piece: u32, index: u32) -> Block {
    Block {
        piece,
        begin: index * 16384,
        len: 16384,
    }
}

impl Table {
    pub fn new(have: Bitfield) -> Table {
        Table::sharing(have, Sharing::Always)
    }

    pub fn sharing(have: Bitfield, share: Sharing) -> Table {
        let lengths = Lengths::new(PIECE, u64::from(PIECE * PIECES)).expect("a content");
        let config = Config {
            share,
            ..pair::config(lengths, have, 9)
        };
        let swarm = Swarm::new(config, Time::ZERO);
        let mut table = Table {
            swarm,
            now: Time::ZERO,
            peers: 0,
        };
        table.tell(Event::Tick);
        table
    }

    pub fn leecher() -> Table {
        Table::new(Bitfield::new(PIECES))
    }

    pub fn tell(&mut self, event: Event) -> Vec<Action> {
        let mut out = Vec::new();
        self.swarm.handle(event, self.now, &mut out);
        out
    }

    /// A block comes, as all data does: `()` here.
    pub fn block(&mut self, peer: PeerKey, block: Block) -> Vec<Action> {
        self.receive(peer, block).1
    }

    /// The same; also whether its data is kept.
    pub fn receive(&mut self, peer: PeerKey, block: Block) -> (bool, Vec<Action>) {
        let mut out = Vec::new();
        let data = self.swarm.handle_block(peer, block, (), self.now, &mut out);
        (data.is_some(), out)
    }

    pub fn wait(&mut self, seconds: u64) -> Vec<Action> {
        let end = self.now + Duration::from_secs(seconds);
        let mut out = Vec::new();
        while self.now < end {
            self.now += Duration::from_millis(100);
            self.swarm.handle(Event::Tick, self.now, &mut out);
        }
        out
    }

    pub fn assign(&mut self, assignment: Option<Assignment>, local: &[&str]) -> Vec<Action> {
        self.tell(Event::Assigned(Assigned {
            local: local.iter().map(|text| text.parse().expect("an address")).collect(),
            assignment,
            interval: Duration::from_secs(600),
            min_interval: Duration::from_secs(5),
            external_ip: None,
        }))
    }

    pub fn connect(&mut self, addr: &str, origin: Origin, fast: bool) -> (PeerKey, Vec<Action>) {
        self.peers += 1;
        let peer = PeerKey(self.peers);
        let addr = addr.parse().expect("an address");
        let peer_id = PeerId([100 + self.peers as u8; 20]);
        let out = self.tell(Event::Connected {
            peer,
            addr,
            origin,
            peer_id,
            fast,
            extended: false,
        });
        (peer, out)
    }

    /// An agent connects and says who it is.
    pub fn agent(&mut self, addr: &str, origin: Origin, hello: Hello) -> (PeerKey, Vec<Action>) {
        self.peers += 1;
        let peer = PeerKey(self.peers);
        let mut out = self.tell(Event::Connected {
            peer,
            addr: addr.parse().expect("an address"),
            origin,
            peer_id: PeerId([100 + self.peers as u8; 20]),
            fast: true,
            extended: true,
        });
        out.extend(self.say(peer, introduction(hello)));
        (peer, out)
    }

    pub fn say(&mut self, peer: PeerKey, message: Message) -> Vec<Action> {
        self.tell(Event::Message { peer, message })
    }
}

/// The peer answers all requests in `out`, and those that follow; the pieces in `wrong` fail their hash. Returns all
/// that the swarm did.
pub fn serve(table: &mut Table, peer: PeerKey, mut out: Vec<Action>, wrong: &[u32]) -> Vec<Action> {
    let mut next = 0;
    while let Some(action) = out.get(next).cloned() {
        next += 1;
        match action {
            Action::Send {
                peer: to,
                message: Message::Request(block),
            } if to == peer => out.extend(table.block(peer, block)),
            Action::Verify { piece } => {
                let ok = !wrong.contains(&piece);
                out.extend(table.tell(Event::Verified { piece, ok }));
            }
            _ => {}
        }
    }
    out
}

/// A member of a site of three, and its gateway, 10.1.0.1.
pub fn served_by_a_gateway() -> (Table, SocketAddr) {
    let mut table = Table::leecher();
    let roster = "10.1.0.1:6881".parse().expect("an address");
    let assignment = member().map(|a| Assignment {
        gateways: vec![roster],
        ..a
    });
    table.assign(assignment, &["10.1.0.1:6881", "10.1.0.2:6881"]);
    (table, roster)
}

pub fn all_pieces() -> Bitfield {
    let mut have = Bitfield::new(PIECES);
    (0..PIECES).for_each(|piece| {
        have.set(piece);
    });
    have
}

pub fn requests(actions: &[Action]) -> Vec<Block> {
    let request = |action: &Action| match action {
        Action::Send {
            message: Message::Request(block),
            ..
        } => Some(*block),
        _ => None,
    };
    actions.iter().filter_map(request).collect()
}

pub fn closed(actions: &[Action]) -> Option<CloseReason> {
    actions.iter().find_map(|action| match action {
        Action::Close { reason, .. } => Some(*reason),
        _ => None,
    })
}

pub fn gateway(upstream: &[&str]) -> Option<Assignment> {
    Some(Assignment {
        role: Role::Gateway,
        site: "b1".into(),
        gateways: vec!["10.1.0.9:6881".parse().expect("an address")],
        lease: 60,
        rate: 0,
        paused: false,
        upstream: upstream.iter().map(|text| text.parse().expect("an address")).collect(),
        ..Assignment::default()
    })
}

pub fn member() -> Option<Assignment> {
    gateway(&[]).map(|assignment| Assignment {
        role: Role::Member,
        lease: 0,
        ..assignment
    })
}

pub fn hello(site: &str, wan: bool, gateway: bool) -> Hello {
    Hello {
        agent: "other".into(),
        site: site.into(),
        wan,
        gateway,
        forgotten: false,
        non_sharing: false,
    }
}

pub fn introduction(hello: Hello) -> Message {
    let handshake = ExtendedHandshake {
        port: Some(6881),
        narrows: Some(hello),
        ..ExtendedHandshake::default()
    };
    Message::Extended {
        id: 0,
        payload: handshake.encode(),
    }
}
