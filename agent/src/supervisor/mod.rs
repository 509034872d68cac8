//! The contents that run, and how a reload changes them.

mod acceptor;
mod answers;
mod background;
mod places;
mod state;
mod wanted;
pub use answers::{AgentExplained, AgentStatus};
pub use state::{NotKept, StateInUse};
pub(crate) use wanted::{mistakes, read_torrent};

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use narrows_config::{LoadError, Rate};
use narrows_protocol::{InfoHash, PeerId};
use narrows_storage::OpenFiles;
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::{AbortHandle, spawn_blocking};
use tokio::time::timeout;

use crate::announce::restarts::Restarts;
use crate::announce::source::Sources;
use crate::config::Config;
use crate::content::{self, Command, Handle, Shared, Spec};
use crate::identity::key;
use crate::net::{self, Bans, Listener};
use crate::resources::{Buffers, Gate, descriptors};
use acceptor::AgentDoor;
use state::Paused;
use wanted::Wanted;

/// How long a content may take to stop: the tracker has 2 s of it, the disk the rest.
const STOP: Duration = Duration::from_secs(4);

/// How long a look at all published files may take, in which 100,000 need a second.
const LOOK: Duration = Duration::from_secs(30);

/// A running agent.
#[derive(Debug)]
pub struct Agent {
    shared: Arc<Shared>,
    /// Where reloads read from.
    config_path: Option<PathBuf>,
    /// What applies now. Held during a reload, so that there is one at a time.
    config: tokio::sync::Mutex<Config>,
    /// Only ever locked to copy something in or out.
    entries: RwLock<Vec<Entry>>,
    /// What the operator paused; only ever locked to read or change it.
    paused: Mutex<Paused>,
    /// Says that this agent uses the state folder, until it stops.
    lock: Mutex<Option<std::fs::File>>,
    listening: Mutex<Option<AbortHandle>>,
}

/// One entry of `content` as it runs.
#[derive(Clone, Debug)]
struct Entry {
    wanted: Wanted,
    /// `None` if `wanted` holds an error.
    handle: Option<Handle>,
    /// What runs is of before a reload that could not read the torrent any more, for this reason.
    unread: Option<String>,
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

/// What a reload did.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Reloaded {
    /// Names of content that is now fetched or seeded.
    pub added: Vec<String>,
    /// Names of content that no longer is.
    pub removed: Vec<String>,
    /// Names of content whose .torrent cannot be read at the moment: what runs goes on, and it is tried
    /// again.
    #[serde(default)]
    pub unread: Vec<String>,
    /// What changed in the file but needs a restart.
    pub needs_restart: Vec<String>,
}

/// Why a reload was refused; everything runs as before.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The file is wrong.
    #[error(transparent)]
    Config(#[from] LoadError),
    /// This agent was not started from a file.
    #[error("this agent has no configuration file")]
    NoFile,
}

impl Agent {
    /// Listens and starts all content of `config`. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// That the state folder cannot be made, that another agent uses it ([`StateInUse`] inside), or that the
    /// address cannot be listened on.
    pub async fn start(config: Config, config_path: Option<PathBuf>) -> io::Result<Arc<Self>> {
        let explained =
            |what: String| move |error: io::Error| io::Error::new(error.kind(), format!("{what}: {error}"));
        std::fs::create_dir_all(&config.state).map_err(explained(format!(
            "cannot make the state folder {}",
            config.state.display()
        )))?;
        let lock = state::lock(&config.state).await?;
        let listener = Listener::bind(config.listen).map_err(|error| {
            let why = net::unbound(&error);
            io::Error::new(error.kind(), format!("cannot listen on {}: {why}", config.listen))
        })?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let gate = |rate: Rate| Arc::new(Gate::new(rate.bytes_per_second().unwrap_or(0), None));
        let descriptors = narrows_host::open_files::raise_limit();
        let shared = Shared {
            id: config.id.clone(),
            peer_id: peer_id(),
            listen: listener.addr,
            v4: listener.v4,
            v6: listener.v6,
            state: config.state.clone(),
            start: Instant::now(),
            upload: gate(config.limits.upload),
            download: gate(config.limits.download),
            hashers: Arc::new(Semaphore::new(cores)),
            buffers: Arc::new(Buffers::default()),
            bans: Bans::default(),
            descriptors,
            files: OpenFiles::new(descriptors::files(descriptors)),
            contents: AtomicU64::new(0),
            fetching: AtomicU64::new(0),
            next_peer: AtomicU64::new(1),
            key: key::of_machine(&config.state),
            scrub: config.scrub,
            restarts: Restarts::default(),
            sources: Sources::default(),
            metrics: config.announce_metrics.then(|| config.control.port()),
        };
        let agent = Arc::new(Self {
            shared: Arc::new(shared),
            config_path,
            config: tokio::sync::Mutex::new(config.clone()),
            entries: RwLock::new(Vec::new()),
            paused: Mutex::new(Paused::load(&config.state)),
            lock: Mutex::new(Some(lock)),
            listening: Mutex::new(None),
        });
        let accepting = tokio::spawn(net::accept(listener, AgentDoor(agent.clone()))).abort_handle();
        agent.with_listening(|listening| *listening = Some(accepting));
        agent.apply(&config).await;
        background::spawn(&agent);
        Ok(agent)
    }

