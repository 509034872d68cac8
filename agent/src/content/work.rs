//! What takes long, and runs off the event loop: each job answers with an [`Input::Done`].

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use bytes::Bytes;
use narrows_protocol::AnnounceRequest;
use narrows_storage::{Content, Looked, Opened, StorageError, Stored};
use narrows_swarm::{Assigned, Time};
use narrows_wire::Bitfield;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::spawn_blocking;

use super::{Input, Services, Spec};
use crate::announce::{AnnounceError, Client, Trackers};

/// An answer.
#[derive(Debug)]
pub(crate) enum Work {
    /// Boxed, because it is many times larger than what comes for every read from a socket.
    Opened(Box<Result<Opened, StorageError>>),
    Checked(Result<Bitfield, StorageError>),
    /// Published files were looked at, all of them or some.
    Looked {
        seen: Looked,
        all: bool,
        since: Time,
    },
    /// Pieces were hashed where they are; these are wrong.
    Rechecked(Vec<u32>),
    /// The same in the course of a scrub.
    Scrubbed(Vec<u32>),
    Stored {
        piece: u32,
        bytes: u64,
        result: Result<Stored, StorageError>,
    },
    Synced(Result<(), StorageError>),
    Published(Result<(), StorageError>),
    /// Whether the disk takes what is still missing.
    Probed(Result<(), StorageError>),
    Announced(Result<Assigned, AnnounceError>),
}

/// Starts jobs of one session.
#[derive(Clone, Debug)]
pub(super) struct Jobs {
    pub(super) session: u32,
    pub(super) inputs: mpsc::Sender<Input>,
}

/// How far a check has come, and the way to end it.
#[derive(Clone, Debug, Default)]
pub(super) struct CheckProgress {
    pub(super) done: Arc<AtomicU32>,
    pub(super) stop: Arc<AtomicBool>,
}

/// What a check reads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Extent {
    /// What must be, after an open or an interrupted check.
    Rest,
    /// Everything.
    All,
    /// These pieces and the pieces of these files, which are not trusted from now on.
    Doubtful { pieces: Vec<u32>, files: Vec<usize> },
}

impl Jobs {
    /// Opens the content. `any_volume`: the operator has agreed that its target is on another volume than
    /// before.
    pub(super) fn open(&self, spec: &Spec, services: &Services, any_volume: bool) {
        let (meta, target, state) = (spec.meta.clone(), spec.target.clone(), spec.state.clone());
        let files = Arc::clone(&services.resources.files);
        self.blocking(move || {
            Work::Opened(Box::new(match any_volume {
                true => Content::open_anew(meta, &target, &state, &files),
                false => Content::open(meta, &target, &state, &files),
            }))
        });
    }

    /// Hashes what `extent` says.
    pub(super) fn check(&self, content: Arc<Content>, extent: Extent, progress: CheckProgress) {
        self.blocking(move || {
            let tell = |done| progress.done.store(done, Ordering::Relaxed);
            Work::Checked(match extent {
                Extent::Rest => content.check(&tell, &progress.stop),
                Extent::All => content.verify_all(&tell, &progress.stop),
                Extent::Doubtful { pieces, files } => {
                    content.doubt(&pieces, &files).and_then(|()| content.check(&tell, &progress.stop))
                }
            })
        });
    }

    /// Looks at these published files; all of them with `None`.
    pub(super) fn look(&self, content: Arc<Content>, files: Option<Range<usize>>, since: Time) {
        self.blocking(move || {
            let all = files.is_none();
            let files = files.unwrap_or(0..content.metainfo().files.len());
            let seen = content.look(files);
            Work::Looked { seen, all, since }
        });
    }

    /// Hashes pieces in the course of a scrub; `save`: its position is written down.
    pub(super) fn scrub(&self, content: Arc<Content>, pieces: Range<u32>, save: bool) {
        self.blocking(move || {
            let next = pieces.end;
            let wrong = content.recheck(&pieces.collect::<Vec<_>>());
            if save && let Err(error) = content.keep_scrub_position(next) {
                tracing::debug!(%error, "cannot write down how far the scrub is");
            }
            Work::Scrubbed(wrong)
        });
    }

    /// Hashes pieces where they are.
    pub(super) fn recheck(&self, content: Arc<Content>, pieces: Vec<u32>) {
        self.blocking(move || Work::Rechecked(content.recheck(&pieces)));
    }

    /// Hashes and writes a piece as soon as a core is free.
    pub(super) fn store(
        &self,
        content: Arc<Content>,
        piece: u32,
        blocks: Vec<Bytes>,
        hashers: Arc<Semaphore>,
    ) {
        let jobs = self.clone();
        tokio::spawn(async move {
            // the semaphore is never closed; without a permit we would only be less orderly
            let permit = hashers.acquire_owned().await.ok();
            let bytes = blocks.iter().map(|block| block.len() as u64).sum();
            let stored = spawn_blocking(move || {
                let result = content.store(piece, &blocks);
                drop((blocks, permit));
                result
            });
            if let Ok(result) = stored.await {
                jobs.answer(Work::Stored { piece, bytes, result }).await;
            }
        });
    }

    pub(super) fn sync(&self, content: Arc<Content>) {
        self.blocking(move || Work::Synced(content.sync()));
    }

    pub(super) fn publish(&self, content: Arc<Content>) {
        self.blocking(move || Work::Published(content.publish()));
    }

    pub(super) fn probe(&self, content: Arc<Content>) {
        self.blocking(move || Work::Probed(content.reserve()));
    }

    /// See [`announce`].
    pub(super) fn announce(
        &self,
        client: Arc<Client>,
        trackers: Arc<Trackers>,
        request: AnnounceRequest,
        content: Arc<Content>,
    ) {
        let jobs = self.clone();
        tokio::spawn(async move {
            let result = announce(&client, &trackers, &request, content).await;
            jobs.answer(Work::Announced(result)).await;
        });
    }

    /// Writes the content's WAN history.
    pub(super) fn save_wan_history(&self, content: Arc<Content>) {
        spawn_blocking(move || save_wan_history(&content));
    }

    fn blocking(&self, job: impl FnOnce() -> Work + Send + 'static) {
        let jobs = self.clone();
        tokio::spawn(async move {
            if let Ok(work) = spawn_blocking(job).await {
                jobs.answer(work).await;
            }
        });
    }

    async fn answer(&self, work: Work) {
        // an actor that is gone needs no answer
        let _ = self
            .inputs
            .send(Input::Done {
                session: self.session,
                work,
            })
            .await;
    }
}

/// Writes the content's WAN history and announces: a tracker never hears of more than we will remember.
pub(super) async fn announce(
    client: &Client,
    trackers: &Trackers,
    request: &AnnounceRequest,
    content: Arc<Content>,
) -> Result<Assigned, AnnounceError> {
    // it only ends early if the runtime does
    let _ = spawn_blocking(move || save_wan_history(&content)).await;
    client.announce(trackers, request).await
}

/// Writes a content's WAN history. If that fails, statistics may lack something after a kill; nothing else does.
fn save_wan_history(content: &Content) {
    if let Err(error) = content.wan_history().save() {
        tracing::debug!(%error, "cannot write down what has come across the WAN");
    }
}
