//! The order of the crate's modules, as lib.rs has it: a module uses those below it alone.

use std::fs;
use std::path::{Path, PathBuf};

/// From the top down.
const ORDER: [&str; 11] = [
    "cli",
    "control",
    "supervisor",
    "content",
    "announce",
    "net",
    "resources",
    "identity",
    "config",
    "clock",
    "platform",
];

fn sources(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            out.push(path);
        }
    }
}

/// The modules of this crate that a line of code names.
fn named(line: &str) -> impl Iterator<Item = &str> {
    let code = line.split("//").next().unwrap_or_default();
    code.split("crate::").skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        &rest[..end]
    })
}

#[test]
fn every_module_uses_those_below_it_alone() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let place = |module: &str| ORDER.iter().position(|known| *known == module);
    let mut faults = Vec::new();
    for path in files {
        let below = path.strip_prefix(&root).expect("below src").with_extension("");
        let module = below.components().next().expect("a name").as_os_str().to_string_lossy().into_owned();
        if ["lib", "main"].contains(&module.as_str()) {
            continue;
        }
        let own = place(&module).unwrap_or_else(|| panic!("`{module}` has no place in the order"));
        let text = fs::read_to_string(&path).expect("text");
        for (number, line) in text.lines().enumerate() {
            for used in named(line) {
                if place(used).is_none_or(|used| used < own) {
                    faults.push(format!("{}:{}: uses `{used}`", below.display(), number + 1));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
