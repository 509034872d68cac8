//! Pieces that a gateway alone has: the loss if it dies now.

use std::collections::BTreeMap;

use crate::Time;

/// The most pieces that may be at the gateway and at none of its neighbours: with the two on their way, eight
/// are lost at most. On fast links it is what comes in within [`WINDOW_TIME`].
const WINDOW: u64 = 6;
/// Passing a piece on takes a while.
const WINDOW_TIME: Time = Time::from_millis(100);
/// Neighbours that take no piece for this long are not waited for.
const PATIENCE: Time = Time::from_secs(2);
/// How long they are then not waited for.
const RESPITE: Time = Time::from_secs(20);

/// Pieces from across the WAN that no neighbour has yet. While neighbours want them, a gateway takes more
/// only as they are passed on: a gateway's death then costs few pieces, however much slower than the link its
/// neighbours are.
#[derive(Clone, Debug, Default)]
pub struct Unreplicated {
    /// Since when it is here, and whether it is being sent to a neighbour.
    pieces: BTreeMap<u32, (Time, bool)>,
    /// Neighbours are not waited for until then.
    free_until: Time,
}

impl Unreplicated {
    /// A piece came across the WAN.
    pub fn came(&mut self, piece: u32, now: Time) {
        self.pieces.insert(piece, (now, false));
    }

    /// Whether no neighbour has it and none is being sent it: such pieces are served first, so that each
    /// reaches one neighbour before any reaches two.
    pub fn is_due(&self, piece: u32) -> bool {
        self.pieces.get(&piece).is_some_and(|(_, sent)| !sent)
    }

    /// A neighbour is being sent it.
    pub fn sends(&mut self, piece: u32) {
        if let Some((_, sent)) = self.pieces.get_mut(&piece) {
            *sent = true;
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.pieces.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// A neighbour has it. Whether it was unreplicated until now.
    pub fn passed_on(&mut self, piece: u32) -> bool {
        self.pieces.remove(&piece).is_some()
    }

    /// Whether another piece may be asked for. `wanted`: a neighbour that is connected wants what we have;
    /// `rate`: pieces per second that come.
    pub fn may_take_more(&mut self, wanted: bool, rate: f64, now: Time) -> bool {
        if !wanted {
            self.pieces.clear();
        }
        let before = self.pieces.len();
        self.pieces.retain(|_, (since, _)| now < *since + PATIENCE);
        if self.pieces.len() < before {
            self.free_until = now + RESPITE;
        }
        let window = WINDOW.max((rate * WINDOW_TIME.as_secs_f64()) as u64);
        now < self.free_until || (self.pieces.len() as u64) < window
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_secs(100);

    #[test]
    fn a_gateway_waits_for_its_neighbours_before_the_seventh_piece() {
        let mut unreplicated = Unreplicated::default();
        (0..6).for_each(|piece| unreplicated.came(piece, NOW));
        assert!(!unreplicated.may_take_more(true, 1.0, NOW));
        assert!(unreplicated.passed_on(2) && !unreplicated.passed_on(2));
        assert!(unreplicated.may_take_more(true, 1.0, NOW));
        unreplicated.came(2, NOW);
        assert!(
            unreplicated.may_take_more(true, 200.0, NOW),
            "on a link of 200 pieces a second"
        );
    }

    #[test]
    fn neighbours_that_want_nothing_or_take_nothing_are_not_waited_for() {
        let mut unreplicated = Unreplicated::default();
        (0..6).for_each(|piece| unreplicated.came(piece, NOW));
        assert!(unreplicated.clone().may_take_more(false, 1.0, NOW));
        let later = NOW + PATIENCE;
        assert!(unreplicated.may_take_more(true, 1.0, later));
        (6..20).for_each(|piece| unreplicated.came(piece, later));
        assert!(
            unreplicated.may_take_more(true, 1.0, later),
            "no new wait soon after one in vain"
        );
    }
}
