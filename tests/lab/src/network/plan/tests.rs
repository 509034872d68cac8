//! Site maps as networks: addresses, routes, links.

use super::*;
use crate::deployment::AddressSpace;
use crate::network::neighbours;
use crate::values::Groups;
use proptest::prelude::*;

fn deployment(text: &str, seeds: &str, clients: &str) -> Deployment {
    let groups = |text: &str| text.parse::<Groups>().unwrap();
    Deployment::new(
        "map",
        text,
        Some(&groups(seeds)),
        Some(&groups(clients)),
        AddressSpace::Namespaces,
    )
    .unwrap()
}

/// The links that a packet crosses, by the routers' tables alone: longest prefix, hop by hop.
fn walk(plan: &NetPlan, from: usize, to: Ipv4Addr) -> Option<Vec<Hop>> {
    let (mut router, mut hops) = (from, Vec::new());
    loop {
        let here = plan.routers.get(router)?;
        let own = here.lan.filter(|lan| lan.contains(&to)).map(|lan| lan.prefix_len());
        let best = here.routes.iter().filter(|route| route.to.contains(&to));
        let best = best.max_by_key(|route| route.to.prefix_len());
        match best {
            Some(route) if own.is_none_or(|own| route.to.prefix_len() > own) => {
                let wire = plan.links.iter().find(|wire| wire.link == route.hop.link)?;
                let next = wire.ends.iter().find(|end| end.addr == route.via)?;
                // the next router is the other end of a link that this router has
                assert!(wire.ends.iter().any(|end| end.router == router));
                hops.push(route.hop);
                router = next.router;
            }
            _ => return own.map(|_| hops),
        }
        if hops.len() > plan.routers.len() {
            return None;
        }
    }
}

/// Some connected map: a chain, so that all is reached, and more links with costs of all kinds.
fn map() -> impl Strategy<Value = (String, usize)> {
    (
        2usize..9,
        proptest::collection::vec((0usize..9, 0usize..9, 1u32..500), 0..8),
        any::<u16>(),
    )
        .prop_map(|(count, extra, transit)| {
            let mut text = "version: 1\nsites:\n".to_owned();
            for site in 0..count {
                // the ends have networks, those between them may be transit sites
                let empty = site > 0 && site + 1 < count && transit >> site & 1 == 1;
                text += &match empty {
                    true => format!("  s{site}: {{}}\n"),
                    false => format!("  s{site}: {{networks: [10.{}.0.0/16]}}\n", site + 1),
                };
            }
            text += "links:\n";
            let mut pairs: Vec<(usize, usize)> = Vec::new();
            let chain = (1..count).map(|site| (site - 1, site, 100));
            for (a, b, cost) in chain.chain(extra.into_iter().map(|(a, b, c)| (a % count, b % count, c))) {
                let pair = (a.min(b), a.max(b));
                if a != b && !pairs.contains(&pair) {
                    pairs.push(pair);
                    text += &format!("  - {{between: [s{a}, s{b}], rate: 20 Mbit/s, cost: {cost}}}\n");
                }
            }
            (text, count)
        })
}

proptest! {
    /// Whatever the map: between any two hosts, packets cross the links of the site map's path and no others.
    #[test]
    fn packets_between_any_two_hosts_cross_the_links_of_the_site_maps_path((text, count) in map()) {
        let deployment = deployment(&text, "s0=2", &format!("s{}=2", count - 1));
        let plan = NetPlan::new(&deployment, &[]).unwrap();
        for from in &plan.routers {
            for to in plan.routers.iter().filter(|to| to.lan.is_some()) {
                let position = plan.routers.iter().position(|router| router == from).unwrap();
                let expected = deployment.map.path(from.site, to.site).unwrap();
                let addr = to.lan.unwrap().addr();
                prop_assert_eq!(walk(&plan, position, addr), Some(expected.hops.to_vec()));
            }
        }
    }

    /// No address twice, and each is of its host's own site.
    #[test]
    fn every_host_has_an_address_of_its_own_in_its_site((text, count) in map(), clients in 1usize..60) {
        let deployment = deployment(&text, "s0=3", &format!("s0=2,s{}={clients}", count - 1));
        let plan = NetPlan::new(&deployment, &[deployment.agents[0].site]).unwrap();
        prop_assert_eq!(plan.hosts.len(), 1 + deployment.agents.len() + 1);
        let mut seen: Vec<Ipv4Addr> = plan.hosts.iter().flat_map(|h| [h.addr.addr(), h.management]).collect();
        seen.extend(plan.routers.iter().filter_map(|router| router.lan).map(|lan| lan.addr()));
        seen.extend(plan.links.iter().flat_map(|wire| &wire.ends).map(|end| end.addr));
        let all = seen.len();
        seen.sort_unstable();
        seen.dedup();
        prop_assert_eq!(seen.len(), all);
        for host in &plan.hosts {
            let site = plan.routers[host.router].site;
            prop_assert_eq!(deployment.map.locate(host.addr.addr().into()), Some(site));
        }
    }
}

