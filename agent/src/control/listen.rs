//! Connections to the control port: how many, of which address, for how long.
//!
//! Memory: a connection has a buffer of [`MAX_HEAD`] for requests and one answer; [`BOUNDS`] says how many
//! there are. The next request of a connection is read when the system has taken the answer to the one before.
//! No request has a body that is read; one that comes ends its connection. Another machine may connect and ask so
//! often as [`Arrivals`] says, since an answer costs as much time as serving some blocks.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::header;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use narrows_host::Repeats;
use narrows_host::patient::Patient;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

use super::patient::{PATIENCE, Undone};
use super::server::{Control, too_many_requests};
use crate::resources::{Admission, Arrivals, Bounds, Offence, Standing};

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
    serve_by(listener, control, standing).await;
}

/// This machine's own addresses are known to belong here: `own` is the one that the client connected to.
fn standing(ip: IpAddr, own: Option<IpAddr>) -> Standing {
    if ip.is_loopback() || Some(ip) == own {
        Standing::Named
    } else {
        Standing::Stranger
    }
}

/// What the connections share.
struct Served {
    control: Control,
    /// Connections and requests of other machines.
    arrivals: Mutex<Arrivals>,
}

impl Served {
    /// Whether this one comes no more often than it may.
    fn may_come(&self, ip: IpAddr, standing: Standing) -> bool {
        let mut arrivals = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        let may = standing == Standing::Named || arrivals.may_come(standing.host(ip), self.control.now());
        drop(arrivals);
        if !may {
            self.control.offends(Offence::Flooding, ip);
        }
        may
    }
}

async fn serve_by(listener: TcpListener, control: Control, standing: fn(IpAddr, Option<IpAddr>) -> Standing) {
    let served = Arc::new(Served {
        control,
        arrivals: Mutex::default(),
    });
    let control = &served.control;
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
        let own = stream.local_addr().ok().map(|own| own.ip().to_canonical());
        let standing = standing(ip, own);
        if !served.may_come(ip, standing) {
            continue;
        }
        open.retain(|connection| !connection.is_finished());
        let task = tokio::spawn(connection(stream, addr, standing, served.clone()));
        if let Some(evicted) = open.admit(ip, standing, task.abort_handle()) {
            evicted.held.abort();
            if evicted.of >= BOUNDS.per_address {
                control.offends(Offence::TooManyConnections, evicted.ip);
            }
        }
    }
}

async fn connection(stream: TcpStream, addr: SocketAddr, standing: Standing, served: Arc<Served>) {
    let (ip, undone) = (addr.ip().to_canonical(), Arc::new(Undone::default()));
    let requests = AtomicU32::new(0);
    let service = service_fn(|request| {
        let number = requests.fetch_add(1, Ordering::Relaxed) + 1;
        let (served, mut last) = (served.clone(), number >= MAX_REQUESTS);
        async move {
            // its connection has been counted for the first one
            let mut reply = if number > 1 && !served.may_come(ip, standing) {
                last = true;
                too_many_requests()
            } else {
                served.control.answer(&request, ip).await
            };
            if last {
                reply.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(reply)
        }
    });
    let ended = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(MAX_HEAD)
        .serve_connection(
            TokioIo::new(Patient::new(stream, PATIENCE, undone.clone())),
            service,
        )
        .await;
    if let Err(error) = ended {
        tracing::debug!(%addr, %error, "control connection");
        if undone.is_slow(error.is_timeout()) {
            served.control.offends(Offence::SlowClient, ip);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpSocket;

    use super::*;
    use crate::config::Config;
    use crate::control::{Access, Token};
    use crate::supervisor::Agent;

    const OWN: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    /// As [`standing`], with loopback addresses as other machines.
    fn by_address(ip: IpAddr, own: Option<IpAddr>) -> Standing {
        if Some(ip) == own {
            Standing::Named
        } else {
            Standing::Stranger
        }
    }

    /// What is answered to so many requests at once of the machine with the address `127.0.5.last`.
    async fn answers(to: SocketAddr, last: u8, requests: usize) -> String {
        let socket = TcpSocket::new_v4().unwrap();
        let from = if last == 1 { OWN } else { [127, 0, 5, last].into() };
        socket.bind((from, 0).into()).unwrap();
        let mut stream = socket.connect(to).await.unwrap();
        let ask = "GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(requests);
        let close = "GET /status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all((ask + close).as_bytes()).await.unwrap();
        let mut answers = Vec::new();
        // what was asked and not answered any more makes it a reset
        let _ = stream.read_to_end(&mut answers).await;
        String::from_utf8_lossy(&answers).into_owned()
    }

    #[tokio::test]
    async fn another_machine_that_asks_without_end_is_refused_and_others_are_answered() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("agent.yaml");
        let config = Config::parse("{id: a, listen: 127.0.0.1:0, state: state}", &file).unwrap();
        let agent = Agent::start(config, None).await.unwrap();
        let control = Control {
            agent: agent.clone(),
            token: Token::ensure(&folder.path().join("token")).unwrap(),
            access: Access::of("a".into(), Vec::new()),
            data: folder.path().to_owned(),
        };
        let listener = TcpListener::bind((OWN, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(serve_by(listener, control, by_address));
        let flood = answers(addr, 66, 250).await;
        assert!(flood.matches("HTTP/1.1 200").count() < 200, "{flood}");
        assert_eq!(flood.matches("HTTP/1.1 429").count(), 1);
        for other in [1, 67] {
            assert!(answers(addr, other, 20).await.matches("HTTP/1.1 200").count() == 21);
        }
        let offenders = agent.status().await.offenders;
        let named = |ip: [u8; 4]| {
            offenders.iter().any(|known| known.offence == "flooding" && known.ip == IpAddr::from(ip))
        };
        assert!(named([127, 0, 5, 66]) && !named([127, 0, 5, 67]), "{offenders:?}");
        agent.stop().await;
    }
}
