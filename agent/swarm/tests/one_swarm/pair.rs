//! Two swarms wired to each other without a network: every action is the other's event at once.

use std::collections::VecDeque;
use std::time::Duration;

use narrows_protocol::metainfo::Lengths;
use narrows_protocol::{GatewayPreference, InfoHash, PeerId, Sharing};
use narrows_swarm::{Action, Assigned, Class, Config, Event, Limits, Origin, PeerKey, Swarm, Time};
use narrows_wire::{Bitfield, Block};

pub struct Pair {
    pub seeder: Swarm,
    pub leecher: Swarm,
    pub now: Time,
    pub blocks: u64,
    pub calls: u64,
    queue: VecDeque<(bool, Input)>,
}

/// What a swarm is to hear of.
enum Input {
    Event(Event),
    Block(PeerKey, Block),
}

pub fn config(lengths: Lengths, have: Bitfield, id: u8) -> Config {
    Config {
        lengths,
        info_hash: InfoHash([7; 20]),
        peer_id: PeerId([id; 20]),
        agent: format!("agent{id}"),
        listen: format!("10.1.0.{id}:6881").parse().expect("an address"),
        have,
        gateway: GatewayPreference::Auto,
        share: Sharing::Always,
        limits: Limits::default(),
        seed: 1,
    }
}

impl Pair {
    pub fn new(pieces: u32, piece: u32) -> Pair {
        let lengths = Lengths::new(piece, u64::from(pieces) * u64::from(piece)).expect("a content");
        let now = Time::ZERO;
        let seeder = Swarm::new(config(lengths, Bitfield::full(pieces), 1), now);
        let leecher = Swarm::new(config(lengths, Bitfield::new(pieces), 2), now);
        let mut pair = Pair {
            seeder,
            leecher,
            now,
            blocks: 0,
            calls: 0,
            queue: VecDeque::new(),
        };
        let peer = PeerKey(1);
        let addr = "10.1.0.1:6881".parse().expect("an address");
        let assigned = Assigned {
            local: vec![addr],
            assignment: None,
            interval: Duration::from_secs(60),
            min_interval: Duration::from_secs(1),
            external_ip: None,
        };
        pair.tell(true, Event::Assigned(assigned));
        for (leecher, id, origin) in [
            (true, 1, Origin::Dialled(Class::Local)),
            (false, 2, Origin::Accepted),
        ] {
            let peer_id = PeerId([id; 20]);
            pair.tell(
                leecher,
                Event::Connected {
                    peer,
                    addr,
                    origin,
                    peer_id,
                    fast: true,
                    extended: true,
                },
            );
        }
        pair
    }

    fn tell(&mut self, leecher: bool, event: Event) {
        self.queue.push_back((leecher, Input::Event(event)));
    }

    /// Until nothing moves any more.
    pub fn run(&mut self) {
        let mut out = Vec::new();
        while let Some((leecher, input)) = self.queue.pop_front() {
            self.calls += 1;
            self.now += Duration::from_micros(8);
            let swarm = if leecher {
                &mut self.leecher
            } else {
                &mut self.seeder
            };
            match input {
                Input::Event(event) => swarm.handle(event, self.now, &mut out),
                Input::Block(peer, block) => {
                    let _ = swarm.handle_block(peer, block, (), self.now, &mut out);
                }
            }
            let _ = swarm.next_wakeup();
            for action in out.drain(..) {
                match action {
                    Action::Send { peer, message } => self.tell(!leecher, Event::Message { peer, message }),
                    Action::Serve { peer, block } => {
                        self.blocks += 1;
                        self.queue.push_back((!leecher, Input::Block(peer, block)));
                        let bytes = block.len;
                        self.tell(leecher, Event::Sent { peer, bytes });
                    }
                    Action::Verify { piece } => self.tell(leecher, Event::Verified { piece, ok: true }),
                    Action::Close { peer, .. } => self.tell(!leecher, Event::Closed { peer }),
                    _ => {}
                }
            }
        }
    }
}
