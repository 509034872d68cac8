//! The links of the file, and whether they join all sites.

use std::collections::HashMap;

use narrows_config::{Node, Place, Report, Value};

use super::dscp::dscp;
use super::keys::{self, Fields};
use super::site_file::{Link, Site};
use super::values;
use crate::schedule::Rule;

/// The links, and whether the ends of all of them could be read.
pub(super) fn links(node: &Node, names: &[String], report: &mut Report<'_>) -> (Vec<Link>, bool) {
    let Value::List(list) = &*node.value else {
        let empty = matches!(&*node.value, Value::Null);
        if !empty {
            report.add(
                node.at,
                "`links` is a list",
                "begin each link with `- between: [hq, munich]`",
            );
        }
        return (Vec::new(), empty);
    };
    let mut links: Vec<Link> = Vec::new();
    let mut pairs: HashMap<(u32, u32), Place> = HashMap::new();
    let mut complete = true;
    for node in list {
        let Some(fields) = Fields::of(node, keys::LINK, "a link", report) else {
            complete = false;
            continue;
        };
        let between = fields.take("between").and_then(|node| between(node, names, report));
        if let (Some((a, b)), Some(at)) = (between, fields.take("between").map(|node| node.at)) {
            if let Some(first) = pairs.get(&(a.min(b), a.max(b))) {
                let (a, b) = (&names[a as usize], &names[b as usize]);
                let problem = format!("{a} and {b} are already linked, in line {}", first.line);
                report.add(at, problem, "keep one link and give it the rate of both together");
            } else {
                pairs.insert((a.min(b), a.max(b)), at);
            }
        }
        let rate = fields.take("rate").and_then(|node| values::rate(node, false, report));
        let max_seeders = values::small_count(&fields, "max_seeders", report);
        let cost = values::count(&fields, "cost", report);
        let schedule = fields.take("schedule").map_or(Vec::new(), |node| schedule(node, report));
        let dscp = fields.take("dscp").and_then(|node| dscp(node, report));
        complete &= between.is_some();
        if let (Some(between), Some(rate)) = (between, rate) {
            links.push(Link {
                between,
                rate,
                max_seeders,
                cost,
                dscp,
                schedule,
            });
        }
    }
    (links, complete)
}

fn between(node: &Node, names: &[String], report: &mut Report<'_>) -> Option<(u32, u32)> {
    let Value::List(ends) = &*node.value else {
        report.add(
            node.at,
            format!("`between` cannot be {}", node.kind()),
            "name two sites: `between: [hq, munich]`",
        );
        return None;
    };
    let [a, b] = ends.as_slice() else {
        report.add(
            node.at,
            format!("a link is between two sites, not {}", ends.len()),
            "name two sites: `between: [hq, munich]`",
        );
        return None;
    };
    // both ends are looked at, so that both are reported
    let (first, second) = (values::site(a, names, report), values::site(b, names, report));
    let (first, second) = (first?, second?);
    if first == second {
        report.add(
            b.at,
            format!("a link from {} to itself", names[first as usize]),
            "name the site at its other end",
        );
        return None;
    }
    Some((first, second))
}

fn schedule(node: &Node, report: &mut Report<'_>) -> Vec<Rule> {
    let Value::List(list) = &*node.value else {
        let help = "begin each line with a dash: `- {days: mon-fri, hours: 08:00-18:00, rate: 2 Mbit/s}`";
        report.add(node.at, "`schedule` is a list", help);
        return Vec::new();
    };
    let mut rules = Vec::new();
    for node in list {
        let Some(fields) = Fields::of(node, keys::SCHEDULE, "a line of a schedule", report) else {
            continue;
        };
        let days = fields.take("days").map_or(Some([true; 7]), |node| values::days(node, report));
        let hours = fields.take("hours").map_or(Some((0, 1440)), |node| values::hours(node, report));
        let rate = fields.take("rate").and_then(|node| values::rate(node, true, report));
        if let (Some(days), Some((from, until)), Some(rate)) = (days, hours, rate) {
            rules.push(Rule {
                days,
                from,
                until,
                rate,
            });
        }
    }
    rules
}

/// Every site must reach every other: one that cannot has been forgotten among the links.
pub(super) fn connected(sites: &[(Place, Site)], links: &[Link], report: &mut Report<'_>) {
    let mut group: Vec<usize> = (0..sites.len()).collect();
    let root = |group: &mut Vec<usize>, mut i: usize| {
        while group[i] != i {
            group[i] = group[group[i]];
            i = group[i];
        }
        i
    };
    for link in links {
        let (a, b) = (
            root(&mut group, link.between.0 as usize),
            root(&mut group, link.between.1 as usize),
        );
        group[a.max(b)] = a.min(b);
    }
    let mut members: HashMap<usize, Vec<usize>> = HashMap::new();
    for i in 0..sites.len() {
        members.entry(root(&mut group, i)).or_default().push(i);
    }
    // the greatest group is taken for the network; of equal ones the first
    let Some(main) = members
        .iter()
        .max_by_key(|(first, group)| (group.len(), usize::MAX - **first))
        .map(|(first, _)| *first)
    else {
        return;
    };
    for (_, group) in members.iter().filter(|(first, _)| **first != main) {
        let (at, site) = &sites[group[0]];
        let (problem, reached) = match group.len() {
            1 => (
                format!("site {:?} has no link: nobody can reach it", site.name),
                &sites[main].1.name,
            ),
            more => (
                format!(
                    "site {:?} and {} more are linked to each other but not to the rest",
                    site.name,
                    more - 1
                ),
                &sites[main].1.name,
            ),
        };
        report.add(
            *at,
            problem,
            format!(
                "add a link under `links`, as in `- {{between: [{reached}, {}], rate: 10 Mbit/s}}`",
                site.name
            ),
        );
    }
}
