//! Many sites join at once, on maps where parents are planned beside the announces: no announce plans, each newcomer has
//! a peer to fetch from at once, and a plan is put in force where it still holds.

mod support;

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use narrows_assignment::{Announce, Context, Decision, Ledger, Policy, Swarm, Time};
use narrows_protocol::{AgentReport, AnnounceEvent, InfoHash, PeerId, Role};
use narrows_topology::SiteMap;
use support::rng::SplitMix;

const SIZE: u64 = 1_000_000;
const REGIONS: usize = 6;

/// Headquarters is site 0, then come regions, then branches behind them; meshed: the regions are a ring too.
fn large_map(sites: usize, meshed: bool) -> String {
    let mut text = "version: 1\nsites:\n".to_owned();
    (0..sites).for_each(|n| writeln!(text, "  s{n:03}: {{networks: [10.{n}.0.0/16]}}").unwrap());
    text.push_str("links:\n");
    let mut link = |a: usize, b: usize, rate: usize| {
        writeln!(text, "  - {{between: [s{a:03}, s{b:03}], rate: {rate} Mbit/s}}").unwrap();
    };
    (1..=REGIONS).for_each(|n| link(0, n, 100));
    (REGIONS + 1..sites).for_each(|n| link(1 + n % REGIONS, n, 10));
    if meshed {
        (1..REGIONS).for_each(|n| link(n, n + 1, 100));
    }
    text
}

struct Tracker {
    map: SiteMap,
    policy: Policy,
    ledger: Ledger,
    swarm: Swarm,
    now: Time,
    rng: SplitMix,
}

impl Tracker {
    fn new(map: &str) -> Tracker {
        let mut swarm = Swarm::with_size(InfoHash([1; 20]), SIZE);
        swarm.set_strict(true);
        Tracker {
            map: SiteMap::parse("sites.yaml", map).unwrap(),
            policy: Policy::default(),
            ledger: Ledger::new(),
            swarm,
            now: Time::from_secs(1),
            rng: SplitMix(1),
        }
    }

