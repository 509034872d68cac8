//! Notices changes in a folder: by the system's events where there are any, and by looking again now and then
//! where there are none (network file systems, links to elsewhere, folders that were replaced).

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::warn;

/// Editors and copies make several changes in a row; a change counts when it has been quiet for so long ...
const QUIET: Duration = Duration::from_millis(100);
/// ... or has been going on for so long.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often to look without an event.
const RESCAN: Duration = Duration::from_secs(10);

/// Changes of one folder and what is directly in it.
pub(crate) struct Changes {
    changed: Arc<Notify>,
    /// Kept alive: there are no events once it is dropped.
    _watcher: Option<RecommendedWatcher>,
}

impl Changes {
    /// Starts to watch. The folder rather than a file: editors replace files, which ends a watch on them.
    pub(crate) fn of(folder: &Path) -> Self {
        // the parent of a bare file name
        let folder = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        let changed = Arc::new(Notify::new());
        let notify = Arc::clone(&changed);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.map_or(true, |event| is_change(&event.kind)) {
                notify.notify_one();
            }
        })
        .and_then(|mut watcher| watcher.watch(folder, RecursiveMode::NonRecursive).map(|()| watcher));
        if let Err(error) = &watcher {
            warn!(folder = %folder.display(), %error, "changes are not reported; looking every {RESCAN:?} instead");
        }
        Self {
            changed,
            _watcher: watcher.ok(),
        }
    }

    /// Waits until something may have changed. A change before the call counts too; dropping the future loses
    /// none.
    pub(crate) async fn next(&self) {
        tokio::select! {
            () = self.changed.notified() => {}
            () = sleep(RESCAN) => return,
        }
        let deadline = Instant::now() + PATIENCE;
        while timeout_at((Instant::now() + QUIET).min(deadline), self.changed.notified()).await.is_ok() {
            if Instant::now() >= deadline {
                break;
            }
        }
    }
}

/// Whether an event means other content; that we read a file ourselves does not.
fn is_change(kind: &EventKind) -> bool {
    !matches!(kind, EventKind::Access(access) if *access != AccessKind::Close(AccessMode::Write))
}
