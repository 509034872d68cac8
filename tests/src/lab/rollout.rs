//! The rollout itself: starts everything, watches, kills and restarts, until all clients are complete.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::mpsc;

use super::Stop;
use super::args::{Args, Size};
use super::kills::Plan;
use super::ledger::Ledger;
use super::lives::SILENT;
use super::news::News;
use super::poll::{self, ContentStatus, SwarmStatus};
use super::process::{Process, Usage, log_of};
use super::report::{self, Report};
use super::screen::Screen;
use super::setup::{Prepared, last_words, prepare};
use super::verify::{self, Verdict};
use super::view::View;

/// Between two questions to the same process.
pub(super) const POLL: Duration = Duration::from_millis(200);

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
        let result = rollout.run(&mut screen).await;
        rollout.stop().await;
        let outcome = match result {
            Ok(()) => rollout.verdicts(&mut screen).await,
            Err(stop) => Err(stop),
        };
        conclude(rollout, outcome, args, &mut screen)
    };
    tokio::select! {
        result = work => result,
        // dropping the work drops every process, which kills it
        _ = interrupt.recv() => Err(Stop::Interrupted),
    }
}

/// Prints the report and says where logs are when they are worth reading.
fn conclude(
    rollout: Rollout,
    outcome: Result<Vec<Verdict>, Stop>,
    args: &Args,
    screen: &mut Screen,
) -> Result<bool, Stop> {
    let view = rollout.view(rollout.elapsed());
    let Prepared {
        workplace,
        layout,
        world,
        ..
    } = rollout.prepared;
    let verdicts = match outcome {
        Ok(verdicts) => verdicts,
        Err(stop) => {
            let logs = workplace.keep_logs(&layout, &world);
            screen.say(&format!("logs and configuration are in {}", logs.display()));
            return Err(stop);
        }
    };
    let report = Report::new(&view, &verdicts, rollout.facts);
    for line in report::lines(&view, &report) {
        screen.say(&line);
    }
    if args.json {
        let text = serde_json::to_string(&report).map_err(|error| Stop::Failed(error.to_string()))?;
        println!("{text}");
    }
    if !report.ok {
        for (place, row) in world.agents.iter().zip(&report.agents) {
            if !row.ok() {
                screen.say(&format!("{}: {}", row.id, last_words(&layout.agent(place))));
            }
        }
        screen.say(&format!(
            "logs and configuration are in {}",
            workplace.keep_logs(&layout, &world).display()
        ));
    } else if let super::setup::Workplace::Kept(dir) = workplace {
        screen.say(&format!("everything is in {}", dir.display()));
    }
    Ok(report.ok)
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
pub(super) struct Rollout {
    pub(super) prepared: Prepared,
    pub(super) agents: Vec<Agent>,
    pub(super) ledger: Ledger,
    pub(super) events: Vec<(f64, String)>,
    pub(super) facts: report::Facts,
    pub(super) size: Size,
    pub(super) tracker: Option<Process>,
    pub(super) plan: Plan,
    timeout: Duration,
    begun: Instant,
    /// When the clients were started.
    t0: Option<Instant>,
    pub(super) swarm: SwarmStatus,
}

/// An agent and what is known of it.
#[derive(Default)]
pub(super) struct Agent {
    pub(super) process: Option<Process>,
    pub(super) status: Option<ContentStatus>,
    /// Of the content, 0 to 1; while files are checked, what it was before.
    pub(super) progress: f64,
    pub(super) kills: u32,
    pub(super) seconds: Option<f64>,
    pub(super) usage: Usage,
    pub(super) restart: Option<Instant>,
    /// Answers to questions asked before this are of an earlier life.
    pub(super) since: Option<Instant>,
    pub(super) heard: Option<Instant>,
}

impl Rollout {
    fn new(prepared: Prepared, args: &Args) -> Rollout {
        let size = Size(prepared.content.bytes);
        let bound = prepared.world.bound(size.0, Timestamp::now()).unwrap_or(0.0);
        let timeout = args
            .timeout
            .map_or(Duration::from_secs_f64(3.0 * bound + 60.0), |timeout| timeout.0);
        Rollout {
            agents: prepared.world.agents.iter().map(|_| Agent::default()).collect(),
            ledger: Ledger::new(prepared.world.agents.iter().map(|place| place.site)),
            plan: Plan::new(prepared.kills.clone()),
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
            swarm: SwarmStatus::default(),
            prepared,
        }
    }

    /// Since the clients were started.
    pub(super) fn elapsed(&self) -> Duration {
        self.t0.map_or(Duration::ZERO, |t0| t0.elapsed())
    }

    async fn run(&mut self, screen: &mut Screen) -> Result<(), Stop> {
        self.start_tracker().await?;
        let (tell, mut news) = mpsc::channel(256);
        let _pollers = self.pollers(&tell);
        let seeders = self.starts(|place| place.seeder)?;
        screen.say(&format!(
            "tracker at {}, {seeders} seeders are verifying",
            self.prepared.layout.announce()
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
        let clients = self.starts(|place| !place.seeder)?;
        self.t0 = Some(Instant::now());
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
    async fn step(&mut self, news: &mut mpsc::Receiver<News>) -> Result<(), Stop> {
        if let Ok(Some(first)) = tokio::time::timeout(Duration::from_millis(100), news.recv()).await {
            self.hear(first);
        }
        while let Ok(more) = news.try_recv() {
            self.hear(more);
        }
        self.kill_due().await?;
        self.restart_due()?;
        self.nobody_died()
    }

    async fn start_tracker(&mut self) -> Result<(), Stop> {
        let folder = self.prepared.layout.tracker();
        let program = self.prepared.binaries.tracker.clone();
        self.tracker = Some(self.spawn(&program, &folder.join("tracker.yaml"), &log_of(&folder))?);
        let admin = self.prepared.layout.admin();
        while let Err(error) = poll::get(admin, "/healthz", Duration::from_secs(1)).await {
            self.nobody_died()?;
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

    fn all_complete(&self, which: impl Fn(&super::world::Place) -> bool) -> bool {
        let those = self
            .prepared
            .world
            .agents
            .iter()
            .zip(&self.agents)
            .filter(|(place, _)| which(place));
        those.into_iter().all(|(_, state)| state.seconds.is_some())
    }

    fn first_incomplete(&self) -> usize {
        self.agents
            .iter()
            .position(|state| state.seconds.is_none())
            .unwrap_or(0)
    }

    fn words_of(&self, agent: usize) -> String {
        last_words(&self.folder(agent))
    }

    pub(super) fn folder(&self, agent: usize) -> PathBuf {
        self.prepared.layout.agent(&self.prepared.world.agents[agent])
    }

    pub(super) fn event(&mut self, what: String) {
        self.events.push((self.elapsed().as_secs_f64(), what));
    }

    /// The last counters of everybody.
    async fn last_look(&mut self) {
        for agent in 0..self.agents.len() {
            let control = self
                .prepared
                .layout
                .control(self.prepared.world.agents[agent].addr);
            if let Ok(status) = poll::agent(control).await {
                self.hear_agent(agent, Instant::now(), status);
            }
            let state = &mut self.agents[agent];
            let usage = state.process.as_ref().and_then(Process::usage);
            state.add_usage(usage);
        }
        let sum = self.ledger.sum();
        self.facts.wan_sent = sum.sent;
        self.facts.wasted = sum.wasted;
        self.facts.unattributed = self.ledger.unattributed();
        self.facts.tracker = self.tracker.as_ref().and_then(Process::usage).unwrap_or_default();
        for kill in self.plan.open().to_vec() {
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

    /// Compares what every complete client has with what was sent.
    async fn verdicts(&self, screen: &mut Screen) -> Result<Vec<Verdict>, Stop> {
        screen.say("comparing every file of every client with its source");
        let (source, name) = (self.prepared.content.path.clone(), self.prepared.name.clone());
        let folders: Vec<Option<PathBuf>> = self
            .agents
            .iter()
            .zip(&self.prepared.world.agents)
            .map(|(state, place)| {
                state
                    .seconds
                    .map(|_| self.prepared.layout.data(place).join(&name))
            })
            .collect();
        let compared = tokio::task::spawn_blocking(move || verify::verdicts(&source, &folders)).await;
        let failed = |error: String| Stop::Failed(format!("cannot compare the files: {error}"));
        compared
            .map_err(|error| failed(error.to_string()))?
            .map_err(|error| failed(format!("{error:#}")))
    }

    /// What there is to show.
    pub(super) fn view(&self, now: Duration) -> View {
        super::snapshot::view(self, now)
    }
}

impl Agent {
    pub(super) fn add_usage(&mut self, usage: Option<Usage>) {
        let Some(usage) = usage else { return };
        self.usage.cpu_seconds += usage.cpu_seconds;
        self.usage.rss_peak = self.usage.rss_peak.max(usage.rss_peak);
    }
}
