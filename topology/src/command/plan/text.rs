//! The answer to `plan` as a person reads it.

use std::collections::BTreeSet;
use std::fmt::Write;

use narrows_topology::plan::{Advice, Change, Limit, Plan, WIRE};
use narrows_topology::{Hop, LinkId, Rate, SiteId, SiteMap, spell};

use super::Deadline;

/// How many rows of a table are shown to people; machines get all.
const ROWS: usize = 60;

/// How many sites are named that miss a deadline.
const NAMED: usize = 12;

pub(super) fn people(map: &SiteMap, plan: &Plan, advice: &[Advice], deadline: Option<&Deadline>) -> String {
    let rollout = &plan.rollout;
    let mut text = String::new();
    let seeds: u32 = rollout.seeds.values().sum();
    let clients: u32 = rollout.clients.values().sum();
    let wire = spell::bytes(rollout.size as f64 * WIRE);
    let sites: Vec<_> = rollout.seeds.keys().map(|site| map.name(*site).into_owned()).collect();
    let _ = writeln!(
        text,
        "{} to {clients} {} at {} {}, from {seeds} {} at {}",
        spell::bytes(rollout.size as f64),
        plural(clients, "client"),
        rollout.clients.len(),
        plural(rollout.clients.len() as u32, "site"),
        plural(seeds, "seeder"),
        sites.join(", "),
    );
    let _ = writeln!(text, "start    {}", spell::date(map, rollout.at));
    let _ = match (plan.seconds, plan.complete()) {
        (Some(seconds), Some(at)) => {
            writeln!(
                text,
                "complete {}, after {}",
                spell::date(map, at),
                spell::duration(seconds)
            )
        }
        _ => writeln!(text, "complete never: see below"),
    };
    let _ = writeln!(
        text,
        "Bytes are those of the wire: {WIRE} times the content for headers, {wire} a copy."
    );
    if plan.stripes.len() > 1 {
        let _ = writeln!(
            text,
            "The links are meshed: {} stripes, each an equal part of the pieces with parents of its own.",
            plan.stripes.len()
        );
    }
    text.push('\n');
    text.push_str(&spell::table(&cut(site_rows(map, plan)), &[1, 3, 5]));
    text.push('\n');
    text.push_str(&spell::table(&cut(link_rows(map, plan)), &[1, 2, 3, 4, 5]));
    text.push('\n');
    text.push_str(&spell::table(&comparison(map, plan), &[1, 2]));
    if let Some(deadline) = deadline {
        text.push('\n');
        text.push_str(&spell_deadline(map, plan, deadline));
    }
    if !advice.is_empty() {
        text.push_str("\nFaster (planned again with each change):\n");
        for advice in advice {
            let _ = writeln!(text, "  {}", spell_advice(map, plan, advice));
        }
    }
    text
}

fn site_rows(map: &SiteMap, plan: &Plan) -> Vec<Vec<String>> {
    let mut rows = vec![
        [
            "site",
            "clients",
            "from",
            "rate",
            "complete",
            "after",
            "limited by",
        ]
        .map(String::from)
        .to_vec(),
    ];
    for site in &plan.sites {
        let parents: Vec<SiteId> =
            plan.stripes.iter().filter_map(|stripe| Some(stripe.get(&site.site)?.site)).collect();
        let mut names: Vec<String> = parents.iter().map(|parent| map.name(*parent).into_owned()).collect();
        names.dedup();
        let alone = !site.supplied && !map.sharing(site.site) && site.clients > 1;
        let each = if alone { " each" } else { "" };
        rows.push(vec![
            map.name(site.site).into_owned(),
            site.clients.to_string(),
            if site.supplied {
                "its own seeders".to_owned()
            } else {
                names.join(" | ")
            },
            format!("{}{each}", spell::rate(site.rate(plan.rollout.size))),
            site.complete.map_or("never".to_owned(), |at| spell::moment(map, at, plan.rollout.at)),
            site.seconds.map_or(String::new(), spell::duration),
            limit(map, plan, site.limit, site.seconds.is_none()),
        ]);
    }
    rows
}

fn limit(map: &SiteMap, plan: &Plan, limit: Limit, never: bool) -> String {
    let Limit::Link(hop) = limit else {
        return "its own network (1 Gbit/s)".to_owned();
    };
    let link = between(map, hop.link);
    if never {
        return format!("{link}: paused for good");
    }
    let (now, base) = (map.rate(hop, plan.rollout.at), map.base_rate(hop.link));
    let mut text = format!("{link} ({}", spell::rate(base));
    if now != base {
        let _ = write!(text, ", at first {}", spell::rate(now));
    }
    let flows = flows(map, plan, hop);
    if flows > 1 {
        let _ = write!(text, ", {flows} flows");
    }
    text + ")"
}