    fn on_swarm<R>(&mut self, change: impl FnOnce(&mut Swarm, &Context<'_>, Time) -> R) -> R {
        let cx = Context {
            map: &self.map,
            policy: &self.policy,
            ledger: &self.ledger,
            wall: jiff::Timestamp::UNIX_EPOCH,
        };
        change(&mut self.swarm, &cx, self.now)
    }

    /// The first agent of a site announces; no announce plans.
    fn announce(&mut self, site: usize, left: u64, event: AnnounceEvent) -> Decision {
        self.now += Duration::from_millis(1);
        let report = AgentReport {
            agent: format!("agent-{site}"),
            ..AgentReport::default()
        };
        let mut id = [0; 20];
        id[..8].copy_from_slice(&(site as u64).to_be_bytes());
        let announce = Announce {
            addr: SocketAddr::from(([10, site as u8, 0, 1], 6881)),
            peer_id: PeerId(id),
            left,
            downloaded: 0,
            uploaded: 0,
            event,
            numwant: None,
            key: Some(site as u32 + 1),
            agent: Some(&report),
        };
        let cx = Context {
            map: &self.map,
            policy: &self.policy,
            ledger: &self.ledger,
            wall: jiff::Timestamp::UNIX_EPOCH,
        };
        let decision = self.swarm.announce(&cx, &announce, self.now, &mut self.rng).unwrap();
        assert!(!decision.outcome.planned, "the announce of site {site} planned");
        decision
    }

    /// As [`Tracker::announce`]: the site of its first upstream.
    fn upstream(&mut self, site: usize) -> Option<usize> {
        let decision = self.announce(site, SIZE, AnnounceEvent::None);
        assert_eq!(decision.role, Role::Gateway);
        decision.upstream.first().map(|peer| match peer.addr.ip() {
            std::net::IpAddr::V4(ip) => usize::from(ip.octets()[1]),
            std::net::IpAddr::V6(ip) => panic!("{ip}"),
        })
    }

    fn plan(&mut self) -> bool {
        let Some(picture) = self.on_swarm(Swarm::picture) else {
            return false;
        };
        let plan = picture.plan(&self.map);
        self.on_swarm(|swarm, cx, _| swarm.take_over(cx, plan))
    }
}

#[test]
fn each_site_that_joins_has_a_peer_to_fetch_from_at_once_and_no_announce_plans() {
    for meshed in [false, true] {
        let mut tracker = Tracker::new(&large_map(200, meshed));
        tracker.announce(0, 0, AnnounceEvent::Started);
        // branches first, regions last
        for site in (1..200).rev() {
            let joined = tracker.announce(site, SIZE, AnnounceEvent::Started);
            assert_eq!(
                (joined.role, joined.upstream.is_empty()),
                (Role::Gateway, false),
                "{site}"
            );
        }
        // one plan for all of them
        assert!(tracker.plan() && !tracker.plan());
        for site in (1..200).rev() {
            let expected = if site <= REGIONS { 0 } else { 1 + site % REGIONS };
            assert!(tracker.upstream(site).is_some());
            let status = tracker.on_swarm(|swarm, cx, now| swarm.status(cx, now));
            let parent =
                status.sites.iter().find(|found| found.site == format!("s{site:03}")).unwrap().parent.clone();
            if !meshed {
                assert_eq!(parent, Some(format!("s{expected:03}")), "site {site}");
            }
        }
    }
}

#[test]
fn a_rogue_seeder_that_comes_and_goes_has_no_announce_plan_and_starves_no_site() {
    for meshed in [false, true] {
        let mut tracker = Tracker::new(&large_map(120, meshed));
        // no seeder is left; one site has half of it
        tracker.announce(7, SIZE / 2, AnnounceEvent::Started);
        for site in 8..120 {
            tracker.announce(site, SIZE, AnnounceEvent::Started);
        }
        assert!(tracker.plan());
        for turn in 0..20 {
            tracker.announce(1, 0, AnnounceEvent::Started);
            if turn % 3 == 0 {
                tracker.plan();
            }
            tracker.announce(1, 0, AnnounceEvent::Stopped);
            if turn % 4 == 0 {
                tracker.plan();
            }
            let site = 8 + turn;
            let joined = tracker.announce(site, SIZE, AnnounceEvent::None);
            assert_eq!(joined.role, Role::Gateway, "{site}");
        }
        tracker.plan();
        for site in 8..120 {
            assert!(tracker.upstream(site).is_some(), "{site}");
        }
    }
}

const CHAIN: &str = "version: 1
sites:
  s0: {networks: [10.0.0.0/16]}
  s1: {networks: [10.1.0.0/16]}
  s2: {networks: [10.2.0.0/16]}
  s3: {networks: [10.3.0.0/16]}
links:
  - {between: [s0, s1], rate: 10 Mbit/s}
  - {between: [s1, s2], rate: 10 Mbit/s}
  - {between: [s2, s3], rate: 10 Mbit/s}
";

fn chain() -> Tracker {
    let mut tracker = Tracker::new(CHAIN);
    tracker.policy.planning.at_once = 0;
    tracker.announce(0, 0, AnnounceEvent::Started);
    tracker
}

#[test]
fn a_parent_that_goes_while_the_plan_is_made_is_not_taken() {
    let mut tracker = chain();
    tracker.announce(1, SIZE, AnnounceEvent::Started);
    tracker.announce(2, SIZE, AnnounceEvent::Started);
    let picture = tracker.on_swarm(Swarm::picture).unwrap();
    tracker.announce(1, SIZE, AnnounceEvent::Stopped);
    let plan = picture.plan(&tracker.map);
    assert!(tracker.on_swarm(|swarm, cx, _| swarm.take_over(cx, plan)));
    assert_eq!(tracker.upstream(2), Some(0));
}

#[test]
fn a_site_that_joins_while_the_plan_is_made_keeps_the_parent_that_it_was_given() {
    let mut tracker = chain();
    tracker.announce(1, SIZE, AnnounceEvent::Started);
    let picture = tracker.on_swarm(Swarm::picture).unwrap();
    tracker.announce(3, SIZE, AnnounceEvent::Started);
    let plan = picture.plan(&tracker.map);
    assert!(tracker.on_swarm(|swarm, cx, _| swarm.take_over(cx, plan)));
    assert_eq!(tracker.upstream(3), Some(1));
    // a site joins in between, and the next plan has the content cross the links before it once
    tracker.announce(2, SIZE, AnnounceEvent::Started);
    assert!(tracker.plan());
    assert_eq!(tracker.upstream(3), Some(2));
}

#[test]
fn a_site_whose_parent_goes_has_another_with_its_next_announce() {
    let mut tracker = chain();
    tracker.announce(1, SIZE, AnnounceEvent::Started);
    tracker.announce(2, SIZE, AnnounceEvent::Started);
    assert!(tracker.plan());
    assert_eq!(tracker.upstream(2), Some(1));
    tracker.announce(1, SIZE, AnnounceEvent::Stopped);
    assert_eq!(tracker.upstream(2), Some(0));
}

#[test]
fn a_plan_that_was_overtaken_by_a_new_map_or_another_picture_is_void() {
    let mut tracker = chain();
    tracker.announce(1, SIZE, AnnounceEvent::Started);
    let plan = tracker.on_swarm(Swarm::picture).unwrap().plan(&tracker.map);
    tracker.on_swarm(Swarm::remap);
    assert!(!tracker.on_swarm(|swarm, cx, _| swarm.take_over(cx, plan)));
    let first = tracker.on_swarm(Swarm::picture).unwrap().plan(&tracker.map);
    tracker.announce(2, SIZE, AnnounceEvent::Started);
    let second = tracker.on_swarm(Swarm::picture).unwrap().plan(&tracker.map);
    assert!(!tracker.on_swarm(|swarm, cx, _| swarm.take_over(cx, first)));
    assert!(tracker.on_swarm(|swarm, cx, _| swarm.take_over(cx, second)));
}

#[test]
fn a_peer_that_waits_for_a_plan_comes_back_soon() {
    let mut tracker = chain();
    tracker.announce(0, 0, AnnounceEvent::Stopped);
    // no site is supplied, and which one is the root is for the plan to say
    tracker.announce(1, SIZE / 2, AnnounceEvent::Started);
    let waits = tracker.announce(2, SIZE, AnnounceEvent::Started);
    assert!(
        waits.upstream.is_empty() && waits.interval <= Duration::from_secs(1),
        "{:?}",
        waits.interval
    );
    assert!(tracker.plan());
    assert_eq!(tracker.upstream(2), Some(1));
}
