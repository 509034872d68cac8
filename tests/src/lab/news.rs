//! What tracker and agents say of themselves, asked again and again and noted.

use std::time::Instant;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::ledger::Counters;
use super::poll::{self, ContentStatus, SwarmStatus};
use super::rollout::{POLL, Rollout};

/// What a poller heard.
pub(super) enum News {
    Agent {
        agent: usize,
        asked: Instant,
        status: anyhow::Result<poll::AgentStatus>,
    },
    Swarm(anyhow::Result<Option<SwarmStatus>>),
}

impl Rollout {
    /// One task per process that asks it again and again; they end with the returned set.
    pub(super) fn pollers(&self, tell: &mpsc::Sender<News>) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        for (agent, place) in self.prepared.world.agents.iter().enumerate() {
            let (control, tell) = (self.prepared.layout.control(place.addr), tell.clone());
            tasks.spawn(async move {
                loop {
                    let asked = Instant::now();
                    let status = poll::agent(control).await;
                    if tell.send(News::Agent { agent, asked, status }).await.is_err() {
                        return;
                    }
                    tokio::time::sleep(POLL).await;
                }
            });
        }
        let (admin, tell, hash) = (
            self.prepared.layout.admin(),
            tell.clone(),
            self.prepared.info_hash.clone(),
        );
        tasks.spawn(async move {
            while tell
                .send(News::Swarm(poll::swarm(admin, &hash).await))
                .await
                .is_ok()
            {
                tokio::time::sleep(POLL).await;
            }
        });
        tasks
    }

    pub(super) fn hear(&mut self, news: News) {
        match news {
            News::Agent {
                agent,
                asked,
                status: Ok(status),
            } => self.hear_agent(agent, asked, status),
            News::Swarm(Ok(Some(swarm))) => self.hear_tracker(swarm),
            // one that starts or is killed says nothing; for how long is watched elsewhere
            News::Agent { .. } | News::Swarm(_) => {}
        }
    }

    pub(super) fn hear_agent(&mut self, agent: usize, asked: Instant, status: poll::AgentStatus) {
        let now = self.elapsed();
        let state = &mut self.agents[agent];
        if state.process.is_none() || state.since.is_none_or(|since| asked < since) {
            return;
        }
        state.heard = Some(Instant::now());
        let Some(content) = status.content.into_iter().next() else {
            return;
        };
        let ContentStatus {
            bytes_lan: lan,
            bytes_wan: wan,
            sent_wan: sent,
            bytes_wasted: wasted,
            ..
        } = content;
        if content.complete() && state.seconds.is_none() {
            state.seconds = Some(now.as_secs_f64());
        }
        let error = content.error.clone().filter(|error| {
            state
                .status
                .as_ref()
                .is_none_or(|before| before.error.as_ref() != Some(error))
        });
        let gateway = content.gateway() && !content.complete();
        let news = gateway && !state.status.as_ref().is_some_and(ContentStatus::gateway);
        // while it checks, an agent tells how much of that is done
        if content.state != "checking" {
            state.progress = content.progress;
        }
        state.status = Some(content);
        self.ledger.observe(
            agent,
            Counters {
                lan,
                wan,
                sent,
                wasted,
            },
            now,
        );
        let place = &self.prepared.world.agents[agent];
        let (id, site) = (
            place.id.clone(),
            self.prepared.world.map.name(place.site).into_owned(),
        );
        if let Some(error) = error {
            self.event(format!("{id}: {error}"));
        }
        if news {
            self.event(format!("{id} is gateway of {site}"));
        }
    }

    /// Notes along which links everybody fetches now.
    fn hear_tracker(&mut self, swarm: SwarmStatus) {
        let (now, world) = (self.elapsed(), &self.prepared.world);
        let mut changes = Vec::new();
        for (agent, place) in world.agents.iter().enumerate() {
            let name = world.map.name(place.site);
            let Some(site) = swarm.sites.iter().find(|site| site.site == name) else {
                continue;
            };
            let gateway = site
                .gateways
                .iter()
                .find(|gateway| gateway.agent.as_ref() == Some(&place.id));
            let upstream = gateway.and_then(|gateway| gateway.upstream.first());
            let from = upstream.and_then(|addr| world.map.locate(addr.ip()));
            let parent = site
                .parent
                .as_ref()
                .and_then(|parent| world.map.site_named(parent));
            let Some(from) = from.or(parent).filter(|from| *from != place.site) else {
                continue;
            };
            if let Some(route) = world.map.path(from, place.site) {
                self.ledger.route(agent, route.hops.to_vec(), now);
            }
        }
        for site in &swarm.sites {
            let before = self.swarm.sites.iter().find(|other| other.site == site.site);
            if let Some(parent) = &site.parent
                && before.and_then(|before| before.parent.as_ref()) != Some(parent)
            {
                changes.push(format!("{} is fed from {parent}", site.site));
            }
        }
        self.swarm = swarm;
        changes.into_iter().for_each(|change| self.event(change));
    }
}
