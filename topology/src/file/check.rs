//! From the tree to a plan, finding every mistake on the way.

use std::collections::HashMap;

use ipnet::IpNet;
use jiff::tz::TimeZone;

use super::keys::{self, Key, Shape};
use super::report::{Place, Report, did_you_mean};
use super::tree::{Node, Value};
use super::values;
use crate::map::{Attach, Defaults, Link, Plan, Site};
use crate::schedule::Rule;

/// The values of a mapping by key; keys unknown, repeated or missing have been reported.
struct Fields<'n> {
    values: HashMap<&'static str, &'n Node>,
    keys: &'static [Key],
}

impl<'n> Fields<'n> {
    /// `what` names the mapping in messages, as in `a link`.
    fn of(node: &'n Node, keys: &'static [Key], what: &str, report: &mut Report<'_>) -> Option<Fields<'n>> {
        let Value::Mapping(pairs) = &*node.value else {
            let names = keys.iter().map(|key| key.name).collect::<Vec<_>>().join(", ");
            report.add(
                node.at,
                format!("{what} cannot be {}", node.kind()),
                format!("write `key: value` with these keys: {names}"),
            );
            return None;
        };
        let mut values: HashMap<&'static str, &'n Node> = HashMap::new();
        let mut places: HashMap<&'static str, Place> = HashMap::new();
        for (key, value) in pairs {
            let written = key.text().unwrap_or_default();
            let Some(known) = keys.iter().find(|known| known.name == written) else {
                let shown = if key.text().is_some() {
                    format!("`{written}`")
                } else {
                    format!("({})", key.kind())
                };
                let help = match did_you_mean(written, keys.iter().map(|known| known.name)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!(
                        "known here: {}",
                        keys.iter().map(|key| key.name).collect::<Vec<_>>().join(", ")
                    ),
                };
                report.add(key.at, format!("{what} has no key {shown}"), help);
                continue;
            };
            if let Some(first) = places.get(known.name) {
                report.add(
                    key.at,
                    format!("`{written}` is here twice"),
                    format!("keep one; the first is in line {}", first.line),
                );
                continue;
            }
            places.insert(known.name, key.at);
            values.insert(known.name, value);
        }
        for key in keys
            .iter()
            .filter(|key| key.required && !values.contains_key(key.name))
        {
            report.add(node.at, format!("{what} needs `{}`", key.name), key.about);
        }
        Some(Fields { values, keys })
    }

    /// The value of a key, which must be in the mapping's table.
    fn take(&self, name: &str) -> Option<&'n Node> {
        debug_assert!(
            self.keys.iter().any(|key| key.name == name),
            "{name} is missing in the table of keys"
        );
        self.values.get(name).copied()
    }

    /// A count, between 1 and what the table says.
    fn count(&self, name: &str, report: &mut Report<'_>) -> Option<u64> {
        let node = self.take(name)?;
        let most = self.keys.iter().find_map(|key| match key.shape {
            Shape::Count(most) if key.name == name => Some(most),
            _ => None,
        });
        values::count(node, name, most?, report)
    }

    fn small_count(&self, name: &str, report: &mut Report<'_>) -> Option<u32> {
        self.count(name, report)
            .and_then(|count| u32::try_from(count).ok())
    }
}

/// Checks the whole file. What is returned is right only if nothing was reported.
pub(super) fn plan(root: &Node, report: &mut Report<'_>) -> Option<Plan> {
    let file = Fields::of(root, keys::FILE, "a site map", report)?;
    if let Some(version) = file.take("version")
        && version.text() != Some("1")
    {
        report.add(
            version.at,
            "this version of Narrows reads site maps of version 1",
            "write `version: 1`",
        );
    }
    let timezone = file
        .take("timezone")
        .and_then(|node| values::timezone(node, report));
    let mut defaults = Defaults::default();
    if let Some(node) = file.take("defaults")
        && let Some(given) = Fields::of(node, keys::DEFAULTS, "`defaults`", report)
    {
        defaults.max_seeders = given
            .small_count("max_seeders", report)
            .unwrap_or(defaults.max_seeders);
        defaults.gateways = given.small_count("gateways", report).unwrap_or(defaults.gateways);
    }
    let named = file.take("sites").map_or(Vec::new(), |node| sites(node, report));
    let names: Vec<String> = named.iter().map(|(_, site)| site.name.clone()).collect();
    let before = report.count();
    let (links, complete) = match file.take("links") {
        Some(node) => links(node, &names, report),
        None => (Vec::new(), true),
    };
    // after a link with an unknown end it cannot be said who is unlinked
    if complete && report.count() == before {
        connected(&named, &links, report);
    }
    let attach = file
        .take("unknown")
        .and_then(|node| unknown(node, &names, report));
    let sites = named.into_iter().map(|(_, site)| site).collect();
    Some(Plan {
        sites,
        links,
        attach,
        timezone: timezone.unwrap_or(TimeZone::UTC),
        defaults,
    })
}

