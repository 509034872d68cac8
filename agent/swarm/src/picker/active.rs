//! A piece on its way: which of its blocks are asked for and here.

use std::net::IpAddr;

use super::bits::Bits;
use crate::PeerKey;

/// A reserved piece.
#[derive(Debug)]
pub(super) struct Active {
    /// Whose it is to send; `None`: the peer left, the blocks that are here wait for another.
    pub(super) owner: Option<PeerKey>,
    /// Who sends blocks of it too, in the endgame.
    pub(super) helper: Option<PeerKey>,
    /// Reserved from an upstream.
    pub(super) wan: bool,
    /// Its length in bytes.
    pub(super) size: u32,
    got: Bits,
    asked: Bits,
    helped: Bits,
    /// All blocks before it are asked for or here.
    next: u32,
    blocks: u32,
    sources: Vec<Source>,
}

/// Who sent how much of a piece.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Source {
    /// The connection.
    pub peer: PeerKey,
    /// Its address, which outlives the connection.
    pub ip: IpAddr,
    /// Blocks of it that were kept.
    pub blocks: u32,
}

/// What became of a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Taken {
    /// Kept; more are missing.
    Part,
    /// Kept; it was the last.
    Whole,
    /// It was here already.
    Again,
}

impl Active {
    /// A piece of `size` bytes in `blocks` blocks.
    pub(super) fn new(owner: PeerKey, wan: bool, size: u32, blocks: u32) -> Active {
        Active {
            owner: Some(owner),
            helper: None,
            wan,
            size,
            got: Bits::new(blocks),
            asked: Bits::new(blocks),
            helped: Bits::new(blocks),
            next: 0,
            blocks,
            sources: Vec::new(),
        }
    }

    /// The next block to ask `peer` for. The owner goes forward; a helper backward through what is not here.
    pub(super) fn ask(&mut self, peer: PeerKey) -> Option<u32> {
        if self.owner == Some(peer) {
            let free =
                |block: &u32| !self.got.has(*block) && !self.asked.has(*block) && !self.helped.has(*block);
            let block = (self.next..self.blocks).find(free);
            self.next = block.map_or(self.blocks, |block| block + 1);
            self.asked.set(block?);
            block
        } else if self.helper == Some(peer) {
            let block = (0..self.blocks)
                .rev()
                .find(|b| !self.got.has(*b) && !self.helped.has(*b))?;
            self.helped.set(block);
            Some(block)
        } else {
            None
        }
    }

    /// The block will not come from `peer`.
    pub(super) fn unask(&mut self, peer: PeerKey, block: u32) {
        if self.owner == Some(peer) {
            self.asked.unset(block);
            self.next = self.next.min(block);
        } else if self.helper == Some(peer) {
            self.helped.unset(block);
            self.next = self.next.min(block);
        }
    }

    /// The block came.
    pub(super) fn take(&mut self, peer: PeerKey, ip: IpAddr, block: u32) -> Taken {
        if !self.got.set(block) {
            return Taken::Again;
        }
        match self.sources.iter_mut().find(|source| source.peer == peer) {
            Some(source) => source.blocks += 1,
            None => self.sources.push(Source { peer, ip, blocks: 1 }),
        }
        if self.got.is_full() {
            Taken::Whole
        } else {
            Taken::Part
        }
    }

    /// Another peer that the block was asked of, too.
    pub(super) fn rival(&self, peer: PeerKey, block: u32) -> Option<PeerKey> {
        if self.owner == Some(peer) {
            self.helper.filter(|_| self.helped.has(block))
        } else {
            self.owner.filter(|_| self.asked.has(block))
        }
    }

    /// `peer` will send no more of it. A helper takes the owner's place.
    pub(super) fn leave(&mut self, peer: PeerKey) {
        if self.helper == Some(peer) {
            self.helper = None;
            self.helped.clear();
            self.next = 0;
        }
        if self.owner == Some(peer) {
            self.owner = self.helper.take();
            self.asked = std::mem::replace(&mut self.helped, Bits::new(self.blocks));
            self.next = 0;
        }
    }

    /// Another peer goes on with it.
    pub(super) fn adopt(&mut self, owner: PeerKey, wan: bool) {
        self.owner = Some(owner);
        self.wan = wan;
        self.asked.clear();
        self.next = 0;
    }

    /// Blocks that are here.
    pub(super) fn got(&self) -> u32 {
        self.got.count()
    }

    /// Blocks that are not.
    pub(super) fn missing(&self) -> u32 {
        self.blocks - self.got.count()
    }

    /// Who sent it, most first.
    pub(super) fn into_sources(mut self) -> Vec<Source> {
        self.sources
            .sort_by_key(|source| (std::cmp::Reverse(source.blocks), source.peer));
        self.sources
    }
}
