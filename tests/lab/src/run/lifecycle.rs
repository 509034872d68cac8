//! Processes that begin, are killed, come back, or end when they should not.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::Stop;
use crate::deployment::Place;
use crate::events::kills::Seen;
use crate::players;
use crate::players::player::TrackerKind;
use crate::programs::process::CommandLine;
use crate::programs::process::{Process, log_of};
use crate::run::rollout::Rollout;
use crate::setup::{Prepared, last_words};

/// How long a killed agent stays away.
const AWAY: Duration = Duration::from_secs(5);

/// A process that says nothing for so long has failed.
pub(crate) const SILENT: Duration = Duration::from_secs(20);

impl Rollout {
    /// Starts a command at a host: 0 the tracker's, then the agents'.
    pub(crate) fn spawn(&self, host: usize, command: CommandLine, log: &Path) -> Result<Process, Stop> {
        let program = command.program.display().to_string();
        let command = match &self.prepared.net {
            Some(net) => net.at(host, command),
            None => command,
        };
        let started = self.prepared.minder.run(command, log);
        started.map_err(|error| Stop::Failed(format!("cannot start {program}: {error}")))
    }

    pub(crate) fn start_tracker(&mut self) -> Result<(), Stop> {
        let (layout, binaries) = (&self.prepared.layout, &self.prepared.binaries);
        let folder = layout.tracker();
        let command = match self.prepared.tracker {
            TrackerKind::Narrows => CommandLine {
                program: binaries.tracker.clone(),
                args: vec![
                    "run".into(),
                    "--config".into(),
                    folder.join("tracker.yaml").into(),
                ],
                env: self.clock_env(&folder),
            },
            TrackerKind::Opentracker => players::opentracker::command(&folder),
        };
        self.fleet.tracker = Some(self.spawn(0, command, &log_of(&folder))?);
        self.fleet.tracker_restart = None;
        Ok(())
    }

    /// SIGKILL.
    pub(crate) async fn kill_tracker(&mut self) -> Result<(), Stop> {
        let Some(mut process) = self.fleet.tracker.take() else {
            return Ok(());
        };
        let usage = process.usage().unwrap_or_default();
        self.seen.facts.tracker.cpu_seconds += usage.cpu_seconds;
        self.seen.facts.tracker.rss_peak = self.seen.facts.tracker.rss_peak.max(usage.rss_peak);
        let killed = process.kill().await;
        killed.map_err(|error| Stop::Failed(format!("cannot kill the tracker: {error}")))
    }

    pub(crate) fn start(&mut self, agent: usize) -> Result<(), Stop> {
        let Prepared {
            player, hosts, task, ..
        } = &self.prepared;
        let (host, log) = (&hosts[agent], log_of(&hosts[agent].folder));
        let mut command = player.command(host, task);
        command.env.extend(self.clock_env(&host.folder));
        let process = self.spawn(agent + 1, command, &log)?;
        let (now, state) = (Instant::now(), &mut self.fleet.agents[agent]);
        (state.process, state.restart, state.since, state.heard) =
            (Some(process), None, Some(now), Some(now));
        let contents = self.prepared.task.contents.len();
        for account in agent * contents..(agent + 1) * contents {
            self.seen.traffic.restarted(account);
        }
        Ok(())
    }

    /// Starts some of those that wait for an event; how many.
    pub(crate) fn start_late(&mut self, site: &str, count: usize) -> Result<usize, Stop> {
        let deployment = &self.prepared.deployment;
        let waits = |i: &usize| {
            let place = &deployment.agents[*i];
            place.late && self.fleet.agents[*i].since.is_none() && deployment.map.name(place.site) == site
        };
        let those: Vec<usize> = (0..deployment.agents.len()).filter(waits).take(count).collect();
        those.iter().try_for_each(|agent| self.start(*agent))?;
        Ok(those.len())
    }

    /// Starts those; how many they are.
    pub(crate) fn starts(&mut self, which: impl Fn(&Place) -> bool) -> Result<usize, Stop> {
        let those: Vec<usize> =
            (0..self.fleet.agents.len()).filter(|i| which(&self.prepared.deployment.agents[*i])).collect();
        those.iter().try_for_each(|agent| self.start(*agent))?;
        Ok(those.len())
    }

