//! Rule 10, simulated: several rollouts on the same links, with one ledger. At any time, what gateways were
//! granted adds up to no more than 1.05 times what each link may carry; half a minute after the last change
//! each gateway has the fair share; what a schedule changes holds within half a minute. `NARROWS_SEEDS=500`
//! runs more, `NARROWS_SEED=17` one.

mod rollouts;
mod support;

use std::time::Duration;

use narrows_assignment::Brakes;
use rollouts::Rollouts;
use support::rng::SplitMix;
use support::seeds::seeds;

/// Sites around one or two hubs, some behind others; some links with a schedule that changes at 13:00, 13:05
/// or so.
fn random_map(rng: &mut SplitMix, schedules: bool) -> String {
    let sites = 3 + rng.below(6);
    let mut text = "version: 1\ntimezone: Europe/Berlin\nsites:\n".to_owned();
    for n in 0..sites {
        text.push_str(&format!("  s{n}: {{networks: [10.{n}.0.0/16]}}\n"));
    }
    text.push_str("links:\n");
    for n in 1..sites {
        let to = rng.below(n);
        let rate = |rng: &mut SplitMix| {
            let rates = ["1 Mbit/s", "5 Mbit/s", "10 Mbit/s", "33 Mbit/s", "unlimited"];
            rates[rng.below(rates.len())]
        };
        let base = rate(rng);
        let other = ["0", "2 Mbit/s", "20 Mbit/s", "unlimited"][rng.below(4)];
        let (from, until) = (1 + rng.below(5), 6 + rng.below(6));
        let schedule = if schedules && rng.one_in(2) {
            format!(", schedule: [{{days: mon-sun, hours: 13:{from:02}-13:{until:02}, rate: {other}}}]")
        } else {
            String::new()
        };
        text.push_str(&format!(
            "  - {{between: [s{to}, s{n}], rate: {base}{schedule}}}\n"
        ));
    }
    text
}

#[test]
fn gateways_of_many_swarms_are_never_granted_more_than_a_link_carries_and_soon_have_their_fair_share() {
    let mut checked = 0;
    for seed in seeds(60) {
        let mut rng = SplitMix(seed);
        let map = random_map(&mut rng, false);
        let swarms = 1 + rng.below(8);
        let mut rollouts = Rollouts::new(seed, rng, &map, swarms);
        rollouts.run(Duration::from_secs(600), 40);
        rollouts.settle();
        checked += rollouts.checked;
    }
    assert!(checked > 1000, "only {checked} shares were compared");
}

#[test]
fn no_more_is_granted_while_parents_are_planned_and_links_shared_out_beside_the_announces() {
    for seed in seeds(60) {
        let mut rng = SplitMix(seed + 2_000_000);
        let map = random_map(&mut rng, false);
        let swarms = 1 + rng.below(8);
        let mut rollouts = Rollouts::new(seed, rng, &map, swarms);
        rollouts.policy.planning.at_once = 0;
        rollouts.policy.shares.eager = 0;
        rollouts.run(Duration::from_secs(600), 40);
        rollouts.settle();
    }
}

#[test]
fn what_a_schedule_changes_holds_within_half_a_minute() {
    for seed in seeds(60) {
        let mut rng = SplitMix(seed + 1_000_000);
        let map = random_map(&mut rng, true);
        let swarms = 1 + rng.below(6);
        let mut rollouts = Rollouts::new(seed, rng, &map, swarms);
        // 12:59:30 in Berlin
        rollouts.wall = "2026-11-23T11:59:30Z".parse().unwrap();
        rollouts.run(Duration::from_secs(800), 300);
        rollouts.settle();
    }
}

/// Twenty rollouts begin on one link within the same second.
#[test]
fn rollouts_that_begin_together_share_a_link_without_overbooking_it() {
    let map = "version: 1\nsites:\n  hq: {networks: [10.0.0.0/16]}\n  branch: {networks: [10.1.0.0/16]}\nlinks:\n  - \
               {between: [hq, branch], rate: 10 Mbit/s}\n";
    let mut rollouts = Rollouts::new(3, SplitMix(3), map, 20);
    (0..20).for_each(|swarm| rollouts.join(swarm, 0, true));
    for swarm in 0..20 {
        rollouts.advance(Duration::from_millis(40));
        rollouts.join(swarm, 1, false);
    }
    rollouts.settle();
    let granted: Vec<u64> = rollouts.granted().map(|(_, rate)| rate).collect();
    assert_eq!(granted.len(), 20);
    assert!(granted.iter().all(|rate| *rate == 62_500), "{granted:?}");
}

#[test]
fn a_newcomer_on_a_full_link_has_a_25th_of_it_at_once_and_its_share_within_12_seconds() {
    let map = "version: 1\nsites:\n  hq: {networks: [10.0.0.0/16]}\n  a: {networks: [10.1.0.0/16]}\n  b: {networks: \
               [10.2.0.0/16]}\n  hub: {}\nlinks:\n  - {between: [hq, hub], rate: 10 Mbit/s}\n  - {between: [a, hub], \
               rate: unlimited}\n  - {between: [b, hub], rate: unlimited}\n";
    let mut rollouts = Rollouts::new(4, SplitMix(4), map, 2);
    (0..2).for_each(|swarm| rollouts.join(swarm, 0, true));
    rollouts.join(0, 1, false);
    rollouts.run(Duration::from_secs(60), 0);
    rollouts.join(1, 2, false);
    let of = |rollouts: &Rollouts, site| rollouts.granted().find(|(at, _)| *at == site).map(|(_, rate)| rate);
    assert_eq!(
        (of(&rollouts, 1), of(&rollouts, 2)),
        (Some(1_250_000), Some(50_000))
    );
    rollouts.run(Duration::from_secs(12), 0);
    assert_eq!(
        (of(&rollouts, 1), of(&rollouts, 2)),
        (Some(625_000), Some(625_000))
    );
}

