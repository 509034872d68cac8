//! The program, and the schema it prints.

use std::collections::BTreeSet;
use std::process::{Command, Output};

use narrows_topology::{SiteMap, schema};
use proptest::prelude::*;
use proptest::string::string_regex;
use serde_json::{Value, json};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/sites.example.yaml");

fn run(arguments: &[&str]) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(env!("CARGO_BIN_EXE_narrows-topology")).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

#[test]
fn check_is_silent_on_stderr_for_a_good_map_and_exits_1_with_all_mistakes_for_a_bad_one() {
    let (code, out, err) = run(&["check", EXAMPLE]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(
        out.contains("sites: 4 (1 transit, 1 only fetching), networks: 4"),
        "{out}"
    );
    let bad = std::env::temp_dir().join(format!("narrows-bad-{}.yaml", std::process::id()));
    std::fs::write(&bad, "version: 2\nsites: {a: {}}\nlink: []\n").unwrap();
    let (code, out, err) = run(&["check", &bad.display().to_string()]);
    std::fs::remove_file(&bad).unwrap();
    assert_eq!((code, out.as_str()), (1, ""));
    assert_eq!(err.matches("error: ").count(), 2, "{err}");
    assert!(
        err.contains(":3:1") && err.contains("did you mean `links`?"),
        "{err}"
    );
}

#[test]
fn wrong_usage_exits_64_and_a_missing_file_1() {
    assert_eq!(run(&["chek"]).0, 64);
    assert_eq!(run(&["explain", EXAMPLE, "10.2.3"]).0, 64);
    assert_eq!(run(&["--help"]).0, 0);
    let (code, _, err) = run(&["check", "no/such/sites.yaml"]);
    assert_eq!(code, 1);
    assert!(
        err.contains("no/such/sites.yaml") && err.matches("No such file").count() == 1,
        "{err}"
    );
}

#[test]
fn explain_says_why_an_address_is_where_it_is_and_what_lies_between_two() {
    let (code, out, _) = run(&["explain", EXAMPLE, "::ffff:10.2.3.4", "10.1.0.9"]);
    assert_eq!(code, 0);
    for part in [
        "::ffff:10.2.3.4 (that is 10.2.3.4): site munich, by its network 10.2.0.0/16",
        "10.1.0.9: site hq, by its network 10.1.0.0/16",
        "Path from munich to hq, of cost 110:",
        "backbone -> hq: 100 Mbit/s, cost 10",
        "max_seeders: 1",
    ] {
        assert!(out.contains(part), "{part}:\n{out}");
    }
    assert!(run(&["explain", EXAMPLE, "192.0.2.1"]).1.contains("refused"));
}

/// A map in which every key of the format stands.
const FULL: &str = "
version: 1
timezone: UTC
defaults: {max_seeders: 2, gateways: 1, dscp: le}
sites:
  hq: {networks: [10.1.0.0/16], sharing: true, gateways: 2}
  munich:
links:
  - between: [hq, munich]
    rate: 10 Mbit/s
    max_seeders: 1
    cost: 100
    dscp: 46
    schedule:
      - {days: [mon, wed-fri], hours: 22:00-06:00, rate: 0}
unknown: {attach: hq, rate: 2 Mbit/s, max_seeders: 1, cost: 7}
";

/// Checks a value against the keywords that our schema uses; `pattern` is left to the tests below.
fn validate(schema: &Value, value: &Value) -> Result<(), String> {
    let wrong = || Err(format!("{value} does not satisfy {schema}"));
    for (keyword, rule) in schema.as_object().unwrap() {
        let size = value.as_array().map(|list| list.len() as u64);
        let ok = match (keyword.as_str(), value) {
            ("type", _) => {
                let types = rule.as_array().cloned().unwrap_or_else(|| vec![rule.clone()]);
                types.iter().any(|kind| match kind.as_str().unwrap() {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "integer" => value.is_u64(),
                    "boolean" => value.is_boolean(),
                    "null" => value.is_null(),
                    other => panic!("type {other}"),
                })
            }
            ("properties", Value::Object(fields)) => {
                for (key, value) in fields {
                    rule.get(key).map_or(Ok(()), |schema| validate(schema, value))?;
                }
                true
            }
            ("additionalProperties", Value::Object(fields)) => {
                for (key, value) in fields.iter().filter(|(key, _)| schema["properties"].get(*key).is_none())
                {
                    if rule == &json!(false) {
                        return Err(format!("{key} is unknown"));
                    }
                    validate(rule, value)?;
                }
                true
            }
            ("items", Value::Array(list)) => {
                list.iter().try_for_each(|item| validate(rule, item))?;
                true
            }
            ("required", Value::Object(fields)) => {
                rule.as_array().unwrap().iter().all(|key| fields.contains_key(key.as_str().unwrap()))
            }
            ("anyOf", _) => rule.as_array().unwrap().iter().any(|rule| validate(rule, value).is_ok()),
            ("const", _) => value == rule,
            ("minItems", Value::Array(_)) => size >= rule.as_u64(),
            ("maxItems", Value::Array(_)) => size <= rule.as_u64(),
            ("minimum", Value::Number(_)) => value.as_u64() >= rule.as_u64(),
            ("maximum", Value::Number(_)) => value.as_u64() <= rule.as_u64(),
            ("minProperties", Value::Object(fields)) => Some(fields.len() as u64) >= rule.as_u64(),
            ("minLength", Value::String(text)) => Some(text.len() as u64) >= rule.as_u64(),
            ("uniqueItems" | "pattern" | "description" | "title" | "$schema", _) => true,
            (
                "properties"
                | "additionalProperties"
                | "items"
                | "required"
                | "minItems"
                | "maxItems"
                | "minimum"
                | "maximum"
                | "minProperties"
                | "minLength",
                _,
            ) => true,
            (other, _) => panic!("the schema uses {other}"),
        };
        if !ok {
            return wrong();
        }
    }
    Ok(())
}

fn value(yaml: &str) -> Value {
    serde_yaml::from_str(yaml).unwrap()
}

#[test]
fn the_schema_accepts_the_example_and_refuses_unknown_keys_and_wrong_types() {
    let schema = schema();
    let example = std::fs::read_to_string(EXAMPLE).unwrap();
    assert_eq!(validate(&schema, &value(&example)), Ok(()));
    assert_eq!(validate(&schema, &value(FULL)), Ok(()));
    assert!(SiteMap::parse("full", FULL).is_ok_and(|map| map.gateways(map.site_named("hq").unwrap()) == 2));
    for (from, to) in [
        ("version: 1", "version: 2"),
        ("timezone", "timezon"),
        ("[hq, munich]", "[hq]"),
        ("sharing: true", "sharing: 1"),
        ("cost: 100", "cost: 0"),
        ("dscp: 46", "dscp: 64"),
        ("dscp: le", "dscp: [le]"),
        ("rate: 10 Mbit/s", "rate: 0"),
        ("attach: hq, ", ""),
    ] {
        assert!(
            validate(&schema, &value(&FULL.replacen(from, to, 1))).is_err(),
            "{to}"
        );
        assert!(
            SiteMap::parse("full", &FULL.replacen(from, to, 1)).is_err(),
            "{to}"
        );
    }
    let (_, printed, _) = run(&["schema"]);
    assert_eq!(serde_json::from_str::<Value>(&printed).unwrap(), schema);
}

/// `path.key` for every key of the schema.
fn keys(schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    for (key, value) in schema["properties"].as_object().into_iter().flatten() {
        found.insert(format!("{path}.{key}"));
        keys(value, &format!("{path}.{key}"), found);
    }
    for inner in ["items", "additionalProperties"].iter().filter_map(|inner| schema.get(inner)) {
        keys(inner, &format!("{path}.*"), found);
    }
    for either in schema["anyOf"].as_array().into_iter().flatten() {
        keys(either, path, found);
    }
}

#[test]
fn the_parser_knows_the_keys_of_the_schema_and_no_others() {
    let mut known = BTreeSet::new();
    keys(&schema(), "", &mut known);
    // every key that the schema knows is accepted where it stands …
    let mut used = BTreeSet::new();
    fn walk(value: &Value, path: &str, used: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    let named = path == ".sites";
                    let path = if named {
                        format!("{path}.*")
                    } else {
                        format!("{path}.{key}")
                    };
                    if !named {
                        used.insert(path.clone());
                    }
                    walk(value, &path, used);
                }
            }
            Value::Array(list) => list.iter().for_each(|item| walk(item, &format!("{path}.*"), used)),
            _ => {}
        }
    }
    walk(&value(FULL), "", &mut used);
    assert_eq!(used, known);
    // … and what the parser names as known in a message is what the schema knows
    let mistakes = SiteMap::parse("x", &FULL.replace("timezone", "qqqqqqqqqq")).unwrap_err();
    let help = mistakes.list[0].help.clone().unwrap();
    let top: Vec<&str> = help.strip_prefix("known here: ").unwrap().split(", ").collect();
    let schema = schema();
    let expected: BTreeSet<&str> =
        schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(top.into_iter().collect::<BTreeSet<_>>(), expected);
}

