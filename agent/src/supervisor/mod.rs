//! The contents that run: started, changed by a reload, given commands, asked how they are.
//!
//! - `start`: from a configuration to a running agent, and its end; `lock`: one agent per state folder
//! - `reload`: what a changed configuration means; `wanted`, `torrent`, `places`: what it asks for
//! - `commands`, `paused`: what the operator wants; `answers`: what is going on
//! - `acceptor`: connections that come in; `background`: what happens by itself

mod acceptor;
mod answers;
mod background;
mod commands;
mod error;
mod lock;
mod paused;
mod places;
mod reload;
mod start;
mod torrent;
mod wanted;

pub use answers::{AgentExplained, AgentStatus, OffenderStatus};
pub use error::StartError;
pub use paused::NotKept;
pub use reload::{ReloadError, Reloaded};
pub(crate) use torrent::read_torrent;
pub(crate) use wanted::mistakes;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use narrows_protocol::InfoHash;
use tokio::task::AbortHandle;

use crate::config::Config;
use crate::content::{Handle, Services};
use crate::resources::Offence;
use paused::Paused;
use wanted::{Unusable, Wanted};

/// A running agent.
#[derive(Debug)]
pub struct Agent {
    services: Services,
    /// The folder that keeps what a restart needs to know.
    state: PathBuf,
    /// In which time all published bytes are hashed again; none: never.
    scrub: Option<Duration>,
    /// Where reloads read from.
    config_path: Option<PathBuf>,
    /// What applies now. Held during a reload, so that there is one at a time.
    config: tokio::sync::Mutex<Config>,
    /// Only ever locked to copy something in or out.
    entries: RwLock<Vec<Entry>>,
    /// What the operator paused; only ever locked to read or change it.
    paused: Mutex<Paused>,
    /// Held to show that this agent uses the state folder, until it stops.
    lock: Mutex<Option<std::fs::File>>,
    listening: Mutex<Option<AbortHandle>>,
}

/// One entry of `content` as it runs.
#[derive(Clone, Debug)]
struct Entry {
    wanted: Wanted,
    /// `None` if `wanted` holds an error.
    handle: Option<Handle>,
    /// Why the torrent could not be read at the last reload, since which what runs is what ran before.
    unread: Option<Arc<Unusable>>,
}

impl Entry {
    /// Nothing runs; `wanted` says why.
    fn broken(wanted: Wanted) -> Self {
        Self {
            wanted,
            handle: None,
            unread: None,
        }
    }
}

impl Agent {
    /// Where peers connect, with the real port.
    pub fn listen_addr(&self) -> SocketAddr {
        self.services.me.listen
    }

    /// Time since its start.
    pub(crate) fn now(&self) -> Duration {
        self.services.clock.now()
    }

    /// The client at `ip` does what honest ones do not.
    pub(crate) fn offends(&self, offence: Offence, ip: IpAddr) {
        self.services.resources.offences.record(offence, ip, None, self.now());
    }

    fn handle(&self, info_hash: InfoHash) -> Option<Handle> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        entries
            .iter()
            .filter_map(|entry| entry.handle.as_ref())
            .find(|handle| handle.info_hash == info_hash)
            .cloned()
    }

    fn entries(&self) -> Vec<Entry> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_entries(&self, entries: Vec<Entry>) {
        *self.entries.write().unwrap_or_else(PoisonError::into_inner) = entries;
    }

    fn with_paused<T>(&self, f: impl FnOnce(&mut Paused) -> T) -> T {
        f(&mut self.paused.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn with_listening(&self, f: impl FnOnce(&mut Option<AbortHandle>)) {
        f(&mut self.listening.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
