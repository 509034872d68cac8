//! Stock clients under test control: libtorrent, aria2 and Transmission as Debian ships them.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use narrows_lab::players::rpc::{self, Answer};
use narrows_lab::players::{aria2, libtorrent, transmission};

/// The port every stock client listens on for peers.
pub const PEER_PORT: u16 = 6900;
const RPC_PORT: u16 = 6901;

/// Which program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Debian's python3-libtorrent, driven by `tests/clients/libtorrent_peer.py`.
    Libtorrent,
    /// aria2c, watched over its JSON-RPC.
    Aria2,
    /// transmission-daemon, watched over its RPC.
    Transmission,
}

/// A running stock client with one torrent. Dropping it ends the process.
pub struct Stock {
    kind: Kind,
    ip: IpAddr,
    process: Child,
    // libtorrent's last line
    last: Arc<Mutex<Value>>,
}

/// What a client says of its torrent.
#[derive(Debug)]
pub struct State {
    /// All pieces are there and right.
    pub complete: bool,
    /// Addresses of the peers it was connected with at the time (libtorrent: ever).
    pub peers: BTreeSet<IpAddr>,
    /// The client's own words, for a failed test's message.
    pub raw: Value,
}

impl Stock {
    /// Starts `kind` at `ip` with `torrent`, its files below `dir` (what is there already is checked and
    /// seeded).
    ///
    /// # Errors
    /// The program is not installed or refuses its arguments.
    pub fn start(kind: Kind, ip: IpAddr, torrent: &Path, dir: &Path, scratch: &Path) -> Result<Self> {
        std::fs::create_dir_all(dir)?;
        std::fs::create_dir_all(scratch)?;
        let log = File::create(scratch.join("client.log"))?;
        let mut command = match kind {
            Kind::Libtorrent => libtorrent(ip, torrent, dir),
            Kind::Aria2 => aria2(ip, torrent, dir),
            Kind::Transmission => transmission(ip, dir, scratch)?,
        };
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(if kind == Kind::Libtorrent {
                Stdio::piped()
            } else {
                Stdio::from(log.try_clone()?)
            })
            .stderr(Stdio::from(log))
            .spawn()
            .with_context(|| format!("cannot start {kind:?}; tests/all.sh installs it"))?;
        let last = Arc::new(Mutex::new(Value::Null));
        if let Some(stdout) = process.stdout.take() {
            let last = last.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    if let (Ok(value), Ok(mut last)) = (serde_json::from_str(&line), last.lock()) {
                        *last = value;
                    }
                }
            });
        }
        let stock = Self {
            kind,
            ip,
            process,
            last,
        };
        if kind == Kind::Transmission {
            stock.add_to_transmission(torrent)?;
        }
        Ok(stock)
    }

    /// Where its peers reach it.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.ip, PEER_PORT)
    }

    /// What it says now.
    ///
    /// # Errors
    /// Its control port does not answer (yet).
    pub fn state(&self) -> Result<State> {
        match self.kind {
            Kind::Libtorrent => {
                let raw = self.last.lock().map(|last| last.clone()).unwrap_or_default();
                Ok(State {
                    complete: raw["seeding"] == json!(true),
                    peers: addresses(&raw["peers"], |peer| peer),
                    raw,
                })
            }
            Kind::Aria2 => {
                let active = self.call_aria2("aria2.tellActive", json!([]))?;
                let raw = active[0].clone();
                let peers = match raw["gid"].as_str() {
                    Some(gid) => self.call_aria2("aria2.getPeers", json!([gid]))?,
                    None => Value::Null,
                };
                Ok(State {
                    complete: raw["seeder"] == json!("true"),
                    peers: addresses(&peers, |peer| &peer["ip"]),
                    raw: json!({"active": active, "peers": peers}),
                })
            }
            Kind::Transmission => {
                let fields = [
                    "percentDone",
                    "peers",
                    "status",
                    "errorString",
                    "trackerStats",
                    "recheckProgress",
                ];
                let raw = self.call_transmission("torrent-get", json!({"fields": fields}))?;
                let torrent = &raw["arguments"]["torrents"][0];
                // 6: TR_STATUS_SEED
                let complete = torrent["percentDone"].as_f64() == Some(1.0) && torrent["status"] == json!(6);
                Ok(State {
                    complete,
                    peers: addresses(&torrent["peers"], |peer| &peer["address"]),
                    raw,
                })
            }
        }
    }

    fn call_aria2(&self, method: &str, params: Value) -> Result<Value> {
        let body = json!({"jsonrpc": "2.0", "id": "t", "method": method, "params": params});
        Ok(post(self.rpc(), "/jsonrpc", &[], &body)?.json()?["result"].clone())
    }

    fn call_transmission(&self, method: &str, arguments: Value) -> Result<Value> {
        let body = json!({"method": method, "arguments": arguments});
        let refused = post(self.rpc(), transmission::PATH, &[], &body)?;
        let session = refused.header(transmission::SESSION).context("Transmission gave no session id")?;
        let headers = [(transmission::SESSION, session)];
        post(self.rpc(), transmission::PATH, &headers, &body)?.json()
    }

    fn add_to_transmission(&self, torrent: &Path) -> Result<()> {
        super::fleet::wait_for("transmission-daemon to listen", Duration::from_secs(20), || {
            Ok(TcpStream::connect_timeout(&self.rpc(), Duration::from_secs(1)).is_ok().then_some(()))
        })?;
        let answer = self.call_transmission("torrent-add", json!({"filename": torrent}))?;
        if answer["result"] != json!("success") {
            bail!("transmission-daemon refused {}: {answer}", torrent.display());
        }
        Ok(())
    }

    fn rpc(&self) -> SocketAddr {
        SocketAddr::new(self.ip, RPC_PORT)
    }
}

impl Drop for Stock {
    fn drop(&mut self) {
        // the test is over either way: a client that is gone already is fine
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn libtorrent(ip: IpAddr, torrent: &Path, dir: &Path) -> Command {
    let mut command = Command::new(libtorrent::PYTHON);
    command.arg(libtorrent::peer()).arg(torrent).arg(dir).arg(ip.to_string()).arg(PEER_PORT.to_string());
    command
}

fn aria2(ip: IpAddr, torrent: &Path, dir: &Path) -> Command {
    let mut command = Command::new("aria2c");
    command
        .args(aria2::arguments(dir, PEER_PORT, RPC_PORT))
        .arg(format!("--interface={ip}"))
        .arg("--bt-tracker-interval=2")
        .arg(torrent);
    command
}

fn transmission(ip: IpAddr, dir: &Path, scratch: &Path) -> Result<Command> {
    let settings = transmission::settings(ip, PEER_PORT, dir, SocketAddr::new(ip, RPC_PORT));
    std::fs::write(scratch.join("settings.json"), settings.to_string())?;
    let mut command = Command::new("transmission-daemon");
    command.arg("--foreground").arg("--config-dir").arg(scratch);
    Ok(command)
}

fn addresses(list: &Value, address: impl Fn(&Value) -> &Value) -> BTreeSet<IpAddr> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(|peer| address(peer).as_str()?.parse().ok())
        .collect()
}

/// POST, for callers that block.
fn post(to: SocketAddr, path: &str, headers: &[(&str, &str)], body: &Value) -> Result<Answer> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let answer = tokio::time::timeout(Duration::from_secs(5), rpc::post(to, path, headers, body));
        answer.await.context("no answer within 5 s")?
    })
}
