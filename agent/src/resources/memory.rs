//! What connections to peers may hold in memory, whatever is sent to them and however little they read.
//!
//! Of one connection, always its own: 4 KiB to read into and one unfinished message (16 KiB, or the bitfield
//! of a large content), one block that is being written (16 KiB), 16 KiB of messages that wait to be written,
//! at most 2,048 requests (24 KiB) and what the engine knows of the peer: about 80 KiB, and a bit for each piece.
//! Beyond that all connections of the agent share [`RECEIVED`], [`SENT`] and [`QUEUED`]: 96 MiB, first come first
//! served, so that few fast peers are as fast as can be and many hostile ones get what they need to be served.
//! Blocks of pieces that are being fetched have 64 MiB (`allotment`), and are copied out of what they came in, so
//! that no peer makes a block hold more than itself. For an actor wait at most 128 events (`INPUTS`), each with
//! at most one buffer of 256 KiB.
//!
//! In all, with the 512 connections of one content: 40 + 96 + 64 + 32 MiB. With all of
//! [`MAX_CONNECTIONS`](super::descriptors::MAX_CONNECTIONS), which takes 500 addresses at least, 600 MiB more.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// For receive buffers, in bytes.
const RECEIVED: usize = 32 << 20;
/// For blocks that were read from disk and are being written.
const SENT: usize = 32 << 20;
/// For messages that wait to be written.
const QUEUED: usize = 32 << 20;

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Memory {
    /// See [`RECEIVED`].
    pub(crate) received: Arc<Budget>,
    /// See [`SENT`].
    pub(crate) sent: Arc<Budget>,
    /// See [`QUEUED`].
    pub(crate) queued: Arc<Budget>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            received: Budget::of(RECEIVED),
            sent: Budget::of(SENT),
            queued: Budget::of(QUEUED),
        }
    }
}

/// So many bytes, handed out and given back.
#[derive(Debug)]
pub(crate) struct Budget {
    left: AtomicUsize,
}

impl Budget {
    /// A budget of so many bytes.
    pub(crate) fn of(bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            left: AtomicUsize::new(bytes),
        })
    }

    /// Nothing of it yet.
    pub(crate) fn lease(self: &Arc<Self>) -> Lease {
        Lease {
            budget: self.clone(),
            bytes: 0,
        }
    }

    /// What is there.
    #[cfg(test)]
    fn left(&self) -> usize {
        self.left.load(Ordering::Relaxed)
    }
}

/// A part of a [`Budget`]; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Lease {
    /// Holds `bytes` from now on. `false`: the budget does not have them, and it holds what it held.
    pub(crate) fn resize(&mut self, bytes: usize) -> bool {
        let left = &self.budget.left;
        let done = match bytes.checked_sub(self.bytes) {
            Some(more) => left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                    left.checked_sub(more)
                })
                .is_ok(),
            None => {
                left.fetch_add(self.bytes - bytes, Ordering::Relaxed);
                true
            }
        };
        if done {
            self.bytes = bytes;
        }
        done
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.resize(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leases_never_hold_more_than_the_budget_and_give_back_all() {
        let budget = Budget::of(100);
        let (mut one, mut other) = (budget.lease(), budget.lease());
        assert!(one.resize(60) && !other.resize(50) && other.resize(40));
        assert_eq!(budget.left(), 0);
        assert!(!one.resize(61) && one.resize(10) && other.resize(90));
        drop((one, other));
        assert_eq!(budget.left(), 100);
    }
}
