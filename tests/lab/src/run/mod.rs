//! The rollout itself: starts everything, watches, kills and restarts, until all clients are complete.

pub(crate) mod budgets;
pub(crate) mod chaos;
pub(crate) mod clock;
pub(crate) mod events;
pub(crate) mod faults;
pub(crate) mod fleet;
pub(crate) mod gateways;
pub(crate) mod hold;
pub(crate) mod liars;
pub(crate) mod lifecycle;
pub(crate) mod observations;
pub(crate) mod offences;
pub(crate) mod outcome;
pub(crate) mod pending;
pub(crate) mod probes;
pub(crate) mod progress;
pub(crate) mod rollout;
pub(crate) mod snapshot;
pub(crate) mod stagger;
pub mod traffic;
pub(crate) mod trial;
pub(crate) mod verdict;

use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::Stop;
use crate::args::Args;
use crate::network::Net;
use crate::players::player::TrackerKind;
use crate::programs::poll;
use crate::programs::process::Process;
use crate::report::screen::Screen;
use crate::report::view::View;
use crate::run::lifecycle::SILENT;
use crate::run::progress::PollResult;
use crate::run::rollout::{POLL, Rollout};
use crate::setup::{last_words, prepare};

/// Runs the lab; `true` if every client is complete and identical.
///
/// # Errors
/// Why there is no result.
pub async fn run(args: &Args) -> Result<bool, Stop> {
    let mut screen = Screen::new(args.json);
    let mut interrupt = interrupts()?;
    let work = async {
        if let Some(plan) = &args.chaos.plan {
            plan.to_string().lines().for_each(|line| screen.say(line));
        }
        let prepared = prepare(args, &mut screen).await?;
        let mut rollout = Rollout::new(prepared, args);
        let mut result = rollout.run(&mut screen).await;
        if args.hold && result.is_ok() {
            result = hold::hold(&mut screen).await;
        }
        rollout.fleet.stop().await;
        let outcome = match result {
            Ok(()) => rollout.verdicts(&mut screen).await,
            Err(stop) => Err(stop),
        };
        verdict::conclude(rollout, outcome, args, &mut screen)
    };
    tokio::select! {
        result = work => result,
        // dropping the work drops every process, which kills it
        _ = interrupt.recv() => Err(Stop::Interrupted),
    }
}

/// One message for Ctrl-C or SIGTERM.
fn interrupts() -> Result<mpsc::Receiver<()>, Stop> {
    use tokio::signal::unix::{SignalKind, signal};
    let (send, receive) = mpsc::channel(1);
    for kind in [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ] {
        let mut signal =
            signal(kind).map_err(|error| Stop::Missing(format!("cannot catch signals: {error}")))?;
        let send = send.clone();
        tokio::spawn(async move {
            signal.recv().await;
            let _ = send.send(()).await;
        });
    }
    Ok(receive)
}

impl Rollout {
    async fn run(&mut self, screen: &mut Screen) -> Result<(), Stop> {
        self.start_tracker()?;
        self.await_tracker().await?;
        let (tell, mut news) = mpsc::channel(256);
        let _pollers = self.pollers(&tell);
        let _offences = self.watch_offences();
        let seeders = self.starts(|place| place.seeder)?;
        screen.say(&format!(
            "{} tracker at {}, {seeders} seeders ({}) are verifying",
            self.prepared.tracker_name(),
            self.prepared.layout.announce(),
            self.prepared.player.name(),
        ));
        let patience = Duration::from_secs(60 + self.size.0 / 20_000_000);
        while !self.all_complete(|place| place.seeder) {
            if self.clock.started.elapsed() > patience {
                return Err(Stop::Failed(format!(
                    "the seeders are not ready after {} s\n{}",
                    patience.as_secs(),
                    self.words_of(self.first_incomplete())
                )));
            }
            self.step(&mut news).await?;
        }
        if self.pending.stagger.is_some() {
            self.write_clients()?;
        }
        if let Some(net) = &self.prepared.net {
            self.seen.wire.begin(net.counters());
        }
        self.start_liars()?;
        let clients = self.starts(|place| !place.seeder && !place.late)?;
        self.clock.start_clients();
        screen.say(&format!(
            "the seeders seed; {clients} clients were started at once"
        ));
        while !self.finished() {
            if self.elapsed() > self.clock.timeout {
                self.event(format!(
                    "time is up after {} s (--timeout)",
                    self.clock.timeout.as_secs()
                ));
                break;
            }
            self.step(&mut news).await?;
            self.look_again().await;
            screen.show(&self.view(self.elapsed()), Instant::now());
        }
        self.last_look().await;
        screen.last(&self.view(self.elapsed()));
        Ok(())
    }

