//! The rollout itself: starts everything, watches, kills and restarts, until all clients are complete.

pub(crate) mod hold;
pub mod kills;
pub(crate) mod lifecycle;
pub(crate) mod outcome;
pub(crate) mod progress;
pub(crate) mod snapshot;
pub mod traffic;
pub(crate) mod verdict;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use narrows_topology::Hop;
use tokio::sync::mpsc;

use crate::Stop;
use crate::args::options::Probe;
use crate::args::{Args, Size};
use crate::budget::watch::Watch;
use crate::events::Schedule;
use crate::events::claims::Claims;
use crate::events::run::{Happened, Undo};
use crate::network::Net;
use crate::players::player::TrackerKind;
use crate::programs::poll::{self, ContentStatus, SwarmStatus};
use crate::programs::process::{Process, Usage};
use crate::report;
use crate::report::screen::Screen;
use crate::run::kills::PendingKills;
use crate::run::lifecycle::SILENT;
use crate::run::outcome::Running;
use crate::run::progress::PollResult;
use crate::run::traffic::Traffic;
use crate::setup::{Prepared, last_words, prepare};

use crate::deployment::{PlannedRoute, copies};
use crate::network::wire::WireCounters;
use crate::report::view::View;

/// Between two questions to the same process.
pub(crate) const POLL: Duration = Duration::from_millis(200);

