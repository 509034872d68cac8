//! The layers of this crate's sources: a line knows what is below it and nothing beside or above it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// From the ground up; what one of them holds knows those before it alone, and a report knows no turn. Within
/// a layer, a file may know its neighbours.
const LAYERS: [(&str, &[&str]); 6] = [
    (
        "ground",
        &[
            "brakes",
            "decision",
            "dscp",
            "endpoint",
            "hash",
            "invariant",
            "policy",
        ],
    ),
    ("ledger", &["context", "ledger"]),
    ("state", &["state"]),
    ("rules", &["rules"]),
    ("turn", &["turn"]),
    ("report", &["report"]),
];

/// What lib.rs hands on under a name of its own, and whose it is.
const ALIASES: [(&str, &str); 19] = [
    ("Announce", "decision"),
    ("Decision", "decision"),
    ("Outcome", "decision"),
    ("Refusal", "decision"),
    ("Brakes", "brakes"),
    ("Broken", "invariant"),
    ("Context", "context"),
    ("Ledger", "ledger"),
    ("Policy", "policy"),
    ("Intervals", "policy"),
    ("BudgetPolicy", "policy"),
    ("GatewayPolicy", "policy"),
    ("IdentityPolicy", "policy"),
    ("SharesPolicy", "policy"),
    ("Counts", "state"),
    ("Swarm", "state"),
    ("SwarmRecord", "state"),
    ("Explanation", "report"),
    ("SwarmStatus", "report"),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// Names that follow `crate::` in code, those in braces too, in what is no test.
fn known(text: &str) -> BTreeSet<String> {
    let code: String = text
        .lines()
        .take_while(|line| !line.starts_with("#[cfg(test)]"))
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join(" ");
    let mut names = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        let list = match rest.strip_prefix('{') {
            Some(list) => list.split('}').next().unwrap_or_default(),
            None => rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default(),
        };
        names
            .extend(list.split(',').map(|name| name.trim().split(':').next().unwrap_or_default().to_owned()));
    }
    names
}

#[test]
fn each_layer_knows_those_below_it_alone() {
    let mut level = BTreeMap::new();
    for (number, (_, modules)) in LAYERS.iter().enumerate() {
        level.extend(modules.iter().map(|module| (*module, number)));
    }
    let of = |name: &str| {
        let module = ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, module)| module);
        level.get(module).copied()
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let (mut problems, mut arrows) = (Vec::new(), 0);
    for file in files.iter().filter(|file| {
        !file.ends_with("lib.rs") && !file.ends_with("tests.rs") && !file.ends_with("fixture.rs")
    }) {
        let within = file.strip_prefix(&root).unwrap();
        let module = within.components().next().unwrap().as_os_str().to_string_lossy().replace(".rs", "");
        let Some(own) = of(&module) else {
            problems.push(format!("{}: in no layer", within.display()));
            continue;
        };
        for name in known(&fs::read_to_string(file).unwrap()) {
            // others are of no layer: Time, say
            let Some(other) = of(&name) else { continue };
            arrows += 1;
            let (own_name, other_name) = (LAYERS[own].0, LAYERS[other].0);
            if other > own || (own_name, other_name) == ("report", "turn") {
                problems.push(format!(
                    "{}: {own_name} knows {other_name} ({name})",
                    within.display()
                ));
            }
        }
    }
    assert!(arrows > 80, "only {arrows} arrows are seen");
    assert!(problems.is_empty(), "{problems:#?}");
}
