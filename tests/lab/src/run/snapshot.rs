//! From a running rollout to plain data to show.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use narrows_topology::Hop;

use crate::deployment::Place;
use crate::report::view::{AgentRow, LinkRow, SiteRow, View, Wire};
use crate::run::fleet::Agent;
use crate::run::rollout::Rollout;
use crate::run::traffic::Counters;

/// This moment of a rollout; the `last` has what takes longer to tell.
pub(crate) fn view(rollout: &Rollout, now: Duration, last: bool) -> View {
    let deployment = &rollout.prepared.deployment;
    let at = Timestamp::now();
    let seconds = |bytes: u64, rate: u64| bytes as f64 / rate.max(1) as f64;
    let sites = deployment.waiting.iter().map(|site| {
        let places = deployment
            .agents
            .iter()
            .zip(&rollout.fleet.agents)
            .filter(|(place, agent)| place.site == *site && !agent.gone);
        let mut done = places.map(|(_, agent)| agent.seconds).peekable();
        SiteRow {
            site: deployment.map.name(*site).into_owned(),
            bytes_wan: rollout.seen.traffic.site(*site),
            bound: deployment
                .best_rate(*site, at)
                .bytes_per_second()
                .map(|rate| seconds(rollout.size.0, rate)),
            seconds: (done.peek().is_some())
                .then(|| done.try_fold(0.0, |most: f64, seconds| Some(most.max(seconds?))))
                .flatten(),
        }
    });
    View {
        size: rollout.size,
        elapsed: now.as_secs_f64(),
        bound: deployment.bound(rollout.size.0, at),
        max_flow: deployment.max_flow_bound(rollout.size.0, at),
        agents: (0..deployment.agents.len())
            .map(|i| agent(rollout, i, &deployment.agents[i], &rollout.fleet.agents[i]))
            .collect(),
        links: hops(rollout).into_iter().map(|hop| link(rollout, hop, now, at, last)).collect(),
        sites: sites.collect(),
        ideal_wan: (rollout.planned.values().sum::<f64>() * rollout.size.0 as f64) as u64,
        events: rollout.seen.events.clone(),
    }
}

/// What was crossed, and what is planned to be; with the kernel's counters, every link.
fn hops(rollout: &Rollout) -> BTreeSet<Hop> {
    rollout
        .seen
        .traffic
        .hops()
        .chain(rollout.planned.keys().copied())
        .chain(rollout.seen.wire.hops())
        .collect()
}

fn link(rollout: &Rollout, hop: Hop, now: Duration, at: Timestamp, last: bool) -> LinkRow {
    let deployment = &rollout.prepared.deployment;
    let (from, to) = deployment.hop_name(hop);
    let wire = rollout.seen.wire.of(hop).map(|bytes| {
        let planned = rollout.planned.get(&hop).copied().unwrap_or(0.0);
        Wire {
            bytes,
            rate: rollout.seen.wire.rate(hop),
            peak: if last { rollout.seen.wire.peak(hop) } else { 0 },
            planned,
        }
    });
    LinkRow {
        link: deployment.map.link_name(hop.link),
        from,
        to,
        rate: wire.map_or_else(|| rollout.seen.traffic.rate(hop, now), |wire| wire.rate),
        limit: deployment.map.rate(hop, at).to_string(),
        bytes: rollout.seen.traffic.bytes(hop),
        demanding: rollout.seen.traffic.demanding(hop),
        wire,
    }
}

fn agent(rollout: &Rollout, number: usize, place: &Place, agent: &Agent) -> AgentRow {
    let contents = rollout.prepared.task.contents.len();
    let bytes =
        (number * contents..(number + 1) * contents).map(|account| rollout.seen.traffic.agent(account));
    let bytes = bytes.fold(Counters::default(), Counters::and);
    let running = agent.process.is_some();
    let rates = agent.status.iter().fold((0, 0), |sum, content| {
        (sum.0 + content.rate_down, sum.1 + content.rate_up)
    });
    // of several contents, what is furthest from its end
    let state = ["error", "checking", "fetching", "paused"].into_iter();
    let mut state = state.filter(|state| agent.status.iter().any(|content| content.state == *state));
    let first = agent.status.first().map_or("", |content| content.state.as_str());
    AgentRow {
        id: place.id.clone(),
        site: rollout.prepared.deployment.map.name(place.site).into_owned(),
        seeder: place.seeder,
        state: match (running, agent.status.is_empty()) {
            (false, _) if place.late && agent.since.is_none() => "later".to_owned(),
            (false, false) if agent.kills > 0 => "killed".to_owned(),
            (_, true) => "starting".to_owned(),
            _ if agent.frozen => "frozen".to_owned(),
            (_, false) => state.next().unwrap_or(first).to_owned(),
        },
        progress: match agent.status.iter().any(|content| content.state == "checking") && contents == 1 {
            true => agent.status.first().map_or(0.0, |content| content.progress),
            false => agent.progress,
        },
        gateway: agent.gateway(),
        rates: if running { rates } else { (0, 0) },
        bytes_lan: bytes.lan,
        bytes_wan: bytes.wan,
        kills: agent.kills,
        gone: agent.gone,
        seconds: agent.seconds,
        usage: agent.usage,
    }
}
