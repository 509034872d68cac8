//! Advice: what would make a planned rollout faster, or meet its deadline, is true when it is followed.

use jiff::ToSpan;
use narrows_topology::Rate;
use narrows_topology::plan::{Change, plan};
use proptest::prelude::*;

use crate::plan::{MB, linked, map, near, rollout};
use crate::support::AT;

#[test]
fn changes_are_proposed_by_what_they_bring_when_planned_again() {
    // the slow link of the slowest branch
    let two = linked(&[("hq", "b1", "20 Mbit/s"), ("hq", "b2", "50 Mbit/s")], "");
    let found = plan(
        &two,
        &rollout(&two, 1000.0 * MB, &[("hq", 1)], &[("b1", 1), ("b2", 1)]),
    )
    .unwrap();
    let advice = found.advice(&two, 2);
    let Change::Faster(links) = &advice[0].change else {
        panic!("{advice:?}")
    };
    assert_eq!(two.link_name(links[0].0), "hq-b1");
    assert!(near(advice[0].seconds, 209.0, 0.02), "{advice:?}");
    // branches that only fetch share the way to an empty region: one client there halves the time
    let text = "
version: 1
sites: {hq: {networks: [10.1.0.0/16]}, region: {networks: [10.2.0.0/16]}, a: {networks: [10.3.0.0/16], sharing: false}, b: {networks: [10.4.0.0/16], sharing: false}}
links: [{between: [hq, region], rate: 20 Mbit/s}, {between: [region, a], rate: 20 Mbit/s}, {between: [region, b], rate: 20 Mbit/s}]
";
    let region = map(text);
    let found = plan(
        &region,
        &rollout(&region, 100.0 * MB, &[("hq", 1)], &[("a", 1), ("b", 1)]),
    )
    .unwrap();
    assert!(near(found.seconds.unwrap(), 2.0 * 41.8, 0.03));
    let advice = found.advice(&region, 2);
    assert!(
        advice.iter().any(|advice| advice.change == Change::ClientAt(region.site_named("region").unwrap())),
        "{advice:?}"
    );
    assert!(
        advice.iter().all(|advice| near(advice.seconds, 41.8, 0.05)),
        "{advice:?}"
    );
}

#[test]
fn a_deadline_names_who_misses_it_and_the_rate_that_is_needed() {
    let map = linked(&[("hq", "b1", "20 Mbit/s"), ("hq", "b2", "5 Mbit/s")], "");
    let asked = rollout(&map, 1000.0 * MB, &[("hq", 1)], &[("b1", 1), ("b2", 1)]);
    let found = plan(&map, &asked).unwrap();
    let by = AT + 10.minutes();
    assert_eq!(found.late(by), [map.site_named("b2").unwrap()]);
    assert_eq!(found.late(AT + 30.minutes()), []);
    let needed = found.needed(&map, by).unwrap();
    // 1045 MB in 600 s are 13.9 Mbit/s
    assert_eq!(needed.links.len(), 1);
    let (link, now, rate) = needed.links[0];
    assert_eq!(
        (map.link_name(link), now.to_string(), rate.to_string()),
        ("hq-b2".into(), "5 Mbit/s".into(), "14 Mbit/s".into())
    );
    let again = plan(&map.with_rate(link, rate), &asked).unwrap();
    assert_eq!(again.late(by), []);
}

/// A star of three branches, whose links have random rates and schedules.
fn scheduled(rates: &[(u32, Option<(u8, u32)>)]) -> String {
    let mut text = "version: 1\nsites:\n  hq: {networks: [10.0.0.0/16]}\n".to_owned();
    for n in 0..rates.len() {
        text.push_str(&format!("  b{n}: {{networks: [10.{}.0.0/16]}}\n", n + 1));
    }
    text.push_str("links:\n");
    for (n, (rate, schedule)) in rates.iter().enumerate() {
        let schedule = schedule.map_or(String::new(), |(hours, slow)| {
            format!(", schedule: [{{days: mon-sun, hours: 00:00-{hours:02}:00, rate: {slow} Mbit/s}}]")
        });
        text.push_str(&format!(
            "  - {{between: [hq, b{n}], rate: {rate} Mbit/s{schedule}}}\n"
        ));
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Each piece of advice is done to the file, by hand, and the file is planned again.
    #[test]
    fn advice_is_true_when_it_is_followed(
        rates in proptest::collection::vec((1u32..50, proptest::option::of((1u8..24, 1u32..50))), 3),
    ) {
        let before = map(&scheduled(&rates));
        let clients = [("b0", 2), ("b1", 1), ("b2", 3)];
        let found = plan(&before, &rollout(&before, 2000.0 * MB, &[("hq", 1)], &clients)).unwrap();
        for advice in found.advice(&before, 8) {
            let (mut rates, mut seeds) = (rates.clone(), vec![("hq", 1)]);
            let at = |link| -> usize {
                let name = before.link_name(link);
                name.trim_start_matches("hq-b").parse().expect("a branch")
            };
            match &advice.change {
                Change::Faster(links) => {
                    for (link, from, to) in links {
                        prop_assert_eq!(Rate::from_bytes_per_second(u64::from(rates[at(*link)].0) * 125_000), *from);
                        rates[at(*link)].0 = (to.bytes_per_second().unwrap() / 125_000) as u32;
                    }
                }
                Change::Unscheduled(link, _) => rates[at(*link)].1 = None,
                Change::SeederAt(site) => {
                    let names = ["b0", "b1", "b2"];
                    seeds.extend(names.into_iter().find(|name| before.site_named(name) == Some(*site)).map(|name| (name, 1)));
                }
                Change::ClientAt(site) => prop_assert!(false, "there is no empty site: {site:?}"),
            }
            let after = map(&scheduled(&rates));
            let again = plan(&after, &rollout(&after, 2000.0 * MB, &seeds, &clients)).unwrap();
            let promised = advice.seconds;
            prop_assert!(
                (again.seconds.unwrap() - promised).abs() <= 0.01 * promised,
                "{:?} promised {promised} s and brings {:?}", advice.change, again.seconds
            );
            prop_assert!(promised < found.seconds.unwrap(), "advice that brings nothing");
        }
    }
}

#[test]
fn where_a_schedule_stands_a_higher_rate_is_no_advice_and_lifting_the_schedule_is() {
    let map = map(&scheduled(&[(10, Some((23, 2))), (50, None), (50, None)]));
    let found = plan(&map, &rollout(&map, 100.0 * MB, &[("hq", 1)], &[("b0", 1)])).unwrap();
    let advice = found.advice(&map, 8);
    assert!(
        !advice.iter().any(|advice| matches!(&advice.change, Change::Faster(_))),
        "{advice:?}"
    );
    let lifted = advice.iter().find(|advice| matches!(advice.change, Change::Unscheduled(..)));
    assert!(near(lifted.expect("lifted").seconds, 84.0, 0.03), "{advice:?}");
}