    /// Where peers connect, with the real port.
    pub fn listen_addr(&self) -> SocketAddr {
        self.shared.listen
    }

    /// Reads the configuration again and applies what changed.
    ///
    /// # Errors
    /// That the file is wrong, with all that is wrong; nothing changes then.
    pub async fn reload(&self) -> Result<Reloaded, ReloadError> {
        let path = self.config_path.clone().ok_or(ReloadError::NoFile)?;
        let mut current = self.config.lock().await;
        let new = match spawn_blocking(move || Config::load(&path)).await {
            Ok(loaded) => loaded?,
            Err(_) => return Err(ReloadError::NoFile),
        };
        let (mut added, removed) = self.apply(&new).await;
        let unread = self.entries().into_iter().filter(|entry| entry.unread.is_some());
        let unread = unread.map(|entry| entry.wanted.name()).collect();
        let needs_restart = needs_restart(&current, &new);
        for what in &needs_restart {
            tracing::warn!("`{what}` changed; that needs a restart");
        }
        added.sort();
        *current = new;
        Ok(Reloaded {
            added,
            removed,
            unread,
            needs_restart,
        })
    }

    /// Makes the running contents those of `config`; names of the added and the removed.
    async fn apply(&self, config: &Config) -> (Vec<String>, Vec<String>) {
        self.shared.upload.set_rate(config.limits.upload.bytes_per_second().unwrap_or(0));
        self.shared.download.set_rate(config.limits.download.bytes_per_second().unwrap_or(0));
        let running = self.entries();
        let (asked, known) = (config.clone(), running.clone());
        let wanted = spawn_blocking(move || {
            let known: Vec<Wanted> = known.into_iter().map(|entry| entry.wanted).collect();
            wanted::read(&asked, &known)
        })
        .await
        .unwrap_or_default();
        // an entry that cannot be read now takes nothing away: its torrent may be half-written, or its share
        // not mounted
        let unread = |entry: &Entry| {
            let mut unread = wanted.iter().filter(|wanted| wanted.is_unread());
            unread.find(|wanted| wanted.torrent == entry.wanted.torrent)
        };
        // what is as broken as before is neither new nor gone
        let (broken, running): (Vec<Entry>, Vec<Entry>) =
            running.into_iter().partition(|entry| entry.handle.is_none());
        let is_wanted = |entry: &Entry| wanted.iter().any(|new| new.torrent == entry.wanted.torrent);
        let forgotten: Vec<String> =
            broken.iter().filter(|entry| !is_wanted(entry)).map(|entry| entry.wanted.name()).collect();
        let is_known = |new: &Wanted| broken.iter().any(|entry| new.is_broken_as(&entry.wanted));
        let (kept, gone): (Vec<Entry>, Vec<Entry>) =
            running.into_iter().partition(|entry| wanted.contains(&entry.wanted) || unread(entry).is_some());
        // whoever is removed is served no more from here on
        self.set_entries(kept.clone());
        stop_all(&gone).await;
        self.clean_leftovers(&wanted).await;
        let mut added = Vec::new();
        let entries = wanted.into_iter().map(|wanted| {
            let runs = kept.iter().find(|entry| match wanted.is_unread() {
                true => entry.wanted.torrent == wanted.torrent,
                false => entry.wanted == wanted,
            });
            let Some(runs) = runs else {
                if is_known(&wanted) {
                    return Entry::broken(wanted);
                }
                added.push(wanted.name());
                return self.start_content(wanted);
            };
            let unread = wanted.meta.err();
            if let Some(reason) = unread.as_ref().filter(|_| runs.unread.is_none()) {
                tracing::warn!(
                    content = runs.wanted.name(),
                    reason,
                    "what runs goes on; its torrent is tried again"
                );
            }
            Entry {
                unread,
                ..runs.clone()
            }
        });
        let entries: Vec<Entry> = entries.collect();
        if let Some(shortage) = descriptors::shortage(self.shared.descriptors, entries.len() as u64) {
            tracing::warn!("{shortage}");
        }
        self.set_entries(entries);
        let removed = gone.iter().map(|entry| entry.wanted.name());
        (added, removed.chain(forgotten).collect())
    }

