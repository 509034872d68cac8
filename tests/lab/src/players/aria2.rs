//! aria2c, asked over its JSON-RPC.

use std::ffi::OsString;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{Phase, Progress, in_order, in_time, installed, rpc, status};
use crate::Stop;
use crate::players::player::{Answer, Host, Player, Task};
use crate::programs::process::CommandLine;

/// What a question asks for: aria2.tellStatus of its manual.
const KEYS: [&str; 8] = [
    "infoHash",
    "totalLength",
    "completedLength",
    "verifiedLength",
    "verifyIntegrityPending",
    "seeder",
    "downloadSpeed",
    "uploadSpeed",
];

/// See the module. Files that are there are hashed at each start (`--check-integrity`), as aria2's own notes
/// lag by up to a minute after a SIGKILL.
#[derive(Debug, Clone, Copy)]
pub struct Aria2;

impl Player for Aria2 {
    fn name(&self) -> &'static str {
        "aria2"
    }

    fn check(&self) -> Result<(), Stop> {
        installed("aria2c", "aria2")
    }

    fn prepare(&self, _host: &Host, _task: &Task) -> Result<()> {
        Ok(())
    }

    fn command(&self, host: &Host, task: &Task) -> CommandLine {
        let mut args = arguments(&host.data, host.peer_port, host.control.port());
        args.extend(task.contents.iter().map(|content| content.torrent.clone().into()));
        CommandLine {
            program: "aria2c".into(),
            args,
            env: Vec::new(),
        }
    }

    fn status<'a>(&'a self, host: &'a Host, task: &'a Task) -> Answer<'a> {
        Box::pin(in_time(async move {
            let question =
                json!({"jsonrpc": "2.0", "id": "lab", "method": "aria2.tellActive", "params": [KEYS]});
            let answer = rpc::post(host.control, "/jsonrpc", &[], &question).await?;
            Ok(status(host, parse(&answer.json()?, task)?))
        }))
    }
}

/// Options for a private torrent in a managed network; where it listens for peers and for questions.
pub fn arguments(data: &Path, peers: u16, rpc: u16) -> Vec<OsString> {
    let mut dir = OsString::from("--dir=");
    dir.push(data);
    let mut args: Vec<OsString> = vec![
        "--no-conf".into(),
        dir,
        format!("--listen-port={peers}").into(),
        format!("--rpc-listen-port={rpc}").into(),
    ];
    let fixed = [
        "--enable-rpc",
        "--rpc-listen-all=true",
        "--enable-dht=false",
        "--enable-dht6=false",
        "--enable-peer-exchange=false",
        "--bt-enable-lpd=false",
        // for ever
        "--seed-ratio=0.0",
        "--check-integrity=true",
        "--allow-overwrite=true",
        // as sparse as the others write
        "--file-allocation=none",
        "--summary-interval=0",
        "--console-log-level=warn",
    ];
    args.extend(fixed.map(OsString::from));
    args
}

/// Of an answer to aria2.tellActive, in which numbers and truths are strings.
///
/// # Errors
/// aria2 has given a download up, or not begun it.
pub fn parse(answer: &Value, task: &Task) -> Result<Vec<Progress>> {
    let list = answer["result"].as_array().with_context(|| format!("aria2 says: {answer}"))?;
    let order = in_order(task, list, |active| active["infoHash"].as_str())?;
    Ok(order.into_iter().map(|place| one(&list[place])).collect())
}

fn one(active: &Value) -> Progress {
    let number = |key: &str| active[key].as_str().and_then(|text| text.parse().ok());
    // there only while it checks
    let checking = active.get("verifiedLength").is_some() || active["verifyIntegrityPending"] == "true";
    let phase = match active["seeder"] == "true" {
        _ if checking => Phase::Checking,
        true => Phase::Complete,
        false => Phase::Fetching,
    };
    Progress {
        phase,
        done: number("completedLength").unwrap_or(0),
        total: number("totalLength").unwrap_or(0),
        rates: (
            number("downloadSpeed").unwrap_or(0),
            number("uploadSpeed").unwrap_or(0),
        ),
    }
}
