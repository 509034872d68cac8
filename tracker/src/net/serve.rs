//! HTTP connections: accept, serve, drain. However many come and whatever they leave unread or half said, a
//! newcomer from an address with few of them is served at once.
//!
//! What a connection takes: a buffer of 16 KiB ([`MAX_HEAD`]) for requests, one answer that is not yet sent,
//! and the system's buffers (see `listen`). The next request of a connection is answered when the answer before it
//! has been taken by the system.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use ipnet::IpNet;
use narrows_host::Repeats;
use narrows_host::patient::Patient;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep};
use tracing::{debug, info, warn};

use crate::net::handshakes::Handshakes;
use crate::net::offences::{Offence, Offences};
use crate::net::patient::{PATIENCE, Watched};
use crate::net::places::{Evicted, Holder, Limits, Place, Places, Reason};
use crate::net::reply::{Request, Response};
use crate::net::tls::{Opened, Tls, Unopened};

/// How long a client may take to send a request's head, and how long an idle connection is kept.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// The head of a request may be so large: a query of 8 KiB, and headers.
const MAX_HEAD: usize = 16 * 1024;
/// After a failed accept: usually the process is out of descriptors, and trying again at once would spin.
const MIN_BACK_OFF: Duration = Duration::from_millis(5);
const MAX_BACK_OFF: Duration = Duration::from_secs(1);

/// A holder of so many connections that gives one up for others did take too many; with fewer, a crowd of
/// addresses did.
const MANY: usize = 16;

/// Hears what becomes of connections, and counts it.
pub(crate) trait Observer: Send + Sync {
    /// A connection was accepted.
    fn opened(&self);
    /// It has ended.
    fn closed(&self);
    /// Accepting itself failed.
    fn accept_failed(&self);
}

/// The connections that listeners of one kind share.
#[derive(Clone)]
pub(crate) struct Shared {
    places: Arc<Mutex<Places<Arc<Watched>>>>,
    /// Of those over TLS.
    handshakes: Arc<Mutex<Handshakes>>,
    /// One permit per connection: what was taken a place from is gone when its permit is back.
    permits: Arc<Semaphore>,
    max: usize,
    trusted_proxies: Arc<[IpNet]>,
    began: Instant,
    observer: Arc<dyn Observer>,
    offences: Arc<Offences>,
    /// Becomes true when the tracker stops.
    stop: watch::Receiver<bool>,
}

/// What a [`Shared`] is made with.
pub(crate) struct Around {
    /// Whose many connections are those of many clients.
    pub(crate) trusted_proxies: Arc<[IpNet]>,
    /// When the tracker started: what offences are dated by.
    pub(crate) began: Instant,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) offences: Arc<Offences>,
    /// Becomes true when the tracker stops.
    pub(crate) stop: watch::Receiver<bool>,
}

impl Shared {
    pub(crate) fn new(limits: Limits, around: &Around) -> Self {
        Self {
            places: Arc::new(Mutex::new(Places::new(limits))),
            handshakes: Arc::default(),
            permits: Arc::new(Semaphore::new(limits.max)),
            max: limits.max,
            trusted_proxies: Arc::clone(&around.trusted_proxies),
            began: around.began,
            observer: Arc::clone(&around.observer),
            offences: Arc::clone(&around.offences),
            stop: around.stop.clone(),
        }
    }

    /// Resolves when no connection is left.
    pub(crate) async fn drained(&self) {
        // fails only if the semaphore were closed, which it never is
        let _ = self.permits.acquire_many(self.max.try_into().unwrap_or(u32::MAX)).await;
    }

    fn places(&self) -> MutexGuard<'_, Places<Arc<Watched>>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection from `peer`; another may have to end for it.
    fn place(&self, peer: SocketAddr) -> (Place, Arc<Watched>) {
        let watched = Arc::new(Watched::new(self.began, peer.ip()));
        let holder = Holder::of(peer.ip(), &self.trusted_proxies);
        let (place, evicted) = self.places().take(holder, Arc::clone(&watched));
        if let Some(evicted) = evicted {
            self.end(&evicted);
        }
        (place, watched)
    }

    /// Waits until a client may have a handshake; false if that would be too long.
    async fn turn(&self, peer: SocketAddr) -> bool {
        let holder = Holder::of(peer.ip(), &self.trusted_proxies);
        let turn = {
            let mut handshakes = self.handshakes.lock().unwrap_or_else(PoisonError::into_inner);
            handshakes.turn(holder, self.began.elapsed())
        };
        match turn {
            Some(Duration::ZERO) => {}
            Some(wait) => sleep(wait).await,
            None => self.offended(Offence::TooManyHandshakes, peer.ip()),
        }
        turn.is_some()
    }

