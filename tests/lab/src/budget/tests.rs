//! Rates over time, and loads judged by them.

use jiff::Timestamp;
use narrows_topology::{Rate, SiteMap};
use proptest::prelude::*;

use super::loads::{Track, changes, full, highest, steady};
use super::rates::{Braked, Brakes, DirectedLink, Ruled, Ruling, Step, Why, steps};
use super::shares::{Moment, shares};
use super::words::lines;
use super::*;
use crate::timeline::HEADERS;
use crate::timeline::Sample;

fn map(schedule: &str) -> SiteMap {
    let text = format!(
        "{{version: 1, timezone: UTC, sites: {{hq: {{networks: [10.1.0.0/16]}}, b1: {{networks: [10.2.0.0/16]}}}}, \
         links: [{{between: [hq, b1], rate: 20 Mbit/s, schedule: [{schedule}]}}]}}"
    );
    SiteMap::parse("sites.yaml", &text).unwrap()
}

fn directed(ends: (&str, &str)) -> DirectedLink {
    let flow = |content: &str| (content.to_owned(), "b1".to_owned(), "hq".to_owned());
    DirectedLink {
        ends: (ends.0.to_owned(), ends.1.to_owned()),
        link: "hq-b1".to_owned(),
        flows: vec![flow("one"), flow("two")],
    }
}

fn mbit(rate: u64) -> Rate {
    Rate::from_bits_per_second(rate * 1_000_000)
}

/// Monday, 7:59:30.
fn begun() -> Timestamp {
    "2026-11-23T07:59:30Z".parse().unwrap()
}

fn found(map: &SiteMap, directed: &DirectedLink, line: Rate, rulings: &[Ruled]) -> Vec<(f64, Rate, Why)> {
    let steps = steps(map, directed, line, rulings, begun(), 120.0);
    steps.iter().map(|step| (step.at, step.rate, step.why)).collect()
}

#[test]
fn a_link_may_carry_what_its_schedule_says_from_the_minute_on() {
    let map = map("{hours: '08:00-08:01', rate: 0}, {hours: '08:01-09:00', rate: 10 Mbit/s}");
    // the other way round, and a line that is wider
    let expected = [
        (0.0, mbit(20), Why::Start),
        (30.0, Rate::ZERO, Why::Schedule),
        (90.0, mbit(10), Why::Schedule),
    ];
    assert_eq!(found(&map, &directed(("b1", "hq")), mbit(40), &[]), expected);
}

#[test]
fn another_map_a_brake_and_the_line_change_what_a_link_may_carry() {
    let rule = |at, ruling| Ruled { at, ruling };
    let rulings = [
        rule(5.0, Ruling::Line("hq-b1".to_owned(), Some(mbit(15)))),
        rule(10.0, Ruling::Line("other".to_owned(), Some(mbit(1)))),
        rule(20.0, Ruling::Line("hq-b1".to_owned(), None)),
        // its schedule begins 30 s after the clients
        rule(
            25.0,
            Ruling::Map(Box::new(map("{hours: '08:00-08:01', rate: 10 Mbit/s}"))),
        ),
        rule(
            40.0,
            Ruling::Brakes(Brakes {
                links: vec!["b1-hq".to_owned()],
                ..Brakes::default()
            }),
        ),
        rule(50.0, Ruling::Brakes(Brakes::default())),
    ];
    let expected = [
        (0.0, mbit(20), Why::Start),
        (5.0, mbit(15), Why::Line),
        (20.0, mbit(20), Why::Line),
        (30.0, mbit(10), Why::Schedule),
        (40.0, Rate::ZERO, Why::Brake),
        (50.0, mbit(10), Why::Brake),
        (90.0, mbit(20), Why::Schedule),
    ];
    assert_eq!(
        found(&map(""), &directed(("hq", "b1")), mbit(20), &rulings),
        expected
    );
}

