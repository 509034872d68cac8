//! Rule 10, rates, at the sender: what a peer of a site may send to each other one. A gateway keeps to its
//! grant by itself; this is what holds where one does not.

use narrows_protocol::{PathRate, PathRates};
use narrows_topology::{Rate, SiteId};

use crate::Context;

/// What the peers of a site may send to those of each other one now, whatever the content: the least rate
/// along the path, nothing where a schedule or a brake stops it or there is no path.
pub fn path_rates(cx: &Context<'_>, from: SiteId) -> PathRates {
    let (map, links, brakes) = (cx.map, cx.links(), cx.ledger.brakes());
    let stops_site =
        |site: SiteId| !brakes.sites.is_empty() && brakes.sites.contains(map.name(site).as_ref());
    let all = brakes.all || stops_site(from);
    let spread = map.spread(from, |hop| {
        let (one, other) = map.ends(hop.link);
        if all || brakes.stops_link(map, one, other) {
            Rate::ZERO
        } else {
            links.rate(hop)
        }
    });
    let allowed = |rate: Option<Rate>| match rate.map(Rate::bytes_per_second) {
        _ if all => PathRate::Stopped,
        None | Some(Some(0)) => PathRate::Stopped,
        Some(None) => PathRate::Unlimited,
        Some(Some(bytes)) => PathRate::Limited(bytes),
    };
    let sites = map.sites().zip(spread.sites).map(|(site, rate)| {
        if stops_site(site) {
            PathRate::Stopped
        } else {
            allowed(rate)
        }
    });
    // brakes name an attached network as a site, or as an end of its link
    let ends = brakes.links.iter().flat_map(|(one, other)| [one, other]);
    let named = brakes.sites.iter().chain(ends).filter_map(|name| map.site_named(name));
    let stopped = named.filter_map(|site| match site {
        SiteId::Attached(network) => Some(network),
        SiteId::Named(_) => None,
    });
    PathRates::new(sites, allowed(spread.attached), stopped.collect())
}

#[cfg(test)]
mod tests {
    use narrows_protocol::Place;
    use narrows_topology::SiteMap;

    use super::*;
    use crate::{Brakes, Ledger, Policy};

    const MAP: &str = "version: 1
timezone: UTC
unknown: {attach: hq, rate: 2 Mbit/s}
sites:
  b1: {networks: [10.2.0.0/16]}
  b2: {networks: [10.3.0.0/16]}
  hq: {networks: [10.1.0.0/16]}
links:
  - {between: [hq, b1], rate: 8 Mbit/s, schedule: [{hours: \"08:00-18:00\", rate: 0}]}
  - {between: [hq, b2], rate: 80 Mbit/s}
";

    const STOPPED: PathRate = PathRate::Stopped;
    const FREE: PathRate = PathRate::Unlimited;
    const SLOW: PathRate = PathRate::Limited(1_000_000);
    const FAST: PathRate = PathRate::Limited(10_000_000);

    /// To b1, b2, hq and an unknown network, from a site at an hour with these brakes.
    fn to(from: &str, hour: i64, brakes: Brakes) -> [PathRate; 4] {
        let map = SiteMap::parse("sites.yaml", MAP).expect("a map");
        let (policy, ledger) = (Policy::default(), Ledger::new());
        ledger.set_brakes(brakes);
        let cx = Context {
            map: &map,
            policy: &policy,
            ledger: &ledger,
            wall: jiff::Timestamp::from_second(hour * 3600).expect("a time"),
        };
        let rates = path_rates(&cx, map.site_named(from).expect("a site"));
        let unknown = Place::Attached("192.0.2.0/24".parse().expect("a network"));
        [Place::Site(0), Place::Site(1), Place::Site(2), unknown].map(|place| rates.to(place))
    }

    #[test]
    fn a_seeder_may_send_what_the_path_has_and_nothing_while_it_is_paused() {
        let none = Brakes::default;
        assert_eq!(
            to("hq", 3, none()),
            [SLOW, FAST, FREE, PathRate::Limited(250_000)]
        );
        assert_eq!(to("hq", 9, none())[..2], [STOPPED, FAST]);
        assert_eq!(
            to("b2", 3, none()),
            [SLOW, FREE, FAST, PathRate::Limited(250_000)]
        );
        assert_eq!(
            to("192.0.2.0/24", 3, none())[2],
            PathRate::Limited(250_000),
            "from there"
        );
    }

    #[test]
    fn a_brake_stops_its_link_its_site_or_all() {
        let links = [Brakes::link("b2", "hq")].into();
        let link = Brakes {
            links,
            ..Brakes::default()
        };
        assert_eq!(to("hq", 3, link.clone())[..3], [SLOW, STOPPED, FREE]);
        assert_eq!(to("b2", 3, link)[..3], [STOPPED, FREE, STOPPED]);
        let site = |name: &str| Brakes {
            sites: [name.to_owned()].into(),
            ..Brakes::default()
        };
        assert_eq!(to("hq", 3, site("b1"))[..2], [STOPPED, FAST]);
        assert_eq!(to("b1", 3, site("b1")), [STOPPED; 4]);
        assert_eq!(to("hq", 3, site("192.0.2.0/24"))[3], STOPPED);
        assert_ne!(to("hq", 3, site("198.51.100.0/24"))[3], STOPPED);
        let all = Brakes {
            all: true,
            ..Brakes::default()
        };
        assert_eq!(to("hq", 3, all), [STOPPED; 4]);
    }
}
