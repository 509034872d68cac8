//! HTTP connections: accept, serve, drain.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use narrows_host::Repeats;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::sleep;
use tracing::{debug, info, warn};

use crate::net::reply::{Request, Response};

/// How long a client may take to send a request's head, and how long an idle connection is kept.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// The head of a request may be so large: a query of 8 KiB, and headers.
const MAX_HEAD: usize = 16 * 1024;
/// After a failed accept: usually the process is out of descriptors, and trying again at once would spin.
const MIN_BACK_OFF: Duration = Duration::from_millis(5);
const MAX_BACK_OFF: Duration = Duration::from_secs(1);

/// Hears what becomes of connections, and counts it.
pub(crate) trait Observer: Send + Sync {
    /// A connection was accepted.
    fn opened(&self);
    /// It has ended.
    fn closed(&self);
    /// Accepting itself failed.
    fn accept_failed(&self);
}

/// What a listener needs beside its socket.
#[derive(Clone)]
pub(crate) struct Shared {
    /// One permit per connection; without one, clients wait in the backlog.
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) observer: Arc<dyn Observer>,
    /// Becomes true when the tracker stops.
    pub(crate) stop: watch::Receiver<bool>,
}

/// Accepts until the tracker stops. Connections then finish the request under way and give their permit back.
pub(crate) async fn accept<H, F>(listener: TcpListener, mut shared: Shared, handle: H)
where
    H: Fn(Request, SocketAddr) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response> + Send,
{
    let mut back_off = MIN_BACK_OFF;
    let (mut failures, began) = (Repeats::default(), Instant::now());
    loop {
        let slots = Arc::clone(&shared.slots);
        let next = async {
            let slot = slots.acquire_owned().await;
            (slot, listener.accept().await)
        };
        let (slot, accepted) = tokio::select! {
            biased;
            () = asked_to_stop(&mut shared.stop) => return,
            next = next => next,
        };
        let Ok(slot) = slot else { return };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                if concerns_listener(&error) {
                    shared.observer.accept_failed();
                    if let Some(times) = failures.failed(&error.to_string(), began.elapsed()) {
                        warn!(%error, times, "cannot accept; it is tried again within {MAX_BACK_OFF:?}");
                    }
                    sleep(back_off).await;
                    back_off = (back_off * 2).min(MAX_BACK_OFF);
                }
                continue;
            }
        };
        back_off = MIN_BACK_OFF;
        if failures.went_well() {
            info!("connections are accepted again");
        }
        let handle = handle.clone();
        let observer = Arc::clone(&shared.observer);
        let stop = shared.stop.clone();
        tokio::spawn(async move {
            observer.opened();
            connection(stream, peer, stop, handle).await;
            observer.closed();
            drop(slot);
        });
    }
}

async fn connection<H, F>(stream: TcpStream, peer: SocketAddr, mut stop: watch::Receiver<bool>, handle: H)
where
    H: Fn(Request, SocketAddr) -> F,
    F: Future<Output = Response>,
{
    // replies are one small write each
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let response = handle(request, peer);
        async { Ok::<_, Infallible>(response.await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .half_close(true)
        .pipeline_flush(true)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = asked_to_stop(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%peer, %error, "connection ended");
    }
}

/// Resolves when the tracker stops.
async fn asked_to_stop(stop: &mut watch::Receiver<bool>) {
    // an error means that the sender, and so the tracker, is gone
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Whether accepting itself failed, rather than one connection that was gone before it was accepted.
fn concerns_listener(error: &io::Error) -> bool {
    !matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}
