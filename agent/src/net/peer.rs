//! One open connection: a task that reads, a task that writes, and its owner's end of the writer's queue.
//!
//! Nothing here is unbounded. The reader waits while the owner is busy. The writer's queue has a limit in
//! items and in bytes; the owner never waits for it: a peer that does not take what it is sent is closed,
//! because dropping a `Have` would hide that piece from it for ever.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use narrows_storage::{Content, StorageError};
use narrows_swarm::PeerKey;
use narrows_wire::{BLOCK_LEN, Block, Codec, Message};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, spawn_blocking};
use tokio::time::{sleep, timeout};

use super::Event;
use super::dscp::set_dscp;
use crate::resources::{Buffers, Gate};

/// Receive buffers grow from the smaller to the larger as a peer sends more.
const READ_MIN: usize = 4 * 1024;
const READ_MAX: usize = 256 * 1024;

/// Blocks that are read from disk and written to the socket in one go: 256 KiB.
const GATHER: usize = 16;

/// Items the writer's queue takes.
const QUEUE_ITEMS: usize = 1024;

/// Bytes of messages (blocks are read later and do not count) the writer's queue takes.
const QUEUE_BYTES: usize = 1 << 20;

/// A write that makes no progress for so long ends the connection: the peer is frozen, or its link is cut.
const WRITE_STUCK: Duration = Duration::from_secs(18);

/// How long the rest of a queue may take after the connection was closed on our side.
const LINGER: Duration = Duration::from_secs(5);

/// What the tasks of a connection share with the rest of the agent.
/// `E` is what its owner takes for an [`Event`].
pub(crate) struct Connection<E> {
    pub(crate) peer: PeerKey,
    pub(crate) codec: Codec,
    pub(crate) content: Arc<Content>,
    pub(crate) buffers: Arc<Buffers>,
    pub(crate) upload: Arc<Gate>,
    pub(crate) download: Arc<Gate>,
    pub(crate) events: mpsc::Sender<E>,
}

/// Something for the writer.
enum Out {
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
    queued: Arc<AtomicUsize>,
    messages: BytesMut,
    blocks: Vec<Block>,
    reader: AbortHandle,
    /// Dropped with the outbox; the writer then has [`LINGER`] left.
    _open: oneshot::Sender<()>,
}

impl<E: From<Event> + Send + 'static> Connection<E> {
    /// Starts reading and writing.
    pub(crate) fn start(self, stream: TcpStream) -> Outbox {
        let (read, write) = stream.into_split();
        let (queue, out) = mpsc::channel(QUEUE_ITEMS);
        let queued = Arc::new(AtomicUsize::new(0));
        let connection = Arc::new(self);
        let reader = tokio::spawn(connection.clone().read(read)).abort_handle();
        let (open, closed) = oneshot::channel::<()>();
        let writing = connection.write(write, out, queued.clone());
        tokio::spawn(async move {
            let lingered = async {
                let _ = closed.await;
                sleep(LINGER).await;
            };
            tokio::select! { () = writing => {}, () = lingered => {} }
        });
        Outbox {
            queue,
            queued,
            messages: BytesMut::new(),
            blocks: Vec::new(),
            reader,
            _open: open,
        }
    }

    async fn read(self: Arc<Self>, stream: OwnedReadHalf) {
        let end = self.read_messages(&stream).await;
        let reason = end.map_or_else(|error| error.to_string(), |()| "closed by the peer".to_owned());
        // an owner that is gone need not know
        self.tell(Event::Closed {
            peer: self.peer,
            reason,
        })
        .await;
    }

    /// Waits while the owner is busy; `false`: it is gone.
    async fn tell(&self, event: Event) -> bool {
        self.events.send(event.into()).await.is_ok()
    }

    async fn read_messages(&self, stream: &OwnedReadHalf) -> io::Result<()> {
        let mut buf = BytesMut::new();
        let mut size = READ_MIN;
        loop {
            if buf.is_empty() && size == READ_MIN {
                // an idle connection holds no buffer
                buf = BytesMut::new();
            }
            stream.readable().await?;
            if buf.capacity() - buf.len() < size / 2 {
                buf.reserve(size);
            }
            let room = buf.capacity() - buf.len();
            let n = match stream.try_read_buf(&mut buf) {
                Ok(0) => return Ok(()),
                Ok(n) => n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error),
            };
            if n == room {
                size = (size * 2).min(self.download.step(READ_MAX));
            } else if n < size / 8 {
                size = (size / 2).max(READ_MIN);
            }
            let mut messages = Vec::with_capacity(16);
            while let Some(message) = self.codec.decode(&mut buf).map_err(io::Error::other)? {
                messages.push(message);
            }
            // delaying the next read is what slows the peer down
            self.download.pass(n as u32).await;
            if !messages.is_empty()
                && !self
                    .tell(Event::Messages {
                        peer: self.peer,
                        messages,
                    })
                    .await
            {
                return Ok(());
            }
        }
    }

    async fn write(
        self: Arc<Self>,
        mut stream: OwnedWriteHalf,
        mut out: mpsc::Receiver<Out>,
        queued: Arc<AtomicUsize>,
    ) {
        let written = async {
            while let Some(first) = out.recv().await {
                let mut next = Some(first);
                while let Some(item) = next {
                    match item {
                        Out::Bytes(bytes) => {
                            queued.fetch_sub(bytes.len(), Ordering::Relaxed);
                            write_all(&mut stream, &mut [IoSlice::new(&bytes)]).await?;
                        }
                        Out::Dscp(dscp) => set_dscp(stream.as_ref(), dscp),
                        Out::Serve(blocks) => {
                            let gather = self.upload.step(GATHER * BLOCK_LEN as usize) / BLOCK_LEN as usize;
                            for blocks in blocks.chunks(gather.max(1)) {
                                self.serve(&mut stream, blocks).await?;
                            }
                        }
                    }
                    next = out.try_recv().ok();
                }
            }
            stream.shutdown().await
        };
        let result: io::Result<()> = written.await;
        if let Err(error) = result {
            let reason = error.to_string();
            self.tell(Event::Closed {
                peer: self.peer,
                reason,
            })
            .await;
        }
    }

    /// Reads up to [`GATHER`] blocks in one blocking call and writes them with one system call.
    async fn serve(&self, stream: &mut OwnedWriteHalf, blocks: &[Block]) -> io::Result<()> {
        let payload = blocks.iter().map(|block| block.len).sum();
        self.upload.pass(payload).await;
        let (content, buffer, wanted) = (self.content.clone(), self.buffers.take(), blocks.to_vec());
        let read = spawn_blocking(move || Gathered::read(&content, wanted, buffer)).await;
        let gathered = read.map_err(io::Error::other)?;
        gathered.write(stream).await?;
        let sent = gathered.data.len() as u32;
        if sent > 0 {
            self.tell(Event::Sent {
                peer: self.peer,
                bytes: sent,
            })
            .await;
        }
        for (block, error) in gathered.failed {
            self.tell(Event::ServeFailed {
                peer: self.peer,
                block,
                error,
            })
            .await;
        }
        self.buffers.give(gathered.data);
        Ok(())
    }
}

