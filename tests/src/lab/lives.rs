//! Processes that begin, are killed, come back, or end when they should not.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::Stop;
use super::kills::Seen;
use super::poll::{self, ContentStatus};
use super::process::{Process, log_of};
use super::rollout::Rollout;
use super::setup::last_words;
use super::world::Place;

/// How long a killed agent stays away.
const AWAY: Duration = Duration::from_secs(5);

/// A process that says nothing for so long has failed.
pub(super) const SILENT: Duration = Duration::from_secs(20);

impl Rollout {
    pub(super) fn spawn(&self, program: &Path, config: &Path, log: &Path) -> Result<Process, Stop> {
        let args = ["run".as_ref(), "--config".as_ref(), config.as_os_str()];
        let started = self.prepared.minder.spawn(program, args, log);
        started.map_err(|error| Stop::Failed(format!("cannot start {}: {error}", program.display())))
    }

    pub(super) fn start(&mut self, agent: usize) -> Result<(), Stop> {
        let folder = self.folder(agent);
        let program = self.prepared.binaries.agent.clone();
        let process = self.spawn(&program, &folder.join("agent.yaml"), &log_of(&folder))?;
        let (now, state) = (Instant::now(), &mut self.agents[agent]);
        (state.process, state.restart, state.since, state.heard) =
            (Some(process), None, Some(now), Some(now));
        self.ledger.restarted(agent);
        Ok(())
    }

    /// Starts those; how many they are.
    pub(super) fn starts(&mut self, which: impl Fn(&Place) -> bool) -> Result<usize, Stop> {
        let those: Vec<usize> = (0..self.agents.len())
            .filter(|i| which(&self.prepared.world.agents[*i]))
            .collect();
        those.iter().try_for_each(|agent| self.start(*agent))?;
        Ok(those.len())
    }

    pub(super) async fn kill_due(&mut self) -> Result<(), Stop> {
        let clients: Vec<usize> = self.prepared.world.clients().collect();
        let world = &self.prepared.world;
        let names: Vec<_> = clients
            .iter()
            .map(|i| world.map.name(world.agents[*i].site))
            .collect();
        let seen: Vec<Seen<'_>> = clients
            .iter()
            .zip(&names)
            .map(|(i, site)| {
                let state = &self.agents[*i];
                Seen {
                    site,
                    number: world.agents[*i].number,
                    progress: state.progress,
                    gateway: state.status.as_ref().is_some_and(ContentStatus::gateway),
                    running: state.process.is_some(),
                    kills: state.kills,
                }
            })
            .collect();
        let due = self.plan.due(&seen);
        drop(names);
        for (kill, victim) in due {
            let agent = clients[victim];
            // a last look, so that hardly a byte goes uncounted
            let place = self.prepared.world.agents[agent].clone();
            if let Ok(status) = poll::agent(self.prepared.layout.control(place.addr)).await {
                self.hear_agent(agent, Instant::now(), status);
            }
            let state = &mut self.agents[agent];
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
            let gateway = state.status.as_ref().is_some_and(ContentStatus::gateway);
            self.event(format!(
                "killed {}{} ({kill})",
                place.id,
                if gateway { ", the gateway" } else { "" }
            ));
        }
        Ok(())
    }

    pub(super) fn restart_due(&mut self) -> Result<(), Stop> {
        for agent in 0..self.agents.len() {
            if self.agents[agent].restart.is_some_and(|at| at <= Instant::now()) {
                self.start(agent)?;
                self.event(format!("started {} again", self.prepared.world.agents[agent].id));
            }
        }
        Ok(())
    }

    /// Nobody ends but by our hand, and nobody falls silent.
    pub(super) fn nobody_died(&mut self) -> Result<(), Stop> {
        let failed =
            |what: String, folder: PathBuf| Err(Stop::Failed(format!("{what}\n{}", last_words(&folder))));
        if let Some(process) = &mut self.tracker
            && let Ok(Some(status)) = process.ended()
        {
            return failed(
                format!("the tracker ended by itself ({status})"),
                self.prepared.layout.tracker(),
            );
        }
        for agent in 0..self.agents.len() {
            let folder = self.folder(agent);
            let (id, state) = (&self.prepared.world.agents[agent].id, &mut self.agents[agent]);
            let Some(process) = &mut state.process else {
                continue;
            };
            if let Ok(Some(status)) = process.ended() {
                return failed(format!("{id} ended by itself ({status})"), folder);
            }
            if state.heard.is_some_and(|heard| heard.elapsed() > SILENT) {
                return failed(
                    format!("{id} has not answered for {} s", SILENT.as_secs()),
                    folder,
                );
            }
        }
        Ok(())
    }
}
