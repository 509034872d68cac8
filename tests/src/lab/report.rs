//! What it cost: the end of a run in words and as JSON.

use serde::Serialize;

use super::events::judge::Cost;
use super::probe::Found;
use super::process::Usage;
use super::table::bytes;
use super::verify::Verdict;
use super::view::View;

/// What the table does not show.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Facts {
    /// The content's pieces.
    pub pieces: u32,
    /// What the tracker used.
    pub tracker: Usage,
    /// Bytes that agents say they sent across links.
    pub wan_sent: u64,
    /// Bytes that agents say they fetched in vain.
    pub wasted: u64,
    /// Bytes fetched across links of which nobody knows across which.
    pub unattributed: u64,
}

/// `--json`; the names are documented in tests/README.md and stay.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Bytes of the content.
    pub size: u64,
    /// Its pieces.
    pub pieces: u32,
    /// Sites that had to fetch across links.
    pub sites: Vec<Site>,
    /// Links, each direction that something crossed.
    pub links: Vec<Link>,
    /// Seeders and clients.
    pub agents: Vec<Agent>,
    /// When the last client was complete; null if one is not.
    pub seconds: Option<f64>,
    /// The shortest time that the links allow; null if they do not limit it.
    pub bound_seconds: Option<f64>,
    /// The former over the latter.
    pub time_over_bound: Option<f64>,
    /// The most bytes that one site fetched across links, over the size.
    pub copies_per_site_max: f64,
    /// Fewest possible bytes on links over bytes on links; null if there were none.
    pub efficiency: Option<f64>,
    /// With `--netns`: the worst link's bytes of frames over its fewest.
    pub wire_over_minimum_max: Option<f64>,
    /// The same of all links and directions together.
    pub wire_over_minimum: Option<f64>,
    /// Bytes that agents fetched across links, by their own count.
    pub wan_fetched: u64,
    /// Bytes that agents sent across links, by their own count.
    pub wan_sent: u64,
    /// Bytes fetched across links of which the tracker never said across which; in no link's sum.
    pub unattributed: u64,
    /// Bytes that agents fetched and threw away.
    pub wasted: u64,
    /// The tracker's processor time in seconds.
    pub tracker_cpu_seconds: f64,
    /// The tracker's peak resident memory in bytes.
    pub tracker_rss_peak: u64,
    /// What happened when.
    pub events: Vec<Event>,
    /// With `--netns`: what each event and kill cost.
    pub costs: Vec<Cost>,
    /// TCP streams beside the rollout.
    pub probes: Vec<Found>,
    /// Each content's time.
    pub contents: Vec<Content>,
    /// The kernel's way to share a link among TCP connections, which every host has.
    pub congestion_control: Option<String>,
    /// Every client is complete and identical.
    pub ok: bool,
}

/// A site that had to fetch.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Site {
    /// Its name.
    pub site: String,
    /// Bytes its agents fetched across links.
    pub bytes_wan: u64,
    /// The same over the size.
    pub copies: f64,
    /// When all its clients were complete.
    pub seconds: Option<f64>,
    /// The shortest time that the links to it allow.
    pub bound_seconds: Option<f64>,
}

/// A link in one direction.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Link {
    /// Both ends as in the map.
    pub link: String,
    /// Where bytes come from.
    pub from: String,
    /// Where they go.
    pub to: String,
    /// How many.
    pub bytes: u64,
    /// The same over the size.
    pub copies: f64,
    /// Sites that fetched across it.
    pub demanding_sites: usize,
    /// Copies over those.
    pub copies_per_demand: f64,
    /// With `--netns`: bytes of frames that the kernel counted, all headers included.
    pub wire_bytes: Option<u64>,
    /// The same over the size.
    pub wire_copies: Option<f64>,
    /// Bytes per second of frames in the busiest five seconds.
    pub wire_peak: Option<u64>,
    /// How many copies have to cross, by the plan.
    pub planned_copies: Option<usize>,
    /// Bytes of frames over the fewest: planned copies with 4.5 % of headers.
    pub wire_over_minimum: Option<f64>,
}

/// An agent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Agent {
    /// `b1-0`
    pub id: String,
    /// Its site.
    pub site: String,
    /// Whether it had the content from the beginning.
    pub seeder: bool,
    /// Whether it says that it has everything.
    pub complete: bool,
    /// Whether every file is as it was sent; seeders are compared too.
    pub identical: bool,
    /// The first difference, if there is one.
    pub difference: Option<String>,
    /// When it was complete.
    pub seconds: Option<f64>,
    /// How often it was killed.
    pub kills: u32,
    /// Taken away by an event for good: neither waited for nor judged.
    pub gone: bool,
    /// Bytes fetched from its own site.
    pub bytes_lan: u64,
    /// Bytes fetched across links.
    pub bytes_wan: u64,
    /// Processor time in seconds, of all its lives.
    pub cpu_seconds: f64,
    /// Peak resident memory in bytes.
    pub rss_peak: u64,
}