    /// Frees what contents left that are not wanted any more, unless an entry does not say which content it
    /// is.
    async fn clean_leftovers(&self, wanted: &[Wanted]) {
        let known: Option<Vec<(InfoHash, PathBuf)>> = wanted
            .iter()
            .map(|wanted| Some((wanted.meta.as_ref().ok()?.info_hash, wanted.target.clone())))
            .collect();
        let Some(known) = known else { return };
        let state = self.shared.state.clone();
        let removed = spawn_blocking(move || narrows_storage::clean_leftovers(&state, &known)).await;
        for folder in removed.unwrap_or_default() {
            tracing::info!(folder = %folder.display(), "removed what was fetched of a content that is not wanted any more");
        }
    }

    fn start_content(&self, wanted: Wanted) -> Entry {
        let handle = match &wanted.meta {
            Ok(meta) => {
                let paused = self.with_paused(|paused| paused.holds(meta.info_hash));
                let (meta, target) = (meta.clone(), wanted.target.clone());
                Some(content::spawn(
                    Spec {
                        meta,
                        target,
                        gateway: wanted.gateway,
                        share: wanted.share,
                        paused,
                    },
                    self.shared.clone(),
                ))
            }
            Err(error) => {
                tracing::error!(torrent = %wanted.torrent.display(), error, "cannot use this torrent");
                return Entry::broken(wanted);
            }
        };
        Entry {
            wanted,
            handle,
            unread: None,
        }
    }

    fn is_stopped(&self) -> bool {
        let mut stopped = false;
        self.with_listening(|listening| stopped = listening.is_none());
        stopped
    }

    /// Looks whether a torrent that could not be read can be now, and if so applies the configuration in
    /// force again.
    async fn retry_unread(&self) {
        let unread = self
            .entries()
            .into_iter()
            .filter(|entry| entry.unread.is_some() || (entry.handle.is_none() && entry.wanted.is_unread()));
        let paths: Vec<_> = unread.map(|entry| (entry.wanted.torrent, entry.wanted.names)).collect();
        if paths.is_empty() {
            return;
        }
        let any =
            spawn_blocking(move || paths.iter().any(|(path, names)| read_torrent(path, *names).is_ok()));
        if any.await.unwrap_or(false) {
            let config = self.config.lock().await;
            let (added, _) = self.apply(&config).await;
            tracing::info!(?added, "a torrent that could not be read can be now");
        }
    }

    /// Stops fetching and serving; of one content (name or info hash) or of all; also after a restart.
    /// `None`: there is no such content.
    ///
    /// # Errors
    /// It is done, but could not be written down: a restart will not know.
    pub async fn pause(&self, which: Option<&str>) -> Result<Option<Vec<String>>, NotKept> {
        let kept = self.remember(which, |paused, one, _| paused.pause(one));
        let names = self.command(which, || Command::Pause).await;
        kept.map(|()| names)
    }

    /// The opposite of [`pause`](Self::pause).
    ///
    /// # Errors
    /// As there.
    pub async fn resume(&self, which: Option<&str>) -> Result<Option<Vec<String>>, NotKept> {
        let kept = self.remember(which, |paused, one, known| {
            paused.resume(one, known.iter().copied())
        });
        let names = self.command(which, || Command::Resume).await;
        kept.map(|()| names)
    }

    /// Looks at all published files, by size, time and inode: on return, the status says what is true now, at
    /// least that what has changed is being checked. As [`pause`](Self::pause) otherwise.
    pub async fn look(&self, which: Option<&str>) -> Option<Vec<String>> {
        let looks = Mutex::new(Vec::new());
        let names = self
            .command(which, || {
                let (done, look) = oneshot::channel();
                looks.lock().unwrap_or_else(PoisonError::into_inner).push(look);
                Command::Look(done)
            })
            .await;
        let all = async {
            for look in looks.into_inner().unwrap_or_else(PoisonError::into_inner) {
                let _ = look.await;
            }
        };
        // a disk that does not answer: `verified` in the status says how old its word is
        let _ = timeout(LOOK, all).await;
        names
    }