/// How many flows of the plan cross a hop.
fn flows(map: &SiteMap, plan: &Plan, hop: Hop) -> usize {
    let crosses = |site: &SiteId, parent: SiteId| {
        map.path(parent, *site).is_some_and(|route| route.hops.contains(&hop))
    };
    let all = plan.stripes.iter().flatten().filter(|(site, parent)| crosses(site, parent.site));
    let copies = |site: &SiteId| match map.sharing(*site) {
        true => 1,
        false => plan.rollout.clients.get(site).copied().unwrap_or(1) as usize,
    };
    all.map(|(site, _)| copies(site)).sum()
}

fn link_rows(map: &SiteMap, plan: &Plan) -> Vec<Vec<String>> {
    let mut rows =
        vec![["link", "rate", "bytes", "copies", "BitTorrent", "unicast"].map(String::from).to_vec()];
    let hops: BTreeSet<Hop> =
        plan.hops.keys().chain(plan.torrent.hops.keys()).chain(plan.unicast.hops.keys()).copied().collect();
    let mut hops: Vec<Hop> = hops.into_iter().collect();
    let bytes = |hops: &std::collections::BTreeMap<Hop, f64>, hop: &Hop| {
        hops.get(hop).map_or("-".to_owned(), |bytes| spell::bytes(*bytes))
    };
    hops.sort_by(|a, b| plan.copies(*b).total_cmp(&plan.copies(*a)).then(a.cmp(b)));
    for hop in hops {
        let copies = plan.copies(hop);
        rows.push(vec![
            spell::hop(map, hop),
            spell::rate(map.rate(hop, plan.rollout.at)),
            bytes(&plan.hops, &hop),
            if copies > 0.0 {
                format!("{copies:.2}")
            } else {
                "-".to_owned()
            },
            bytes(&plan.torrent.hops, &hop),
            bytes(&plan.unicast.hops, &hop),
        ]);
    }
    rows
}

/// Long tables lose their end.
fn cut(mut rows: Vec<Vec<String>>) -> Vec<Vec<String>> {
    let all = rows.len();
    if all > ROWS + 1 {
        rows.truncate(ROWS);
        rows.push(vec![format!("... and {} more (--json has all)", all - ROWS)]);
    }
    rows
}

fn comparison(map: &SiteMap, plan: &Plan) -> Vec<Vec<String>> {
    let mut rows = vec![["", "into sites", "time", "busiest link"].map(String::from).to_vec()];
    let time = |seconds: Option<f64>| seconds.map_or("never".to_owned(), spell::duration);
    let busiest = plan.hops.iter().filter(|(hop, _)| !map.rate(**hop, plan.rollout.at).is_unlimited());
    let load = |hop: &Hop, bytes: f64| {
        bytes / map.rate(*hop, plan.rollout.at).bytes_per_second().unwrap_or(0).max(1) as f64
    };
    let busiest = busiest.max_by(|a, b| load(a.0, *a.1).total_cmp(&load(b.0, *b.1)).then(b.0.cmp(a.0)));
    rows.push(vec![
        "Narrows".to_owned(),
        spell::bytes(plan.wan),
        time(plan.seconds),
        busiest.map_or(String::new(), |(hop, bytes)| {
            format!("{}: {}", spell::hop(map, *hop), spell::bytes(*bytes))
        }),
    ]);
    for (name, other) in [("plain BitTorrent", &plan.torrent), ("unicast", &plan.unicast)] {
        let busiest = other.busiest.map_or(String::new(), |hop| {
            let bytes = other.hops.get(&hop).copied().unwrap_or(0.0);
            format!("{}: {}", spell::hop(map, hop), spell::bytes(bytes))
        });
        let at_least = other.seconds.map_or("never".to_owned(), |seconds| {
            format!("at least {}", spell::duration(seconds))
        });
        rows.push(vec![name.to_owned(), spell::bytes(other.wan), at_least, busiest]);
    }
    rows
}

