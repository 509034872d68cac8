//! A connection whose other end has a limited time to read what it asked for.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// How long an answer may wait to be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Patience {
    /// From when the system takes no more of it.
    pub wait: Duration,
    /// Bytes per second by which that is put off as they are read, to `wait` from now at most. `None`: the
    /// whole of an answer has to be read within `wait`.
    pub min_rate: Option<u32>,
}

/// Hears how a connection goes on.
pub trait Progress {
    /// Bytes of a request came.
    fn asked(&self);
    /// Bytes of an answer were taken by the system.
    fn answered(&self);
    /// The answer was not read in time; the connection ends.
    fn left_unread(&self);
}

impl<P: Progress> Progress for Arc<P> {
    fn asked(&self) {
        P::asked(self);
    }
    fn answered(&self) {
        P::answered(self);
    }
    fn left_unread(&self) {
        P::left_unread(self);
    }
}

/// A stream whose writes fail with [`io::ErrorKind::TimedOut`] when what was written is not read in time.
#[derive(Debug)]
pub struct Patient<S, P> {
    stream: S,
    patience: Patience,
    progress: P,
    /// Until when what waits to be written may wait.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<S, P: Progress> Patient<S, P> {
    /// Over `stream`; `progress` hears what becomes of it.
    pub fn new(stream: S, patience: Patience, progress: P) -> Self {
        Self {
            stream,
            patience,
            progress,
            deadline: None,
        }
    }

    /// What a write gives back, in time.
    fn in_time(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let wait = self.patience.wait;
        if let Poll::Ready(Ok(bytes)) = written {
            self.progress.answered();
            if let (Some(deadline), Some(rate)) = (&mut self.deadline, self.patience.min_rate) {
                let earned = Duration::from_secs_f64(bytes as f64 / f64::from(rate));
                let longest = Instant::now() + wait;
                let extended = deadline.deadline().checked_add(earned.min(wait));
                deadline.as_mut().reset(extended.map_or(longest, |extended| extended.min(longest)));
            }
        }
        if written.is_ready() {
            return written;
        }
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + wait)));
        ready!(deadline.as_mut().poll(cx));
        self.progress.left_unread();
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin, P: Progress + Unpin> AsyncRead for Patient<S, P> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.progress.asked();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin, P: Progress + Unpin> AsyncWrite for Patient<S, P> {
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

    /// All was written: the other end has read in time.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.deadline = None;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
