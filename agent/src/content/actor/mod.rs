//! The life of a content: opened and checked ([`check`]), then a session with its swarm; again after a
//! verify. It is one loop; what others ask of it are commands, what happens are inputs.

mod answers;
mod check;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use narrows_host::Repeats;
use narrows_storage::{Content, Looked, StorageError};
use narrows_swarm::Time;
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::sleep_until;

use super::session::Session;
use super::status::Totals;
use super::work::{CheckProgress, Jobs};
use super::{Command, Handle, INPUTS, Input, Services, Spec, Work};

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
    /// Callers that wait for a look at all files; dropping a sender answers.
    lookers: Vec<oneshot::Sender<()>>,
    /// Failures to open and to check, as the log knows them.
    failures: Repeats,
    /// Published files found changed or wrong, as the log knows them.
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
        /// If it was open: what is known of its pieces stays known.
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
                self.distrust(wrong, Vec::new());
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

    fn command(&mut self, command: Command) {
        match command {
            Command::Status(reply) => {
                // the one that asked may have gone
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

    async fn stop(&mut self) {
        match &mut self.stage {
            Stage::Checking { progress, .. } => progress.stop.store(true, Ordering::Relaxed),
            Stage::Running(session) => session.stop().await,
            Stage::Opening | Stage::Failed { .. } => {}
        }
        // what is under way on the disk ends, so that what was fetched can be removed
        let (files, info_hash) = (
            Arc::clone(&self.services.resources.files),
            self.spec.meta.info_hash,
        );
        // it only ends early if the runtime does
        let _ = spawn_blocking(move || files.settle(info_hash)).await;
    }
}
