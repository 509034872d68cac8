//! From a configuration to a running tracker, and to its end.

mod background;
mod descriptors;
mod maps;
mod prepare;
mod tls;

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use arc_swap::ArcSwap;
use gethostname::gethostname;
use narrows_assignment::Policy;
use narrows_host::Repeats;
use narrows_host::open_files;
use narrows_host::own_names::OwnNames;
use narrows_host::signals::Reload;
use narrows_host::systemd::{self, State};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{error, info, warn};

use crate::admin::access::Access;
use crate::admin::brake::file::BrakeFile;
use crate::admin::{self, Admin, Caller};
use crate::announce;
use crate::announce::port::Port;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::net::listen::Listeners;
use crate::net::serve::{self, Around, Observer, Shared};
use crate::net::tls::Tls;
use crate::run::background::{
    blocking, follow_folder, follow_map, follow_tls, keep, plan, save, scan, share, sweep,
};
pub use crate::run::prepare::{PrepareError, PrepareErrors, Prepared};
use crate::run::tls::InUse;
pub use crate::run::tls::TlsError;
use crate::state::conditions::Conditions;
use crate::state::reported::Reported;
use crate::state::snapshot::Snapshot;
use crate::state::store::Store;
use crate::state::tracker::Tracker;

/// How long requests under way may take when the tracker stops.
const GRACE: Duration = Duration::from_secs(5);

/// Why a tracker ended.
#[derive(Debug, Error)]
pub enum RunError {
    /// A socket could not be used.
    #[error("a socket cannot be used: {0}")]
    Socket(#[from] io::Error),
    /// https cannot be served.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Two metrics of one name; a mistake in the program.
    #[error("the metrics cannot be set up: {0}")]
    Metrics(#[from] prometheus::Error),
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
        tls,
    } = prepared;
    // reads two small files, before anything is served
    let tls = tls.map(InUse::begin).transpose()?;
    for warning in config.warnings() {
        warn!("{warning}");
    }
    let metrics = Arc::new(Metrics::new()?);
    metrics.map_in_force(map.sites().count(), map.links().count());
    let contents = folder.as_mut().map(|folder| scan(folder, Duration::ZERO).unwrap_or_default());
    let tracker = Arc::new(Tracker {
        store: Store::new(Conditions::new(policy(&config), map)),
        contents: contents.map(ArcSwap::from_pointee),
        metrics: Arc::clone(&metrics),
        offences: Arc::default(),
        reported: Reported::default(),
        // 0 would say that there is none
        epoch: rand::random_range(1..=u32::MAX),
        agents: AtomicU64::new(0),
        worth_keeping: Notify::new(),
    });
    tracker.count_contents();
    metrics.brakes.set(brakes.count() as i64);
    if !brakes.is_empty() {
        warn!(?brakes, "brakes are on from before the restart");
    }
    tracker.store.conditions().ledger().set_brakes(brakes);

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
    let uptime = tracker.store.conditions().uptime();
    let around = Around {
        trusted_proxies: config.trusted_proxies.as_slice().into(),
        began: Instant::now().checked_sub(uptime).unwrap_or_else(Instant::now),
        observer: Arc::clone(&metrics) as Arc<dyn Observer>,
        offences: Arc::clone(&tracker.offences),
        stop: stopped,
    };
    let descriptors = open_files::limit();
    let ports = descriptors::shared_out(descriptors, config.max_connections_per_address);
    if ports.public.max < descriptors::FEW {
        let connections = ports.public.max;
        warn!(
            descriptors,
            connections,
            "few connections at a time: raise `LimitNOFILE=` of the tracker's unit (or `ulimit -n`), or clients wait \
             for one when many start at once"
        );
    }
    let public = Shared::new(ports.public, &around);
    let private = Shared::new(ports.admin, &around);
    let mut accepting = JoinSet::new();
    let access = Access {
        token,
        names: own_names(&config),
    };
    let over = |in_the_clear| tls.as_ref().map(|tls| Tls::new(tls.current(), in_the_clear));
    let port = Arc::new(Port::new(Arc::clone(&tracker), config.trusted_proxies.clone()));
    let plain = listeners.tracker.into_iter().map(|listener| (listener, None));
    let secure = listeners.tracker_tls.into_iter().map(|listener| (listener, over(announce::in_the_clear)));
    for (listener, tls) in plain.chain(secure) {
        let listener = TcpListener::from_std(listener)?;
        let over = protocol(tls.as_ref());
        info!(address = %listener.local_addr()?, "serving /announce and /scrape over {over}");
        let port = Arc::clone(&port);
        accepting.spawn(serve::accept(
            listener,
            public.clone(),
            tls,
            move |request, peer| std::future::ready(announce::respond(&port, &request, peer)),
        ));
    }
    let brake_file = BrakeFile::new(config.state.clone());
    let admin = Arc::new(Admin::new(Arc::clone(&tracker), access, brake_file));
    let plain = std::iter::once((listeners.admin, None));
    let secure = listeners.admin_tls.into_iter().map(|listener| (listener, over(admin::in_the_clear)));
    for (listener, tls) in plain.chain(secure) {
        let listener = TcpListener::from_std(listener)?;
        let address = listener.local_addr()?;
        let over = protocol(tls.as_ref());
        info!(%address, "serving the page, /metrics, /healthz, /status, /sd, /explain and /brake over {over}");
        let served = Arc::clone(&admin);
        let on_loopback = address.ip().is_loopback();
        accepting.spawn(serve::accept(
            listener,
            private.clone(),
            tls,
            move |request, peer| admin::respond(Arc::clone(&served), request, Caller { peer, on_loopback }),
        ));
    }

    // dropped with this set when the function returns
    let mut background = JoinSet::new();
    background.spawn(follow_map(Arc::clone(&tracker), map_file, Reload::new()));
    background.spawn(plan(Arc::clone(&tracker)));
    background.spawn(share(Arc::clone(&tracker)));
    background.spawn(sweep(Arc::clone(&tracker)));
    background.spawn(keep(Arc::clone(&tracker), snapshot.clone()));
    if let Some(tls) = tls {
        background.spawn(follow_tls(Arc::clone(&tracker), tls, Reload::new()));
    }
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
    // fails only if every receiver is gone, and then none accepts
    let _ = stop.send(true);
    accepting.join_all().await;
    admin.close();
    let drained = async {
        public.drained().await;
        private.drained().await;
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

const fn protocol(tls: Option<&Tls>) -> &'static str {
    if tls.is_some() { "https" } else { "http" }
}

/// What the admin port is called: as configured, and as the machine calls itself.
fn own_names(config: &Config) -> OwnNames {
    let machine = gethostname().into_string().ok().filter(|name| !name.is_empty());
    OwnNames::new(config.admin_names.iter().cloned().chain(machine))
}

fn policy(config: &Config) -> Policy {
    Policy {
        intervals: config.interval,
        ..Policy::default()
    }
}