#[test]
fn a_brake_stops_a_link_if_it_stops_all_that_is_fetched_over_it() {
    let contents = |names: &[&str]| Brakes {
        contents: names
            .iter()
            .map(|name| Braked {
                name: (*name).to_owned(),
            })
            .collect(),
        ..Brakes::default()
    };
    let site = |name: &str| Brakes {
        sites: vec![name.to_owned()],
        ..Brakes::default()
    };
    let all = Brakes {
        all: true,
        ..Brakes::default()
    };
    for (brakes, stopped) in [
        (contents(&["one"]), false),
        (contents(&["one", "two"]), true),
        (site("b1"), true),
        (site("b2"), false),
        (all, true),
    ] {
        let rulings = [Ruled {
            at: 1.0,
            ruling: Ruling::Brakes(brakes),
        }];
        let found = found(&map(""), &directed(("hq", "b1")), mbit(20), &rulings);
        assert_eq!(found.len(), if stopped { 2 } else { 1 }, "{rulings:?}");
    }
}

/// A counter that grows by so many bytes per second at each time, five samples a second for so long.
fn samples(seconds: u32, load: impl Fn(f64) -> f64) -> Vec<Sample> {
    let mut bytes = 0.0;
    let sample = |i: u32| {
        let at = f64::from(i) * 0.2;
        bytes += load(at - 0.1) * if i == 0 { 0.0 } else { 0.2 };
        Sample {
            at,
            progress: vec![],
            link_bytes: vec![bytes as u64],
        }
    };
    (0..=seconds * 5).map(sample).collect()
}

fn step(at: f64, bytes: u64, why: Why) -> Step {
    Step {
        at,
        rate: Rate::from_bytes_per_second(bytes),
        why,
    }
}

proptest! {
    /// However late a load follows a fall, that is found to within a second; judged by the new rate it is
    /// then in its bounds.
    #[test]
    fn a_load_that_follows_a_fall_late_is_found_and_then_judged_by_the_new_rate(
        late in 0.0f64..20.0, low in prop_oneof![Just(0u64), Just(500_000)]
    ) {
        let steps = [step(0.0, 1_000_000, Why::Start), step(20.0, low, Why::Schedule)];
        let load = |at: f64| if at < 20.0 + late { 1_000_000.0 } else { low as f64 };
        let samples = samples(60, load);
        let track = Track::new(&samples, 0);
        let changes = changes(&track, &steps, 60.0, |_| true);
        prop_assert_eq!(changes.len(), 1);
        let seconds = changes[0].seconds.unwrap();
        prop_assert!((seconds - late).abs() < 1.0, "{seconds} {late}");
        let crossed = 1_000_000.0 * late;
        prop_assert!((changes[0].bytes as f64 - crossed).abs() < 1_000_000.0, "{changes:?}");
        let steady = steady(&steps, &changes, 60.0);
        prop_assert_eq!(steady.len(), if low == 0 { 1 } else { 2 });
        for window in [5.0, 10.0] {
            let highest = highest(&track, &steady, window).unwrap();
            prop_assert!((0.999..=1.06).contains(&highest), "{highest}");
        }
    }

    /// A load above the rate is seen by the window that it fills, and by the shorter one in any case.
    #[test]
    fn a_load_above_the_rate_is_seen(begin in 0u32..30, lasts in 5u32..20, times in 1.1f64..2.0) {
        let (from, to) = (f64::from(begin), f64::from(begin + lasts));
        let samples = samples(60, |at| if (from..to).contains(&at) { times * 1e6 } else { 1e6 });
        let steps = [step(0.0, 1_000_000, Why::Start)];
        let (track, steady) = (Track::new(&samples, 0), steady(&steps, &[], 60.0));
        let five = highest(&track, &steady, 5.0).unwrap();
        prop_assert!((five - times).abs() < 0.01, "{five} {times}");
        let ten = highest(&track, &steady, 10.0).unwrap();
        let expected = if lasts >= 10 { times } else { 1.0 + (times - 1.0) * f64::from(lasts) / 10.0 };
        prop_assert!((ten - expected).abs() < 0.01, "{ten} {expected}");
    }
}

#[test]
fn a_load_that_does_not_follow_is_judged_after_thirty_seconds() {
    let steps = [step(0.0, 1_000_000, Why::Start), step(10.0, 500_000, Why::Map)];
    let samples = samples(60, |_| 1e6);
    let track = Track::new(&samples, 0);
    let changes = changes(&track, &steps, 60.0, |_| true);
    assert_eq!(changes[0].seconds, None);
    let steady = steady(&steps, &changes, 60.0);
    assert_eq!(steady.last().map(|time| time.from), Some(40.0));
    assert_eq!(highest(&track, &steady, 10.0), Some(2.0));
}