fn sites(node: &Node, report: &mut Report<'_>) -> Vec<(Place, Site)> {
    let Value::Mapping(pairs) = &*node.value else {
        let help = "name the sites, as in `munich: {networks: [10.2.0.0/16]}`";
        report.add(node.at, format!("`sites` cannot be {}", node.kind()), help);
        return Vec::new();
    };
    if pairs.is_empty() {
        report.add(
            node.at,
            "there is no site",
            "name one, as in `munich: {networks: [10.2.0.0/16]}`",
        );
    }
    let mut sites: Vec<(Place, Site)> = Vec::new();
    let mut names: HashMap<String, Place> = HashMap::new();
    let mut networks: HashMap<IpNet, (String, Place)> = HashMap::new();
    for (key, value) in pairs {
        // what is inside a site without a proper name is checked all the same
        let name = values::new_name(key, report);
        if let Some(name) = &name {
            if let Some(first) = names.get(name) {
                report.add(
                    key.at,
                    format!("site {name:?} is here twice"),
                    format!("join them; the first is in line {}", first.line),
                );
            } else {
                names.insert(name.clone(), key.at);
            }
        }
        let shown = name.clone().unwrap_or_default();
        let mut site = Site {
            name: shown.clone(),
            networks: Vec::new(),
            sharing: true,
            gateways: None,
        };
        if !matches!(&*value.value, Value::Null)
            && let Some(fields) = Fields::of(value, keys::SITE, "a site", report)
        {
            for (at, net) in fields
                .take("networks")
                .map_or(Vec::new(), |node| nets(node, report))
            {
                match networks.get(&net) {
                    Some((other, place)) => {
                        let whose = if *other == shown {
                            "this site".to_owned()
                        } else {
                            format!("site {other:?}")
                        };
                        report.add(
                            at,
                            format!("{net} is already a network of {whose}, in line {}", place.line),
                            "keep it at one of them",
                        );
                    }
                    None => {
                        networks.insert(net, (shown.clone(), at));
                        site.networks.push(net);
                    }
                }
            }
            if let Some(node) = fields.take("sharing") {
                site.sharing = values::boolean(node, "sharing", report).unwrap_or(true);
            }
            site.gateways = fields.small_count("gateways", report);
        }
        if name.is_some() && names.get(&shown) == Some(&key.at) {
            sites.push((key.at, site));
        }
    }
    sites
}

fn nets(node: &Node, report: &mut Report<'_>) -> Vec<(Place, IpNet)> {
    match &*node.value {
        Value::List(list) => list
            .iter()
            .filter_map(|node| Some((node.at, values::network(node, report)?)))
            .collect(),
        Value::Scalar(text, _) => {
            report.add(
                node.at,
                "`networks` is a list",
                format!("write `networks: [{text}]`"),
            );
            Vec::new()
        }
        _ => {
            report.add(
                node.at,
                format!("`networks` cannot be {}", node.kind()),
                "write `networks: [10.2.0.0/16]`; for a transit site leave it out",
            );
            Vec::new()
        }
    }
}

/// The links, and whether the ends of all of them could be read.
fn links(node: &Node, names: &[String], report: &mut Report<'_>) -> (Vec<Link>, bool) {
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
        let between = fields
            .take("between")
            .and_then(|node| between(node, names, report));
        if let (Some((a, b)), Some(at)) = (between, fields.take("between").map(|node| node.at)) {
            if let Some(first) = pairs.get(&(a.min(b), a.max(b))) {
                let (a, b) = (&names[a as usize], &names[b as usize]);
                let problem = format!("{a} and {b} are already linked, in line {}", first.line);
                report.add(at, problem, "keep one link and give it the rate of both together");
            } else {
                pairs.insert((a.min(b), a.max(b)), at);
            }
        }
        let rate = fields
            .take("rate")
            .and_then(|node| values::rate(node, false, report));
        let max_seeders = fields.small_count("max_seeders", report);
        let cost = fields.count("cost", report);
        let schedule = fields
            .take("schedule")
            .map_or(Vec::new(), |node| schedule(node, report));
        complete &= between.is_some();
        if let (Some(between), Some(rate)) = (between, rate) {
            links.push(Link {
                between,
                rate,
                max_seeders,
                cost,
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
        let days = fields
            .take("days")
            .map_or(Some([true; 7]), |node| values::days(node, report));
        let hours = fields
            .take("hours")
            .map_or(Some((0, 1440)), |node| values::hours(node, report));
        let rate = fields
            .take("rate")
            .and_then(|node| values::rate(node, true, report));
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

/// Every site must reach every other: whoever cannot has been forgotten among the links.
fn connected(sites: &[(Place, Site)], links: &[Link], report: &mut Report<'_>) {
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

fn unknown(node: &Node, names: &[String], report: &mut Report<'_>) -> Option<Attach> {
    if let Some(word) = node.text() {
        if word != "deny" {
            report.add(
                node.at,
                format!("`unknown` cannot be `{word}`"),
                "write `deny`, or `{attach: hq, rate: 2 Mbit/s}`",
            );
        }
        return None;
    }
    let fields = Fields::of(node, keys::UNKNOWN, "`unknown`", report)?;
    let hub = fields
        .take("attach")
        .and_then(|node| values::site(node, names, report));
    let rate = fields
        .take("rate")
        .and_then(|node| values::rate(node, false, report));
    let max_seeders = fields.small_count("max_seeders", report);
    let cost = fields.count("cost", report);
    Some(Attach {
        hub: hub?,
        rate: rate?,
        max_seeders,
        cost,
    })
}
