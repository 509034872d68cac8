//! Connections that say nothing, and a flood of new ones.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::Duration;

use crate::liars::http::PATIENCE;
use crate::liars::scene::{Scene, Tally};

/// To one agent at the same time: as many as an agent takes in all.
const HELD: usize = 512;

/// To the tracker at the same time.
const HELD_AT_TRACKER: usize = 600;

/// New ones at each address in a turn.
const A_TURN: usize = 64;

/// Opens, holds, and opens again what was closed.
pub(super) fn open(scene: &Scene) -> io::Result<()> {
    let tally = Tally::default();
    let neighbours = scene.neighbours().into_iter().map(|agent| (agent.addr, HELD));
    let mut crowds: Vec<(SocketAddr, usize, Vec<TcpStream>)> = neighbours
        .chain([(scene.tracker, HELD_AT_TRACKER)])
        .map(|(addr, most)| (addr, most, Vec::new()))
        .collect();
    loop {
        for (addr, most, held) in &mut crowds {
            for _ in 0..A_TURN {
                tally.tried();
                // as many files as this process may have open: the oldest ones go
                let Ok(stream) = TcpStream::connect_timeout(addr, PATIENCE) else {
                    break;
                };
                tally.taken();
                held.push(stream);
            }
            let over = held.len().saturating_sub(*most);
            held.drain(..over);
        }
        tally.save(scene)?;
        sleep(Duration::from_millis(500));
    }
}
