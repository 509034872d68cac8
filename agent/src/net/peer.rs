//! One open connection: a task that reads, a task that writes, and its owner's end of the writer's queue.
//!
//! Nothing here is unbounded. The reader waits while the owner is busy. The writer's queue has a limit in
//! items and in bytes; the owner never waits for it: a peer that does not take what it is sent is closed,
//! because dropping a `Have` would hide that piece from it for ever. What all connections hold together is
//! bounded by [`Memory`]: when that is taken, each goes on with the little that it has for itself.

use std::io::{self, IoSlice};
use std::net::{IpAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use narrows_protocol::InfoHash;
use narrows_storage::{Content, StorageError};
use narrows_swarm::PeerKey;
use narrows_swarm::policy::pacing::wire;
use narrows_wire::{BLOCK_LEN, Block, Codec};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::dscp::set_dscp;
use super::outbox::{Out, Queued};
use super::{Event, Outbox, Told};
use crate::resources::{Buffers, Gate, Lease, Memory};

/// Receive buffers grow from the smaller to the larger as a peer sends more.
const READ_MIN: usize = 4 * 1024;
const READ_MAX: usize = 256 * 1024;

/// Blocks that are read from disk and written to the socket in one go: 256 KiB.
const GATHER: usize = 16;

/// A receive buffer that grew is given back when nothing came for so long, as in the middle of a message.
const READ_IDLE: Duration = Duration::from_secs(1);

/// A write that makes no progress for so long ends the connection: the peer is frozen, or its link is cut.
const WRITE_STUCK: Duration = Duration::from_secs(18);

/// A peer that takes less than so many bytes each second over a whole write is closed as well: a byte now and
/// then is progress, and would hold the connection and what is being written for ever. Links are faster.
const WRITE_RATE: u64 = 1024;

/// How long the rest of a queue may take after the connection was closed on our side.
const LINGER: Duration = Duration::from_secs(5);

/// What the tasks of a connection share with the rest of the agent.
/// `E` is what its owner takes for an [`Event`].
pub(crate) struct Connection<E> {
    pub(crate) peer: PeerKey,
    /// The peer's.
    pub(crate) ip: IpAddr,
    pub(crate) info_hash: InfoHash,
    pub(crate) told: Arc<Told>,
    /// When this machine has another address.
    pub(crate) moves: watch::Receiver<()>,
    pub(crate) codec: Codec,
    pub(crate) content: Arc<Content>,
    pub(crate) buffers: Arc<Buffers>,
    pub(crate) memory: Arc<Memory>,
    pub(crate) upload: Arc<Gate>,
    pub(crate) download: Arc<Gate>,
    pub(crate) events: mpsc::Sender<E>,
}

impl<E: From<Event> + Send + 'static> Connection<E> {
    /// Starts reading and writing.
    pub(crate) fn start(self, stream: TcpStream) -> Outbox {
        let (read, write) = stream.into_split();
        let connection = Arc::new(self);
        let reader = tokio::spawn(connection.clone().read(read)).abort_handle();
        let (open, closed) = oneshot::channel::<()>();
        let (outbox, out, queued) = Outbox::new(&connection.memory, reader, open);
        let writing = connection.write(write, out, queued);
        tokio::spawn(async move {
            let lingered = async {
                let _ = closed.await;
                sleep(LINGER).await;
            };
            tokio::select! { () = writing => {}, () = lingered => {} }
        });
        outbox
    }

    async fn read(self: Arc<Self>, stream: OwnedReadHalf) {
        let end = tokio::select! {
            end = self.read_messages(&stream) => end,
            ip = address_lost(&stream, self.moves.clone()) => {
                Err(io::Error::other(format!("this machine has lost its address {ip}")))
            }
        };
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
        let mut grown = self.memory.received.lease();
        loop {
            if buf.is_empty() && size == READ_MIN {
                // an idle connection holds no buffer
                buf = BytesMut::new();
            }
            match timeout(READ_IDLE, stream.readable()).await {
                Ok(readable) => readable?,
                Err(_) => {
                    if size > READ_MIN {
                        size = READ_MIN;
                        shrink(&mut buf, size, &mut grown);
                    }
                    stream.readable().await?;
                }
            }
            if buf.capacity() - buf.len() < size / 2 {
                buf.reserve(size);
            }
            let (room, mut shrinks) = (buf.capacity() - buf.len(), false);
            let n = match stream.try_read_buf(&mut buf) {
                Ok(0) => return Ok(()),
                Ok(n) => n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error),
            };
            if n == room {
                let larger = (size * 2).min(self.download.step(READ_MAX));
                if grown.resize(larger) {
                    size = larger;
                }
            } else if n < size / 8 && size > READ_MIN {
                size = (size / 2).max(READ_MIN);
                shrinks = true;
            }
            let mut messages = Vec::with_capacity(16);
            while let Some(message) = self.codec.decode(&mut buf).map_err(io::Error::other)? {
                messages.push(message);
            }
            if shrinks {
                shrink(&mut buf, size, &mut grown);
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
        queued: Arc<Queued>,
    ) {
        let written = async {
            while let Some(first) = out.recv().await {
                let mut next = Some(first);
                while let Some(item) = next {
                    match item {
                        Out::Bytes(bytes) => {
                            write_all(&mut stream, &mut [IoSlice::new(&bytes)]).await?;
                            queued.sub(bytes.len());
                        }
                        Out::Dscp(dscp) => set_dscp(stream.as_ref(), dscp),
                        Out::Serve(blocks) => {
                            let gather = self.upload.step(GATHER * BLOCK_LEN as usize);
                            let gather = self.told.step(self.info_hash, self.ip, gather) / BLOCK_LEN as usize;
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

    /// Sends up to [`GATHER`] blocks together, if there is memory for that, else one by one.
    async fn serve(&self, stream: &mut OwnedWriteHalf, blocks: &[Block]) -> io::Result<()> {
        // before any memory is taken: it may be long
        let bytes = blocks.iter().map(|block| wire(block.len)).sum();
        self.told.pass(self.info_hash, self.ip, bytes).await;
        let mut lease = self.memory.sent.lease();
        let together = blocks.len() > 1 && lease.resize(blocks.len() * BLOCK_LEN as usize);
        for blocks in blocks.chunks(if together { blocks.len() } else { 1 }) {
            self.serve_together(stream, blocks).await?;
        }
        Ok(())
    }

    /// Reads blocks in one blocking call and writes them with one system call.
    async fn serve_together(&self, stream: &mut OwnedWriteHalf, blocks: &[Block]) -> io::Result<()> {
        let payload = blocks.iter().map(|block| block.len).sum();
        self.upload.pass(payload).await;
        let buffer = match blocks.len() {
            // one that is used again may be larger than what is counted for it
            1 => BytesMut::new(),
            _ => self.buffers.take(),
        };
        let (content, wanted) = (self.content.clone(), blocks.to_vec());
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
        if blocks.len() > 1 {
            self.buffers.give(gathered.data);
        }
        Ok(())
    }
}

/// Waits until this machine has not got the address any more that a connection has on our side.
async fn address_lost(stream: &OwnedReadHalf, mut moves: watch::Receiver<()>) -> IpAddr {
    if let Ok(local) = stream.local_addr() {
        while moves.changed().await.is_ok() {
            let bound = UdpSocket::bind((local.ip(), 0));
            if bound.is_err_and(|error| error.kind() == io::ErrorKind::AddrNotAvailable) {
                return local.ip();
            }
        }
    }
    std::future::pending().await
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

/// Gives a receive buffer back that grew, but for what it holds.
fn shrink(buf: &mut BytesMut, size: usize, grown: &mut Lease) {
    let mut smaller = BytesMut::with_capacity(buf.len().max(size));
    smaller.extend_from_slice(buf);
    *buf = smaller;
    grown.resize(if size > READ_MIN { size } else { 0 });
}

/// Writes all slices; every write must make progress in [`WRITE_STUCK`], and all together at [`WRITE_RATE`].
async fn write_all(stream: &mut (impl AsyncWrite + Unpin), mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
    let bytes: usize = slices.iter().map(|slice| slice.len()).sum();
    let end = Instant::now() + WRITE_STUCK + Duration::from_secs(bytes as u64 / WRITE_RATE);
    while !slices.is_empty() {
        let by = end.min(Instant::now() + WRITE_STUCK);
        let n = timeout_at(by, stream.write_vectored(slices)).await??;
        if n == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        IoSlice::advance_slices(&mut slices, n);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, duplex};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_a_byte_now_and_then_is_given_up_and_one_on_a_slow_link_is_not() {
        for (bytes_each_second, is_done) in [(1, false), (2048, true)] {
            let (mut ours, mut theirs) = duplex(1024);
            let reading = tokio::spawn(async move {
                let mut chunk = vec![0; bytes_each_second];
                while theirs.read_exact(&mut chunk).await.is_ok() {
                    sleep(Duration::from_secs(1)).await;
                }
            });
            let (data, began) = (vec![0; 64 * 1024], Instant::now());
            let written = write_all(&mut ours, &mut [IoSlice::new(&data)]).await;
            assert_eq!(written.is_ok(), is_done, "{bytes_each_second}");
            assert!(began.elapsed() <= WRITE_STUCK + Duration::from_secs(64));
            drop(ours);
            reading.await.unwrap();
        }
    }
}