    /// Hashes everything on disk again and fetches what is wrong.
    pub async fn verify(&self, which: Option<&str>) -> Option<Vec<String>> {
        self.command(which, || Command::Verify).await
    }

    /// Says goodbye to trackers, makes everything durable, within five seconds.
    pub async fn stop(&self) {
        self.with_listening(|listening| {
            if let Some(task) = listening.take() {
                task.abort();
            }
        });
        let entries = self.entries();
        self.set_entries(Vec::new());
        stop_all(&entries).await;
        self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Changes what is paused and writes it down, so that it holds over a restart.
    fn remember(
        &self,
        which: Option<&str>,
        change: impl Fn(&mut Paused, Option<InfoHash>, &[InfoHash]),
    ) -> Result<(), NotKept> {
        let handles: Vec<Handle> = self.entries().into_iter().filter_map(|entry| entry.handle).collect();
        let known: Vec<InfoHash> = handles.iter().map(|handle| handle.info_hash).collect();
        let meant = handles.iter().filter(|handle| handle.is_meant(which));
        let chosen: Vec<Option<InfoHash>> = match which {
            None => vec![None],
            Some(_) => meant.map(|handle| Some(handle.info_hash)).collect(),
        };
        let saved = self.with_paused(|paused| {
            chosen.into_iter().for_each(|one| change(paused, one, &known));
            paused.save(&self.shared.state)
        });
        saved.map_err(|source| {
            let problem = NotKept {
                folder: self.shared.state.clone(),
                source,
            };
            tracing::warn!("{problem}");
            problem
        })
    }

    fn with_paused<T>(&self, f: impl FnOnce(&mut Paused) -> T) -> T {
        f(&mut self.paused.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sends a command to the contents named; their names, or `None` if there is none of that name.
    async fn command(&self, which: Option<&str>, command: impl Fn() -> Command) -> Option<Vec<String>> {
        let mut names = Vec::new();
        for handle in self.entries().into_iter().filter_map(|entry| entry.handle) {
            if handle.is_meant(which) && handle.commands.send(command()).await.is_ok() {
                names.push(handle.name);
            }
        }
        (which.is_none() || !names.is_empty()).then_some(names)
    }

    /// Has each content announce, `apart` from the one before on average; `restarted`: because a tracker has.
    async fn announce_in_turn(&self, restarted: bool, apart: Duration) {
        for handle in self.entries().into_iter().filter_map(|entry| entry.handle) {
            // one that has ended needs none
            let _ = handle.commands.send(Command::Announce { restarted }).await;
            tokio::time::sleep(apart.mul_f64(rand::random_range(0.0..2.0))).await;
        }
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

    fn with_listening(&self, f: impl FnOnce(&mut Option<AbortHandle>)) {
        f(&mut self.listening.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Stops all at once and waits for them, but not for ever.
async fn stop_all(entries: &[Entry]) {
    let mut waiting = Vec::new();
    for handle in entries.iter().filter_map(|entry| entry.handle.as_ref()) {
        let (done, stopped) = oneshot::channel();
        let commands = handle.commands.clone();
        tokio::spawn(async move { commands.send(Command::Stop(done)).await.is_ok() });
        waiting.push(stopped);
    }
    let all = async {
        for stopped in waiting {
            let _ = stopped.await;
        }
    };
    if timeout(STOP, all).await.is_err() {
        tracing::warn!("not everything stopped in time; the next start checks more");
    }
}

fn needs_restart(old: &Config, new: &Config) -> Vec<String> {
    let changed = [
        ("id", old.id != new.id),
        ("listen", old.listen != new.listen),
        ("control", old.control != new.control),
        ("announce_metrics", old.announce_metrics != new.announce_metrics),
        ("state", old.state != new.state),
        ("scrub", old.scrub != new.scrub),
    ];
    changed.iter().filter(|(_, changed)| *changed).map(|(key, _)| (*key).to_owned()).collect()
}

/// A new name for every run (BEP 20 style): the stable one is the agent's id.
fn peer_id() -> PeerId {
    let mut id: [u8; 20] = rand::random();
    id[..8].copy_from_slice(b"-NW0100-");
    PeerId(id)
}
