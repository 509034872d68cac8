//! From a configuration to a running tracker, and to its end.

mod maps;

use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use narrows_assignment::{Brakes, Policy};
use narrows_host::signals::Reload;
use narrows_host::systemd::{self, State};
use narrows_host::{Bearer, Repeats};
use narrows_topology::{LoadError, SiteMap};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use crate::admin::access::Access;
use crate::admin::brake::BrakeFile;
use crate::admin::page::Feed;
use crate::announce::doubles::Doubles;
use crate::announce::relays::Relays;
use crate::announce::shared_addresses::SharedAddresses;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::net::listen::Listeners;
use crate::net::serve::{self, Shared};
use crate::run::maps::MapFile;
use crate::state::snapshot::Snapshot;
use crate::state::store::Store;
use crate::state::torrents::Folder;
use crate::state::tracker::Tracker;
use crate::state::world::World;
use crate::system::watch::Changes;
use crate::{admin, announce};

/// Connections at a time. Idle ones close after seconds, so this is a bound on memory, not on the fleet.
const CONNECTIONS_MAX: usize = 16 * 1024;
/// Connections to the admin port at a time; apart, so that a busy tracker can still be looked at.
const ADMIN_CONNECTIONS_MAX: usize = 256;
/// How often peers that did not come back are looked for.
const SWEEP: Duration = Duration::from_secs(5);
/// How often is written down what is to outlive a restart.
const KEEP: Duration = Duration::from_secs(60);
/// How long requests under way may take when the tracker stops.
const GRACE: Duration = Duration::from_secs(5);

/// A configuration of which every file has been read: what is left to go wrong is the network.
pub struct Prepared {
    config: Config,
    map: SiteMap,
    map_file: MapFile,
    folder: Option<Folder>,
    brakes: Brakes,
    token: Option<Bearer>,
}

