//! A tracker to talk to, and the talking: real sockets on loopback addresses.
#![allow(dead_code, unreachable_pub, reason = "every test file uses a part")]

pub mod process;

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use narrows_protocol::{
    AgentReport, AnnounceEvent, AnnounceReply, AnnounceRequest, AnnounceResponse, Failure, InfoHash, PeerId,
};
use narrows_tracker::{Config, Listeners, Prepared, RunError, run};
use socket2::{Domain, Socket, Type};
use tempfile::TempDir;
use tokio::sync::oneshot;

pub const SITES: &str = "version: 1
sites:
  hq:     {networks: [127.1.0.0/16, 127.0.0.1/32, \"::1/128\"]}
  munich: {networks: [127.2.0.0/16]}
links:
  - {between: [hq, munich], rate: 10 Mbit/s}
";

/// How long anything may take before a test fails.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// A tracker in this process.
pub struct Running {
    pub addr: SocketAddr,
    pub addrs: Vec<SocketAddr>,
    pub admin: SocketAddr,
    /// Where peers and operators are served over https.
    pub tls: [Option<SocketAddr>; 2],
    pub dir: TempDir,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), RunError>>>,
}

/// The files of a tracker: `more` is appended to tracker.yaml.
pub fn files(more: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("sites.yaml"), SITES).unwrap();
    fs::create_dir(dir.path().join("torrents")).unwrap();
    let listen = if more.contains("listen:") {
        ""
    } else {
        "listen: 127.0.0.1:0\n"
    };
    let admin = if more.contains("admin:") {
        ""
    } else {
        "admin: 127.0.0.1:0\n"
    };
    let config = format!("{listen}{admin}site_map: sites.yaml\n{more}\n");
    fs::write(dir.path().join("tracker.yaml"), config).unwrap();
    dir
}

impl Running {
    pub fn start(more: &str) -> Self {
        Self::start_in(files(more))
    }

