//! Events to come: a calendar queue (Brown 1988) with a bucket per second. Only the bucket of the present
//! second is kept in order.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// Milliseconds since the rollout's start: 49 days in four bytes.
pub(crate) type Millis = u32;

/// The width of a bucket.
const BUCKET: Millis = 1000;

/// What is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Due {
    /// The client announces, unless it has another time in mind by now.
    Announce = 0,
    /// The client arrives or comes back.
    Up = 1,
    /// The client vanishes.
    Down = 2,
}

/// An event in eight bytes, ordered by time: time << 32 | what << 30 | client.
fn pack(at: Millis, due: Due, client: u32) -> u64 {
    u64::from(at) << 32 | u64::from(due as u32) << 30 | u64::from(client)
}

/// Most clients that an event can name.
pub(crate) const CLIENTS: u32 = 1 << 30;

#[derive(Debug, Default)]
pub(crate) struct Calendar {
    /// The number of the bucket that is in order.
    bucket: Millis,
    present: BinaryHeap<Reverse<u64>>,
    later: VecDeque<Vec<u64>>,
}

impl Calendar {
    /// Adds an event; one of the past is due at once.
    pub(crate) fn add(&mut self, at: Millis, due: Due, client: u32) {
        let event = pack(at, due, client);
        let Some(ahead) = (at / BUCKET).checked_sub(self.bucket + 1) else {
            self.present.push(Reverse(event));
            return;
        };
        let ahead = ahead as usize;
        if self.later.len() <= ahead {
            self.later.resize_with(ahead + 1, Vec::new);
        }
        self.later[ahead].push(event);
    }

    /// The first event before `end`.
    pub(crate) fn next_before(&mut self, end: Millis) -> Option<(Millis, Due, u32)> {
        loop {
            if let Some(Reverse(event)) = self.present.peek() {
                let at = (event >> 32) as Millis;
                if at >= end {
                    return None;
                }
                let due = match (event >> 30) & 3 {
                    0 => Due::Announce,
                    1 => Due::Up,
                    _ => Due::Down,
                };
                let client = *event as u32 & (CLIENTS - 1);
                self.present.pop();
                return Some((at, due, client));
            }
            if self.later.is_empty() || (self.bucket + 1) * BUCKET >= end {
                return None;
            }
            self.bucket += 1;
            let events = self.later.pop_front().unwrap_or_default();
            self.present.extend(events.into_iter().map(Reverse));
        }
    }

    /// The memory it takes, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let later: usize = self.later.iter().map(Vec::capacity).sum();
        (later + self.present.capacity()) * size_of::<u64>()
    }
}
