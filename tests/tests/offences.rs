//! Each kind of offence that a program counts stands in the operators' table, has a name that may be sent, and is
//! covered by an alert. That the tracker's are each committed by a test is held in tracker/tests/offences.rs.

use std::collections::BTreeMap;
use std::path::Path;

use narrows_protocol::SeenOffender;

/// By program, in alphabetical order.
fn kinds() -> BTreeMap<&'static str, Vec<&'static str>> {
    let sorted = |mut kinds: Vec<&'static str>| {
        kinds.sort_unstable();
        kinds
    };
    BTreeMap::from([
        ("agent", sorted(narrows_agent::offences().collect())),
        ("tracker", sorted(narrows_tracker::offences().collect())),
    ])
}

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository");
    std::fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn the_operators_table_has_each_kind_with_the_programs_that_count_it_and_no_other() {
    let text = read("tracker/prometheus/README.md");
    let (_, section) = text.split_once("\n## Offences\n").expect("a heading");
    let table = section.lines().skip_while(|line| !line.starts_with('|'));
    let rows: Vec<Vec<&str>> = table
        .take_while(|line| line.starts_with('|'))
        .skip(2)
        .map(|row| row.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    for (program, kinds) in kinds() {
        let of_program = rows.iter().filter(|row| row[1].split(", ").any(|name| name == program));
        let mut documented: Vec<&str> = of_program.map(|row| row[0].trim_matches('`')).collect();
        documented.sort_unstable();
        assert_eq!(documented, kinds, "{program}");
    }
    let is_explained = |row: &Vec<&str>| row.len() == 3 && row[2].split(' ').count() >= 3;
    assert!(rows.iter().all(is_explained), "{rows:?}");
}

#[test]
fn each_kind_has_a_name_that_may_be_sent_and_no_other_kind_has() {
    for (program, kinds) in kinds() {
        assert!(
            kinds.is_sorted_by(|one, other| one < other),
            "{program}: {kinds:?}"
        );
        for kind in kinds {
            let sent = SeenOffender::new(kind, [10, 0, 0, 1].into());
            assert!(sent.is_some(), "{program}: {kind} is no [a-z_]{{1,32}}");
        }
    }
}

/// Whether a selector, what stands between the braces behind a metric, takes a kind.
fn takes(selector: &str, kind: &str) -> bool {
    selector.split("\",").filter_map(|matcher| matcher.trim().strip_prefix("offence")).all(|matcher| {
        let (negated, values) = match matcher.split_once('"') {
            Some(("=" | "=~", values)) => (false, values),
            Some(("!=" | "!~", values)) => (true, values),
            _ => panic!("cannot read {selector}"),
        };
        values.trim_end_matches('"').split('|').any(|value| value == kind) != negated
    })
}

#[test]
fn each_kind_is_covered_by_an_alert() {
    let rules = read("tracker/prometheus/rules/narrows.yml");
    let expressions: Vec<&str> = rules
        .split("- alert:")
        .skip(1)
        .filter_map(|rule| rule.lines().find_map(|line| line.trim().strip_prefix("expr:")))
        .collect();
    for (program, kinds) in kinds() {
        let metric = format!("narrows_{program}_offences_total{{");
        let selectors: Vec<&str> = expressions
            .iter()
            .flat_map(|expression| expression.split(&metric).skip(1))
            .filter_map(|rest| rest.split('}').next())
            .collect();
        for kind in kinds {
            assert!(
                selectors.iter().any(|selector| takes(selector, kind)),
                "no alert takes {program}'s {kind}: {selectors:?}"
            );
        }
    }
    assert!(takes(r#"job="t",offence=~"a|b""#, "b") && !takes(r#"offence="a",job="t""#, "b"));
    assert!(takes(r#"job="t""#, "b") && !takes(r#"offence!="b""#, "b"));
}
