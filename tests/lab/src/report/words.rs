//! The report for people.

use std::collections::BTreeMap;

use super::Report;
use crate::budget;
use crate::report::table::{bytes, rate};
use crate::report::view::View;

/// The report for people.
pub fn lines(view: &View, report: &Report) -> Vec<String> {
    let events = view.events.iter();
    let parts = [
        links(view, report),
        sites(report),
        clients(report),
        events.map(|(at, what)| format!("{at:>6.1} s  {what}")).collect(),
    ];
    let mut lines = vec![String::new()];
    for part in parts {
        lines.extend(part);
        lines.push(String::new());
    }
    lines.extend(budget::lines(&report.budgets, report.contents.len()));
    lines.extend(costs(report));
    lines.extend(remarks(view, report));
    lines.push(summary(view, report));
    lines
}

fn time(at: Option<f64>) -> String {
    at.map_or("-".to_owned(), |at| format!("{at:.1} s"))
}

fn links(view: &View, report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
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
        let wire = link.wire_bytes.zip(link.wire_copies).map_or(String::new(), |(wire, copies)| {
            format!(
                " {:>10} {copies:>8.3} {:>8} {:>7}",
                bytes(wire),
                copies_planned(link.planned_copies),
                link.wire_over_minimum.map_or("-".to_owned(), |over| format!("{over:.3}"))
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
    lines
}

/// `1`, or `0.5` of a plan with stripes.
fn copies_planned(copies: Option<f64>) -> String {
    let copies = copies.unwrap_or(0.0);
    match copies.fract() == 0.0 {
        true => format!("{copies:.0}"),
        false => format!("{copies:.2}"),
    }
}

fn sites(report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
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
            time(site.seconds),
            time(site.bound_seconds)
        ));
    }
    lines
}

fn clients(report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
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
            time(agent.seconds),
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
    lines
}

/// What events and kills cost, and what probes and contents got.
fn costs(report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    for cost in &report.costs {
        let interruptions = cost.interruptions.iter().map(|site| match site.seconds {
            Some(seconds) if seconds > 0.0 => {
                format!("{} {seconds:.1} s until the next useful bytes", site.site)
            }
            Some(_) => format!("{} no interruption", site.site),
            None => format!("{} no useful bytes any more", site.site),
        });
        let mut parts: Vec<String> = interruptions.collect();
        if !cost.gateways.is_empty() {
            let each = cost.gateways.iter().map(|claimed| match report.contents.len() {
                0 | 1 => format!("{} {}", claimed.site, claimed.most),
                _ => format!("{} {} of {}", claimed.site, claimed.most, claimed.content),
            });
            let each: Vec<String> = each.collect();
            parts.push(format!(
                "gateways at once from then on at most {}",
                each.join(", ")
            ));
        }
        if !parts.is_empty() {
            lines.push(format!(
                "{} (at {:.1} s): {}",
                cost.what,
                cost.at,
                parts.join("; ")
            ));
        }
    }
    // of the whole run, so the same whichever event a site is named with
    let extra: BTreeMap<&str, f64> = (report.costs.iter())
        .flat_map(|cost| &cost.extra)
        .map(|extra| (&*extra.site, extra.pieces))
        .collect();
    if !extra.is_empty() {
        let each: Vec<String> =
            (extra.iter()).map(|(site, pieces)| format!("{site} {pieces:+.1} pieces")).collect();
        lines.push(format!("beyond one copy, in the whole run: {}", each.join(", ")));
    }
    for probe in &report.probes {
        let share = probe.share.map_or(String::new(), |share| {
            format!(", {:.0} % of the line", 100.0 * share)
        });
        lines.push(format!(
            "TCP stream {} → {} from {:.0} s on: {} on the wire{share}",
            probe.from,
            probe.to,
            probe.at,
            rate(probe.rate)
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
pub(super) fn remarks(view: &View, report: &Report) -> Vec<String> {
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
    for gateways in report.gateways.iter().filter(|gateways| gateways.seconds_above > 0.5) {
        remarks.push(format!(
            "{} had {} gateways at the same time for {}, {} allowed, for {:.1} s",
            gateways.site, gateways.most, gateways.content, gateways.allowed, gateways.seconds_above
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
            let meshed = report.max_flow_seconds.filter(|flow| *flow < bound * 0.99);
            let meshed = meshed.map_or(String::new(), |flow| {
                format!(" ({:.2} x the {flow:.1} s of all paths at once)", seconds / flow)
            });
            format!("{seconds:.1} s, {ratio:.2} x the {bound:.1} s of size / best path's rate{meshed}")
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
