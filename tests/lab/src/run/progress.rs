//! What tracker and agents say of themselves, asked again and again and noted.

use std::collections::BTreeSet;
use std::time::Instant;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use narrows_topology::SiteId;

use crate::deployment::{Deployment, Place, PlannedRoute};
use crate::players::player::{Content, TrackerKind};
use crate::programs::poll::{self, ContentStatus, SwarmStatus};
use crate::run::rollout::{POLL, Rollout};
use crate::run::traffic::{Counters, Share};

/// What a poller heard.
pub(crate) enum PollResult {
    Agent {
        agent: usize,
        asked: Instant,
        status: anyhow::Result<poll::AgentStatus>,
    },
    Swarms(anyhow::Result<Vec<SwarmStatus>>),
}

impl Rollout {
    /// One task per process that asks it again and again; they end with the returned set.
    pub(crate) fn pollers(&self, tell: &mpsc::Sender<PollResult>) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        for (agent, host) in self.prepared.hosts.iter().enumerate() {
            let (host, tell) = (host.clone(), tell.clone());
            let (player, task) = (self.prepared.player.clone(), self.prepared.task.clone());
            tasks.spawn(async move {
                loop {
                    let asked = Instant::now();
                    let status = player.status(&host, &task).await;
                    if tell.send(PollResult::Agent { agent, asked, status }).await.is_err() {
                        return;
                    }
                    tokio::time::sleep(POLL).await;
                }
            });
        }
        if self.prepared.tracker != TrackerKind::Narrows {
            return tasks;
        }
        let contents = self.prepared.task.contents.iter();
        let hashes: Vec<String> = contents.map(|content| content.info_hash.clone()).collect();
        let (admin, tell) = (self.prepared.layout.admin(), tell.clone());
        tasks.spawn(async move {
            while tell.send(PollResult::Swarms(poll::swarms(admin, &hashes).await)).await.is_ok() {
                tokio::time::sleep(POLL).await;
            }
        });
        tasks
    }

    pub(crate) fn note(&mut self, news: PollResult) {
        match news {
            PollResult::Agent {
                agent,
                asked,
                status: Ok(status),
            } => self.note_agent(agent, asked, status),
            PollResult::Swarms(Ok(swarms)) => self.note_swarms(swarms),
            // one that starts or is killed says nothing; for how long is watched elsewhere
            PollResult::Agent { .. } | PollResult::Swarms(_) => {}
        }
    }

    pub(crate) fn note_agent(&mut self, agent: usize, asked: Instant, status: poll::AgentStatus) {
        let now = self.elapsed();
        let state = &mut self.fleet.agents[agent];
        if state.process.is_none() || state.since.is_none_or(|since| asked < since) {
            return;
        }
        state.heard = Some(Instant::now());
        let contents = self.prepared.task.contents.len();
        let known = ordered(status.content, &self.prepared.task.contents);
        if known.iter().all(Option::is_none) {
            return;
        }
        let before = std::mem::take(&mut state.status);
        let was_gateway = before.iter().any(|content| content.gateway() && !content.complete());
        let mut errors = Vec::new();
        let mut counted = Vec::new();
        for (number, content) in known.into_iter().enumerate() {
            let content = content.unwrap_or_default();
            let earlier = before.get(number);
            if content.complete() && state.done[number].is_none() {
                state.done[number] = Some(now.as_secs_f64());
            }
            let same = earlier.is_some_and(|earlier| earlier.error == content.error);
            errors.extend(content.error.clone().filter(|_| !same));
            // while it checks, an agent tells how much of that is done
            if content.state != "checking" {
                state.each[number] = content.progress;
            }
            counted.push(Counters {
                lan: content.bytes_lan,
                wan: content.bytes_wan,
                sent: content.sent_wan,
                wasted: content.bytes_wasted,
            });
            state.status.push(content);
        }
        let done = state.done.iter().try_fold(0.0, |most: f64, at| Some(most.max((*at)?)));
        if done.is_some() && state.seconds.is_none() {
            state.seconds = Some(now.as_secs_f64());
        }
        state.progress = state.each.iter().sum::<f64>() / contents.max(1) as f64;
        let gateway = state.status.iter().any(|content| content.gateway() && !content.complete());
        for (number, counters) in counted.into_iter().enumerate() {
            self.seen.traffic.observe(agent * contents + number, counters, now);
        }
        let place = &self.prepared.deployment.agents[agent];
        let (id, site) = (
            place.id.clone(),
            self.prepared.deployment.map.name(place.site).into_owned(),
        );
        for error in errors {
            self.event(format!("{id}: {error}"));
        }
        if gateway && !was_gateway {
            self.event(format!("{id} is gateway of {site}"));
        }
    }

    /// Notes along which links each agent fetches now.
    fn note_swarms(&mut self, swarms: Vec<SwarmStatus>) {
        let (now, deployment) = (self.elapsed(), &self.prepared.deployment);
        let contents = swarms.len();
        let mut changes = Vec::new();
        for (number, swarm) in swarms.iter().enumerate() {
            for (agent, place) in deployment.agents.iter().enumerate() {
                if let Some(routes) = routes(deployment, &self.planned_routes, swarm, place) {
                    self.seen.traffic.route(agent * contents + number, routes, now);
                }
            }
            let before = self.seen.swarms.get(number);
            for site in &swarm.sites {
                let before =
                    before.and_then(|swarm| swarm.sites.iter().find(|other| other.site == site.site));
                if let Some(parent) = &site.parent
                    && before.and_then(|before| before.parent.as_ref()) != Some(parent)
                {
                    changes.push(format!("{} is fed from {parent}", site.site));
                }
            }
        }
        self.seen.swarms = swarms;
        changes.into_iter().for_each(|change| self.event(change));
    }
}