#[test]
fn a_maps_own_networks_are_used_and_those_that_cannot_be_are_replaced() {
    let own = deployment(
        "{version: 1, sites: {hq: {networks: [172.20.0.0/16]}, b: {networks: [192.168.7.0/24]}}, \
         links: [{between: [hq, b], rate: 20 Mbit/s}]}",
        "hq=1",
        "b=1",
    );
    let plan = NetPlan::new(&own, &[]).unwrap();
    let addrs: Vec<String> = plan.hosts.iter().map(|host| host.addr.to_string()).collect();
    assert_eq!(addrs, ["172.20.0.5/16", "172.20.0.10/16", "192.168.7.10/24"]);
    let ours = deployment(crate::deployment::DEFAULT_MAP, "hq=1", "b1=1");
    let plan = NetPlan::new(&ours, &[]).unwrap();
    assert_eq!(plan.hosts[2].addr.to_string(), "10.1.0.10/16");
}

#[test]
fn a_branch_inside_the_networks_of_headquarters_is_reached_by_the_router() {
    let deployment = deployment(
        "{version: 1, sites: {hq: {networks: [10.0.0.0/8]}, b: {networks: [10.9.0.0/16]}}, \
         links: [{between: [hq, b], rate: 20 Mbit/s}]}",
        "hq=1",
        "b=1",
    );
    let plan = NetPlan::new(&deployment, &[]).unwrap();
    assert_eq!(plan.hosts[1].foreign, ["10.9.0.0/16".parse().unwrap()]);
    assert!(plan.hosts[2].foreign.is_empty());
    let [hq, b] = [1, 2].map(|host: usize| plan.hosts[host].router);
    assert_eq!(walk(&plan, hq, Ipv4Addr::new(10, 9, 0, 10)).unwrap().len(), 1);
    assert_eq!(walk(&plan, b, Ipv4Addr::new(10, 0, 0, 10)).unwrap().len(), 1);
}

#[test]
fn where_the_kernels_table_would_be_full_each_host_is_given_its_neighbours() {
    let map = "version: 1\nsites: {hq: {networks: [10.1.0.0/16]}, b: {networks: [10.2.0.0/16]}}\nlinks: [{between: [hq, b], \
               rate: 10 Mbit/s}]\n";
    let plan = |clients| NetPlan::new(&deployment(map, "hq=2", clients), &[]).unwrap();
    assert!(!neighbours::are_fixed(&plan("b=25")) && neighbours::are_fixed(&plan("b=40")));
    let plan = plan("b=40");
    let b = plan.hosts.last().unwrap().router;
    let at_b: Vec<&HostPlan> = plan.hosts_at(b).collect();
    for host in &at_b {
        let text = neighbours::of_host(&plan, host);
        // 39 others, the router and the lab
        assert_eq!(text.lines().count(), 41);
        for other in at_b.iter().filter(|other| other.addr != host.addr) {
            let addr = other.addr.addr();
            let line = format!("neigh replace {addr} lladdr {} dev eth0", neighbours::mac(addr));
            assert!(text.contains(&line), "{line}");
        }
    }
    assert_eq!(neighbours::of_router(&plan, b).lines().count(), 40);
    assert_eq!(neighbours::of_lab(&plan).lines().count(), plan.hosts.len());
}
