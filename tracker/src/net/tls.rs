//! Connections over TLS: how long and how much a client may take for a handshake, and what becomes of a client that speaks in the
//! clear.
//!
//! Until its session stands a client has sent [`MAX_HELLO`] bytes at most and has [`HANDSHAKE_TIMEOUT`]; what TLS holds of
//! it afterwards is a record each way (16 KiB), beside what any connection takes (see `serve`).

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use arc_swap::ArcSwap;
use narrows_host::patient::Patient;
use narrows_tls::Fault;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::net::patient::{PATIENCE, Watched};
use crate::net::reply::{Request, Response};

/// How long a client may take from when it connects until its session stands.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// So much a client may send until its session stands: its hello has 0.3 to 2 KiB, its end 0.1.
const MAX_HELLO: usize = 16 * 1024;

/// So much of an answer TLS keeps, encrypted, beside the system.
const MAX_UNSENT: usize = 16 * 1024;

/// How the listeners of one kind speak TLS.
#[derive(Clone)]
pub(crate) struct Tls {
    /// With what connections are opened that come from now on.
    current: Arc<ArcSwap<ServerConfig>>,
    /// What a client hears that asks in the clear.
    pub(crate) in_the_clear: fn(&Request) -> Response,
}

/// A client's bytes, with their limits, below TLS.
pub(crate) type Wire = Patient<TcpStream, Arc<Watched>>;

/// How a connection began.
pub(crate) enum Opened {
    /// Over TLS.
    Secure(Box<TlsStream<Metered<Wire>>>),
    /// In the clear.
    Plain(Box<Wire>),
}

/// Why none did.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unopened {
    /// It went on for too long.
    #[error("no handshake within {HANDSHAKE_TIMEOUT:?}")]
    Late,
    /// Its address has had too many.
    #[error("too many handshakes from its address")]
    TooMany,
    /// There was none.
    #[error("{0}")]
    Failed(Fault),
}

impl Tls {
    pub(crate) fn new(current: Arc<ArcSwap<ServerConfig>>, in_the_clear: fn(&Request) -> Response) -> Self {
        Self {
            current,
            in_the_clear,
        }
    }

    /// Shakes hands, if that is what the client begins with.
    ///
    /// # Errors
    /// What came of it instead.
    pub(crate) async fn open(&self, stream: TcpStream, watched: &Arc<Watched>) -> Result<Opened, Unopened> {
        watched.opens();
        let opened = timeout(HANDSHAKE_TIMEOUT, self.begin(stream, watched)).await;
        let opened = opened.unwrap_or(Err(Unopened::Late))?;
        watched.is_open();
        Ok(opened)
    }

    async fn begin(&self, stream: TcpStream, watched: &Arc<Watched>) -> Result<Opened, Unopened> {
        let mut first = [0];
        if stream.peek(&mut first).await.map_err(failed)? == 0 {
            return Err(Unopened::Failed(Fault::BrokeOff));
        }
        let wire = Patient::new(stream, PATIENCE, Arc::clone(watched));
        // a method of HTTP
        if first[0].is_ascii_uppercase() {
            return Ok(Opened::Plain(Box::new(wire)));
        }
        let metered = Metered {
            stream: wire,
            left: Some(MAX_HELLO),
        };
        let mut secure = TlsAcceptor::from(self.current.load_full())
            .accept_with(metered, |session| session.set_buffer_limit(Some(MAX_UNSENT)))
            .await
            .map_err(failed)?;
        secure.get_mut().0.left = None;
        Ok(Opened::Secure(Box::new(secure)))
    }
}

fn failed(error: io::Error) -> Unopened {
    Unopened::Failed(Fault::of(&error))
}

/// A stream of which so much is read.
#[derive(Debug)]
pub(crate) struct Metered<S> {
    stream: S,
    /// Bytes that may still be read; `None`: any number.
    left: Option<usize>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let came = buffer.filled().len() - before;
        if let Some(left) = self.left {
            let Some(rest) = left.checked_sub(came) else {
                return Poll::Ready(Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "a handshake is shorter than this",
                )));
            };
            self.left = Some(rest);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