    /// Waits a little, takes in what was heard, and does what is due.
    async fn step(&mut self, news: &mut mpsc::Receiver<PollResult>) -> Result<(), Stop> {
        if let Ok(Some(first)) = tokio::time::timeout(Duration::from_millis(100), news.recv()).await {
            self.note(first);
        }
        while let Ok(more) = news.try_recv() {
            self.note(more);
        }
        self.sample(false);
        self.kill_due().await?;
        self.events_due().await?;
        self.probes_due()?;
        self.contents_due().await?;
        self.restart_due()?;
        self.check_processes()
    }

    /// Notes the kernel's counters and each agent's progress, if it is time to, or for the `last` time.
    fn sample(&mut self, last: bool) {
        let at = self.elapsed().as_secs_f64();
        if self.clock.clients_started.is_some() && (last || self.seen.wire.due(at)) {
            let progress = self.fleet.agents.iter().map(|agent| agent.progress).collect();
            let counters = self.prepared.net.as_ref().map(Net::counters).unwrap_or_default();
            self.seen.wire.sample(at, progress, &counters);
            self.note_claims(at);
            self.watch_links(at);
        }
    }

    async fn await_tracker(&mut self) -> Result<(), Stop> {
        if self.prepared.tracker != TrackerKind::Narrows {
            // it has nothing to ask; players announce again until it answers
            return self.check_processes();
        }
        let folder = self.prepared.layout.tracker();
        let admin = self.prepared.layout.admin();
        while let Err(error) = poll::get(admin, "/healthz", Duration::from_secs(1)).await {
            self.check_processes()?;
            if self.clock.started.elapsed() > SILENT {
                return Err(Stop::Failed(format!(
                    "the tracker does not answer: {error:#}\n{}",
                    last_words(&folder)
                )));
            }
            tokio::time::sleep(POLL / 4).await;
        }
        Ok(())
    }

    fn all_complete(&self, which: impl Fn(&crate::deployment::Place) -> bool) -> bool {
        let those =
            self.prepared.deployment.agents.iter().zip(&self.fleet.agents).filter(|(place, _)| which(place));
        those.into_iter().all(|(place, state)| {
            state.seconds.is_some() || state.gone || (place.late && state.since.is_none())
        })
    }

    fn first_incomplete(&self) -> usize {
        self.fleet.agents.iter().position(|state| state.seconds.is_none()).unwrap_or(0)
    }

    fn words_of(&self, agent: usize) -> String {
        last_words(&self.folder(agent))
    }

    /// The last counters of all agents.
    async fn last_look(&mut self) {
        for agent in 0..self.fleet.agents.len() {
            self.look(agent).await;
            let state = &mut self.fleet.agents[agent];
            let usage = state.process.as_ref().and_then(Process::usage);
            state.add_usage(usage);
        }
        let sum = self.seen.traffic.sum();
        self.seen.facts.wan_sent = sum.sent;
        self.seen.facts.wasted = sum.wasted;
        self.seen.facts.unattributed = self.seen.traffic.unattributed();
        self.sample(true);
        let tracker = self.fleet.tracker.as_ref().and_then(Process::usage).unwrap_or_default();
        self.seen.facts.tracker.cpu_seconds += tracker.cpu_seconds;
        self.seen.facts.tracker.rss_peak = self.seen.facts.tracker.rss_peak.max(tracker.rss_peak);
        for event in self.pending.schedule.open().to_vec() {
            self.event(format!("nothing happened for {event}: the moment never came"));
        }
        for kill in self.pending.kills.open().to_vec() {
            self.event(format!("no client was killed for {kill}: the moment never came"));
        }
    }

    /// What there is to show.
    pub(crate) fn view(&self, now: Duration) -> View {
        crate::run::snapshot::view(self, now, false)
    }
}
