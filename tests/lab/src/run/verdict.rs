//! The end of a run: files compared, the report printed, pictures drawn.

use narrows_host::say;
use narrows_topology::Hop;

use crate::Stop;
use crate::args::Args;
use crate::players::player::Host;
use crate::report::plot;
use crate::report::screen::Screen;
use crate::report::verify::{self, Verdict};
use crate::report::view::View;
use crate::report::{self, Report};
use crate::run::chaos::{planted, tell};
use crate::run::fleet::Agent;
use crate::run::rollout::Rollout;
use crate::setup::workplace::Workplace;
use crate::setup::{Prepared, last_words};
use crate::timeline::{Sample, Timeline};

/// Prints the report and says where logs are when they are worth reading.
pub(crate) fn conclude(
    rollout: Rollout,
    outcome: Result<Vec<Verdict>, Stop>,
    args: &Args,
    screen: &mut Screen,
) -> Result<bool, Stop> {
    let view = crate::run::snapshot::view(&rollout, rollout.elapsed(), true);
    let timeline = rollout.timeline(&view);
    let title = format!(
        "{} to {} clients: {}, {} tracker",
        view.size,
        view.agents.iter().filter(|agent| !agent.seeder).count(),
        rollout.prepared.player.name(),
        rollout.prepared.tracker_name()
    );
    let report = outcome.map(|verdicts| {
        let mut report = Report::new(&view, &verdicts, rollout.seen.facts);
        rollout.complete(&mut report, &view);
        report.findings = rollout.findings(&report);
        report.ok &= report.findings.as_ref().is_none_or(Vec::is_empty);
        report
    });
    let counted = report.as_ref().map(|report| rollout.counted(report)).unwrap_or_default();
    let chaos = rollout.chaos.as_ref().map(|chaos| chaos.plan.clone());
    let Prepared {
        workplace,
        layout,
        deployment,
        disks,
        ..
    } = rollout.prepared;
    let report = match report {
        Ok(report) => report,
        Err(stop) => {
            let logs = workplace.keep_logs(&layout, &deployment);
            screen.say(&format!("logs and configuration are in {}", logs.display()));
            return Err(stop);
        }
    };
    for line in report::lines(&view, &report) {
        screen.say(&line);
    }
    if let (Some(chaos), Some(findings)) = (&chaos, &report.findings) {
        counted.iter().for_each(|line| screen.say(line));
        for line in tell(chaos, findings, &report.events) {
            screen.say(&line);
        }
    }
    if let Some(path) = &args.comparison.plot {
        let about = plot::About::of(&view, &timeline, title);
        match plot::write(path, &timeline, &about) {
            Ok(()) => screen.say(&format!("the picture is {}", path.display())),
            // the result is worth more than its picture
            Err(error) => screen.say(&format!("--plot: {error:#}")),
        }
    }
    // the folder they are in is removed or kept without them
    drop(disks);
    if args.json {
        let text = serde_json::to_string(&report).map_err(|error| Stop::Failed(error.to_string()))?;
        say!("{text}");
    }
    if !report.ok {
        for (place, row) in deployment.agents.iter().zip(&report.agents) {
            if !row.ok() {
                screen.say(&format!("{}: {}", row.id, last_words(&layout.agent(place))));
            }
        }
        screen.say(&format!(
            "logs and configuration are in {}",
            workplace.keep_logs(&layout, &deployment).display()
        ));
    } else if let Workplace::Kept(dir) = workplace {
        screen.say(&format!("everything is in {}", dir.display()));
    }
    Ok(report.ok)
}

impl Rollout {
    /// Compares what every complete client has with what was sent.
    pub(crate) async fn verdicts(&self, screen: &mut Screen) -> Result<Vec<Verdict>, Stop> {
        screen.say("comparing every file of every client with its source");
        let contents: Vec<_> = self.prepared.task.contents.iter().enumerate().collect();
        let mut all = vec![Verdict::Identical; self.fleet.agents.len()];
        for (number, content) in contents {
            let target =
                |(state, host): (&Agent, &Host)| state.done[number].map(|_| host.data.join(&content.name));
            let folders: Vec<_> = self.fleet.agents.iter().zip(&self.prepared.hosts).map(target).collect();
            let source = content.source.clone();
            let besides = planted(self.chaos.as_ref());
            let compared =
                tokio::task::spawn_blocking(move || verify::verdicts(&source, &folders, &besides)).await;
            let failed = |error: String| Stop::Failed(format!("cannot compare the files: {error}"));
            let verdicts = compared
                .map_err(|error| failed(error.to_string()))?
                .map_err(|error| failed(format!("{error:#}")))?;
            for (sum, verdict) in all.iter_mut().zip(verdicts) {
                if *sum == Verdict::Identical {
                    *sum = verdict;
                }
            }
        }
        Ok(all)
    }

    /// Everything over time.
    fn timeline(&self, view: &View) -> Timeline {
        let deployment = &self.prepared.deployment;
        let link = |hop: Hop| {
            let (from, to) = deployment.hop_name(hop);
            format!("{from} → {to}")
        };
        let mut samples = self.seen.wire.samples.clone();
        // the last client may have been complete since
        if let Some(last) = samples.last().cloned() {
            samples.push(Sample {
                at: view.seconds().unwrap_or(last.at).max(last.at),
                progress: self.fleet.agents.iter().map(|agent| agent.progress).collect(),
                ..last
            });
        }
        Timeline {
            agents: deployment.agents.iter().map(|place| place.id.clone()).collect(),
            links: self.seen.wire.hops().map(link).collect(),
            samples,
            events: view.events.clone(),
            bound: view.bound,
        }
    }
}
