//! What agents are told of the site map: its networks, and what may be sent from their site to the others.
//! Each is made once per map, or per site and minute, and sent to those that hold another version.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use narrows_assignment::{Brakes, Context, path_rates};
use narrows_protocol::{AgentReport, InfoHash, Networks, PathRates, Told, ToldNetworks, ToldRates};
use narrows_topology::{SiteId, SiteMap};

/// The most sites whose rates are kept; attached networks are sites too. A few hundred bytes each.
const MAX_SITES: usize = 4096;

/// The networks of a map for agents; none if they are more than can be told, and agents then serve any
/// address.
pub(super) fn networks(map: &SiteMap) -> Option<Arc<Networks>> {
    let sites = map.sites().map(|site| map.networks(site));
    match Networks::new(sites, map.attach_hub().is_some()) {
        Ok(networks) => Some(Arc::new(networks)),
        Err(error) => {
            tracing::warn!(%error, "agents cannot be told the networks of the site map and serve any address; name fewer networks");
            None
        }
    }
}

/// What may be sent from each site that agents asked for.
#[derive(Debug, Default)]
pub(super) struct Rates {
    kept: Mutex<Kept>,
}

/// The rates as long as nothing changes.
#[derive(Debug, Default)]
struct Kept {
    /// Of the map.
    generation: u64,
    brakes: Arc<Brakes>,
    /// Of the wall clock: schedules change at full minutes.
    minute: i64,
    /// When one next does.
    change: Option<jiff::Timestamp>,
    by_site: HashMap<SiteId, (u64, Arc<PathRates>)>,
}

impl Rates {
    /// What an agent at `ip` is told. It is told by the site that it is in by this very map.
    pub(super) fn told(
        &self,
        cx: &Context<'_>,
        (generation, networks): (u64, Option<&Arc<Networks>>),
        report: &AgentReport,
        ip: IpAddr,
        content: &InfoHash,
    ) -> Option<Told> {
        let (held, networks) = (report.networks?, networks?);
        let version = networks.version();
        let told = ToldNetworks {
            version,
            table: (held != version).then(|| networks.clone()),
        };
        let rates = report.rates.and_then(|held| {
            let (now, change, table) = self.from(cx, generation, version, cx.map.locate(ip)?);
            Some(ToldRates {
                version: now,
                change,
                table: (held != now).then_some(table),
            })
        });
        Some(Told {
            networks: told,
            rates,
            braked: cx.ledger.brakes().stops_content(content),
        })
    }

