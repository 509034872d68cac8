//! Connections to the control port: how many, of which address, for how long.
//!
//! Memory: a connection has a buffer of [`MAX_HEAD`] for requests and one answer; [`BOUNDS`] says how many
//! there are. The next request of a connection is read when the system has taken the answer to the one before.
//! No request has a body that is read; one that comes ends its connection.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use narrows_host::Repeats;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

use super::patient::{Patient, Undone};
use super::server::{Control, Reply};
use crate::resources::{Admission, Bounds, Offence, Standing};

/// Connections at a time. Half of them are kept for this machine, so that its operator reaches the agent
/// whatever comes from elsewhere; an address has what the monitoring behind a proxy needs.
const BOUNDS: Bounds = Bounds {
    all: 64,
    per_address: 16,
    kept: 32,
};

/// How long a client may take to send the head of a request, and how long an idle connection is kept.
const HEAD: Duration = Duration::from_secs(15);

/// The largest head of a request, in bytes.
const MAX_HEAD: usize = 16 * 1024;

/// Requests of one connection; the last one's answer says that it ends.
const MAX_REQUESTS: u32 = 256;

/// How long to wait after a failure to accept: mostly the process is out of descriptors.
const PAUSE: Duration = Duration::from_millis(200);

/// Serves the control port for ever.
pub(crate) async fn serve(listener: TcpListener, control: Control) {
    let control = Arc::new(control);
    let mut open: Admission<AbortHandle> = Admission::new(BOUNDS);
    let mut failures = Repeats::default();
    loop {
        let (stream, addr) = match listener.accept().await {
            Ok(accepted) => {
                if failures.went_well() {
                    tracing::info!("connections to the control port are accepted again");
                }
                accepted
            }
            Err(error) => {
                if let Some(times) = failures.failed(&error.to_string(), control.now()) {
                    tracing::warn!(%error, times, "cannot accept connections to the control port");
                }
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let ip = addr.ip().to_canonical();
        open.retain(|connection| !connection.is_finished());
        let standing = if ip.is_loopback() {
            Standing::Named
        } else {
            Standing::Stranger
        };
        let task = tokio::spawn(connection(stream, addr, control.clone()));
        if let Some(evicted) = open.admit(ip, standing, task.abort_handle()) {
            evicted.held.abort();
            if evicted.of >= BOUNDS.per_address {
                control.offends(Offence::TooManyConnections, evicted.ip);
            }
        }
    }
}

async fn connection(stream: TcpStream, addr: SocketAddr, control: Arc<Control>) {
    let (ip, undone) = (addr.ip().to_canonical(), Arc::new(Undone::default()));
    let requests = AtomicU32::new(0);
    let answers = control.clone();
    let service = service_fn(|request| {
        let last = requests.fetch_add(1, Ordering::Relaxed) + 1 >= MAX_REQUESTS;
        let control = answers.clone();
        async move { Ok::<_, Infallible>(answer(&control, &request, ip, last).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(Patient::new(stream, undone.clone())), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%addr, %error, "control connection");
        if undone.is_slow(error.is_timeout()) {
            control.offends(Offence::SlowClient, ip);
        }
    }
}

async fn answer(control: &Control, request: &Request<Incoming>, ip: IpAddr, last: bool) -> Reply {
    let mut reply = control.answer(request, ip).await;
    if last {
        reply.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
    }
    reply
}
