//! What the report says of a run.

use super::words::{lines, remarks};
use super::*;
use crate::report::table::tests::{row, view};

fn report(verdicts: &[Verdict]) -> Report {
    let view = view(vec![row("hq-0", true, 1.0), row("b1-0", false, 1.0)]);
    Report::new(
        &view,
        verdicts,
        Facts {
            pieces: 7,
            ..Facts::default()
        },
    )
}

#[test]
fn all_is_well_only_if_every_file_is_identical() {
    assert!(report(&[Verdict::Identical, Verdict::Identical]).ok);
    for bad in [Verdict::Incomplete, Verdict::Different("x is missing".into())] {
        assert!(!report(&[Verdict::Identical, bad.clone()]).ok);
        assert!(
            !report(&[bad, Verdict::Identical]).ok,
            "a damaged seeder is a failure too"
        );
    }
    assert!(!report(&[Verdict::Identical]).ok);
}

#[test]
fn the_names_for_machines_stay() {
    let json = serde_json::to_value(report(&[Verdict::Identical, Verdict::Identical])).unwrap();
    assert_eq!(
        (json["size"].as_u64(), json["pieces"].as_u64()),
        (Some(500_000_000), Some(7))
    );
    assert_eq!(json["links"][0]["copies_per_demand"], 1.02);
    assert_eq!(json["time_over_bound"], 1.0);
    assert_eq!(json["copies_per_site_max"], 1.02);
    assert_eq!(json["efficiency"], 0.98);
    for (list, keys) in [
        (
            "links",
            "link from to bytes copies demanding_sites copies_per_demand",
        ),
        (
            "agents",
            "id site complete identical seconds kills bytes_lan bytes_wan",
        ),
        ("sites", "site bytes_wan copies seconds bound_seconds"),
    ] {
        for key in keys.split(' ') {
            assert!(json[list][0].get(key).is_some(), "{list} {key}");
        }
    }
}

#[test]
fn bytes_that_are_in_no_sum_are_remarked_on() {
    let view = view(vec![row("hq-0", true, 1.0)]);
    let facts = Facts {
        wan_sent: 90_000_000,
        wasted: 3_000_000,
        unattributed: 1,
        ..Facts::default()
    };
    let found = remarks(&view, &Report::new(&view, &[Verdict::Identical], facts)).join("\n");
    assert!(
        found.contains("90 MB") && found.contains("3 MB") && found.contains("1 B"),
        "{found}"
    );
    assert!(
        remarks(
            &view,
            &Report::new(&view, &[Verdict::Identical], Facts::default())
        )
        .is_empty()
    );
}

#[test]
fn the_last_line_has_the_verdict_the_time_and_the_copies() {
    let view = view(vec![row("hq-0", true, 1.0), row("b1-0", false, 0.5)]);
    let lines = lines(
        &view,
        &Report::new(&view, &[Verdict::Identical], Facts::default()),
    );
    let last = lines.last().unwrap();
    assert!(
        last.starts_with("0 of 1 clients complete and identical") && last.contains("1.020 copies"),
        "{last}"
    );
    assert!(lines.iter().any(|line| line.contains("INCOMPLETE")));
}