    /// Ends a connection so that another can be accepted, of one that has several: without a descriptor, accepting
    /// fails also where none waits for it.
    fn make_room(&self) {
        let evicted = self.places().make_room(2);
        if let Some(evicted) = evicted {
            self.end(&evicted);
        }
    }

    fn end(&self, evicted: &Evicted<Arc<Watched>>) {
        evicted.occupant.evict();
        if evicted.reason == Reason::OverBound || evicted.had >= MANY {
            self.offended(Offence::TooManyConnections, evicted.occupant.peer());
        }
    }

    fn offended(&self, offence: Offence, from: IpAddr) {
        self.offences.record(offence, from, None, self.began.elapsed());
    }
}

/// Accepts until the tracker stops. Connections then finish the request under way and give their place back. With
/// `tls` they are opened by that.
pub(crate) async fn accept<H, F>(listener: TcpListener, mut shared: Shared, tls: Option<Tls>, handle: H)
where
    H: Fn(Request, SocketAddr) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response> + Send,
{
    let mut back_off = MIN_BACK_OFF;
    let mut failures = Repeats::default();
    loop {
        let accepted = tokio::select! {
            biased;
            () = asked_to_stop(&mut shared.stop) => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                if concerns_listener(&error) {
                    shared.observer.accept_failed();
                    if let Some(times) = failures.failed(&error.to_string(), shared.began.elapsed()) {
                        warn!(%error, times, "cannot accept; it is tried again within {MAX_BACK_OFF:?}");
                    }
                    // mostly descriptors are lacking, and a connection has one
                    shared.make_room();
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
        let (place, watched) = shared.place(peer);
        // what made room ends at once
        let Ok(permit) = Arc::clone(&shared.permits).acquire_owned().await else {
            return;
        };
        let (handle, shared, tls) = (handle.clone(), shared.clone(), tls.clone());
        tokio::spawn(async move {
            shared.observer.opened();
            connection(stream, (peer, &watched), &shared, tls.as_ref(), handle).await;
            shared.observer.closed();
            shared.places().give_back(place);
            drop(permit);
        });
    }
}

async fn connection<H, F>(
    stream: TcpStream,
    (peer, watched): (SocketAddr, &Arc<Watched>),
    shared: &Shared,
    tls: Option<&Tls>,
    handle: H,
) where
    H: Fn(Request, SocketAddr) -> F,
    F: Future<Output = Response>,
{
    // replies are one small write each
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else {
        let patient = Patient::new(stream, PATIENCE, Arc::clone(watched));
        return serve(patient, (peer, watched), shared, handle).await;
    };
    let mut stop = shared.stop.clone();
    let opened = tokio::select! {
        biased;
        () = watched.evicted() => return,
        () = asked_to_stop(&mut stop) => return,
        opened = async {
            match shared.turn(peer).await {
                true => tls.open(stream, watched).await,
                false => Err(Unopened::TooMany),
            }
        } => opened,
    };
    match opened {
        Ok(Opened::Secure(stream)) => serve(stream, (peer, watched), shared, handle).await,
        Ok(Opened::Plain(stream)) => {
            let refuse = |request: Request, _| std::future::ready((tls.in_the_clear)(&request));
            serve(stream, (peer, watched), shared, refuse).await;
        }
        Err(error) => {
            debug!(%peer, %error, "no handshake");
            if matches!(error, Unopened::Late) && watched.asks() {
                shared.offended(Offence::SlowClient, peer.ip());
            }
        }
    }
}

/// Answers the requests of a connection that is open.
async fn serve<S, H, F>(stream: S, (peer, watched): (SocketAddr, &Arc<Watched>), shared: &Shared, handle: H)
where
    S: AsyncRead + AsyncWrite + Unpin,
    H: Fn(Request, SocketAddr) -> F,
    F: Future<Output = Response>,
{
    let service = service_fn(|request| {
        let response = handle(request, peer);
        async { Ok::<_, Infallible>(response.await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let mut stop = shared.stop.clone();
    let ended = tokio::select! {
        biased;
        () = watched.evicted() => return,
        ended = connection.as_mut() => ended,
        () = asked_to_stop(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%peer, %error, "connection ended");
        if let Some(offence) = offence(&error, watched) {
            shared.offended(offence, peer.ip());
        }
    }
}

/// What a client did for its connection to end like this.
fn offence(error: &hyper::Error, watched: &Watched) -> Option<Offence> {
    // a connection that is kept and not used ends by the same limit as a head that does not end
    if watched.is_unread() || (error.is_timeout() && watched.asks()) {
        return Some(Offence::SlowClient);
    }
    error.is_parse_too_large().then_some(Offence::OversizedRequest)
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

#[cfg(test)]
mod tests;
