//! The owner's end of a connection: what is to be sent, until the writer takes it.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use narrows_wire::{Block, Codec, Message};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use crate::resources::{Lease, Memory};

/// Items the writer's queue takes.
const QUEUE_ITEMS: usize = 1024;

/// Bytes of messages (blocks are read later and do not count) the writer's queue takes.
const QUEUE_BYTES: usize = 1 << 20;

/// Of these every connection has so many for itself.
const QUEUE_OWN: usize = 16 * 1024;

/// Something for the writer.
pub(super) enum Out {
    /// Encoded messages.
    Bytes(Bytes),
    /// Blocks to read and send.
    Serve(Vec<Block>),
    /// The connection crosses a link: the DSCP of its packets from here on.
    Dscp(u8),
}

/// The owner's end of a connection. Dropping it closes the connection when its queue is written, or soon
/// after.
pub(crate) struct Outbox {
    queue: mpsc::Sender<Out>,
    queued: Arc<Queued>,
    messages: BytesMut,
    blocks: Vec<Block>,
    reader: AbortHandle,
    /// Dropped with the outbox; the writer then has little time left.
    _open: oneshot::Sender<()>,
}

/// How many bytes of messages wait to be written.
pub(super) struct Queued(Mutex<(usize, Lease)>);

impl Queued {
    fn of(lease: Lease) -> Self {
        Self(Mutex::new((0, lease)))
    }

    /// So many more; `false`: there is no room for them.
    fn add(&self, bytes: usize) -> bool {
        self.with(|queued, lease| {
            let sum = *queued + bytes;
            let fits = sum <= QUEUE_BYTES && lease.resize(sum.saturating_sub(QUEUE_OWN));
            if fits {
                *queued = sum;
            }
            fits
        })
    }

    /// So many less.
    pub(super) fn sub(&self, bytes: usize) {
        self.with(|queued, lease| {
            *queued = queued.saturating_sub(bytes);
            lease.resize(queued.saturating_sub(QUEUE_OWN));
        });
    }

    fn with<T>(&self, f: impl FnOnce(&mut usize, &mut Lease) -> T) -> T {
        let mut queued = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (bytes, lease) = &mut *queued;
        f(bytes, lease)
    }
}

impl Outbox {
    /// An empty one, whose connection closes when `reader` and `open` are dropped with it; and what the writer
    /// takes from it.
    pub(super) fn new(
        memory: &Memory,
        reader: AbortHandle,
        open: oneshot::Sender<()>,
    ) -> (Self, mpsc::Receiver<Out>, Arc<Queued>) {
        let (queue, out) = mpsc::channel(QUEUE_ITEMS);
        let queued = Arc::new(Queued::of(memory.queued.lease()));
        let outbox = Self {
            queue,
            queued: queued.clone(),
            messages: BytesMut::new(),
            blocks: Vec::new(),
            reader,
            _open: open,
        };
        (outbox, out, queued)
    }

    /// Queues a message; [`flush`](Self::flush) hands it on.
    pub(crate) fn send(&mut self, message: &Message) -> bool {
        let hand_on = self.blocks.is_empty() || self.flush();
        Codec::encode(message, &mut self.messages);
        hand_on
    }

    /// Queues a block to be read and sent.
    pub(crate) fn serve(&mut self, block: Block) -> bool {
        let hand_on = self.messages.is_empty() || self.flush();
        self.blocks.push(block);
        hand_on
    }

    /// Sets the DSCP of what is sent from here on.
    pub(crate) fn set_dscp(&mut self, dscp: u8) -> bool {
        self.flush() && self.queue.try_send(Out::Dscp(dscp)).is_ok()
    }

    /// Hands everything queued to the writer, in order. `false`: the peer does not take it; close it.
    pub(crate) fn flush(&mut self) -> bool {
        let mut taken = true;
        if !self.messages.is_empty() {
            let bytes = self.messages.split().freeze();
            taken &= self.queued.add(bytes.len()) && self.queue.try_send(Out::Bytes(bytes)).is_ok();
        }
        if !self.blocks.is_empty() {
            taken &= self.queue.try_send(Out::Serve(std::mem::take(&mut self.blocks))).is_ok();
        }
        taken
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_that_wait_are_bounded_for_one_and_for_all_and_each_has_some() {
        let memory = Memory::default();
        let all: Vec<Queued> = (0..512).map(|_| Queued::of(memory.queued.lease())).collect();
        let mut most = 0;
        while all[0].add(1000) {
            most += 1000;
        }
        assert!(most > QUEUE_BYTES - 1000);
        let mut sum = most;
        for queued in &all[1..] {
            while queued.add(1000) {
                sum += 1000;
            }
        }
        assert!(sum <= (32 << 20) + 512 * QUEUE_OWN, "{sum}");
        assert!(all[1..].iter().all(|queued| queued.0.lock().unwrap().0 > QUEUE_OWN - 1000));
        all.iter().for_each(|queued| queued.sub(QUEUE_BYTES));
        assert!(all[511].add(QUEUE_BYTES), "all is given back");
    }
}
