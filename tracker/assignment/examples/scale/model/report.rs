//! What a simulation shows.

use serde::Serialize;

use super::calendar::Millis;
use super::client::Client;
use super::links::index;
use super::measure::cpu_seconds;
use super::simulation::Simulation;

/// A site that waits for longer without a gateway that has a live upstream has starved.
const STARVED: Millis = 60_000;

/// The results. Times of the rollout are simulated seconds; those of the tracker are measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) clients: usize,
    pub(crate) sites: usize,
    pub(crate) links: usize,
    pub(crate) size: u64,
    pub(crate) seed: u64,
    /// Each client has everything.
    pub(crate) complete: bool,
    pub(crate) seconds: f64,
    pub(crate) wan: Wan,
    pub(crate) time: TimeToSite,
    pub(crate) starvation: Starvation,
    pub(crate) announces: Announces,
    pub(crate) tracker: Tracker,
    pub(crate) memory: Memory,
    /// How long the simulation took, and the CPU time it had: on a busy machine, times of announces are too
    /// long.
    pub(crate) wall_seconds: f64,
    pub(crate) cpu_seconds: f64,
}

/// What crossed the links, payload only.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Wan {
    pub(crate) bytes: f64,
    /// A copy over each link that lies between hq and a site with clients.
    pub(crate) least: f64,
    /// `bytes / least`.
    pub(crate) ratio: f64,
    /// Copies over a link, in the direction that carried more.
    pub(crate) copies_mean: f64,
    pub(crate) copies_p99: f64,
    pub(crate) copies_max: f64,
    pub(crate) worst_link: String,
    /// Of `bytes`, what crossed links towards hq.
    pub(crate) upwards: f64,
    /// What sites lost with a client that was alone ahead of its neighbours, and with one that was alone.
    pub(crate) lost_window: f64,
    pub(crate) lost_alone: f64,
}

