//! Why an address is where it is, and what lies between two.

use std::fmt::Write;
use std::net::IpAddr;

use jiff::Timestamp;
use narrows_topology::{Rate, SiteId, SiteMap};

/// The answer to `explain`, for a person to read.
pub(crate) fn explain(map: &SiteMap, at: Timestamp, address: IpAddr, other: Option<IpAddr>) -> String {
    let mut text = String::new();
    let from = place(map, address, &mut text);
    let to = other.and_then(|other| place(map, other, &mut text));
    if let (Some(from), Some(to)) = (from, to) {
        path(map, at, from, to, &mut text);
    }
    text
}

/// The lines about one address, and its site.
fn place(map: &SiteMap, address: IpAddr, text: &mut String) -> Option<SiteId> {
    let canonical = address.to_canonical();
    let mapped = if canonical == address {
        String::new()
    } else {
        format!(" (that is {canonical})")
    };
    let Some((network, site)) = map.network_of(address) else {
        let _ = writeln!(
            text,
            "{address}{mapped}: in no network of the map, and `unknown` is `deny`: refused"
        );
        return None;
    };
    let name = map.name(site);
    let _ = match site {
        SiteId::Named(_) => writeln!(text, "{address}{mapped}: site {name}, by its network {network}"),
        SiteId::Attached(_) => {
            let hub = map.attach_hub().map_or_else(String::new, |hub| map.name(hub).into_owned());
            writeln!(
                text,
                "{address}{mapped}: in no network of the map; {name} is a site of its own, attached to {hub}"
            )
        }
    };
    for (shorter, site) in map.networks_of(address).skip(1) {
        let _ = writeln!(
            text,
            "  not {} by {shorter}: its prefix is shorter",
            map.name(site)
        );
    }
    let gateways = map.gateways(site);
    let shares = if map.sharing(site) {
        "its peers serve"
    } else {
        "its peers only fetch (`sharing: false`)"
    };
    let _ = writeln!(text, "  {shares}; gateways per swarm: {gateways}");
    Some(site)
}

/// The lines about the path between two sites.
fn path(map: &SiteMap, at: Timestamp, from: SiteId, to: SiteId, text: &mut String) {
    if from == to {
        let _ = writeln!(
            text,
            "\nBoth are at {}: no link lies between them.",
            map.name(from)
        );
        return;
    }
    let Some(route) = map.path(from, to) else {
        let _ = writeln!(
            text,
            "\nThere is no path from {} to {}.",
            map.name(from),
            map.name(to)
        );
        return;
    };
    let _ = writeln!(
        text,
        "\nPath from {} to {}, of cost {}:",
        map.name(from),
        map.name(to),
        route.cost
    );
    for hop in route.hops.iter() {
        let (first, last) = map.ends(hop.link);
        let (a, b) = if hop.forward { (first, last) } else { (last, first) };
        let (now, base) = (map.rate(*hop, at), map.base_rate(hop.link));
        let scheduled = if now == base {
            String::new()
        } else {
            format!(" by schedule, else {base}")
        };
        let cost = map.cost(hop.link);
        let _ = writeln!(
            text,
            "  {} -> {}: {}{scheduled}, cost {cost}",
            map.name(a),
            map.name(b),
            shown(now)
        );
    }
    let least = route.hops.iter().map(|hop| map.rate(*hop, at)).min().unwrap_or(Rate::UNLIMITED);
    let local = map.timezone().to_datetime(at);
    let zone = map.timezone().iana_name().unwrap_or("UTC");
    let _ = writeln!(
        text,
        "Rate now ({} {:02}:{:02} {zone}): {}; max_seeders: {}",
        local.date(),
        local.hour(),
        local.minute(),
        shown(least),
        map.max_seeders(&route)
    );
}

fn shown(rate: Rate) -> String {
    if rate == Rate::ZERO {
        "paused".to_owned()
    } else {
        rate.to_string()
    }
}