/// The contents in the task's order; `None` for one that is not there yet.
fn ordered(mut heard: Vec<ContentStatus>, contents: &[Content]) -> Vec<Option<ContentStatus>> {
    if heard.iter().all(|content| content.info_hash.is_empty()) {
        let mut all = heard.into_iter().map(Some);
        return contents.iter().map(|_| all.next().flatten()).collect();
    }
    let one = |content: &Content| {
        let at = heard.iter().position(|heard| heard.info_hash == content.info_hash)?;
        Some(heard.swap_remove(at))
    };
    contents.iter().map(one).collect()
}

/// The sites from which the gateways of a site fetch, by the tracker's list or by the upstreams they were
/// handed; if there are none, its parent.
pub(crate) fn sources(deployment: &Deployment, swarm: &SwarmStatus, site: SiteId) -> BTreeSet<SiteId> {
    let name = deployment.map.name(site);
    let Some(status) = swarm.sites.iter().find(|other| other.site == name) else {
        return BTreeSet::new();
    };
    let named = status.sources.iter();
    let mut from: BTreeSet<SiteId> =
        named.filter_map(|source| deployment.map.site_named(&source.site)).collect();
    if from.is_empty() {
        let upstreams = status.gateways.iter().flat_map(|gateway| &gateway.upstream);
        from.extend(upstreams.filter_map(|addr| deployment.map.locate(addr.ip())));
    }
    if from.is_empty() {
        let parent = status.parent.as_ref();
        from.extend(parent.and_then(|parent| deployment.map.site_named(parent)));
    }
    from.remove(&site);
    from
}

/// Along which routes an agent's site fetches now, each with its part: where it is fed by several, as
/// planned, or in equal parts.
fn routes(
    deployment: &Deployment,
    planned: &[PlannedRoute],
    swarm: &SwarmStatus,
    place: &Place,
) -> Option<Vec<Share>> {
    let from = sources(deployment, swarm, place.site);
    let share = |from: SiteId| {
        let route = planned.iter().find(|route| route.site == place.site && route.from == from);
        route.map(|route| route.share)
    };
    let planned: Option<Vec<f64>> = from.iter().map(|from| share(*from)).collect();
    // of a plan that is in force, all parts are known and make a whole
    let planned = planned.filter(|shares| (shares.iter().sum::<f64>() - 1.0).abs() < 1e-6);
    let shares = planned.unwrap_or_else(|| vec![1.0 / from.len().max(1) as f64; from.len()]);
    let routes: Option<Vec<Share>> = (from.iter().zip(shares))
        .map(|(from, share)| Some((deployment.map.path(*from, place.site)?.hops.to_vec(), share)))
        .collect();
    routes.filter(|routes| !routes.is_empty())
}
