//! The life of a content: opened, checked, then a session with its swarm; again after a verify.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use narrows_host::Repeats;
use narrows_storage::{Content, Looked, Opened, StorageError};
use narrows_swarm::Time;
use narrows_wire::Bitfield;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep_until;

use super::session::Session;
use super::status::Totals;
use super::work::{CheckProgress, Extent, Jobs};
use super::{
    Command, ContentExplained, ContentState, ContentStatus, Handle, INPUTS, Input, Services, Spec, Work,
};

/// How long after a failure to open or to check it is tried again: a disk may come back.
const RETRY: Duration = Duration::from_secs(5);

/// Inputs handled before anything is sent.
const BATCH: usize = 64;

/// Starts the actor of a content.
pub(crate) fn spawn(spec: Spec, services: Services) -> Handle {
    let (commands, command_queue) = mpsc::channel(16);
    let (inputs, input_queue) = mpsc::channel(INPUTS);
    let handle = Handle {
        name: spec.meta.name.clone(),
        info_hash: spec.meta.info_hash,
        commands,
        inputs: inputs.clone(),
    };
    let paused = spec.paused;
    let jobs = Jobs { session: 0, inputs };
    let actor = Actor {
        spec,
        services,
        jobs,
        paused,
        totals: Totals::default(),
        stage: Stage::Opening,
        verify_due: false,
        lookers: Vec::new(),
        failures: Repeats::default(),
        changes: Repeats::default(),
    };
    tokio::spawn(actor.run(command_queue, input_queue));
    handle
}

struct Actor {
    spec: Spec,
    services: Services,
    jobs: Jobs,
    paused: bool,
    totals: Totals,
    stage: Stage,
    /// The operator wants all of it hashed once it is open and checked.
    verify_due: bool,
    /// They wait for a look at all files; told by being dropped.
    lookers: Vec<oneshot::Sender<()>>,
    /// Of opening and checking.
    failures: Repeats,
    /// Of published files, found changed or wrong.
    changes: Repeats,
}

enum Stage {
    Opening,
    Checking {
        content: Arc<Content>,
        total: u32,
        progress: CheckProgress,
    },
    Failed {
        error: StorageError,
        retry: Time,
        /// What is known of it stays known.
        content: Option<Arc<Content>>,
    },
    Running(Box<Session>),
}