/// The pattern at a path into the schema, without its anchors.
fn pattern(pointer: &str) -> String {
    let schema = schema();
    let pattern = schema.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{pointer}"));
    pattern.trim_matches(['^', '$']).to_owned()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn days_and_hours_that_the_schema_accepts_the_parser_accepts(
        days in string_regex(&pattern("/properties/links/items/properties/schedule/items/properties/days/anyOf/0/pattern")).unwrap(),
        hours in string_regex(&pattern("/properties/links/items/properties/schedule/items/properties/hours/pattern")).unwrap(),
        rate in string_regex(&pattern("/properties/links/items/properties/rate/pattern")).unwrap(),
    ) {
        let text = FULL.replace("days: [mon, wed-fri]", &format!("days: \"{days}\""));
        let text = text.replace("22:00-06:00", &hours).replace("rate: 10 Mbit/s", &format!("rate: {rate}"));
        if let Err(mistakes) = SiteMap::parse("full", &text) {
            // what no pattern can say: hours that last no time, rates that are zero or beyond all links
            for mistake in mistakes.list {
                let allowed = ["lasts no time", "ends at 00:00", "never carries", "less than a byte", "more than 1000 Gbit/s"];
                prop_assert!(allowed.iter().any(|known| mistake.problem.contains(known)), "{}", mistake.problem);
            }
        }
    }
}

