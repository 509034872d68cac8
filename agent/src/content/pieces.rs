//! Pieces in memory, until they are whole.

use std::collections::HashMap;

use bytes::Bytes;
use narrows_wire::{BLOCK_LEN, Block};

/// The blocks of pieces that are being fetched. Each is a copy of its own: a slice of what it came in would keep
/// all of that, up to 256 KiB, and a peer could see to it that there is one block in each.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    kept: HashMap<u32, Vec<Bytes>>,
}

impl Pieces {
    /// Keeps a block; one that comes twice replaces the first.
    pub(crate) fn keep(&mut self, block: Block, data: Bytes) {
        let blocks = self.kept.entry(block.piece).or_default();
        let at = (block.begin / BLOCK_LEN) as usize;
        if blocks.len() <= at {
            blocks.resize(at + 1, Bytes::new());
        }
        blocks[at] = Bytes::copy_from_slice(&data);
    }

    /// Hands the blocks of a piece out, in order.
    pub(crate) fn take(&mut self, piece: u32) -> Vec<Bytes> {
        self.kept.remove(&piece).unwrap_or_default()
    }

    /// Forgets a piece.
    pub(crate) fn discard(&mut self, piece: u32) {
        self.kept.remove(&piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_come_out_in_order_however_they_came() {
        let mut pieces = Pieces::default();
        for index in [2u32, 0, 1] {
            let block = Block {
                piece: 7,
                begin: index * BLOCK_LEN,
                len: 1,
            };
            pieces.keep(block, Bytes::from(vec![index as u8]));
        }
        assert_eq!(pieces.take(7).concat(), [0, 1, 2]);
        assert!(pieces.take(7).is_empty());
    }
}