    pub fn start_in(dir: TempDir) -> Self {
        let config = Config::load(&dir.path().join("tracker.yaml")).unwrap();
        let prepared = Prepared::new(config).unwrap();
        let config = prepared.config();
        let listeners = Listeners::bind(&config.listen, config.admin)
            .and_then(|listeners| listeners.and_tls(&config.listen_tls, &config.admin_tls))
            .unwrap();
        let addrs = listeners.tracker_addrs();
        let admin = listeners.admin_addr().unwrap();
        let first = |listeners: &[std::net::TcpListener]| Some(listeners.first()?.local_addr().unwrap());
        let tls = [first(&listeners.tracker_tls), first(&listeners.admin_tls)];
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
            runtime.block_on(run(prepared, listeners, async {
                let _ = stopped.await;
            }))
        });
        Self {
            addr: addrs[0],
            addrs,
            admin,
            tls,
            dir,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Asks the tracker to stop, without waiting.
    pub fn ask_to_stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Waits until it has.
    pub fn join(&mut self) {
        self.thread.take().unwrap().join().unwrap().unwrap();
    }

    pub fn metric(&self, series: &str) -> Option<f64> {
        metric(self.admin, series)
    }

    /// Asks it to stop; the drop awaits its end.
    pub fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    pub fn status(&self) -> serde_json::Value {
        serde_json::from_slice(&get(self.admin, "/status").body).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// An HTTP response.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

/// Connects, from `source` if one is given.
pub fn connect(to: SocketAddr, source: Option<IpAddr>) -> TcpStream {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None).unwrap();
    if let Some(source) = source {
        socket.bind(&SocketAddr::new(source, 0).into()).unwrap();
    }
    socket.connect(&to.into()).unwrap();
    let stream: TcpStream = socket.into();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends bytes and reads until the tracker closes.
pub fn exchange(to: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = connect(to, None);
    stream.write_all(bytes).unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    all
}

/// Reads one response with a Content-Length from a connection that stays open.
pub fn read_reply(stream: &mut impl Read) -> Reply {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a response");
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let length = header(&head, "content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    Reply {
        status: head[9..12].parse().unwrap(),
        head,
        body,
    }
}

pub fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

pub fn request(to: SocketAddr, source: Option<IpAddr>, target: &str, headers: &str) -> Reply {
    let mut stream = connect(to, source);
    let head = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    read_reply(&mut stream)
}

/// Sends a request with a body.
pub fn send(to: SocketAddr, method: &str, target: &str, headers: &str, body: &str) -> Reply {
    let mut stream = connect(to, None);
    let length = body.len();
    let text = format!(
        "{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    );
    stream.write_all(text.as_bytes()).unwrap();
    read_reply(&mut stream)
}

pub fn get(to: SocketAddr, target: &str) -> Reply {
    request(to, None, target, "")
}

/// An announce to be changed as a test needs.
pub fn announce() -> AnnounceRequest {
    AnnounceRequest {
        info_hash: InfoHash([7; 20]),
        peer_id: PeerId(*b"-TT0001-000000000000"),
        port: 6881,
        uploaded: 0,
        downloaded: 0,
        left: 1000,
        event: AnnounceEvent::Started,
        compact: true,
        no_peer_id: false,
        numwant: None,
        key: None,
        ip: None,
        narrows: None,
    }
}

/// An agent's announce.
pub fn agent(name: &str, left: u64) -> AnnounceRequest {
    let mut id = [b'x'; 20];
    id[..name.len()].copy_from_slice(name.as_bytes());
    AnnounceRequest {
        left,
        peer_id: PeerId(id),
        narrows: Some(AgentReport {
            agent: name.to_owned(),
            ..AgentReport::default()
        }),
        ..announce()
    }
}

pub fn target(request: &AnnounceRequest) -> String {
    format!("/announce?{}", request.to_query())
}

pub fn decode(reply: &Reply) -> AnnounceReply {
    assert_eq!(reply.status, 200, "{}", reply.head);
    AnnounceReply::decode(&reply.body).unwrap()
}

/// Announces from a source address.
pub fn say(to: SocketAddr, source: &str, request: &AnnounceRequest) -> AnnounceReply {
    decode(&self::request(
        to,
        Some(source.parse().unwrap()),
        &target(request),
        "",
    ))
}

pub fn accepted(reply: AnnounceReply) -> AnnounceResponse {
    match reply {
        AnnounceReply::Ok(response) => response,
        AnnounceReply::Failure(failure) => panic!("refused: {failure:?}"),
    }
}

pub fn refused(reply: AnnounceReply) -> Failure {
    match reply {
        AnnounceReply::Failure(failure) => failure,
        AnnounceReply::Ok(response) => panic!("accepted: {response:?}"),
    }
}

pub fn addresses(response: &AnnounceResponse) -> Vec<String> {
    response.peers.iter().map(|peer| peer.addr.to_string()).collect()
}

/// The value of a series of /metrics, as `name{label="value"}`.
pub fn metric(admin: SocketAddr, series: &str) -> Option<f64> {
    let text = String::from_utf8(get(admin, "/metrics").body).unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    value.map(|value| value.parse().unwrap())
}

/// Waits until a condition holds.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        sleep(Duration::from_millis(10));
    }
}

/// Writes a one-piece .torrent and says its hash.
pub fn write_torrent(path: &Path, name: &str) -> InfoHash {
    let info = format!(
        "d6:lengthi5000e4:name{}:{name}12:piece lengthi16384e6:pieces20:",
        name.len()
    );
    let bytes = [
        b"d4:info".as_slice(),
        info.as_bytes(),
        &[9; 20],
        b"7:privatei1eee",
    ]
    .concat();
    fs::write(path, &bytes).unwrap();
    narrows_protocol::metainfo::Metainfo::parse(&bytes).unwrap().info_hash
}