/// Runs the lab; `true` if every client is complete and identical.
///
/// # Errors
/// Why there is no result.
pub async fn run(args: &Args) -> Result<bool, Stop> {
    let mut screen = Screen::new(args.json);
    let mut interrupt = interrupts()?;
    let work = async {
        let prepared = prepare(args, &mut screen).await?;
        let mut rollout = Rollout::new(prepared, args);
        let mut result = rollout.run(&mut screen).await;
        if args.hold && result.is_ok() {
            result = hold::hold(&mut screen).await;
        }
        rollout.stop().await;
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
    let (tell, told) = mpsc::channel(1);
    for kind in [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ] {
        let mut signal =
            signal(kind).map_err(|error| Stop::Missing(format!("cannot catch signals: {error}")))?;
        let tell = tell.clone();
        tokio::spawn(async move {
            signal.recv().await;
            let _ = tell.send(()).await;
        });
    }
    Ok(told)
}

/// A run and all that is known of it.
pub(crate) struct Rollout {
    pub(crate) prepared: Prepared,
    pub(crate) agents: Vec<Agent>,
    pub(crate) traffic: Traffic,
    pub(crate) events: Vec<(f64, String)>,
    pub(crate) facts: report::Facts,
    pub(crate) size: Size,
    pub(crate) tracker: Option<Process>,
    /// When a tracker that was killed starts again.
    pub(crate) tracker_restart: Option<Instant>,
    pub(crate) pending_kills: PendingKills,
    pub(crate) schedule: Schedule,
    pub(crate) undo: Vec<Undo>,
    pub(crate) happened: Vec<Happened>,
    /// The kernel's counters.
    pub(crate) wire: WireCounters,
    /// What is noted of links and their budgets.
    pub(crate) watch: Watch,
    /// Who claimed to be gateway when.
    pub(crate) claims: Claims,
    /// The routes to each waiting site, as planned at the beginning.
    pub(crate) planned_routes: Vec<PlannedRoute>,
    /// How many copies have to cross each link and direction in that plan.
    pub(crate) planned: BTreeMap<Hop, f64>,
    pub(crate) probes_wanted: Vec<Probe>,
    pub(crate) probes: Vec<Running>,
    /// Between the beginnings of two contents, if they do not begin at once.
    pub(crate) stagger: Option<Duration>,
    /// When each content began, in seconds since the clients' start.
    pub(crate) begun_at: Vec<f64>,
    timeout: Duration,
    begun: Instant,
    /// When the clients were started.
    pub(crate) t0: Option<Instant>,
    /// The same by the clock, which schedules go by.
    pub(crate) begun_clock: Timestamp,
    pub(crate) swarms: Vec<SwarmStatus>,
}

/// An agent and what is known of it.
#[derive(Default)]
pub(crate) struct Agent {
    pub(crate) process: Option<Process>,
    /// Of each content.
    pub(crate) status: Vec<ContentStatus>,
    /// Of all contents, 0 to 1; while files are checked, what it was before.
    pub(crate) progress: f64,
    /// Of each content.
    pub(crate) each: Vec<f64>,
    /// When each content was complete, in seconds since the clients' start.
    pub(crate) done: Vec<Option<f64>>,
    pub(crate) kills: u32,
    pub(crate) seconds: Option<f64>,
    pub(crate) usage: Usage,
    pub(crate) restart: Option<Instant>,
    /// Answers to questions asked before this are of an earlier life.
    pub(crate) since: Option<Instant>,
    pub(crate) heard: Option<Instant>,
    /// It stands still and does not answer.
    pub(crate) frozen: bool,
    /// Its network cable is pulled.
    pub(crate) unplugged: bool,
    /// It will not be complete: it is not waited for.
    pub(crate) gone: bool,
}

impl Rollout {
    fn new(prepared: Prepared, args: &Args) -> Rollout {
        let size = Size(prepared.task.contents.iter().map(|content| content.size).sum());
        let contents = prepared.task.contents.len();
        let planned_routes = prepared.deployment.planned_routes(Timestamp::now());
        let bound = prepared.deployment.bound(size.0, Timestamp::now()).unwrap_or(0.0);
        let timeout = args.timeout.map_or(Duration::from_secs_f64(3.0 * bound + 60.0), |timeout| timeout.0);
        Rollout {
            agents: prepared.deployment.agents.iter().map(|_| Agent::new(contents)).collect(),
            traffic: Traffic::new(
                prepared.deployment.agents.iter().flat_map(|place| std::iter::repeat_n(place.site, contents)),
                contents,
            ),
            pending_kills: PendingKills::new(prepared.kills.clone()),
            schedule: Schedule::new(args.options.event.clone()),
            undo: Vec::new(),
            happened: Vec::new(),
            wire: WireCounters::new(prepared.net.iter().flat_map(|net| net.plan().hops()).collect()),
            watch: Watch::default(),
            claims: Claims::default(),
            planned: copies(&planned_routes),
            planned_routes,
            probes_wanted: args.options.probe.clone(),
            probes: Vec::new(),
            stagger: args.options.stagger.map(|stagger| stagger.0),
            begun_at: Vec::new(),
            tracker_restart: None,
            facts: report::Facts {
                pieces: prepared.pieces,
                ..report::Facts::default()
            },
            events: Vec::new(),
            tracker: None,
            size,
            timeout,
            begun: Instant::now(),
            t0: None,
            begun_clock: Timestamp::now(),
            swarms: Vec::new(),
            prepared,
        }
    }

    /// Since the clients were started.
    pub(crate) fn elapsed(&self) -> Duration {
        self.t0.map_or(Duration::ZERO, |t0| t0.elapsed())
    }

    async fn run(&mut self, screen: &mut Screen) -> Result<(), Stop> {
        self.start_tracker()?;
        self.await_tracker().await?;
        let (tell, mut news) = mpsc::channel(256);
        let _pollers = self.pollers(&tell);
        let seeders = self.starts(|place| place.seeder)?;
        screen.say(&format!(
            "{} tracker at {}, {seeders} seeders ({}) are verifying",
            self.prepared.tracker_name(),
            self.prepared.layout.announce(),
            self.prepared.player.name(),
        ));
        let patience = Duration::from_secs(60 + self.size.0 / 20_000_000);
        while !self.all_complete(|place| place.seeder) {
            if self.begun.elapsed() > patience {
                return Err(Stop::Failed(format!(
                    "the seeders are not ready after {} s\n{}",
                    patience.as_secs(),
                    self.words_of(self.first_incomplete())
                )));
            }
            self.step(&mut news).await?;
        }
        if self.stagger.is_some() {
            self.write_clients()?;
        }
        if let Some(net) = &self.prepared.net {
            self.wire.begin(net.counters());
        }
        let clients = self.starts(|place| !place.seeder && !place.late)?;
        (self.t0, self.begun_clock) = (Some(Instant::now()), Timestamp::now());
        screen.say(&format!(
            "the seeders seed; {clients} clients were started at once"
        ));
        while !self.all_complete(|_| true) {
            if self.elapsed() > self.timeout {
                self.event(format!(
                    "time is up after {} s (--timeout)",
                    self.timeout.as_secs()
                ));
                break;
            }
            self.step(&mut news).await?;
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
        if self.t0.is_some() && (last || self.wire.due(at)) {
            let progress = self.agents.iter().map(|agent| agent.progress).collect();
            let counters = self.prepared.net.as_ref().map(Net::counters).unwrap_or_default();
            self.wire.sample(at, progress, &counters);
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
            if self.begun.elapsed() > SILENT {
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
            self.prepared.deployment.agents.iter().zip(&self.agents).filter(|(place, _)| which(place));
        those.into_iter().all(|(place, state)| {
            state.seconds.is_some() || state.gone || (place.late && state.since.is_none())
        })
    }

    fn first_incomplete(&self) -> usize {
        self.agents.iter().position(|state| state.seconds.is_none()).unwrap_or(0)
    }

    fn words_of(&self, agent: usize) -> String {
        last_words(&self.folder(agent))
    }

    pub(crate) fn folder(&self, agent: usize) -> PathBuf {
        self.prepared.layout.agent(&self.prepared.deployment.agents[agent])
    }

    pub(crate) fn event(&mut self, what: String) {
        self.events.push((self.elapsed().as_secs_f64(), what));
    }

    /// The last counters of all agents.
    async fn last_look(&mut self) {
        for agent in 0..self.agents.len() {
            self.look(agent).await;
            let state = &mut self.agents[agent];
            let usage = state.process.as_ref().and_then(Process::usage);
            state.add_usage(usage);
        }
        let sum = self.traffic.sum();
        self.facts.wan_sent = sum.sent;
        self.facts.wasted = sum.wasted;
        self.facts.unattributed = self.traffic.unattributed();
        self.sample(true);
        let tracker = self.tracker.as_ref().and_then(Process::usage).unwrap_or_default();
        self.facts.tracker.cpu_seconds += tracker.cpu_seconds;
        self.facts.tracker.rss_peak = self.facts.tracker.rss_peak.max(tracker.rss_peak);
        for event in self.schedule.open().to_vec() {
            self.event(format!("nothing happened for {event}: the moment never came"));
        }
        for kill in self.pending_kills.open().to_vec() {
            self.event(format!("nobody was killed for {kill}: the moment never came"));
        }
    }

    /// Ends every process.
    async fn stop(&mut self) {
        let agents = self.agents.iter_mut().filter_map(|agent| agent.process.take());
        for mut process in agents.chain(self.tracker.take()) {
            // it is ours and kill(2) of it cannot fail but for having ended
            let _ = process.kill().await;
        }
    }

    /// What there is to show.
    pub(crate) fn view(&self, now: Duration) -> View {
        crate::run::snapshot::view(self, now, false)
    }
}

impl Agent {
    fn new(contents: usize) -> Agent {
        Agent {
            each: vec![0.0; contents],
            done: vec![None; contents],
            ..Agent::default()
        }
    }

    pub(crate) fn add_usage(&mut self, usage: Option<Usage>) {
        let Some(usage) = usage else { return };
        self.usage.cpu_seconds += usage.cpu_seconds;
        self.usage.rss_peak = self.usage.rss_peak.max(usage.rss_peak);
    }
}
