//! A small rollout: the real core of the tracker, a fluid model of the agents. `NARROWS_SEED=17` runs one seed.

use std::time::Duration;

use crate::model::{Progress, Report, Setup, simulate};
use seeds::seeds;

// an example cannot use what is a test's in any other way
#[path = "../../tests/support/seeds.rs"]
mod seeds;

/// Checks that what is said on the way only ever grows.
fn said_to_go_on() -> impl FnMut(&Progress) {
    let mut before = (Duration::ZERO, 0, 0);
    move |progress| {
        let now = (progress.now, progress.done, progress.announces);
        assert!(
            now.0 > before.0 && now.1 >= before.1 && now.2 >= before.2,
            "{now:?} after {before:?}"
        );
        assert!(progress.to_come <= 2 * 20_000 + 1);
        before = now;
    }
}

fn rollout(seed: u64, churn: f64) -> Report {
    let setup = Setup {
        clients: 20_000,
        sites: 100,
        size: 500_000_000,
        churn,
        seed,
        ..Setup::default()
    };
    let report = simulate(setup, said_to_go_on()).unwrap();
    assert!(report.complete, "seed {seed}: {report:#?}");
    assert_eq!(report.time.done, report.sites, "seed {seed}: {report:#?}");
    report
}

#[test]
fn at_a_hundred_sites_no_client_starves_and_each_link_carries_the_content_once_and_in_time() {
    for seed in seeds(2) {
        let report = rollout(seed, 0.05);
        assert_eq!(report.starvation.sites, 0, "seed {seed}: {report:#?}");
        assert!(report.wan.ratio <= 1.05, "seed {seed}: {report:#?}");
        let time = &report.time;
        assert!(time.ratio_p50 <= 1.05, "seed {seed}: {report:#?}");
        assert!(time.ratio_p99 <= 1.25, "seed {seed}: {report:#?}");
        // failing over takes a dozen seconds, which is a lot where the bound is four; and a site whose only
        // client went with all it had begins anew
        assert!(
            time.ratio_max <= 2.0 || time.late_max <= 30.0,
            "seed {seed}: {report:#?}"
        );
    }
}

#[test]
fn without_churn_nothing_is_lost_and_no_byte_is_fetched_twice() {
    for seed in seeds(2) {
        let report = rollout(seed, 0.0);
        assert!(report.wan.ratio >= 0.999_999, "seed {seed}: {report:#?}");
        assert!(report.wan.ratio <= 1.02, "seed {seed}: {report:#?}");
        assert_eq!(report.starvation.longest, 0.0, "seed {seed}: {report:#?}");
        assert_eq!(report.wan.lost_alone + report.wan.lost_window, 0.0, "seed {seed}");
    }
}
