//! Contents that begin one after the other (`--stagger`).

use std::time::Duration;

use crate::Stop;
use crate::players::files::write_agent;
use crate::players::player;
use crate::programs::poll;
use crate::report::Content;
use crate::run::rollout::Rollout;
use crate::values::round;

impl Rollout {
    /// Gives the clients the contents whose time has come (`--stagger`).
    pub(crate) async fn contents_due(&mut self) -> Result<(), Stop> {
        let (Some(stagger), Some(t0)) = (self.pending.stagger, self.clock.clients_started) else {
            return Ok(());
        };
        let all = self.prepared.task.contents.len();
        let mut told = false;
        while self.seen.contents_begun.len() < all
            && t0.elapsed() >= stagger * self.seen.contents_begun.len() as u32
        {
            self.seen.contents_begun.push(self.elapsed().as_secs_f64());
            told = true;
        }
        if told && self.seen.contents_begun.len() > 1 {
            self.write_clients()?;
            self.pending.untold = self.prepared.deployment.clients().collect();
            self.event(format!(
                "{} contents of {all} are asked for",
                self.seen.contents_begun.len()
            ));
        }
        self.tell_clients().await;
        Ok(())
    }

    /// Has clients read their new configuration: those that stand still once they go on.
    async fn tell_clients(&mut self) {
        for agent in std::mem::take(&mut self.pending.untold) {
            let (host, state) = (&self.prepared.hosts[agent], &self.fleet.agents[agent]);
            if state.process.is_none() {
                // it reads the new file when it starts
                continue;
            }
            let token = std::fs::read_to_string(host.folder.join("state/control.token")).unwrap_or_default();
            let patience = Duration::from_secs(2);
            let told = !state.frozen
                && poll::authorized("POST", host.control, "/reload", Some(token.trim()), patience)
                    .await
                    .is_ok();
            if !told {
                self.pending.untold.push(agent);
            }
        }
    }

    /// The clients' configuration, with the contents that have begun.
    pub(crate) fn write_clients(&self) -> Result<(), Stop> {
        let begun = self.seen.contents_begun.len().max(1);
        let contents = self.prepared.task.contents.iter().take(begun);
        let torrents: Vec<_> = contents.map(|content| content.torrent.as_path()).collect();
        let mut clients = self.prepared.hosts.iter().filter(|host| !host.seeder);
        clients
            .try_for_each(|host| write_agent(host, &torrents))
            .map_err(|error| Stop::Failed(format!("{error:#}")))
    }

    /// When each content began, and how long it took.
    pub(crate) fn contents(&self) -> Vec<Content> {
        let one = |(number, content): (usize, &player::Content)| {
            let clients = self.prepared.hosts.iter().zip(&self.fleet.agents);
            let clients = clients.filter(|(host, agent)| !host.seeder && !agent.gone);
            let seconds = clients.map(|(_, agent)| agent.done[number]);
            Content {
                name: content.name.clone(),
                begun: round(self.seen.contents_begun.get(number).copied().unwrap_or(0.0)),
                seconds: seconds.into_iter().try_fold(0.0, |most: f64, at| Some(most.max(at?))).map(round),
            }
        };
        self.prepared.task.contents.iter().enumerate().map(one).collect()
    }
}
