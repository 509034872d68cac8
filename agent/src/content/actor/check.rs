//! From the disk to a session, and back when what is there is not trusted: open, check, verify.

use std::sync::Arc;
use std::time::Duration;

use narrows_storage::{Content, Looked, Opened, StorageError};
use narrows_swarm::Time;
use narrows_wire::Bitfield;
use tokio::sync::oneshot;

use super::{Actor, Stage};
use crate::content::session::Session;
use crate::content::work::{CheckProgress, Extent};

/// How long after a failure to open or to check it is tried again: a disk may come back.
const RETRY: Duration = Duration::from_secs(5);

impl Actor {
    pub(super) fn open(&mut self, any_volume: bool) {
        self.stage = Stage::Opening;
        self.jobs.session += 1;
        self.jobs.open(&self.spec, &self.services, any_volume);
    }

    pub(super) fn opened(&mut self, result: Result<Opened, StorageError>) {
        match result {
            Ok(opened) => self.check(Arc::new(opened.content), opened.to_check, Extent::Rest),
            Err(error) => self.fail(error, None),
        }
    }

    pub(super) fn check(&mut self, content: Arc<Content>, total: u32, extent: Extent) {
        if total > 0 {
            tracing::info!(content = %self.spec.meta.name, pieces = total, "checking what is on disk");
        }
        let progress = CheckProgress::default();
        self.jobs.check(content.clone(), extent, progress.clone());
        self.stage = Stage::Checking {
            content,
            total,
            progress,
        };
    }

    pub(super) fn checked(&mut self, result: Result<Bitfield, StorageError>) {
        let Stage::Checking { content, .. } = &self.stage else {
            return;
        };
        match result {
            Ok(_) if std::mem::take(&mut self.verify_due) => {
                let content = content.clone();
                self.check(content, self.spec.meta.piece_count(), Extent::All);
            }
            Ok(have) => {
                let content = content.clone();
                if self.failures.went_well() {
                    tracing::info!(content = %self.spec.meta.name, "it can be opened and checked again");
                }
                let session = Session::new(
                    &self.spec,
                    self.services.clone(),
                    self.jobs.clone(),
                    content,
                    have,
                    self.paused,
                );
                self.stage = Stage::Running(Box::new(session));
            }
            Err(error) => {
                let known = content.clone();
                self.fail(error, Some(known));
            }
        }
    }

    /// After a failure: what is open goes on from what it knows, unless it stands elsewhere now.
    pub(super) fn retry(&mut self, content: Option<Arc<Content>>) {
        match content {
            Some(content) if content.is_in_place() => self.check(content, 0, Extent::Rest),
            Some(content) => {
                self.totals.add_damage(&content);
                self.open(false);
            }
            None => self.open(false),
        }
    }

    /// What was published is not as it was.
    pub(super) fn looked(&mut self, seen: Looked, all: bool) {
        match seen {
            Looked::Same => {}
            Looked::Changed(files) => {
                let paths = files.iter().take(3).filter_map(|file| self.spec.meta.files.get(*file));
                let paths: Vec<String> = paths.map(|file| file.path.join("/")).collect();
                // a program may write to its files all the time
                if let Some(times) = self.changes.failed(&paths.join("\n"), self.now()) {
                    tracing::warn!(content = %self.spec.meta.name, files = files.len(), first = ?paths, times, "published files have changed; they are checked");
                }
                self.distrust(Vec::new(), files);
            }
            Looked::Gone => {
                let place = self.spec.target.join(&self.spec.meta.name);
                tracing::warn!(content = %self.spec.meta.name, place = %place.display(), "what was published is not there any more");
                if let Some(content) = self.leave_session() {
                    self.totals.add_damage(&content);
                    self.open(false);
                }
            }
        }
        if all {
            self.lookers.clear();
        }
    }

    /// Takes what is not trusted out of what is served, and checks it. Connections are closed meanwhile: a
    /// Have cannot be taken back (BEP 3).
    pub(super) fn distrust(&mut self, pieces: Vec<u32>, files: Vec<usize>) {
        let of_files = files.iter().map(|file| self.spec.meta.files.get(*file));
        let bytes: u64 = of_files.flatten().map(|file| file.length).sum();
        let total = bytes.div_ceil(u64::from(self.spec.meta.piece_length)) + pieces.len() as u64;
        if let Some(content) = self.leave_session() {
            let total = u32::try_from(total).unwrap_or(u32::MAX);
            self.check(content, total, Extent::Doubtful { pieces, files });
        }
    }

    /// Ends the session and returns its content; answers to its jobs are ignored from now on.
    pub(super) fn leave_session(&mut self) -> Option<Arc<Content>> {
        let Stage::Running(session) = &mut self.stage else {
            return None;
        };
        self.totals.add(&session.swarm_status(self.services.clock.now()));
        session.note_wan();
        let content = session.content();
        self.jobs.session += 1;
        // they are answered: the content is being checked
        self.lookers.clear();
        Some(content)
    }

    pub(super) fn fail(&mut self, error: StorageError, content: Option<Arc<Content>>) {
        if let Some(times) = self.failures.failed(&error.to_string(), self.now()) {
            let name = &self.spec.meta.name;
            tracing::error!(content = %name, %error, times, "cannot be opened or checked; it is tried again every few seconds");
        }
        self.stage = Stage::Failed {
            error,
            retry: self.now() + RETRY,
            content,
        };
    }

    /// Hashes everything again. Connections are closed meanwhile: what they were told may not be true.
    pub(super) fn verify(&mut self) {
        match &mut self.stage {
            Stage::Running(_) => {
                if let Some(content) = self.leave_session() {
                    self.check(content, self.spec.meta.piece_count(), Extent::All);
                }
            }
            Stage::Failed {
                error: StorageError::OtherVolume { .. },
                ..
            } => self.open(true),
            // as soon as that is possible
            Stage::Failed { retry, .. } => {
                *retry = Time::ZERO;
                self.verify_due = true;
            }
            Stage::Opening | Stage::Checking { .. } => self.verify_due = true,
        }
    }

    pub(super) fn look(&mut self, done: oneshot::Sender<()>) {
        if let Stage::Running(session) = &self.stage {
            if self.lookers.is_empty() {
                self.jobs.look(session.content(), None, self.now());
            }
            self.lookers.push(done);
        }
        // else it is being checked, and its state says so
    }
}