impl Actor {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>, mut inputs: mpsc::Receiver<Input>) {
        self.open(false);
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let wake = self.services.clock.instant(self.wakeup());
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    Some(Command::Stop(done)) => {
                        self.stop().await;
                        let _ = done.send(());
                        return;
                    }
                    Some(command) => self.command(command),
                    None => return self.stop().await,
                },
                _ = inputs.recv_many(&mut batch, BATCH) => {
                    for input in batch.drain(..) {
                        self.input(input);
                    }
                }
                () = sleep_until(wake) => {}
            }
            self.tick();
        }
    }

    fn open(&mut self, any_volume: bool) {
        self.stage = Stage::Opening;
        self.jobs.session += 1;
        self.jobs.open(&self.spec, &self.services, any_volume);
    }

    fn now(&self) -> Time {
        self.services.clock.now()
    }

    fn wakeup(&self) -> Time {
        match &self.stage {
            Stage::Opening | Stage::Checking { .. } => self.now() + Duration::from_secs(3600),
            Stage::Failed { retry, .. } => *retry,
            Stage::Running(session) => session.wakeup(),
        }
    }

    fn tick(&mut self) {
        let now = self.now();
        match &mut self.stage {
            Stage::Failed { retry, content, .. } if *retry <= now => {
                let known = content.take();
                self.retry(known);
            }
            Stage::Running(session) => session.tick(now),
            _ => {}
        }
    }

    fn input(&mut self, input: Input) {
        match input {
            Input::Done { session, .. } if session != self.jobs.session => {}
            Input::Done {
                work: Work::Opened(result),
                ..
            } => self.opened(*result),
            Input::Done {
                work: Work::Checked(result),
                ..
            } => self.checked(result),
            Input::Done {
                work: Work::Looked { seen, all, .. },
                ..
            } if seen != Looked::Same => self.looked(seen, all),
            Input::Done {
                work: Work::Rechecked(wrong) | Work::Scrubbed(wrong),
                ..
            } if !wrong.is_empty() => {
                // a disk may go on to return what was never written to it
                if let Some(times) = self.changes.failed("wrong pieces", self.now()) {
                    tracing::warn!(content = %self.spec.meta.name, pieces = wrong.len(), times, "pieces on disk are wrong; they are fetched again");
                }
                self.doubt(wrong, Vec::new());
            }
            input => {
                if let Input::Done {
                    work: Work::Looked { all: true, .. },
                    ..
                } = &input
                {
                    self.lookers.clear();
                }
                if let Stage::Running(session) = &mut self.stage {
                    session.input(input, self.services.clock.now());
                }
            }
        }
    }

    fn opened(&mut self, result: Result<Opened, StorageError>) {
        match result {
            Ok(opened) => self.check(Arc::new(opened.content), opened.to_check, Extent::Rest),
            Err(error) => self.fail(error, None),
        }
    }

    fn check(&mut self, content: Arc<Content>, total: u32, extent: Extent) {
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

    fn checked(&mut self, result: Result<Bitfield, StorageError>) {
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
    fn retry(&mut self, content: Option<Arc<Content>>) {
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
    fn looked(&mut self, seen: Looked, all: bool) {
        match seen {
            Looked::Same => {}
            Looked::Changed(files) => {
                let paths = files.iter().take(3).filter_map(|file| self.spec.meta.files.get(*file));
                let paths: Vec<String> = paths.map(|file| file.path.join("/")).collect();
                // a program may write to its files all the time
                if let Some(times) = self.changes.failed(&paths.join("\n"), self.now()) {
                    tracing::warn!(content = %self.spec.meta.name, files = files.len(), first = ?paths, times, "published files have changed; they are checked");
                }
                self.doubt(Vec::new(), files);
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
    fn doubt(&mut self, pieces: Vec<u32>, files: Vec<usize>) {
        let of_files = files.iter().map(|file| self.spec.meta.files.get(*file));
        let bytes: u64 = of_files.flatten().map(|file| file.length).sum();
        let total = bytes.div_ceil(u64::from(self.spec.meta.piece_length)) + pieces.len() as u64;
        if let Some(content) = self.leave_session() {
            let total = u32::try_from(total).unwrap_or(u32::MAX);
            self.check(content, total, Extent::Doubtful { pieces, files });
        }
    }

    /// Ends the session, whose answers to come are not heeded; answers its content.
    fn leave_session(&mut self) -> Option<Arc<Content>> {
        let Stage::Running(session) = &mut self.stage else {
            return None;
        };
        self.totals.add(&session.swarm_status(self.services.clock.now()));
        session.note_wan();
        let content = session.content();
        self.jobs.session += 1;
        // what they asked about is known to be in doubt now
        self.lookers.clear();
        Some(content)
    }

    fn fail(&mut self, error: StorageError, content: Option<Arc<Content>>) {
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

    fn command(&mut self, command: Command) {
        match command {
            Command::Status(reply) => {
                // whoever asked may have gone
                let _ = reply.send(self.status());
            }
            Command::Explain(reply) => {
                let _ = reply.send(self.explain());
            }
            Command::Pause => self.set_paused(true),
            Command::Resume => self.set_paused(false),
            Command::Verify => self.verify(),
            Command::Announce { restarted } => {
                if let Stage::Running(session) = &mut self.stage {
                    session.announce_again(restarted);
                }
            }
            Command::Look(done) => self.look(done),
            // taken by the loop
            Command::Stop(_) => {}
        }
    }

    fn set_paused(&mut self, paused: bool) {
        self.paused = paused;
        if let Stage::Running(session) = &mut self.stage {
            session.set_paused(paused, self.services.clock.now());
        }
    }

    /// Hashes everything again. Connections are closed meanwhile: what they were told may not be true.
    fn verify(&mut self) {
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

    fn look(&mut self, done: oneshot::Sender<()>) {
        if let Stage::Running(session) = &self.stage {
            if self.lookers.is_empty() {
                self.jobs.look(session.content(), None, self.now());
            }
            self.lookers.push(done);
        }
        // else it is being checked, and its state says so
    }

    fn status(&self) -> ContentStatus {
        let meta = &self.spec.meta;
        let mut out = ContentStatus {
            name: meta.name.clone(),
            info_hash: meta.info_hash.to_string(),
            bytes: meta.total,
            role: narrows_protocol::Role::Member.as_str().to_owned(),
            ..ContentStatus::default()
        };
        let mut totals = self.totals;
        match &self.stage {
            Stage::Opening => {}
            Stage::Checking {
                total,
                progress,
                content,
            } => {
                totals.add_damage(content);
                let done = progress.done.load(Ordering::Relaxed);
                out.progress = f64::from(done.min(*total)) / f64::from((*total).max(1));
            }
            Stage::Failed { error, content, .. } => {
                content.iter().for_each(|content| totals.add_damage(content));
                out.state = ContentState::Error;
                out.error = Some(error.to_string());
            }
            Stage::Running(session) => {
                let status = session.swarm_status(self.now());
                totals.add(&status);
                session.fill(&status, &mut out, self.now());
                totals.add_damage(&session.content());
            }
        }
        totals.fill(&mut out);
        out
    }

    fn explain(&self) -> ContentExplained {
        let (name, info_hash) = (&self.spec.meta.name, self.spec.meta.info_hash.to_string());
        match &self.stage {
            Stage::Running(session) => {
                let now = self.now();
                let unreachable = session.unreachable_peers(now);
                let tracker_error = session.tracker_error();
                ContentExplained::new(
                    name,
                    info_hash,
                    session.explanation(now),
                    unreachable,
                    tracker_error,
                )
            }
            _ => ContentExplained {
                name: name.clone(),
                info_hash,
                role: narrows_protocol::Role::Member.as_str().to_owned(),
                if_gateway_dies: "What is on disk is being checked; nobody is connected yet.".to_owned(),
                ..ContentExplained::default()
            },
        }
    }

    async fn stop(&mut self) {
        match &mut self.stage {
            Stage::Checking { progress, .. } => progress.stop.store(true, Ordering::Relaxed),
            Stage::Running(session) => session.stop().await,
            Stage::Opening | Stage::Failed { .. } => {}
        }
    }
}