#[test]
fn a_brake_that_stops_nothing_is_told_from_one_that_does() {
    let steps = [
        step(0.0, 1_000_000, Why::Start),
        step(10.0, 0, Why::Brake),
        step(40.0, 1_000_000, Why::Brake),
    ];
    let released = |at: f64| if at < 42.0 { 200.0 } else { 1e6 };
    for (load, expected) in [(1e6, None), (200.0, Some(0.0))] {
        let samples = samples(60, |at| match at {
            ..10.0 => 1e6,
            ..40.0 => load,
            _ => released(at),
        });
        let changes = changes(&Track::new(&samples, 0), &steps, 60.0, |_| true);
        assert_eq!(changes[0].seconds, expected);
        let back = changes[1].seconds.unwrap();
        assert!((1.5..=2.1).contains(&back), "{back}");
    }
}

#[test]
fn only_seconds_in_which_something_was_wanted_count_for_a_full_link() {
    let samples = samples(40, |at| if at < 10.0 { 1e6 } else { 0.0 });
    let steps = [step(0.0, 1_000_000, Why::Start)];
    let (track, steady) = (Track::new(&samples, 0), steady(&steps, &[], 40.0));
    let moments: Vec<(f64, bool)> = (0..40).map(|i| (f64::from(i), i <= 20)).collect();
    assert_eq!(full(&track, &steady, &moments), (Some(0.5), 20.0));
    assert_eq!(full(&track, &steady, &[(0.0, false), (1.0, true)]), (None, 0.0));
}

#[test]
fn each_content_has_its_share_while_the_same_are_active() {
    let samples = samples(20, |_| 1e6);
    let steps = [step(0.0, 1_000_000, Why::Start)];
    let (track, steady) = (Track::new(&samples, 0), steady(&steps, &[], 20.0));
    let moments: Vec<Moment> = (0..=20u32)
        .map(|i| Moment {
            at: f64::from(i),
            active: if i <= 10 { 1 } else { 3 },
            carried: [
                i.min(10) * 1_000_000 + i.saturating_sub(10) * 600_000,
                i.saturating_sub(10) * 400_000,
            ]
            .map(|bytes| (f64::from(bytes) / HEADERS) as u64)
            .into(),
        })
        .collect();
    let names = ["one".to_owned(), "two".to_owned()];
    let found = shares(&track, &steady, true, &moments, &names);
    assert_eq!(found.len(), 2);
    assert_eq!(
        (&found[0].contents[..], &found[0].shares[..]),
        (&names[..1], &[1.0][..])
    );
    assert_eq!(
        (&found[1].contents[..], &found[1].shares[..]),
        (&names[..], &[0.6, 0.4][..])
    );
    assert_eq!((found[1].seconds, found[1].all), (9.0, 1.0));
}

#[test]
fn people_are_told_of_budgets_where_there_is_more_than_one_content_or_rate() {
    let change = Change {
        at: 14.0,
        rate: Some(1_250_000),
        before: Some(2_500_000),
        why: Why::Schedule,
        wanted: true,
        seconds: Some(3.2),
        bytes: 8_000_000,
    };
    let mut budget = Budget {
        link: "hq-b1".to_owned(),
        from: "hq".to_owned(),
        to: "b1".to_owned(),
        rate: Some(2_500_000),
        over_10s: Some(1.003),
        over_5s: Some(1.01),
        full: Some(0.97),
        wanted_seconds: 40.0,
        changes: Vec::new(),
        shares: Vec::new(),
    };
    assert!(lines(&[budget.clone()], 1).is_empty());
    assert!(lines(&[budget.clone()], 2).join("\n").contains("1.003"));
    budget.changes.push(change.clone());
    let said = lines(&[budget.clone()], 1).join("\n");
    assert!(
        said.contains("hq → b1: budget 10 Mbit/s from 14.0 s on (schedule); the wire followed after 3.2 s"),
        "{said}"
    );
    budget.changes[0] = Change {
        rate: Some(0),
        why: Why::Brake,
        seconds: None,
        ..change
    };
    let said = lines(&[budget], 1).join("\n");
    assert!(said.contains("DID NOT FALL SILENT (8 MB)"), "{said}");
}