fn spell_deadline(map: &SiteMap, plan: &Plan, deadline: &Deadline) -> String {
    let by = spell::date(map, deadline.by);
    let mut text = String::new();
    if deadline.late.is_empty() {
        let spare = plan.complete().map_or(0.0, |at| deadline.by.duration_since(at).as_secs_f64());
        let _ = writeln!(
            text,
            "By {by} everybody is complete, with {} to spare.",
            spell::about(spare)
        );
        return text;
    }
    let (late, all) = (deadline.late.len(), plan.sites.len());
    let (sites, miss) = (
        plural(all as u32, "site"),
        if late == 1 { "misses" } else { "miss" },
    );
    let _ = writeln!(
        text,
        "By {by} not everybody is complete: {late} of {all} {sites} {miss} it."
    );
    for site in deadline.late.iter().take(NAMED) {
        let site = plan.site(*site);
        let (Some(name), complete) = (
            site.map(|site| map.name(site.site)),
            site.and_then(|site| site.complete),
        ) else {
            continue;
        };
        let _ = match complete {
            Some(at) => {
                let late = at.duration_since(deadline.by).as_secs_f64();
                writeln!(
                    text,
                    "  {name}: {} late, at {}",
                    spell::about(late),
                    spell::moment(map, at, plan.rollout.at)
                )
            }
            None => writeln!(text, "  {name}: never"),
        };
    }
    if late > NAMED {
        let _ = writeln!(text, "  ... and {} more", late - NAMED);
    }
    let _ = match &deadline.needed {
        None => writeln!(
            text,
            "No rate of the links would do: start earlier, or put a seeder nearer."
        ),
        Some(needed) if needed.at_all_hours.is_empty() => {
            writeln!(text, "It would do with {}.", faster(map, &needed.links))
        }
        Some(needed) => {
            let lifted: Vec<String> = needed.at_all_hours.iter().map(|link| between(map, *link)).collect();
            writeln!(
                text,
                "It would do with {}, and without the schedule of {}.",
                faster(map, &needed.links),
                few(&lifted)
            )
        }
    };
    text
}

fn between(map: &SiteMap, link: LinkId) -> String {
    let (a, b) = map.ends(link);
    format!("{} - {}", map.name(a), map.name(b))
}

pub(super) fn spell_advice(map: &SiteMap, plan: &Plan, advice: &Advice) -> String {
    let now = spell::about(plan.seconds.unwrap_or(0.0));
    let then = spell::about(advice.seconds);
    match &advice.change {
        Change::Faster(links) => {
            let limits = |link: LinkId| {
                let limited = plan
                    .sites
                    .iter()
                    .filter(|site| matches!(site.limit, Limit::Link(hop) if hop.link == link));
                limited.map(|site| map.name(site.site).into_owned()).collect::<Vec<_>>()
            };
            match links.as_slice() {
                [(link, before, after)] => format!(
                    "{} limits {}: at {after} instead of {before} the rollout would take {then} instead of {now}.",
                    between(map, *link),
                    few(&limits(*link)),
                ),
                _ => format!(
                    "With {} it would take {then} instead of {now}.",
                    faster(map, links)
                ),
            }
        }
        Change::Unscheduled(link, rate) => format!(
            "Without the schedule of {}, at {} all the time, it would take {then} instead of {now}.",
            between(map, *link),
            spell::rate(*rate),
        ),
        Change::ClientAt(site) => format!(
            "Seed at {0} first: with one client at {0}, which passes it on, it would take {then} instead of {now}.",
            map.name(*site)
        ),
        Change::SeederAt(site) => {
            format!(
                "With a seeder at {} it would take {then} instead of {now}.",
                map.name(*site)
            )
        }
    }
}

/// Links at other rates, those that change alike together.
fn faster(map: &SiteMap, links: &[(LinkId, Rate, Rate)]) -> String {
    let mut alike: Vec<(Rate, Rate, Vec<String>)> = Vec::new();
    for (link, now, then) in links {
        match alike.iter_mut().find(|(a, b, _)| (a, b) == (now, then)) {
            Some((.., names)) => names.push(between(map, *link)),
            None => alike.push((*now, *then, vec![between(map, *link)])),
        }
    }
    let spelled = alike.iter().map(|(now, then, names)| {
        let (now, then) = (spell::rate(*now), spell::rate(*then));
        format!("{} at {then} instead of {now}", few(names))
    });
    spelled.collect::<Vec<_>>().join("; ")
}

fn few(names: &[String]) -> String {
    match names {
        [] => "the slowest site".to_owned(),
        [one] => one.clone(),
        [most @ .., last] if names.len() <= 5 => format!("{} and {last}", most.join(", ")),
        _ => format!("{} and {} more", names[..4].join(", "), names.len() - 4),
    }
}

fn plural(count: u32, word: &str) -> String {
    if count == 1 {
        word.to_owned()
    } else {
        format!("{word}s")
    }
}