/// From a site's first client to its first whole copy, without the time when all its clients were away, over
/// size / max-flow.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct TimeToSite {
    pub(crate) done: usize,
    pub(crate) ratio_p50: f64,
    pub(crate) ratio_p99: f64,
    pub(crate) ratio_max: f64,
    pub(crate) slowest: String,
    /// The bound of the slowest, and by how many seconds any site missed its own at most.
    pub(crate) slowest_bound: f64,
    pub(crate) late_max: f64,
    /// When the last site had everything, and the bound for that.
    pub(crate) last: f64,
    pub(crate) last_bound: f64,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Starvation {
    /// Sites that waited for over a minute without a gateway that has a live upstream.
    pub(crate) sites: usize,
    pub(crate) longest: f64,
    pub(crate) longest_at: String,
    pub(crate) gateways_gone: usize,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Announces {
    pub(crate) all: u64,
    pub(crate) per_second_peak: u32,
    pub(crate) peak_at: usize,
    pub(crate) per_second_mean: f64,
    pub(crate) elected: u64,
    pub(crate) failovers: u64,
    pub(crate) escalated: u64,
}

/// CPU of the core, in seconds or as named.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Tracker {
    pub(crate) announce_seconds: f64,
    pub(crate) announce_us_mean: f64,
    pub(crate) announce_us_p50: f64,
    pub(crate) announce_us_p99: f64,
    pub(crate) announce_us_p999: f64,
    pub(crate) announce_ms_max: f64,
    /// How often parents were planned anew.
    pub(crate) plans: u64,
    pub(crate) plan_seconds: f64,
    pub(crate) plan_ms_max: f64,
    /// What announces waited for of it: pictures, and plans that were put in force.
    pub(crate) held_seconds: f64,
    pub(crate) held_ms_max: f64,
    /// Announces that took over a millisecond without planning: shares computed anew.
    pub(crate) slow: u64,
    pub(crate) slow_seconds: f64,
    pub(crate) sweeps: u64,
    pub(crate) sweep_seconds: f64,
    pub(crate) sweep_ms_max: f64,
    /// The most that fell into one second of the rollout: above 1, one core does not keep up.
    pub(crate) busiest_second: f64,
    pub(crate) busiest_at: usize,
    pub(crate) busy_seconds: usize,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Memory {
    /// Growth of the process from the first announce to its largest, without the simulation's calendar.
    pub(crate) swarm_bytes: u64,
    pub(crate) bytes_per_peer: u64,
    /// The site map's tables of paths.
    pub(crate) path_bytes: u64,
    pub(crate) client_bytes: usize,
}

/// The report of a simulation that is over.
pub(crate) fn report(simulation: &Simulation) -> Report {
    let (clients, meter) = (simulation.clients.len(), &simulation.meter);
    let swarm = meter.peak_bytes.saturating_sub(meter.base_bytes);
    let all = meter.announces.iter().map(|n| u64::from(*n)).sum::<u64>();
    let (peak_at, peak) = (0..).zip(&meter.announces).max_by_key(|(_, n)| **n).unwrap_or((0, &0));
    let busiest = (0..).zip(&meter.busy).max_by(|a, b| a.1.total_cmp(b.1));
    let (busiest_at, busiest) = busiest.unwrap_or((0, &0.0));
    let longest = simulation.sites.iter().max_by_key(|site| site.longest_unfed);
    let starved = simulation.sites.iter().filter(|site| site.longest_unfed > STARVED);
    let seconds = f64::from(simulation.now) / 1000.0;
    Report {
        clients,
        sites: simulation.sites.len(),
        links: simulation.links.crossed.len() / 2,
        size: simulation.setup.size,
        seed: simulation.setup.seed,
        complete: simulation.clients.iter().all(|client| client.complete),
        seconds,
        wan: wan(simulation),
        time: time(simulation),
        starvation: Starvation {
            sites: starved.count(),
            longest: longest.map_or(0.0, |site| f64::from(site.longest_unfed) / 1000.0),
            longest_at: longest.map_or(String::new(), |site| simulation.map.name(site.id).into_owned()),
            gateways_gone: meter.gateways_gone,
        },
        announces: Announces {
            all,
            per_second_peak: *peak,
            peak_at,
            per_second_mean: all as f64 / seconds,
            elected: meter.elected,
            failovers: meter.failovers,
            escalated: meter.escalated,
        },
        tracker: Tracker {
            announce_seconds: meter.announced.as_secs_f64(),
            announce_us_mean: meter.announced.as_secs_f64() * 1e6 / all as f64,
            announce_us_p50: meter.percentile(0.5),
            announce_us_p99: meter.percentile(0.99),
            announce_us_p999: meter.percentile(0.999),
            announce_ms_max: meter.longest.as_secs_f64() * 1e3,
            plans: meter.plans.0,
            plan_seconds: meter.plans.1.as_secs_f64(),
            plan_ms_max: meter.plans.2.as_secs_f64() * 1e3,
            held_seconds: meter.held.0.as_secs_f64(),
            held_ms_max: meter.held.1.as_secs_f64() * 1e3,
            slow: meter.slow.0,
            slow_seconds: meter.slow.1.as_secs_f64(),
            sweeps: meter.sweeps.0,
            sweep_seconds: meter.sweeps.1.as_secs_f64(),
            sweep_ms_max: meter.sweeps.2.as_secs_f64() * 1e3,
            busiest_second: f64::from(*busiest),
            busiest_at,
            busy_seconds: meter.busy.iter().filter(|busy| **busy > 0.9).count(),
        },
        memory: Memory {
            swarm_bytes: swarm,
            bytes_per_peer: swarm / clients as u64,
            path_bytes: meter.path_bytes,
            client_bytes: size_of::<Client>(),
        },
        wall_seconds: meter.started.elapsed().as_secs_f64(),
        cpu_seconds: cpu_seconds(),
    }
}

fn wan(simulation: &Simulation) -> Wan {
    let (size, crossed) = (simulation.setup.size as f64, &simulation.links.crossed);
    let mut needed = vec![false; crossed.len()];
    let hq = simulation.sites[0].id;
    for site in simulation.sites.iter().filter(|site| site.began.is_some()) {
        let route = simulation.map.path(hq, site.id).unwrap_or_default();
        route.hops.iter().for_each(|hop| needed[index(*hop)] = true);
    }
    let bytes: f64 = crossed.iter().sum();
    let least = needed.iter().filter(|needed| **needed).count() as f64 * size;
    let upwards = crossed.iter().zip(&needed).filter(|(_, needed)| !**needed);
    let links = simulation.map.links().zip(crossed.chunks(2));
    let mut copies: Vec<(f64, _)> = links.map(|(link, ways)| (ways[0].max(ways[1]) / size, link)).collect();
    copies.sort_by(|a, b| a.0.total_cmp(&b.0));
    let sum: f64 = copies.iter().map(|(copies, _)| copies).sum();
    let worst = copies.last();
    Wan {
        bytes,
        least,
        ratio: bytes / least,
        copies_mean: sum / copies.len() as f64,
        copies_p99: ranked(&copies, 0.99).map_or(0.0, |(copies, _)| *copies),
        copies_max: worst.map_or(0.0, |(copies, _)| *copies),
        worst_link: worst.map_or(String::new(), |(_, link)| {
            simulation.map.link_name(*link).to_string()
        }),
        upwards: upwards.map(|(bytes, _)| bytes).sum(),
        lost_window: simulation.meter.lost[0],
        lost_alone: simulation.meter.lost[1],
    }
}

fn time(simulation: &Simulation) -> TimeToSite {
    let size = simulation.setup.size as f64;
    let mut ratios = Vec::new();
    let (mut late, mut last, mut last_bound) = (0.0f64, 0.0f64, 0.0f64);
    for site in &simulation.sites[1..] {
        let (Some(began), Some(done)) = (site.began, site.done) else {
            continue;
        };
        let (took, bound) = (
            f64::from(done - began - site.absent) / 1000.0,
            size / site.max_flow,
        );
        ratios.push((took / bound, bound, site.id));
        late = late.max(took - bound);
        last = last.max(f64::from(done) / 1000.0);
        last_bound = last_bound.max(f64::from(began) / 1000.0 + bound);
    }
    ratios.sort_by(|a, b| a.0.total_cmp(&b.0));
    let at = |part: f64| ranked(&ratios, part).map_or(0.0, |(ratio, _, _)| *ratio);
    let slowest = ratios.last();
    TimeToSite {
        done: ratios.len() + 1,
        ratio_p50: at(0.5),
        ratio_p99: at(0.99),
        ratio_max: at(1.0),
        slowest: slowest.map_or(String::new(), |(_, _, id)| simulation.map.name(*id).into_owned()),
        slowest_bound: slowest.map_or(0.0, |(_, bound, _)| *bound),
        late_max: late,
        last,
        last_bound,
    }
}

/// The item that so much of the sorted list is not above.
fn ranked<T>(sorted: &[T], part: f64) -> Option<&T> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get((last as f64 * part).round() as usize)
}
