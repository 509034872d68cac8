//! How many local peers hold each piece whose word counts: what these have need not cross the WAN.

use super::bits::Bits;

/// Whether it counts that a local peer says it has a piece ([`crate::policy::credit`]).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Word {
    /// It brings what it has, or has not been asked yet.
    Counts,
    /// It did not bring what it said it has. It is asked all the same.
    Broken,
}

/// The holders whose word counts.
#[derive(Debug)]
pub(super) struct Credited {
    /// Of each piece, without those that have everything.
    holders: Vec<u16>,
    /// Those that have everything.
    pub(super) seeds: u32,
}

impl Credited {
    pub(super) fn new(pieces: u32) -> Credited {
        Credited {
            holders: vec![0; pieces as usize],
            seeds: 0,
        }
    }

    /// How many hold `piece`.
    pub(super) fn holders(&self, piece: u32) -> u32 {
        u32::from(self.holders[piece as usize]) + self.seeds
    }

    pub(super) fn add(&mut self, theirs: &Bits) {
        if theirs.is_full() {
            self.seeds += 1;
        } else {
            theirs.iter().for_each(|piece| self.gained(piece));
        }
    }

    pub(super) fn remove(&mut self, theirs: &Bits, whole: bool) {
        if whole {
            self.seeds -= 1;
        } else {
            theirs.iter().for_each(|piece| {
                let holders = &mut self.holders[piece as usize];
                debug_assert!(*holders > 0, "piece {piece} lost without a holder");
                *holders = holders.saturating_sub(1);
            });
        }
    }

    pub(super) fn gained(&mut self, piece: u32) {
        let holders = &mut self.holders[piece as usize];
        *holders = holders.saturating_add(1);
    }
}
