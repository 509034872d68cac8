//! Other players in the place of our agents: libtorrent, aria2 and Transmission as Debian ships them, and
//! unicast HTTP (nginx at the seeders, curl at the clients).
//!
//! Each file has one: what it writes and how it is started (pure), and what its answers mean (pure). Settings
//! are those of a fair operator: a private torrent in a managed network (no DHT, LSD, PEX or uTP, no
//! obfuscation), everything else as it comes. They want addresses outside of 127/8: Transmission takes those
//! for martians. libtorrent takes 10/8 and its like for its local network and always unchokes it, as it would
//! in any company.

pub mod aria2;
pub mod contestant;
pub mod files;
pub mod http;
pub mod libtorrent;
pub mod narrows;
pub mod opentracker;
pub mod player;
pub mod rpc;
pub mod transmission;

use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::Stop;
use crate::players::player::{Host, Player, PlayerKind, Task};
use crate::programs::poll::{AgentStatus, ContentStatus};

/// How long a client may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// The player of that kind; `None` for our own agent, which needs to be told where its program is.
pub fn player(kind: PlayerKind) -> Option<Arc<dyn Player>> {
    match kind {
        PlayerKind::Narrows => None,
        PlayerKind::Libtorrent => Some(Arc::new(libtorrent::Libtorrent)),
        PlayerKind::Aria2 => Some(Arc::new(aria2::Aria2)),
        PlayerKind::Transmission => Some(Arc::new(transmission::Transmission)),
        PlayerKind::Http => Some(Arc::new(http::Http)),
    }
}

/// Whether a program is in PATH.
fn installed(program: &str, package: &str) -> Result<(), Stop> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    // daemons live where a user's PATH may not look
    let places = std::env::split_paths(&paths).chain([PathBuf::from("/usr/sbin")]);
    match places.map(|dir| dir.join(program)).any(|path| path.is_file()) {
        true => Ok(()),
        false => Err(Stop::Missing(format!(
            "{program} is not installed; on Debian: apt-get install {package}"
        ))),
    }
}

/// What a client does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Reads what its disk holds.
    Checking,
    /// Fetches.
    Fetching,
    /// Has everything, by its own word, and shares it.
    Complete,
}

/// How far a client is with one content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What it does.
    pub phase: Phase,
    /// Bytes that it has; while it checks, those found right so far.
    pub done: u64,
    /// Bytes of the content; 0 if it does not know yet.
    pub total: u64,
    /// Bytes per second, in and out, where it says.
    pub rates: (u64, u64),
}

impl Progress {
    /// As an agent would say it.
    pub fn status(self) -> ContentStatus {
        let (state, progress) = match (self.phase, self.total) {
            (Phase::Complete, _) => ("seeding", 1.0),
            (Phase::Checking, total) => ("checking", ratio(self.done, total)),
            (Phase::Fetching, total) => ("fetching", ratio(self.done, total)),
        };
        ContentStatus {
            state: state.to_owned(),
            progress,
            rate_down: self.rates.0,
            rate_up: self.rates.1,
            ..ContentStatus::default()
        }
    }
}

fn ratio(done: u64, total: u64) -> f64 {
    match total {
        0 => 0.0,
        total => (done as f64 / total as f64).min(1.0),
    }
}

/// An agent's answer of what a client says of each content.
fn status(host: &Host, contents: impl IntoIterator<Item = Progress>) -> AgentStatus {
    AgentStatus {
        id: host.id.clone(),
        site: None,
        content: contents.into_iter().map(Progress::status).collect(),
    }
}

async fn in_time<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(result) => result,
        Err(_) => bail!("no answer within {} s", PATIENCE.as_secs()),
    }
}

/// A task's content in the order of the task, each from a client's list where `hash` names it.
fn in_order<T>(task: &Task, list: &[T], hash: impl Fn(&T) -> Option<&str>) -> Result<Vec<usize>> {
    let place = |wanted: &str| {
        let is = |item: &T| hash(item).is_some_and(|hash| hash.eq_ignore_ascii_case(wanted));
        list.iter().position(is).with_context(|| format!("it does not have torrent {wanted}"))
    };
    task.contents.iter().map(|content| place(&content.info_hash)).collect()
}

fn write(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// A script of `tests/clients`.
fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../clients").join(name)
}

#[cfg(test)]
mod tests;
