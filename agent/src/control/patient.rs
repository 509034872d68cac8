//! A connection whose other end has a time to read what it asked for.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// How long the whole of an answer may wait to be read, from when the system takes no more of it: also of one
/// that is read byte by byte.
const WRITE: Duration = Duration::from_secs(30);

/// What the other end has left undone.
#[derive(Debug, Default)]
pub(super) struct Undone {
    /// A request has begun and was not answered.
    asks: AtomicBool,
    /// An answer was not read in its time.
    unread: AtomicBool,
}

impl Undone {
    /// Whether a connection that ended for lack of time was held up by its other end.
    pub(super) fn is_slow(&self, timed_out: bool) -> bool {
        // one that is kept and not used ends by the same limit as a head that does not end
        self.unread.load(Ordering::Relaxed) || (timed_out && self.asks.load(Ordering::Relaxed))
    }
}

/// A stream whose writes fail with [`io::ErrorKind::TimedOut`] when what it says is not read in [`WRITE`].
pub(super) struct Patient<S> {
    stream: S,
    undone: Arc<Undone>,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    pub(super) fn new(stream: S, undone: Arc<Undone>) -> Self {
        Self {
            stream,
            undone,
            deadline: None,
        }
    }

    fn in_time(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.undone.asks.store(false, Ordering::Relaxed);
            return written;
        }
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + WRITE)));
        ready!(deadline.as_mut().poll(cx));
        self.undone.unread.store(true, Ordering::Relaxed);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.undone.asks.store(true, Ordering::Relaxed);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.in_time(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.in_time(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// All was written.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.deadline = None;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_not_read_or_byte_by_byte_has_its_time_and_no_more() {
        for trickles in [false, true] {
            let (ours, mut theirs) = duplex(1024);
            let undone = Arc::new(Undone::default());
            let mut patient = Patient::new(ours, undone.clone());
            let reading = tokio::spawn(async move {
                while trickles && theirs.read_u8().await.is_ok() {
                    sleep(Duration::from_millis(500)).await;
                }
                theirs
            });
            let began = Instant::now();
            let error = patient.write_all(&[0; 10_000]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            assert_eq!(began.elapsed().as_secs(), WRITE.as_secs(), "{trickles}");
            assert!(undone.is_slow(false));
            drop(patient);
            reading.await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_answer_has_a_time_of_its_own() {
        let (ours, mut theirs) = duplex(1024);
        let undone = Arc::new(Undone::default());
        let mut patient = Patient::new(ours, undone.clone());
        let reading = tokio::spawn(async move {
            let mut chunk = [0; 1024];
            while theirs.read(&mut chunk).await.is_ok_and(|read| read > 0) {
                sleep(Duration::from_secs(9)).await;
            }
        });
        for _ in 0..10 {
            patient.write_all(&[0; 3000]).await.unwrap();
            patient.flush().await.unwrap();
        }
        assert!(!undone.is_slow(false));
        drop(patient);
        reading.await.unwrap();
    }
}
