//! From a running rollout to plain data to show.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use narrows_topology::Hop;

use super::poll::ContentStatus;
use super::rollout::{Agent, Rollout};
use super::view::{AgentRow, LinkRow, SiteRow, View};
use super::world::Place;

/// This moment of a rollout.
pub(super) fn view(rollout: &Rollout, now: Duration) -> View {
    let world = &rollout.prepared.world;
    let at = Timestamp::now();
    let seconds = |bytes: u64, rate: u64| bytes as f64 / rate.max(1) as f64;
    let sites = world.waiting.iter().map(|site| {
        let places = world
            .agents
            .iter()
            .zip(&rollout.agents)
            .filter(|(place, _)| place.site == *site);
        let done = places.map(|(_, agent)| agent.seconds);
        SiteRow {
            site: world.map.name(*site).into_owned(),
            bytes_wan: rollout.ledger.site(*site),
            bound: world
                .best_rate(*site, at)
                .bytes_per_second()
                .map(|rate| seconds(rollout.size.0, rate)),
            seconds: done
                .into_iter()
                .try_fold(0.0, |most: f64, seconds| Some(most.max(seconds?))),
        }
    });
    View {
        size: rollout.size,
        elapsed: now.as_secs_f64(),
        bound: world.bound(rollout.size.0, at),
        agents: (0..world.agents.len())
            .map(|i| agent(rollout, i, &world.agents[i], &rollout.agents[i]))
            .collect(),
        links: hops(rollout, at)
            .into_iter()
            .map(|hop| link(rollout, hop, now, at))
            .collect(),
        sites: sites.collect(),
        ideal_wan: world.planned_crossings(at).saturating_mul(rollout.size.0),
        events: rollout.events.clone(),
    }
}

/// What was crossed, and what is planned to be.
fn hops(rollout: &Rollout, at: Timestamp) -> BTreeSet<Hop> {
    let world = &rollout.prepared.world;
    let planned = world.planned(at);
    let routes = planned
        .iter()
        .filter_map(|(site, parent)| world.map.path(parent.site, *site));
    let planned: Vec<Hop> = routes.flat_map(|route| route.hops.to_vec()).collect();
    rollout.ledger.hops().chain(planned).collect()
}

fn link(rollout: &Rollout, hop: Hop, now: Duration, at: Timestamp) -> LinkRow {
    let world = &rollout.prepared.world;
    let (from, to) = world.hop_name(hop);
    LinkRow {
        link: world.map.link_name(hop.link),
        from,
        to,
        rate: rollout.ledger.rate(hop, now),
        limit: world.map.rate(hop, at).to_string(),
        bytes: rollout.ledger.bytes(hop),
        demanding: rollout.ledger.demanding(hop),
    }
}

fn agent(rollout: &Rollout, number: usize, place: &Place, agent: &Agent) -> AgentRow {
    let bytes = rollout.ledger.agent(number);
    let none = ContentStatus::default();
    let status = agent.status.as_ref().unwrap_or(&none);
    let running = agent.process.is_some();
    AgentRow {
        id: place.id.clone(),
        site: rollout.prepared.world.map.name(place.site).into_owned(),
        seeder: place.seeder,
        state: match (running, agent.status.is_some()) {
            (false, true) if agent.kills > 0 => "killed".to_owned(),
            (_, false) => "starting".to_owned(),
            (_, true) => status.state.clone(),
        },
        progress: status.progress,
        gateway: running && status.gateway(),
        rates: if running {
            (status.rate_down, status.rate_up)
        } else {
            (0, 0)
        },
        bytes_lan: bytes.lan,
        bytes_wan: bytes.wan,
        kills: agent.kills,
        seconds: agent.seconds,
        usage: agent.usage,
    }
}