fn plan(rest: &[&str]) -> (i32, String, String) {
    let mut arguments = vec!["plan", EXAMPLE, "--size", "2GB", "--at", "2026-11-23T17:00"];
    arguments.extend(rest);
    run(&arguments)
}

#[test]
fn plan_tells_tree_bytes_times_limits_and_what_would_be_faster() {
    let (code, out, err) = plan(&["--seeds", "hq=4", "--clients", "munich=20,vpn=5", "--by", "18:20"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    for part in [
        "2 GB to 25 clients at 2 sites, from 4 seeders at hq",
        "start    Mon 2026-11-23 17:00:00 (Europe/Berlin)",
        "1.045 times the content for headers, 2.09 GB a copy",
        // an hour at 2 Mbit/s, the rest at 10
        "Mon 18:15:52   75 min 52 s   munich - backbone (10 Mbit/s, at first 2 Mbit/s)",
        "4 Mbit/s each   Mon 18:09:40",
        "plain BitTorrent      22.4 GB",
        "everybody is complete, with 4 min to spare",
        "munich - backbone limits munich: at 20 Mbit/s instead of 10 Mbit/s the rollout would take 70 min instead of 76 min.",
    ] {
        assert!(out.contains(part), "{part}:\n{out}");
    }
}

#[test]
fn plan_for_machines_says_the_same_and_a_missed_deadline_exits_2() {
    let asked = [
        "--seeds",
        "hq=4",
        "--clients",
        "munich=20",
        "--by",
        "17:30",
        "--json",
    ];
    let (code, out, _) = plan(&asked);
    assert_eq!(code, 2);
    let plan: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(plan["sites"][0]["site"], "munich");
    assert_eq!(plan["stripes"][0][0]["parent"], "hq");
    assert_eq!(plan["start"], "2026-11-23T16:00:00Z");
    assert_eq!(plan["deadline"]["met"], false);
    assert_eq!(plan["deadline"]["needed"][0]["link"], "munich-backbone");
    // 2.09 GB in an hour and a half are 3.1 Mbit/s: what the link has, were it not for its schedule
    let needed = plan["deadline"]["needed"][0]["needed"].as_f64().unwrap();
    assert_eq!(needed, 10e6);
    assert_eq!(plan["deadline"]["without_schedule"][0], "munich-backbone");
    let bytes: f64 =
        plan["links"].as_array().unwrap().iter().map(|link| link["bytes"].as_f64().unwrap()).sum();
    assert!((bytes - 2.0 * 2.09e9).abs() < 1e6, "{bytes}");
}

#[test]
fn wrong_rollouts_exit_1_or_64_with_a_sentence() {
    for (code, rest, message) in [
        (
            1,
            ["--seeds", "hq=4", "--clients", "munch=20"],
            "no site \"munch\"; did you mean \"munich\"?",
        ),
        (
            1,
            ["--seeds", "backbone=4", "--clients", "munich=2"],
            "backbone is a transit site",
        ),
        (
            1,
            ["--seeds", "hq=0", "--clients", "munich=2"],
            "hq has 0 seeders",
        ),
        (
            1,
            ["--seeds", "vpn=1", "--clients", "munich=2"],
            "munich cannot be fed",
        ),
        (
            1,
            ["--seeds", "hq=1", "--clients", "munich=1,munich=2"],
            "munich is here twice",
        ),
        (
            64,
            ["--seeds", "hq", "--clients", "munich=2"],
            "write as in munich=20",
        ),
    ] {
        let (exit, out, err) = plan(&rest);
        assert_eq!((exit, out.as_str()), (code, ""), "{rest:?}: {err}");
        assert!(err.contains(message), "{rest:?}: {err}");
    }
    let asked = ["--seeds", "hq=4", "--clients", "munich=2", "--by"];
    for (by, message) in [
        ("25:00", "is no time"),
        ("2026-11-23 16:00", "is not after the start"),
    ] {
        let (code, _, err) = plan(&[&asked[..], &[by]].concat());
        assert!(code == 1 && err.contains(message), "{err}");
    }
    for (size, message) in [("0", "the size is 0"), ("2Mbit", "`2Mbit` is no size")] {
        let (code, _, err) = run(&[
            "plan",
            EXAMPLE,
            "--size",
            size,
            "--seeds",
            "hq=1",
            "--clients",
            "vpn=1",
        ]);
        assert!(code == 64 && err.contains(message), "{err}");
    }
}

#[test]
fn draw_prints_an_svg_that_names_every_site_and_with_a_rollout_its_flows() {
    let (code, out, err) = run(&["draw", EXAMPLE, "--at", "2026-11-23T12:00"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.starts_with("<svg ") && out.ends_with("</svg>\n"));
    for part in [
        ">munich<",
        ">vpn<",
        ">100 Mbit/s<",
        "2 Mbit/s by schedule, else 10 Mbit/s",
        "10.99.0.0/16",
        "prefers-color-scheme:dark",
    ] {
        assert!(out.contains(part), "{part}:\n{out}");
    }
    assert!(!out.contains("class=\"flow"), "nothing flows without a rollout");
    let rollout = [
        "--size",
        "2GB",
        "--seeds",
        "hq=4",
        "--clients",
        "munich=20,vpn=5",
        "--at",
        "2026-11-23T20:00",
    ];
    let (code, out, _) = run(&[&["draw", EXAMPLE][..], &rollout].concat());
    assert_eq!(code, 0);
    for part in [
        "munich from hq: 10 Mbit/s",
        "vpn from hq",
        "4 Mbit/s each, 70 min",
        ">seeders<",
    ] {
        assert!(out.contains(part), "{part}:\n{out}");
    }
    // a rollout is given whole or not at all
    let (code, _, err) = run(&["draw", EXAMPLE, "--seeds", "hq=4"]);
    assert!(code == 64 && err.contains("--size"), "{err}");
}

#[test]
fn who_stops_reading_changes_neither_the_end_nor_the_status() {
    let unread = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        writer
    };
    let status = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_narrows-topology"));
        let command = command.args(arguments).stdout(unread()).stderr(unread());
        command.status().unwrap().code()
    };
    assert_eq!(status(&["schema"]), Some(0));
    assert_eq!(status(&["check", "/there/is/no/such/map"]), Some(1));
}