/// Blocks in memory, ready to be sent.
struct Gathered {
    blocks: Vec<Block>,
    data: BytesMut,
    failed: Vec<(Block, StorageError)>,
}

impl Gathered {
    /// Reads the blocks; neighbours in one piece are read together.
    fn read(content: &Content, wanted: Vec<Block>, mut data: BytesMut) -> Self {
        let (mut blocks, mut failed) = (Vec::with_capacity(wanted.len()), Vec::new());
        for run in wanted.chunk_by(|a, b| a.piece == b.piece && a.begin.checked_add(a.len) == Some(b.begin)) {
            let (Some(first), len) = (run.first(), run.iter().map(|block| block.len).sum()) else {
                continue;
            };
            match content.read(first.piece, first.begin, len, &mut data) {
                Ok(()) => blocks.extend_from_slice(run),
                Err(error) => {
                    let rest = run[1..].iter().map(|block| (*block, StorageError::Missing(block.piece)));
                    failed.extend([(*first, error)].into_iter().chain(rest));
                }
            }
        }
        Self { blocks, data, failed }
    }

    async fn write(&self, stream: &mut OwnedWriteHalf) -> io::Result<()> {
        let mut headers = BytesMut::with_capacity(self.blocks.len() * Codec::PIECE_HEADER);
        for block in &self.blocks {
            Codec::encode_piece_header(*block, &mut headers);
        }
        let mut slices = Vec::with_capacity(self.blocks.len() * 2);
        let mut at = 0;
        for (block, header) in self.blocks.iter().zip(headers.chunks(Codec::PIECE_HEADER)) {
            let end = at + block.len as usize;
            slices.push(IoSlice::new(header));
            slices.push(IoSlice::new(&self.data[at..end]));
            at = end;
        }
        write_all(stream, &mut slices).await
    }
}

/// Writes all slices; every write must make progress in [`WRITE_STUCK`].
async fn write_all(stream: &mut OwnedWriteHalf, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
    while !slices.is_empty() {
        let n = timeout(WRITE_STUCK, stream.write_vectored(slices)).await??;
        if n == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        IoSlice::advance_slices(&mut slices, n);
    }
    Ok(())
}

impl Outbox {
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
            let queued = self.queued.fetch_add(bytes.len(), Ordering::Relaxed) + bytes.len();
            taken &= queued <= QUEUE_BYTES && self.queue.try_send(Out::Bytes(bytes)).is_ok();
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
