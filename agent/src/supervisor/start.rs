//! How an agent starts and stops.

use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use narrows_host::open_files;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::acceptor::Served;
use super::lock::lock;
use super::paused::Paused;
use super::{Agent, Entry, StartError, background};
use crate::announce::Client;
use crate::clock::Clock;
use crate::config::Config;
use crate::content::{Command, Services};
use crate::identity::{Identity, of_machine, peer_id};
use crate::net::{Listener, Network, Told, accept};
use crate::resources::Resources;

/// How long a content may take to stop: the tracker has 2 s of it, the disk the rest.
const STOP: Duration = Duration::from_secs(4);

impl Agent {
    /// Listens and starts all content of `config`; [`reload`](Self::reload) reads `config_path` again. Must
    /// be called on a tokio runtime.
    ///
    /// # Errors
    /// See [`StartError`]. What is wrong with a content is no reason: its status says so.
    pub async fn start(config: Config, config_path: Option<PathBuf>) -> Result<Arc<Self>, StartError> {
        std::fs::create_dir_all(&config.state).map_err(|source| StartError::StateFolder {
            folder: config.state.clone(),
            source,
        })?;
        let lock = lock(&config.state).await?;
        // before anything that may fail
        let state = config.state.clone();
        if let Err(error) = spawn_blocking(move || narrows_storage::put_back(&state)).await {
            tracing::error!(%error, "folders may be away");
        }
        let listener = Listener::bind(config.listen).map_err(|source| StartError::Listen {
            address: config.listen,
            source,
        })?;
        let agent = Arc::new(Self::of(&config, config_path, lock, &listener));
        let served = Served(agent.clone());
        let accepting = tokio::spawn(accept(listener, agent.services.network.clone(), served));
        agent.with_listening(|listening| *listening = Some(accepting.abort_handle()));
        if let Err(error) = agent.apply(&config).await {
            // it is reachable and says so; a reload tries again
            tracing::error!("no content runs: {error}");
        }
        background::spawn(&agent);
        Ok(agent)
    }

    /// Without content.
    fn of(config: &Config, config_path: Option<PathBuf>, lock: File, listener: &Listener) -> Self {
        let clock = Clock::start();
        let me = Arc::new(Identity {
            id: config.id.clone(),
            peer_id: peer_id(),
            key: of_machine(&config.state),
            listen: listener.addr,
            v4: listener.v4,
            v6: listener.v6,
            metrics: config.announce_metrics.then(|| config.control.port()),
        });
        let resources = Arc::new(Resources::new(open_files::raise_limit()));
        let told = Arc::new(Told::load(config.serve, &config.state, clock));
        let trackers = Client::new(me.clone(), clock, told.clone());
        trackers.trust(&config.trust);
        let services = Services {
            clock,
            network: Arc::new(Network::new(me.clone(), clock, resources.clone(), told)),
            resources,
            trackers: Arc::new(trackers),
            me,
        };
        Self {
            services,
            state: config.state.clone(),
            scrub: config.scrub,
            config_path,
            config: tokio::sync::Mutex::new(config.clone()),
            entries: RwLock::new(Vec::new()),
            paused: Mutex::new(Paused::load(&config.state)),
            lock: Mutex::new(Some(lock)),
            listening: Mutex::new(None),
        }
    }

    /// Tells the trackers, makes everything durable, within five seconds.
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

    pub(super) fn is_stopped(&self) -> bool {
        let mut stopped = false;
        self.with_listening(|listening| stopped = listening.is_none());
        stopped
    }
}

/// Stops all at once and waits for them, but not for ever.
pub(super) async fn stop_all(entries: &[Entry]) {
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