#[test]
fn a_brake_stops_what_it_names_within_an_interval_and_is_undone_without_loss() {
    let map = "version: 1\nsites:\n  hq: {networks: [10.0.0.0/16]}\n  a: {networks: [10.1.0.0/16]}\n  b: {networks: \
               [10.2.0.0/16]}\nlinks:\n  - {between: [hq, a], rate: 10 Mbit/s}\n  - {between: [hq, b], rate: 10 Mbit/s}\n";
    let braked = |brakes: Brakes, stopped: &[u8]| {
        let mut rollouts = Rollouts::new(5, SplitMix(5), map, 2);
        (0..2).for_each(|swarm| rollouts.join(swarm, 0, true));
        (0..4).for_each(|n| rollouts.join(n % 2, 1 + n as u8 / 2, false));
        rollouts.run(Duration::from_secs(40), 0);
        assert!(rollouts.granted().all(|(_, rate)| rate == 625_000));
        rollouts.ledger.set_brakes(brakes);
        rollouts.run(Duration::from_secs(12), 0);
        for (site, rate) in rollouts.granted() {
            assert_eq!(
                rate == 0,
                stopped.contains(&site),
                "site {site} was granted {rate}"
            );
        }
        // nobody starves for it, and every site goes on
        rollouts.run(Duration::from_secs(300), 0);
        assert!(rollouts.granted().all(|(site, rate)| (rate == 0) == stopped.contains(&site)));
        assert_eq!(rollouts.granted().count(), 4);
        rollouts.ledger.set_brakes(Brakes::default());
        rollouts.run(Duration::from_secs(25), 0);
        assert!(
            rollouts.granted().all(|(_, rate)| rate == 625_000),
            "{:?}",
            rollouts.granted().collect::<Vec<_>>()
        );
    };
    braked(
        Brakes {
            all: true,
            ..Brakes::default()
        },
        &[1, 2],
    );
    let links = [Brakes::link("hq", "a")].into();
    braked(
        Brakes {
            links,
            ..Brakes::default()
        },
        &[1],
    );
    let sites = ["b".to_owned()].into();
    braked(
        Brakes {
            sites,
            ..Brakes::default()
        },
        &[2],
    );
    let contents = (0..2).map(|n| Rollouts::hash(n).to_string()).collect();
    braked(
        Brakes {
            contents,
            ..Brakes::default()
        },
        &[1, 2],
    );
}

/// hq - slow - behind, and hq - fast: what comes to `behind` is what comes to `slow`, and the hub is free for
/// `fast`.
#[test]
fn a_site_behind_a_slow_parent_reserves_no_more_than_what_arrives_there() {
    let map = "version: 1\nsites:\n  hq: {networks: [10.0.0.0/16]}\n  slow: {networks: [10.1.0.0/16]}\n  behind: \
               {networks: [10.2.0.0/16]}\n  other: {networks: [10.3.0.0/16]}\nlinks:\n  - {between: [hq, slow], rate: 1 \
               Mbit/s}\n  - {between: [slow, behind], rate: 10 Mbit/s}\n  - {between: [behind, other], rate: 10 Mbit/s}\n";
    let mut rollouts = Rollouts::new(6, SplitMix(6), map, 2);
    // content 0 comes from hq by way of slow to behind; content 1 from slow to other, over the same link
    rollouts.join(0, 0, true);
    rollouts.join(1, 1, true);
    rollouts.join(0, 1, false);
    rollouts.join(0, 2, false);
    rollouts.join(1, 3, false);
    rollouts.run(Duration::from_secs(60), 0);
    let of = |site| rollouts.granted().find(|(at, _)| *at == site).map(|(_, rate)| rate).unwrap();
    assert_eq!(of(1), 125_000);
    assert!((125_000..=200_000).contains(&of(2)), "{}", of(2));
    assert!(of(3) >= 1_050_000, "{}", of(3));
}

#[test]
fn several_gateways_of_a_site_share_its_flow() {
    let map = "version: 1\ndefaults: {gateways: 2}\nsites:\n  hq: {networks: [10.0.0.0/16]}\n  a: {networks: \
               [10.1.0.0/16]}\n  b: {networks: [10.2.0.0/16]}\n  hub: {}\nlinks:\n  - {between: [hq, hub], rate: 8 Mbit/s}\n  \
               - {between: [a, hub], rate: unlimited}\n  - {between: [b, hub], rate: unlimited}\n";
    let mut rollouts = Rollouts::new(7, SplitMix(7), map, 2);
    rollouts.join(0, 0, true);
    rollouts.join(1, 0, true);
    (0..2).for_each(|_| rollouts.join(0, 1, false));
    rollouts.join(1, 2, false);
    rollouts.run(Duration::from_secs(40), 0);
    let mut granted: Vec<(u8, u64)> = rollouts.granted().collect();
    granted.sort_unstable();
    assert_eq!(granted, [(1, 250_000), (1, 250_000), (2, 500_000)]);
}
