//! A small server and clients that hold on to it.

use std::io::{Read as _, Write as _};
use std::net::Ipv4Addr;
use std::time::Instant as Clock;

use hyper::StatusCode;
use narrows_host::OffenceKind as _;
use socket2::{Domain, Socket, Type};
use tokio::time::timeout;

use super::*;
use crate::net::reply::typed;

/// Counts what is open.
#[derive(Default)]
struct Open(watch::Sender<usize>);

impl Observer for Open {
    fn opened(&self) {
        self.0.send_modify(|open| *open += 1);
    }

    fn closed(&self) {
        self.0.send_modify(|open| *open -= 1);
    }

    fn accept_failed(&self) {}
}

struct Server {
    address: SocketAddr,
    open: Arc<Open>,
    offences: Arc<Offences>,
    stop: watch::Sender<bool>,
    runtime: tokio::runtime::Runtime,
}

const LIMITS: Limits = Limits {
    max: 64,
    max_per_address: 24,
};
/// An answer; what is not read is soon more than the system takes.
const ANSWER: usize = 8 * 1024;

impl Server {
    /// Answers whatever is asked with [`ANSWER`] bytes.
    fn start(trusted: &[IpNet]) -> Self {
        Self::start_over(trusted, None)
    }

    /// Over TLS with so many handshakes.
    fn start_over(trusted: &[IpNet], tls: Option<(Tls, Handshakes)>) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (stop, stopped) = watch::channel(false);
        let (open, offences) = (Arc::new(Open::default()), Arc::new(Offences::default()));
        let around = Around {
            trusted_proxies: trusted.into(),
            began: Instant::now(),
            observer: Arc::clone(&open) as Arc<dyn Observer>,
            offences: Arc::clone(&offences),
            stop: stopped,
        };
        let mut shared = Shared::new(LIMITS, &around);
        let tls = tls.map(|(tls, handshakes)| {
            shared.handshakes = Arc::new(Mutex::new(handshakes));
            tls
        });
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(accept(listener, shared, tls, |_, _| {
            std::future::ready(typed(StatusCode::OK, "text/plain", vec![b'x'; ANSWER].into()))
        }));
        Self {
            address,
            open,
            offences,
            stop,
            runtime,
        }
    }

    fn connect(&self, from: [u8; 4]) -> std::net::TcpStream {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
        socket.connect(&self.address.into()).unwrap();
        let stream: std::net::TcpStream = socket.into();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.set_write_timeout(Some(Duration::from_millis(20))).unwrap();
        stream
    }

    /// How long an honest request takes.
    fn ask(&self, from: [u8; 4]) -> Duration {
        let began = Clock::now();
        let mut stream = self.connect(from);
        stream.write_all(b"GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200") && answer.len() > ANSWER);
        began.elapsed()
    }

    /// A connection that asks as much as it can and reads nothing.
    fn unread(&self, from: [u8; 4]) -> std::net::TcpStream {
        let mut stream = self.connect(from);
        let asked = b"GET / HTTP/1.1\r\nHost: t\r\n\r\n".repeat(200);
        for _ in 0..20 {
            if stream.write_all(&asked).is_err() {
                break;
            }
        }
        stream
    }

    /// Waits until so many connections are open: what has to end does so beside what takes its place.
    fn comes_to(&self, enough: impl Fn(usize) -> bool) {
        let mut open = self.open.0.subscribe();
        let comes =
            async { timeout(Duration::from_secs(5), open.wait_for(|open| enough(*open))).await.is_ok() };
        assert!(self.runtime.block_on(comes), "{} are open", *self.open.0.borrow());
    }

    fn times(&self, kind: Offence) -> u64 {
        self.offences.totals().find(|(known, _)| known.as_str() == kind.as_str()).unwrap().1
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        let runtime = std::mem::replace(
            &mut self.runtime,
            tokio::runtime::Builder::new_current_thread().build().unwrap(),
        );
        runtime.shutdown_background();
    }
}

#[test]
fn a_machine_that_leaves_answers_unread_on_ever_more_connections_delays_no_other() {
    let server = Server::start(&[]);
    let held: Vec<_> = (0..LIMITS.max + 10).map(|_| server.unread([127, 0, 0, 2])).collect();
    let took = server.ask([127, 0, 0, 3]);
    assert!(took < Duration::from_secs(1), "{took:?}");
    server.comes_to(|open| open <= LIMITS.max_per_address + 1);
    assert!(server.times(Offence::TooManyConnections) >= 10);
    let offenders = server.offences.offenders();
    assert!(offenders.iter().all(|offender| offender.ip == IpAddr::from([127, 0, 0, 2])));
    drop(held);
}

#[test]
fn many_machines_that_fill_all_places_and_send_nothing_delay_no_newcomer() {
    let server = Server::start(&[]);
    let mut held = Vec::new();
    for host in 2..6 {
        held.extend((0..20).map(|_| server.connect([127, 0, 0, host])));
    }
    for host in 10..20 {
        let took = server.ask([127, 0, 0, host]);
        assert!(took < Duration::from_secs(1), "{took:?}");
    }
    assert!(*server.open.0.borrow() <= LIMITS.max);
}

#[test]
fn a_trusted_proxy_may_have_more_connections_than_another_address() {
    let server = Server::start(&["127.0.0.9/32".parse().unwrap()]);
    let mut held: Vec<_> = (0..30).map(|_| server.connect([127, 0, 0, 9])).collect();
    server.ask([127, 0, 0, 3]);
    for stream in &mut held {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200"));
    }
    assert_eq!(server.times(Offence::TooManyConnections), 0);
}

#[test]
fn requests_that_are_sent_before_their_answers_are_read_are_all_answered() {
    let server = Server::start(&[]);
    let mut stream = server.connect([127, 0, 0, 3]);
    let requests = 300;
    let mut asked = b"GET / HTTP/1.1\r\nHost: t\r\n\r\n".repeat(requests - 1);
    asked.extend(b"GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
    let mut reading = stream.try_clone().unwrap();
    let answers = std::thread::spawn(move || {
        let mut answers = Vec::new();
        reading.read_to_end(&mut answers).unwrap();
        answers.windows(12).filter(|window| *window == b"HTTP/1.1 200").count()
    });
    stream.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(&asked).unwrap();
    assert_eq!(answers.join().unwrap(), requests);
}

#[test]
fn a_flood_of_handshakes_from_one_address_is_sent_away_and_named_and_delays_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let identity = narrows_tls::Identity::own(folder.path(), &[]).unwrap();
    let current = Arc::new(arc_swap::ArcSwap::new(identity.server().unwrap()));
    let tls = Tls::new(current, |_| {
        typed(StatusCode::OK, "text/plain", vec![b'x'; ANSWER].into())
    });
    // five seconds' worth may wait: not their number at a time is too many, there are places for more
    let server = Server::start_over(&[], Some((tls, Handshakes::with(1.0, 8.0))));
    let mut sent_away = false;
    for _ in 0..10_000 {
        server.connect([127, 0, 0, 2]);
        sent_away = server.times(Offence::TooManyHandshakes) > 0;
        if sent_away {
            break;
        }
    }
    assert!(sent_away);
    let took = server.ask([127, 0, 0, 3]);
    assert!(took < Duration::from_secs(1), "{took:?}");
}
