//! From the tree to what the file says, finding every mistake on the way.

use std::collections::HashMap;

use ipnet::IpNet;
use jiff::tz::TimeZone;

use narrows_config::{Node, Place, Report, Value};

use super::dscp::dscp;
use super::keys::{self, Fields};
use super::links::{connected, links};
use super::site_file::{Attach, Defaults, Site, SiteFile};
use super::values;

/// Checks the whole file. What is returned is right only if nothing was reported.
pub(super) fn site_file(root: &Node, report: &mut Report<'_>) -> Option<SiteFile> {
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
    let timezone = file.take("timezone").and_then(|node| values::timezone(node, report));
    let mut defaults = Defaults::default();
    if let Some(node) = file.take("defaults")
        && let Some(given) = Fields::of(node, keys::DEFAULTS, "`defaults`", report)
    {
        defaults.max_seeders =
            values::small_count(&given, "max_seeders", report).unwrap_or(defaults.max_seeders);
        defaults.gateways = values::small_count(&given, "gateways", report).unwrap_or(defaults.gateways);
        let dscp = given.take("dscp").and_then(|node| dscp(node, report));
        defaults.dscp = dscp.unwrap_or(defaults.dscp);
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
    let attach = file.take("unknown").and_then(|node| unknown(node, &names, report));
    let sites = named.into_iter().map(|(_, site)| site).collect();
    Some(SiteFile {
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
            for (at, net) in fields.take("networks").map_or(Vec::new(), |node| nets(node, report)) {
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
                site.sharing = narrows_config::values::boolean(node, "sharing", report).unwrap_or(true);
            }
            site.gateways = values::small_count(&fields, "gateways", report);
        }
        if name.is_some() && names.get(&shown) == Some(&key.at) {
            sites.push((key.at, site));
        }
    }
    sites
}

fn nets(node: &Node, report: &mut Report<'_>) -> Vec<(Place, IpNet)> {
    match &*node.value {
        Value::List(list) => {
            list.iter().filter_map(|node| Some((node.at, values::network(node, report)?))).collect()
        }
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
    let hub = fields.take("attach").and_then(|node| values::site(node, names, report));
    let rate = fields.take("rate").and_then(|node| values::rate(node, false, report));
    let max_seeders = values::small_count(&fields, "max_seeders", report);
    let cost = values::count(&fields, "cost", report);
    Some(Attach {
        hub: hub?,
        rate: rate?,
        max_seeders,
        cost,
    })
}
