//! What a tracker does beside answering: it follows its files, forgets peers, and writes down what is to
//! outlive a restart.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use narrows_host::Repeats;
use narrows_host::signals::Reload;
use narrows_host::systemd::{self, State};
use tracing::{error, info};

use crate::run::maps::MapFile;
use crate::run::tls::InUse;
use crate::state::snapshot::Snapshot;
use crate::state::torrents::{Contents, Folder};
use crate::state::tracker::Tracker;
use crate::system::watch::Changes;

/// How often peers that did not come back are looked for.
const SWEEP: Duration = Duration::from_secs(5);
/// How many times as long as a plan took no other is made: planning takes a tenth of a processor.
const PLAN_REST: u32 = 9;
/// How often is written down what is to outlive a restart, at least ...
const KEEP: Duration = Duration::from_secs(60);
/// ... and at most, when leases change: a tracker that is killed has known less for a moment only.
const KEEP_SOON: Duration = Duration::from_secs(5);
/// So many times as long as it took to write it is not written again: it takes a twentieth of a processor and a disk.
const KEEP_REST: u32 = 19;

/// Reloads the site map whenever its file changes or the operator says so.
pub(super) async fn follow_map(tracker: Arc<Tracker>, file: MapFile, mut reload: Reload) -> Infallible {
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

/// Takes over certificate and key for https whenever one changes or the operator says so.
pub(super) async fn follow_tls(tracker: Arc<Tracker>, in_use: InUse, mut reload: Reload) -> Infallible {
    // two at most; one folder's changes are those of both files
    let folders: Vec<Changes> = in_use.folders().iter().map(|folder| Changes::of(folder)).collect();
    let in_use = Arc::new(Mutex::new(in_use));
    loop {
        let changed = async {
            match folders.as_slice() {
                [one, other, ..] => tokio::select! { () = one.next() => {}, () = other.next() => {} },
                [one] => one.next().await,
                [] => std::future::pending().await,
            }
        };
        let by_operator = tokio::select! {
            () = reload.asked() => true,
            () = changed => false,
        };
        let (tracker, in_use) = (Arc::clone(&tracker), Arc::clone(&in_use));
        blocking(move || {
            in_use.lock().unwrap_or_else(PoisonError::into_inner).reload(&tracker.metrics, by_operator);
        })
        .await;
    }
}

/// Takes over the allow-list whenever its folder changes.
pub(super) async fn follow_folder(tracker: Arc<Tracker>, folder: Folder) -> Infallible {
    let changes = Changes::of(folder.path());
    let folder = Arc::new(Mutex::new(folder));
    loop {
        changes.next().await;
        let (tracker, folder) = (Arc::clone(&tracker), Arc::clone(&folder));
        blocking(move || {
            let now = tracker.store.conditions().uptime();
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

/// Plans the parents of swarms on large maps, one at a time, whenever announces give a cause: however many do,
/// planning takes a part of one processor.
pub(super) async fn plan(tracker: Arc<Tracker>) -> Infallible {
    loop {
        tracker.store.plans().asked().await;
        let store = Arc::clone(&tracker);
        let took = match tokio::task::spawn_blocking(move || store.store.plan_next()).await {
            Ok(took) => took,
            Err(error) => {
                error!(%error, "parents could not be planned");
                SWEEP
            }
        };
        tokio::time::sleep(took * PLAN_REST).await;
    }
}

/// Shares the links out among many flows: among few, announces do.
pub(super) async fn share(tracker: Arc<Tracker>) -> Infallible {
    loop {
        let conditions = tracker.store.conditions();
        tokio::time::sleep(conditions.policy().shares.fresh).await;
        if conditions.ledger().is_crowded(&conditions.policy().shares) {
            let tracker = Arc::clone(&tracker);
            blocking(move || {
                let conditions = tracker.store.conditions();
                let view = conditions.view();
                conditions.ledger().share_out(
                    view.map(),
                    &conditions.policy().shares,
                    jiff::Timestamp::now(),
                );
            })
            .await;
        }
    }
}

pub(super) async fn sweep(tracker: Arc<Tracker>) -> Infallible {
    loop {
        tokio::time::sleep(SWEEP).await;
        let tracker = Arc::clone(&tracker);
        blocking(move || tracker.sweep()).await;
    }
}

/// Writes down each minute what is to outlive a crash, and sooner when leases change.
pub(super) async fn keep(tracker: Arc<Tracker>, snapshot: Snapshot) -> Infallible {
    if !snapshot.is_kept() {
        std::future::pending::<()>().await;
    }
    let failures = Arc::new(Mutex::new(Repeats::default()));
    let mut rest = KEEP_SOON;
    loop {
        tokio::time::sleep(rest).await;
        let _ = tokio::time::timeout(KEEP.saturating_sub(rest), tracker.worth_keeping.notified()).await;
        let began = tokio::time::Instant::now();
        let (tracker, snapshot, failures) = (Arc::clone(&tracker), snapshot.clone(), Arc::clone(&failures));
        blocking(move || {
            let mut failures = failures.lock().unwrap_or_else(PoisonError::into_inner);
            save(&tracker, &snapshot, &mut failures);
        })
        .await;
        rest = rest_after(began.elapsed());
    }
}

/// How long after a snapshot none is made that took so long.
fn rest_after(took: Duration) -> Duration {
    took.saturating_mul(KEEP_REST).clamp(KEEP_SOON, KEEP)
}

pub(super) fn save(tracker: &Tracker, snapshot: &Snapshot, failures: &mut Repeats) {
    match snapshot.save(&tracker.store, jiff::Timestamp::now()) {
        Ok(()) => {
            if failures.went_well() {
                info!("what is to outlive a restart is written again");
            }
        }
        Err(error) => {
            tracker.metrics.snapshot_failures.inc();
            if let Some(times) = failures.failed(&error.to_string(), tracker.store.conditions().uptime()) {
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
pub(super) fn scan(folder: &mut Folder, now: Duration) -> Option<Contents> {
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
pub(super) async fn blocking(work: impl FnOnce() + Send + 'static) {
    if let Err(error) = tokio::task::spawn_blocking(work).await {
        error!(%error, "background work failed");
    }
}