/// Why a configuration that is itself well-formed cannot be used.
#[derive(Debug, Error)]
pub enum PrepareError {
    /// The site map is missing or wrong.
    #[error("{0}")]
    SiteMap(#[from] LoadError),
    /// The folder of torrents is not there.
    #[error("cannot list the folder of torrents {path}: {source}; create it, or correct `torrents`", path = .path.display())]
    Torrents {
        /// The folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The brakes that were on cannot be read.
    #[error(
        "cannot read {file}: {source}; what was braked is not known: mend the file, or delete it to release every brake"
    )]
    Brakes {
        /// The file.
        file: String,
        /// The system's reason, or the file's mistake.
        source: io::Error,
    },
    /// There is no token in the file that should hold it.
    #[error(
        "cannot use the token in {file}: {reason}; write 16 characters or more into it, or drop `admin_token`"
    )]
    Token {
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Why a tracker ended.
#[derive(Debug, Error)]
pub enum RunError {
    /// A socket could not be used.
    #[error("a socket cannot be used: {0}")]
    Socket(#[from] io::Error),
    /// Two metrics of one name; a mistake in the program.
    #[error("the metrics cannot be set up: {0}")]
    Metrics(#[from] prometheus::Error),
}

impl Prepared {
    /// Reads what the configuration names. Binds nothing.
    ///
    /// # Errors
    /// If the site map is missing or wrong, or the folder of torrents cannot be listed.
    pub fn new(config: Config) -> Result<Self, PrepareError> {
        // read before it is loaded: a change in between is then seen as one
        let map_file = MapFile::new(config.site_map.clone());
        let map = SiteMap::load(&config.site_map)?;
        let folder = config.torrents.clone().map(Folder::new);
        if let Some(folder) = &folder {
            std::fs::read_dir(folder.path()).map_err(|source| PrepareError::Torrents {
                path: folder.path().to_owned(),
                source,
            })?;
        }
        let brakes = match &config.state {
            Some(folder) => BrakeFile::load(folder).map_err(|source| PrepareError::Brakes {
                file: BrakeFile::path_in(folder).display().to_string(),
                source,
            })?,
            None => Brakes::default(),
        };
        let token = config.admin_token.as_deref().map(read_token).transpose()?;
        Ok(Self {
            config,
            map,
            map_file,
            folder,
            brakes,
            token,
        })
    }

    /// The site map.
    pub fn site_map(&self) -> &SiteMap {
        &self.map
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }
}

/// Serves on the listeners until `shutdown` resolves, then finishes the requests under way.
///
/// # Errors
/// If a listener cannot be used.
pub async fn run(
    prepared: Prepared,
    listeners: Listeners,
    shutdown: impl Future<Output = ()>,
) -> Result<(), RunError> {
    let Prepared {
        config,
        map,
        map_file,
        mut folder,
        brakes,
        token,
    } = prepared;
    for warning in config.warnings() {
        warn!("{warning}");
    }
    let metrics = Arc::new(Metrics::new()?);
    metrics.map_in_force(map.sites().count(), map.links().count());
    let contents = folder.as_mut().map(|folder| scan(folder, Duration::ZERO).unwrap_or_default());
    let tracker = Arc::new(Tracker {
        store: Store::new(World::new(policy(&config), map)),
        trusted_proxies: config.trusted_proxies.clone(),
        contents: contents.map(ArcSwap::from_pointee),
        metrics: Arc::clone(&metrics),
        brakes: BrakeFile::new(config.state.clone()),
        access: Access {
            token,
            is_loopback: listeners.admin_addr().is_some_and(|addr| addr.ip().is_loopback()),
        },
        feed: Feed::default(),
        doubles: Doubles::default(),
        relays: Relays::default(),
        shared_addresses: SharedAddresses::default(),
        // 0 would say that there is none
        epoch: rand::random_range(1..=u32::MAX),
        agents: AtomicU64::new(0),
    });
    tracker.count_contents();
    metrics.brakes.set(brakes.count() as i64);
    if !brakes.is_empty() {
        warn!(?brakes, "brakes are on from before the restart");
    }
    tracker.store.world().ledger().set_brakes(brakes);

    let snapshot = Snapshot::new(config.state.clone());
    let restored = {
        let (tracker, snapshot) = (Arc::clone(&tracker), snapshot.clone());
        let restore = move || {
            let now = jiff::Timestamp::now();
            snapshot.load(&tracker.store, |hash| tracker.listing(hash), now);
        };
        tokio::task::spawn_blocking(restore)
    };
    // before the first announce is served: a joiner takes no lease from a gateway that works
    if let Err(error) = restored.await {
        error!(%error, "what was known before the restart could not be taken over");
    }

    let (stop, stopped) = watch::channel(false);
    let shared = |slots| Shared {
        slots: Arc::new(Semaphore::new(slots)),
        metrics: Arc::clone(&metrics),
        stop: stopped.clone(),
    };
    let (public, private) = (shared(CONNECTIONS_MAX), shared(ADMIN_CONNECTIONS_MAX));
    let mut accepting = JoinSet::new();
    for listener in listeners.tracker {
        let listener = TcpListener::from_std(listener)?;
        info!(address = %listener.local_addr()?, "serving /announce and /scrape");
        let tracker = Arc::clone(&tracker);
        accepting.spawn(serve::accept(listener, public.clone(), move |request, peer| {
            std::future::ready(announce::respond(&tracker, &request, peer))
        }));
    }
    let listener = TcpListener::from_std(listeners.admin)?;
    info!(address = %listener.local_addr()?, "serving the page, /metrics, /healthz, /status, /sd, /explain and /brake");
    let admin_tracker = Arc::clone(&tracker);
    accepting.spawn(serve::accept(listener, private.clone(), move |request, _| {
        admin::respond(Arc::clone(&admin_tracker), request)
    }));

    // dropped with this set when the function returns
    let mut background = JoinSet::new();
    background.spawn(follow_map(Arc::clone(&tracker), map_file, Reload::new()));
    background.spawn(sweep(Arc::clone(&tracker)));
    background.spawn(keep(Arc::clone(&tracker), snapshot.clone()));
    if let Some(folder) = folder {
        background.spawn(follow_folder(Arc::clone(&tracker), folder));
    }
    systemd::notify(State::Ready);

    tokio::select! {
        () = shutdown => {}
        Some(ended) = background.join_next() => {
            error!(?ended, "a background task ended, which it never should; stopping");
        }
    }
    info!("stopping: finishing the requests under way");
    systemd::notify(State::Stopping);
    // fails only if every receiver is gone, and then nobody accepts
    let _ = stop.send(true);
    accepting.join_all().await;
    // streams of events would go on for ever
    tracker.feed.close();
    // all permits are back when all connections have ended
    let drained = async {
        let _ = public.slots.acquire_many(CONNECTIONS_MAX as u32).await;
        let _ = private.slots.acquire_many(ADMIN_CONNECTIONS_MAX as u32).await;
    };
    if tokio::time::timeout(GRACE, drained).await.is_err() {
        warn!("some connections did not end within {GRACE:?}; closing them");
    }
    drop(background);
    let last = Arc::clone(&tracker);
    blocking(move || save(&last, &snapshot, &mut Repeats::default())).await;
    info!("stopped");
    Ok(())
}

fn read_token(file: &Path) -> Result<Bearer, PrepareError> {
    let refuse = |reason: String| PrepareError::Token {
        file: file.display().to_string(),
        reason,
    };
    let text = std::fs::read_to_string(file).map_err(|error| refuse(error.to_string()))?;
    let token = text.trim();
    if token.len() < 16 || token.contains(char::is_whitespace) {
        return Err(refuse("it is too short, or several words".to_owned()));
    }
    Ok(Bearer::new(token))
}

fn policy(config: &Config) -> Policy {
    Policy {
        intervals: config.interval,
        ..Policy::default()
    }
}

/// Reloads the site map whenever its file changes or the operator says so.
async fn follow_map(tracker: Arc<Tracker>, file: MapFile, mut reload: Reload) -> Infallible {
    let changes = Changes::of(file.folder());
    let file = Arc::new(Mutex::new(file));
    loop {
        let by_operator = tokio::select! {
            () = reload.asked() => true,
            () = changes.next() => false,
        };
        if by_operator {
            info!("reloading the site map on SIGHUP");
            systemd::notify(State::Reloading);
        }
        let (tracker, file) = (Arc::clone(&tracker), Arc::clone(&file));
        blocking(move || {
            // one reload at a time, by construction: this loop waits for each
            file.lock().unwrap_or_else(PoisonError::into_inner).reload(&tracker, by_operator);
        })
        .await;
        if by_operator {
            systemd::notify(State::Ready);
        }
    }
}

/// Takes over the allow-list whenever its folder changes.
async fn follow_folder(tracker: Arc<Tracker>, folder: Folder) -> Infallible {
    let changes = Changes::of(folder.path());
    let folder = Arc::new(Mutex::new(folder));
    loop {
        changes.next().await;
        let (tracker, folder) = (Arc::clone(&tracker), Arc::clone(&folder));
        blocking(move || {
            let now = tracker.store.world().uptime();
            let scanned = scan(&mut folder.lock().unwrap_or_else(PoisonError::into_inner), now);
            if let (Some(contents), Some(slot)) = (scanned, &tracker.contents) {
                slot.store(Arc::new(contents));
                tracker.count_contents();
                // swarms of removed torrents go at once
                tracker.sweep();
            }
        })
        .await;
    }
}

async fn sweep(tracker: Arc<Tracker>) -> Infallible {
    loop {
        tokio::time::sleep(SWEEP).await;
        let tracker = Arc::clone(&tracker);
        blocking(move || tracker.sweep()).await;
    }
}

/// Writes down each minute what is to outlive a crash.
async fn keep(tracker: Arc<Tracker>, snapshot: Snapshot) -> Infallible {
    if !snapshot.is_kept() {
        std::future::pending::<()>().await;
    }
    let failures = Arc::new(Mutex::new(Repeats::default()));
    loop {
        tokio::time::sleep(KEEP).await;
        let (tracker, snapshot, failures) = (Arc::clone(&tracker), snapshot.clone(), Arc::clone(&failures));
        blocking(move || {
            let mut failures = failures.lock().unwrap_or_else(PoisonError::into_inner);
            save(&tracker, &snapshot, &mut failures);
        })
        .await;
    }
}

fn save(tracker: &Tracker, snapshot: &Snapshot, failures: &mut Repeats) {
    match snapshot.save(&tracker.store, jiff::Timestamp::now()) {
        Ok(()) => {
            if failures.went_well() {
                info!("what is to outlive a restart is written again");
            }
        }
        Err(error) => {
            tracker.metrics.snapshot_failures.inc();
            if let Some(times) = failures.failed(&error.to_string(), tracker.store.world().uptime()) {
                error!(
                    %error, times,
                    "what is to outlive a restart cannot be written; after one, newcomers would wait until peers \
                     announce: see to the folder `state`"
                );
            }
        }
    }
}

/// Looks at the folder at `now`, counted from the tracker's start.
fn scan(folder: &mut Folder, now: Duration) -> Option<crate::state::torrents::Contents> {
    match folder.scan() {
        Ok(scanned) => {
            if folder.failures.went_well() {
                info!(folder = %folder.path().display(), "the folder of torrents can be listed again");
            }
            scanned
        }
        Err(error) => {
            if let Some(times) = folder.failures.failed(&error.to_string(), now) {
                let folder = folder.path().display();
                error!(%folder, %error, times, "the folder of torrents cannot be listed; what was tracked stays tracked");
            }
            None
        }
    }
}

/// Runs file work and long walks off the runtime's workers. A panic there is logged by the runtime's hook,
/// and must not end what watches over the next change.
async fn blocking(work: impl FnOnce() + Send + 'static) {
    if let Err(error) = tokio::task::spawn_blocking(work).await {
        error!(%error, "background work failed");
    }
}
