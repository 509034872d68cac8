//! Fail-over: who notices what, and how soon the next useful byte crosses the WAN.

use std::time::Duration;

use narrows_swarm::Time;

use crate::sim::{Op, Sim};
use crate::{HOUR, fleet, link};

const AT: Time = Duration::from_secs(8);
/// After which nothing comes any more that was on its way.
const LATENCY: Time = Duration::from_millis(300);

/// When something happens: at another point of a piece each time.
fn at(seed: u64) -> Time {
    AT + Duration::from_millis(seed * 731)
}

/// One site of four agents (4 to 7) behind 20 Mbit/s, four seeders (0 to 3), 300 pieces: 33 s.
fn site(seed: u64) -> Sim {
    fleet(&[(0, link(20.0, 20))], &[0], &[4, 4], 300, seed)
}

/// Runs; asserts that the site's next useful byte after `at` came within `within`, and at most 8 pieces
/// twice.
fn assert_recovers(mut sim: Sim, what: &str, at: Time, within: Time) {
    sim.run(HOUR);
    sim.assert_complete();
    let (next, copies) = (sim.next_wan(1, at).expect("more to fetch"), sim.copies(1));
    println!(
        "{what}: next useful byte after {:.1} s, {:.1} pieces twice, done {:?}",
        next.as_secs_f64(),
        (copies - 1.0) * 300.0,
        sim.done(1)
    );
    assert!(next <= within, "{what}: {next:?}, seed {}", sim.seed);
    assert!(
        copies <= 1.0 + 8.0 / 300.0,
        "{what}: {copies} copies, seed {}",
        sim.seed
    );
}

#[test]
fn a_killed_gateway_is_replaced_within_a_second() {
    for seed in 0..4 {
        let (mut sim, at) = (site(seed), at(seed));
        sim.plan(at, 4, Op::Kill);
        assert_recovers(sim, "gateway killed", at, Duration::from_secs(1));
    }
}

#[test]
fn a_gateway_whose_disk_is_full_is_replaced_within_a_second() {
    for seed in 0..4 {
        let (mut sim, at) = (site(seed), at(seed));
        sim.strict = false; // what it cannot keep is fetched by another
        sim.plan(at, 4, Op::DiskFull);
        sim.plan(at + Duration::from_secs(120), 4, Op::DiskHeals);
        assert_recovers(sim, "gateway's disk full", at + LATENCY, Duration::from_secs(1));
    }
}

#[test]
fn an_upstream_that_chokes_or_crawls_is_left_for_the_spare_and_the_site_is_seconds_later() {
    for op in [Op::Choke, Op::Slow] {
        for seed in 0..4 {
            let (mut sim, at) = (site(seed), at(seed));
            sim.strict = false;
            sim.plan(at, 0, op);
            sim.run(HOUR);
            sim.assert_complete();
            let (done, copies) = (sim.done(1).expect("complete"), sim.copies(1));
            assert!(
                done <= Duration::from_secs(40),
                "{op:?}: {done:?} instead of 33 s, seed {seed}"
            );
            assert!(
                copies <= 1.0 + 8.0 / 300.0,
                "{op:?}: {copies} copies, seed {seed}"
            );
        }
    }
}

#[test]
fn a_frozen_gateway_is_replaced_within_fifteen_seconds_and_comes_back_as_a_member() {
    for seed in 0..4 {
        let (mut sim, at) = (site(seed), at(seed));
        sim.strict = false;
        sim.plan(at, 4, Op::Freeze);
        sim.plan(at + Duration::from_secs(20), 4, Op::Thaw);
        // what was on its way is not what the site needs
        assert_recovers(
            sim,
            "gateway frozen",
            at + Duration::from_millis(1),
            Duration::from_secs(12),
        );
    }
}

#[test]
fn a_vanished_gateway_is_replaced_within_fifteen_seconds() {
    let mut sim = site(1);
    sim.strict = false;
    sim.plan(AT, 4, Op::Vanish);
    sim.plan(AT + Duration::from_secs(30), 4, Op::Start);
    assert_recovers(sim, "gateway vanished", AT, Duration::from_secs(12));
}

#[test]
fn a_frozen_upstream_is_left_for_the_spare_within_four_seconds() {
    for seed in 0..4 {
        let (mut sim, at) = (site(seed), at(seed));
        sim.plan(at, 0, Op::Freeze);
        assert_recovers(sim, "upstream frozen", at + LATENCY, Duration::from_secs(4));
    }
}

#[test]
fn when_all_upstreams_freeze_the_tracker_names_others_within_fifteen_seconds() {
    for seed in 0..4 {
        let (mut sim, at) = (site(seed), at(seed));
        sim.plan(at, 0, Op::Freeze);
        sim.plan(at, 1, Op::Freeze);
        assert_recovers(
            sim,
            "both upstreams frozen",
            at + LATENCY,
            Duration::from_secs(15),
        );
    }
}

#[test]
fn when_all_upstreams_die_the_tracker_names_others_within_three_seconds() {
    for seed in 0..4 {
        let (mut sim, at) = (site(seed), at(seed));
        sim.plan(at, 0, Op::Kill);
        sim.plan(at, 1, Op::Kill);
        assert_recovers(sim, "both upstreams killed", at + LATENCY, Duration::from_secs(3));
    }
}

#[test]
fn when_a_cut_link_is_back_fetching_goes_on_within_five_seconds() {
    for cut in [5, 12, 27, 61] {
        let mut sim = site(cut);
        let back = AT + Duration::from_secs(cut);
        sim.plan(AT, 4, Op::Cut);
        sim.plan(back, 4, Op::Mend);
        assert_recovers(
            sim,
            &format!("link cut for {cut} s"),
            back,
            Duration::from_secs(5),
        );
    }
}

#[test]
fn a_gateway_goes_on_without_the_tracker_although_its_lease_runs_out() {
    // 110 s of fetching, the lease is 60 s
    let mut sim = fleet(&[(0, link(4.0, 20))], &[0], &[2, 4], 200, 5);
    sim.plan(Duration::from_secs(3), 0, Op::TrackerDown);
    sim.plan(Duration::from_secs(300), 0, Op::TrackerUp);
    sim.run(HOUR);
    sim.assert_complete();
    let done = sim.done(1).expect("complete");
    assert!(
        done < Duration::from_secs(120),
        "waited for the tracker: {done:?}"
    );
    assert!(sim.copies(1) <= 1.001);
}

#[test]
fn no_agent_takes_over_without_the_tracker_and_the_site_shares_what_it_has() {
    let mut sim = site(6);
    sim.plan(Duration::from_secs(5), 0, Op::TrackerDown);
    sim.plan(AT, 4, Op::Kill);
    sim.plan(Duration::from_secs(60), 0, Op::TrackerUp);
    let back = Duration::from_secs(60);
    sim.run(HOUR);
    let pause = sim.next_wan(1, AT + Duration::from_secs(1)).expect("more to fetch");
    assert!(
        pause >= Duration::from_secs(50),
        "an agent fetched on its own: {pause:?}"
    );
    assert!(sim.next_wan(1, back).expect("more") <= Duration::from_secs(20));
}
