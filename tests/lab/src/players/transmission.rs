//! transmission-daemon, asked over its RPC (its `rpc-spec`).

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::{Phase, Progress, in_order, in_time, installed, rpc, status, write};
use crate::Stop;
use crate::players::player::{Answer, Host, Player, Task};
use crate::programs::process::CommandLine;

/// Where it takes questions.
pub const PATH: &str = "/transmission/rpc";
/// The header that a question needs, with what the first answer, 409, has in it.
pub const SESSION: &str = "X-Transmission-Session-Id";
const FIELDS: [&str; 9] = [
    "hashString",
    "status",
    "haveValid",
    "haveUnchecked",
    "sizeWhenDone",
    "leftUntilDone",
    "errorString",
    "rateDownload",
    "rateUpload",
];

/// Removes its notes of an earlier life, which lag by minutes after a SIGKILL and may say that the torrent is
/// paused: what its disk holds is checked instead, when [`Player::status`] gives it its torrents again.
const START: &str =
    r#"rm -rf "$1/torrents" "$1/resume"; exec transmission-daemon --foreground --config-dir "$1""#;

/// See the module.
#[derive(Debug, Clone, Copy)]
pub struct Transmission;

impl Player for Transmission {
    fn name(&self) -> &'static str {
        "transmission"
    }

    fn check(&self) -> Result<(), Stop> {
        installed("transmission-daemon", "transmission-daemon")
    }

    fn prepare(&self, host: &Host, _task: &Task) -> Result<()> {
        let settings = settings(host.addr, host.peer_port, &host.data, host.control);
        write(&config(host).join("settings.json"), &settings.to_string())
    }

    fn command(&self, host: &Host, _task: &Task) -> CommandLine {
        CommandLine {
            program: "/bin/sh".into(),
            args: vec![
                "-c".into(),
                START.into(),
                "transmission".into(),
                config(host).into(),
            ],
            env: Vec::new(),
        }
    }

    fn status<'a>(&'a self, host: &'a Host, task: &'a Task) -> Answer<'a> {
        Box::pin(in_time(async move {
            let mut session = Session {
                host,
                id: String::new(),
            };
            let question = json!({"method": "torrent-get", "arguments": {"fields": FIELDS}});
            let mut answer = session.call(&question).await?;
            // after a start it has none
            if answer["arguments"]["torrents"].as_array().is_some_and(Vec::is_empty) {
                for content in &task.contents {
                    session.add(&content.torrent).await?;
                }
                answer = session.call(&question).await?;
            }
            Ok(status(host, parse(&answer, task)?))
        }))
    }
}

/// `settings.json` for private torrents in a managed network; where it listens for peers, keeps files, and
/// listens for questions.
pub fn settings(addr: IpAddr, peers: u16, data: &Path, rpc: SocketAddr) -> Value {
    json!({
        "bind-address-ipv4": addr.to_string(),
        "peer-port": peers,
        "download-dir": data,
        "rpc-bind-address": rpc.ip().to_string(),
        "rpc-port": rpc.port(),
        "rpc-whitelist-enabled": false,
        "rpc-host-whitelist-enabled": false,
        "dht-enabled": false,
        "lpd-enabled": false,
        "pex-enabled": false,
        "utp-enabled": false,
        "port-forwarding-enabled": false,
        // 0: plain text preferred
        "encryption": 0,
    })
}

fn config(host: &Host) -> PathBuf {
    host.folder.join("transmission")
}

struct Session<'a> {
    host: &'a Host,
    /// Against cross-site requests: the answer without it is 409 and carries it.
    id: String,
}

impl Session<'_> {
    async fn call(&mut self, question: &Value) -> Result<Value> {
        let to = self.host.control;
        if self.id.is_empty() {
            let refused = rpc::post(to, PATH, &[], question).await?;
            let id = refused.header(SESSION).context("Transmission gave no session id")?;
            self.id = id.to_owned();
        }
        rpc::post(to, PATH, &[(SESSION, &self.id)], question).await?.json()
    }

    async fn add(&mut self, torrent: &Path) -> Result<()> {
        let answer = self.call(&json!({"method": "torrent-add", "arguments": {"filename": torrent}})).await?;
        match answer["result"] == "success" {
            true => Ok(()),
            false => bail!("transmission-daemon refuses {}: {answer}", torrent.display()),
        }
    }
}

/// Of an answer to torrent-get.
///
/// # Errors
/// It does not have a torrent yet, or has stopped one.
pub fn parse(answer: &Value, task: &Task) -> Result<Vec<Progress>> {
    let list =
        answer["arguments"]["torrents"].as_array().with_context(|| format!("Transmission says: {answer}"))?;
    let order = in_order(task, list, |torrent| torrent["hashString"].as_str())?;
    order.into_iter().map(|place| one(&list[place])).collect()
}

/// Status: 0 stopped, 1 and 2 checking, 3 and 4 fetching, 5 and 6 seeding.
fn one(torrent: &Value) -> Result<Progress> {
    let number = |key: &str| torrent[key].as_u64().unwrap_or(0);
    let total = number("sizeWhenDone");
    let left = torrent["leftUntilDone"].as_u64().unwrap_or(total);
    let phase = match torrent["status"].as_u64() {
        Some(0) => bail!("Transmission has stopped: {}", torrent["errorString"]),
        Some(5 | 6) if left == 0 => Phase::Complete,
        Some(3..=6) => Phase::Fetching,
        _ => Phase::Checking,
    };
    // verified blocks and those of unfinished pieces
    let done = number("haveValid") + number("haveUnchecked");
    Ok(Progress {
        phase,
        done: done.min(total),
        total,
        rates: (number("rateDownload"), number("rateUpload")),
    })
}