    pub(crate) async fn kill_due(&mut self) -> Result<(), Stop> {
        let clients: Vec<usize> = self.prepared.deployment.clients().collect();
        let deployment = &self.prepared.deployment;
        let names: Vec<_> = clients.iter().map(|i| deployment.map.name(deployment.agents[*i].site)).collect();
        let seen: Vec<Seen<'_>> = clients
            .iter()
            .zip(&names)
            .map(|(i, site)| {
                let state = &self.fleet.agents[*i];
                Seen {
                    site,
                    number: deployment.agents[*i].number,
                    progress: state.progress,
                    gateway: state.gateway(),
                    running: state.process.is_some(),
                    kills: state.kills,
                }
            })
            .collect();
        let due = self.pending.kills.due(&seen);
        drop(names);
        for (kill, victim) in due {
            let agent = clients[victim];
            let place = self.prepared.deployment.agents[agent].clone();
            self.look(agent).await;
            let gateway = self.fleet.agents[agent].gateway();
            self.note_kill(agent, format!("kill {kill}"));
            let state = &mut self.fleet.agents[agent];
            let Some(mut process) = state.process.take() else {
                continue;
            };
            state.add_usage(process.usage());
            process
                .kill()
                .await
                .map_err(|error| Stop::Failed(format!("cannot kill {}: {error}", place.id)))?;
            state.restart = Some(Instant::now() + AWAY);
            (state.kills, state.seconds) = (state.kills + 1, None);
            self.event(format!(
                "killed {}{} ({kill})",
                place.id,
                if gateway { ", the gateway" } else { "" }
            ));
        }
        Ok(())
    }

    /// A last look before an end, so that hardly a byte goes uncounted.
    pub(crate) async fn look(&mut self, agent: usize) {
        if self.fleet.agents[agent].frozen {
            return;
        }
        let Prepared {
            player, hosts, task, ..
        } = &self.prepared;
        let (player, host, task) = (player.clone(), hosts[agent].clone(), task.clone());
        if let Ok(status) = player.status(&host, &task).await {
            self.note_agent(agent, Instant::now(), status);
        }
    }

    pub(crate) fn restart_due(&mut self) -> Result<(), Stop> {
        if self.fleet.tracker_restart.is_some_and(|at| at <= Instant::now()) {
            self.start_tracker()?;
            self.event("started the tracker again".to_owned());
        }
        for agent in 0..self.fleet.agents.len() {
            if self.fleet.agents[agent].restart.is_some_and(|at| at <= Instant::now()) {
                self.start(agent)?;
                self.event(format!(
                    "started {} again",
                    self.prepared.deployment.agents[agent].id
                ));
            }
        }
        Ok(())
    }

    /// No process ends but by our hand, and none falls silent.
    pub(crate) fn check_processes(&mut self) -> Result<(), Stop> {
        let failed =
            |what: String, folder: PathBuf| Err(Stop::Failed(format!("{what}\n{}", last_words(&folder))));
        if let Some(process) = &mut self.fleet.tracker
            && let Ok(Some(status)) = process.ended()
        {
            return failed(
                format!("the tracker ended by itself ({status})"),
                self.prepared.layout.tracker(),
            );
        }
        for agent in 0..self.fleet.agents.len() {
            let folder = self.folder(agent);
            let (id, state) = (
                &self.prepared.deployment.agents[agent].id,
                &mut self.fleet.agents[agent],
            );
            let Some(process) = &mut state.process else {
                continue;
            };
            if let Ok(Some(status)) = process.ended() {
                return failed(format!("{id} ended by itself ({status})"), folder);
            }
            if !state.frozen && state.heard.is_some_and(|heard| heard.elapsed() > SILENT) {
                return failed(
                    format!("{id} has not answered for {} s", SILENT.as_secs()),
                    folder,
                );
            }
        }
        Ok(())
    }
}