    /// The rates from a site, their version, and in how many seconds a schedule changes something.
    fn from(
        &self,
        cx: &Context<'_>,
        generation: u64,
        networks: u64,
        site: SiteId,
    ) -> (u64, u32, Arc<PathRates>) {
        let (brakes, minute) = (cx.ledger.brakes(), cx.wall.as_second().div_euclid(60));
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let is_current = kept.generation == generation
            && kept.minute == minute
            && Arc::ptr_eq(&kept.brakes, &brakes)
            && kept.by_site.len() < MAX_SITES;
        if !is_current {
            *kept = Kept {
                generation,
                brakes,
                minute,
                change: cx.map.next_change(cx.wall),
                by_site: HashMap::new(),
            };
        }
        let change = kept.change.map_or(0, |change| {
            let seconds = change.duration_since(cx.wall).as_secs().max(0);
            u32::try_from(seconds + 1).unwrap_or(u32::MAX)
        });
        let (version, rates) = kept.by_site.entry(site).or_insert_with(|| {
            let rates = path_rates(cx, site);
            (rates.version(networks), Arc::new(rates))
        });
        (*version, change, rates.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use ipnet::IpNet;
    use narrows_assignment::{Ledger, Policy};
    use narrows_protocol::Place;
    use proptest::prelude::*;

    use super::*;

    /// Networks crowded into a small space, so that they nest, and of both families.
    fn network() -> impl Strategy<Value = IpNet> {
        prop_oneof![
            (0u32..=0xffff, 8u8..=32)
                .prop_map(|(low, prefix)| (IpAddr::from((low << 16 | low).to_be_bytes()), prefix)),
            (0u128..=0xff, 1u8..=128)
                .prop_map(|(low, prefix)| (IpAddr::from((low << 120 | low).to_be_bytes()), prefix)),
        ]
        .prop_map(|(addr, prefix)| IpNet::new(addr, prefix).expect("a network").trunc())
    }

    fn map(mut networks: Vec<IpNet>, attach: bool) -> SiteMap {
        networks.sort_unstable();
        networks.dedup();
        let mut text = String::from("version: 1\n");
        if attach {
            text += "unknown: {attach: s0, rate: 1 Mbit/s}\n";
        }
        text += "sites:\n  s0: {networks: [192.168.0.0/24]}\n";
        for (n, networks) in networks.chunks(3).enumerate() {
            let listed: Vec<String> = networks.iter().map(|net| format!("\"{net}\"")).collect();
            let _ = writeln!(text, "  t{n}: {{networks: [{}]}}", listed.join(", "));
        }
        text += "links:\n";
        for n in 0..networks.chunks(3).count() {
            let _ = writeln!(text, "  - {{between: [s0, t{n}], rate: 1 Mbit/s}}");
        }
        if networks.is_empty() {
            text = text.replace("links:\n", "");
        }
        SiteMap::parse("sites.yaml", &text).unwrap_or_else(|mistakes| panic!("{text}\n{mistakes}"))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn agents_place_an_address_where_the_tracker_does(
            nets in proptest::collection::vec(network(), 0..40), attach: bool, host: u128, pick in any::<prop::sample::Index>(),
        ) {
            let map = map(nets.clone(), attach);
            let networks = networks(&map).expect("short");
            let read = Networks::read(networks.table(), attach).expect("a table");
            let mut probes = vec![IpAddr::from((host as u32).to_be_bytes()), IpAddr::from(host.to_be_bytes())];
            if !nets.is_empty() {
                let net = nets[pick.index(nets.len())];
                probes.extend([net.network(), net.broadcast()]);
            }
            for addr in probes {
                let mapped = match addr {
                    IpAddr::V4(v4) => IpAddr::V6(v4.to_ipv6_mapped()),
                    v6 => v6,
                };
                let expected = map.locate(addr).map(|site| match site {
                    SiteId::Named(n) => Place::Site(n),
                    SiteId::Attached(net) => Place::Attached(net),
                });
                prop_assert_eq!(read.place(addr), expected);
                prop_assert_eq!(read.place(mapped), map.locate(mapped).map(|_| expected.expect("a place")));
            }
        }
    }

    #[test]
    fn what_an_agent_holds_is_not_told_again_until_it_changes() {
        let map = map(vec!["10.2.0.0/16".parse().expect("a network")], false);
        let (policy, ledger) = (Policy::default(), Ledger::new());
        let cx = |second| Context {
            map: &map,
            policy: &policy,
            ledger: &ledger,
            wall: jiff::Timestamp::from_second(second).expect("a time"),
        };
        let (rates, networks) = (Rates::default(), networks(&map));
        let ip = "192.168.0.7".parse().expect("an address");
        let content = InfoHash([1; 20]);
        let ask = |held, rates_held, second| {
            let report = AgentReport {
                networks: held,
                rates: rates_held,
                ..AgentReport::default()
            };
            rates.told(&cx(second), (0, networks.as_ref()), &report, ip, &content)
        };
        assert_eq!(ask(None, Some(0), 0), None, "an older agent, which does not ask");
        let first = ask(Some(0), None, 0).expect("told");
        let version = first.networks.version;
        assert!(first.networks.table.is_some() && first.rates.is_none());
        let second = ask(Some(version), Some(0), 1).expect("told");
        assert_eq!(second.networks, ToldNetworks { version, table: None });
        let told = second.rates.expect("told");
        let to_t0 = told.table.expect("the rates").to(Place::Site(1));
        assert_eq!(to_t0, narrows_protocol::PathRate::Limited(125_000));
        let again = ask(Some(version), Some(told.version), 100).expect("told").rates.expect("told");
        assert_eq!((again.version, again.table), (told.version, None));
        ledger.set_brakes(Brakes {
            all: true,
            ..Brakes::default()
        });
        let braked = ask(Some(version), Some(told.version), 100).expect("told");
        assert!(braked.braked);
        let braked = braked.rates.expect("told").table.expect("other rates");
        assert_eq!(braked.to(Place::Site(1)), narrows_protocol::PathRate::Stopped);
    }
}
