//! libtorrent: Debian's python3-libtorrent with a script that writes its state to a file.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::{Phase, Progress, in_order, script, status};
use crate::Stop;
use crate::players::player::{Answer, Host, Player, Task};
use crate::programs::process::CommandLine;

/// Debian's interpreter: the one that python3-libtorrent is built for.
pub const PYTHON: &str = "/usr/bin/python3";

/// A state that is older than this is of an earlier life, or of a client that hangs.
const STALE: Duration = Duration::from_secs(2);

/// See the module. What its disk holds is checked at each start.
#[derive(Debug, Clone, Copy)]
pub struct Libtorrent;

impl Player for Libtorrent {
    fn name(&self) -> &'static str {
        "libtorrent"
    }

    fn check(&self) -> Result<(), Stop> {
        let mut import = Command::new(PYTHON);
        import.args(["-c", "import libtorrent"]).stderr(Stdio::null());
        match import.status() {
            Ok(status) if status.success() => Ok(()),
            _ => Err(Stop::Missing(
                "libtorrent for Python is not installed; on Debian: apt-get install python3-libtorrent"
                    .to_owned(),
            )),
        }
    }

    fn prepare(&self, _host: &Host, _task: &Task) -> Result<()> {
        Ok(())
    }

    /// `libtorrent_peer.py --status FILE --dir DATA --listen ADDR:PORT TORRENT...`
    fn command(&self, host: &Host, task: &Task) -> CommandLine {
        let mut args = vec![
            peer().into(),
            "--status".into(),
            state_file(host).into(),
            "--dir".into(),
            host.data.clone().into(),
            "--listen".into(),
            format!("{}:{}", host.addr, host.peer_port).into(),
        ];
        args.extend(task.contents.iter().map(|content| content.torrent.clone().into()));
        CommandLine {
            program: PYTHON.into(),
            args,
            env: Vec::new(),
        }
    }

    fn status<'a>(&'a self, host: &'a Host, task: &'a Task) -> Answer<'a> {
        Box::pin(async move {
            let path = state_file(host);
            let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            let age = fs::metadata(&path)?.modified()?.elapsed().unwrap_or_default();
            if age > STALE {
                bail!("{} is {:.1} s old", path.display(), age.as_secs_f64());
            }
            Ok(status(host, parse(&text, task)?))
        })
    }
}

/// The script that is libtorrent's client.
pub fn peer() -> PathBuf {
    script("libtorrent_peer.py")
}

fn state_file(host: &Host) -> PathBuf {
    host.folder.join("libtorrent.json")
}

#[derive(Deserialize)]
struct Torrent {
    info_hash: String,
    state: String,
    done: u64,
    total: u64,
    down: u64,
    up: u64,
    error: String,
}

/// The script's list of torrents. `state` is libtorrent's `torrent_status.state`, `done` its
/// `total_wanted_done`.
///
/// # Errors
/// It is not as expected, or libtorrent has stopped at an error.
pub fn parse(text: &str, task: &Task) -> Result<Vec<Progress>> {
    let list: Vec<Torrent> = serde_json::from_str(text).context("libtorrent's state is not as expected")?;
    let order = in_order(task, &list, |torrent| Some(&torrent.info_hash))?;
    let one = |torrent: &Torrent| {
        if !torrent.error.is_empty() {
            bail!("libtorrent says: {}", torrent.error);
        }
        let phase = match torrent.state.as_str() {
            "seeding" | "finished" => Phase::Complete,
            "downloading" => Phase::Fetching,
            // checking_files, checking_resume_data, allocating, downloading_metadata
            _ => Phase::Checking,
        };
        Ok(Progress {
            phase,
            done: torrent.done,
            total: torrent.total,
            rates: (torrent.down, torrent.up),
        })
    };
    order.into_iter().map(|place| one(&list[place])).collect()
}
