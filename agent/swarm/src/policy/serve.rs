//! What a peer has asked us for, and in which order it gets it.

use std::collections::VecDeque;

use narrows_wire::Block;

/// Requests we keep for a peer; more are rejected.
pub const MAX_QUEUED: usize = 2048;
/// Payload bytes handed to the shell for one peer and not yet flushed: a slow peer takes no more memory than
/// that.
pub const WINDOW: u32 = 768 << 10;
/// Rejected requests after which a peer is closed; each block served makes up for one.
pub const MAX_REJECTED: u32 = 4096;

/// The requests of one peer.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    blocks: VecDeque<Block>,
    /// Bytes handed to the shell and not yet flushed.
    pub unsent: u32,
    /// The piece being served: it is finished before another is begun.
    piece: Option<u32>,
    /// What is left of this turn, in bytes.
    pub credit: u32,
}

impl Queue {
    /// Keeps a request; `false` if there are too many. One that is queued already is kept once.
    pub fn push(&mut self, block: Block) -> bool {
        let room = self.blocks.len() < MAX_QUEUED;
        if room && !(self.blocks.len() < 64 && self.blocks.contains(&block)) {
            self.blocks.push_back(block);
        }
        room
    }

    /// Drops a request; whether it was there.
    pub fn cancel(&mut self, block: Block) -> bool {
        let found = self.blocks.iter().position(|queued| *queued == block);
        found.is_some_and(|index| self.blocks.remove(index).is_some())
    }

    /// Whether something waits and may be handed out.
    pub fn is_ready(&self) -> bool {
        !self.blocks.is_empty() && self.unsent < WINDOW
    }

    /// Whether nothing waits and nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.blocks.is_empty() && self.unsent == 0
    }

    /// The next block: of the piece being served, else of the piece with the least `weight` (for local peers
    /// all weigh the same: in the order asked). The second value says that a new piece begins.
    pub fn pop(&mut self, weight: Option<&dyn Fn(u32) -> u32>) -> Option<(Block, bool)> {
        let same = |block: &Block| Some(block.piece) == self.piece;
        if self.blocks.front().is_some_and(same) {
            return self.blocks.pop_front().map(|block| (block, false));
        }
        let index = match (self.blocks.iter().position(same), weight) {
            (Some(index), _) => index,
            (None, None) => 0,
            (None, Some(weight)) => {
                let mut best = (u32::MAX, 0);
                let mut last = None;
                for (index, block) in self.blocks.iter().enumerate() {
                    if last != Some(block.piece) {
                        best = best.min((weight(block.piece), index));
                        last = Some(block.piece);
                    }
                }
                best.1
            }
        };
        let block = self.blocks.remove(index)?;
        let begins = Some(block.piece) != self.piece;
        self.piece = Some(block.piece);
        Some((block, begins))
    }

    /// Forgets all requests; returns them.
    pub fn clear(&mut self) -> Vec<Block> {
        self.blocks.drain(..).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(piece: u32, index: u32) -> Block {
        Block {
            piece,
            begin: index * 16384,
            len: 16384,
        }
    }

    #[test]
    fn pieces_are_served_whole_and_the_rarest_first() {
        let mut queue = Queue::default();
        for index in 0..2 {
            for piece in [5, 6, 7] {
                queue.push(block(piece, index));
            }
        }
        let weight = |piece: u32| if piece == 6 { 0 } else { piece };
        let order: Vec<u32> =
            std::iter::from_fn(|| queue.pop(Some(&weight))).map(|(block, _)| block.piece).collect();
        assert_eq!(order, [6, 6, 5, 5, 7, 7]);
    }

    #[test]
    fn a_cancelled_request_is_not_served() {
        let mut queue = Queue::default();
        queue.push(block(1, 0));
        assert!(queue.cancel(block(1, 0)) && !queue.cancel(block(1, 0)));
        assert_eq!(queue.pop(None), None);
    }
}