impl Agent {
    /// Whether all is well with it.
    pub fn ok(&self) -> bool {
        self.complete && self.identical
    }
}

/// A content of several.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Content {
    /// Its name.
    pub name: String,
    /// When clients were told of it, in seconds since their start.
    pub begun: f64,
    /// When the last client had it; null if one has not.
    pub seconds: Option<f64>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    /// Seconds since the clients were started.
    pub at: f64,
    /// In words.
    pub what: String,
}

/// To a thousandth: more would be noise.
fn round(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

impl Report {
    /// Of the last moment of a run and what was found at each agent, in the same order.
    pub fn new(view: &View, verdicts: &[Verdict], facts: Facts) -> Report {
        let agents: Vec<Agent> = view
            .agents
            .iter()
            .enumerate()
            .map(|(i, row)| {
                let verdict = verdicts.get(i).unwrap_or(&Verdict::Incomplete);
                Agent {
                    id: row.id.clone(),
                    site: row.site.clone(),
                    seeder: row.seeder,
                    complete: row.seconds.is_some(),
                    identical: *verdict == Verdict::Identical,
                    difference: match verdict {
                        Verdict::Different(what) => Some(what.clone()),
                        Verdict::Identical | Verdict::Incomplete => None,
                    },
                    seconds: row.seconds.map(round),
                    kills: row.kills,
                    gone: row.gone,
                    bytes_lan: row.bytes_lan,
                    bytes_wan: row.bytes_wan,
                    cpu_seconds: round(row.usage.cpu_seconds),
                    rss_peak: row.usage.rss_peak,
                }
            })
            .collect();
        let link = |row: &super::view::LinkRow| Link {
            link: row.link.clone(),
            from: row.from.clone(),
            to: row.to.clone(),
            bytes: row.bytes,
            copies: round(view.copies(row.bytes)),
            demanding_sites: row.demanding,
            copies_per_demand: round(view.copies_per_demand(row)),
            wire_bytes: row.wire.map(|wire| wire.bytes),
            wire_copies: row.wire.map(|wire| round(view.copies(wire.bytes))),
            wire_peak: row.wire.map(|wire| wire.peak),
            planned_copies: row.wire.map(|wire| wire.planned),
            wire_over_minimum: row.wire.and_then(|wire| view.wire_ratio(wire)).map(round),
        };
        let site = |row: &super::view::SiteRow| Site {
            site: row.site.clone(),
            bytes_wan: row.bytes_wan,
            copies: round(view.copies(row.bytes_wan)),
            seconds: row.seconds.map(round),
            bound_seconds: row.bound.map(round),
        };
        let seconds = view.seconds();
        Report {
            size: view.size.0,
            pieces: facts.pieces,
            sites: view.sites.iter().map(site).collect(),
            links: view.links.iter().map(link).collect(),
            seconds: seconds.map(round),
            bound_seconds: view.bound.map(round),
            time_over_bound: seconds
                .zip(view.bound)
                .map(|(seconds, bound)| round(seconds / bound)),
            copies_per_site_max: round(view.copies_per_site_max()),
            efficiency: view.efficiency().map(round),
            wire_over_minimum_max: view.wire_ratio_max().map(round),
            wire_over_minimum: view.wire_ratio_all().map(round),
            wan_fetched: view.agents.iter().map(|agent| agent.bytes_wan).sum(),
            wan_sent: facts.wan_sent,
            unattributed: facts.unattributed,
            wasted: facts.wasted,
            tracker_cpu_seconds: round(facts.tracker.cpu_seconds),
            tracker_rss_peak: facts.tracker.rss_peak,
            events: view
                .events
                .iter()
                .map(|(at, what)| Event {
                    at: round(*at),
                    what: what.clone(),
                })
                .collect(),
            ok: agents.iter().all(|agent| agent.gone || agent.ok()),
            costs: Vec::new(),
            probes: Vec::new(),
            contents: Vec::new(),
            congestion_control: None,
            agents,
        }
    }
}

/// The report for people.
pub fn lines(view: &View, report: &Report) -> Vec<String> {
    let mut lines = vec![String::new()];
    let seconds = |at: Option<f64>| at.map_or("-".to_owned(), |at| format!("{at:.1} s"));
    let counted = report.links.iter().any(|link| link.wire_bytes.is_some());
    let wire = if counted {
        "    on wire   copies  minimum    over"
    } else {
        ""
    };
    lines.push(format!(
        "{:<28}  {:>10} {:>8} {:>6} {:>16}{wire}",
        "link", "bytes", "copies", "sites", "copies per site"
    ));
    for (row, link) in view.links.iter().zip(&report.links) {
        let wire = link
            .wire_bytes
            .zip(link.wire_copies)
            .map_or(String::new(), |(wire, copies)| {
                format!(
                    " {:>10} {copies:>8.3} {:>8} {:>7}",
                    bytes(wire),
                    link.planned_copies.unwrap_or(0),
                    link.wire_over_minimum
                        .map_or("-".to_owned(), |over| format!("{over:.3}"))
                )
            });
        lines.push(format!(
            "{:<28}  {:>10} {:>8.3} {:>6} {:>16.3}{wire}",
            format!("{} → {}", link.from, link.to),
            bytes(row.bytes),
            link.copies,
            link.demanding_sites,
            link.copies_per_demand
        ));
    }
    lines.push(String::new());
    lines.push(format!(
        "{:<28}  {:>10} {:>8} {:>10} {:>10}",
        "site", "fetched", "copies", "time", "at best"
    ));
    for site in &report.sites {
        lines.push(format!(
            "{:<28}  {:>10} {:>8.3} {:>10} {:>10}",
            site.site,
            bytes(site.bytes_wan),
            site.copies,
            seconds(site.seconds),
            seconds(site.bound_seconds)
        ));
    }
    lines.push(String::new());
    lines.push(format!(
        "{:<14} {:<11} {:>9} {:>6} {:>10} {:>10}",
        "client", "files", "time", "kills", "lan", "wan"
    ));
    for agent in &report.agents {
        if agent.seeder && (agent.identical || agent.gone) {
            continue;
        }
        let verdict = match (&agent.difference, agent.complete) {
            (None, true) => "identical",
            (None, false) if agent.gone => "taken away",
            (None, false) => "INCOMPLETE",
            (Some(_), _) => "DIFFERENT",
        };
        lines.push(format!(
            "{:<14} {verdict:<11} {:>9} {:>6} {:>10} {:>10}",
            agent.id,
            seconds(agent.seconds),
            if agent.kills == 0 {
                String::new()
            } else {
                agent.kills.to_string()
            },
            bytes(agent.bytes_lan),
            bytes(agent.bytes_wan)
        ));
        lines.extend(agent.difference.iter().map(|what| format!("  {what}")));
    }
    lines.push(String::new());
    lines.extend(
        view.events
            .iter()
            .map(|(at, what)| format!("{at:>6.1} s  {what}")),
    );
    lines.push(String::new());
    lines.extend(costs(report));
    lines.extend(remarks(view, report));
    lines.push(summary(view, report));
    lines
}

/// What events and kills cost, and what probes and contents got.
fn costs(report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    for cost in &report.costs {
        for site in &cost.interruptions {
            let time = match site.seconds {
                Some(seconds) if seconds > 0.0 => format!("{seconds:.1} s until the next useful bytes"),
                Some(_) => "no interruption".to_owned(),
                None => "no useful bytes any more".to_owned(),
            };
            lines.push(format!(
                "{} (at {:.1} s): {}: {time}",
                cost.what, cost.at, site.site
            ));
        }
        for extra in &cost.extra {
            lines.push(format!(
                "{} (at {:.1} s): {} → {}: {:+.1} pieces beyond the fewest",
                cost.what, cost.at, extra.from, extra.to, extra.pieces
            ));
        }
    }
    for probe in &report.probes {
        let share = probe.share.map_or(String::new(), |share| {
            format!(", {:.0} % of the line", 100.0 * share)
        });
        lines.push(format!(
            "TCP stream {} → {} from {:.0} s on: {}/s on the wire{share}",
            probe.from,
            probe.to,
            probe.at,
            bytes(probe.rate)
        ));
    }
    if report.contents.len() > 1 {
        for content in &report.contents {
            let end = content.seconds.map_or("-".to_owned(), |at| format!("{at:.1} s"));
            lines.push(format!("{}: from {:.1} s to {end}", content.name, content.begun));
        }
    }
    lines
}

/// What a person should know before the figures are believed.
fn remarks(view: &View, report: &Report) -> Vec<String> {
    let mut remarks = Vec::new();
    if report.wasted * 200 > view.size.0 {
        remarks.push(format!(
            "agents fetched {} and threw it away",
            bytes(report.wasted)
        ));
    }
    let uncounted = report.wan_sent.saturating_sub(report.wan_fetched);
    if uncounted * 200 > view.size.0 {
        remarks.push(format!(
            "agents sent {} across links that nobody counted as fetched",
            bytes(uncounted)
        ));
    }
    if report.unattributed > 0 {
        remarks.push(format!(
            "{} crossed links that the tracker never named",
            bytes(report.unattributed)
        ));
    }
    remarks
}

/// The last line: what a person looks for first.
fn summary(view: &View, report: &Report) -> String {
    let clients = report.agents.iter().filter(|agent| !agent.seeder && !agent.gone);
    let good = clients.clone().filter(|agent| agent.ok()).count();
    let time = match (report.seconds, report.bound_seconds, report.time_over_bound) {
        (Some(seconds), Some(bound), Some(ratio)) => {
            format!("{seconds:.1} s, {ratio:.2} x the {bound:.1} s that size / max-flow allows")
        }
        (Some(seconds), ..) => format!("{seconds:.1} s"),
        (None, ..) => "not complete".to_owned(),
    };
    let efficiency = report.efficiency.map_or(String::new(), |efficiency| {
        format!(", WAN efficiency {efficiency:.3}")
    });
    let wire = match (report.wire_over_minimum_max, report.wire_over_minimum) {
        (Some(worst), Some(all)) => {
            format!("; on the wire {all:.3} x the fewest bytes, {worst:.3} x on the worst link")
        }
        _ => String::new(),
    };
    format!(
        "{good} of {} clients complete and identical; {}; {time}; at most {:.3} copies per site{efficiency}{wire}",
        clients.count(),
        view.size,
        report.copies_per_site_max
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::table::tests::{row, view};

    fn report(verdicts: &[Verdict]) -> Report {
        let view = view(vec![row("hq-0", true, 1.0), row("b1-0", false, 1.0)]);
        Report::new(
            &view,
            verdicts,
            Facts {
                pieces: 7,
                ..Facts::default()
            },
        )
    }

    #[test]
    fn all_is_well_only_if_every_file_is_identical() {
        assert!(report(&[Verdict::Identical, Verdict::Identical]).ok);
        for bad in [Verdict::Incomplete, Verdict::Different("x is missing".into())] {
            assert!(!report(&[Verdict::Identical, bad.clone()]).ok);
            assert!(
                !report(&[bad, Verdict::Identical]).ok,
                "a damaged seeder is a failure too"
            );
        }
        assert!(!report(&[Verdict::Identical]).ok);
    }

    #[test]
    fn the_names_for_machines_stay() {
        let json = serde_json::to_value(report(&[Verdict::Identical, Verdict::Identical])).unwrap();
        assert_eq!(
            (json["size"].as_u64(), json["pieces"].as_u64()),
            (Some(500_000_000), Some(7))
        );
        assert_eq!(json["links"][0]["copies_per_demand"], 1.02);
        assert_eq!(json["time_over_bound"], 1.0);
        assert_eq!(json["copies_per_site_max"], 1.02);
        assert_eq!(json["efficiency"], 0.98);
        for (list, keys) in [
            (
                "links",
                "link from to bytes copies demanding_sites copies_per_demand",
            ),
            (
                "agents",
                "id site complete identical seconds kills bytes_lan bytes_wan",
            ),
            ("sites", "site bytes_wan copies seconds bound_seconds"),
        ] {
            for key in keys.split(' ') {
                assert!(json[list][0].get(key).is_some(), "{list} {key}");
            }
        }
    }

    #[test]
    fn bytes_that_are_in_no_sum_are_remarked_on() {
        let view = view(vec![row("hq-0", true, 1.0)]);
        let facts = Facts {
            wan_sent: 90_000_000,
            wasted: 3_000_000,
            unattributed: 1,
            ..Facts::default()
        };
        let found = remarks(&view, &Report::new(&view, &[Verdict::Identical], facts)).join("\n");
        assert!(
            found.contains("90 MB") && found.contains("3 MB") && found.contains("1 B"),
            "{found}"
        );
        assert!(
            remarks(
                &view,
                &Report::new(&view, &[Verdict::Identical], Facts::default())
            )
            .is_empty()
        );
    }

    #[test]
    fn the_last_line_has_the_verdict_the_time_and_the_copies() {
        let view = view(vec![row("hq-0", true, 1.0), row("b1-0", false, 0.5)]);
        let lines = lines(
            &view,
            &Report::new(&view, &[Verdict::Identical], Facts::default()),
        );
        let last = lines.last().unwrap();
        assert!(
            last.starts_with("0 of 1 clients complete and identical") && last.contains("1.020 copies"),
            "{last}"
        );
        assert!(lines.iter().any(|line| line.contains("INCOMPLETE")));
    }
}
