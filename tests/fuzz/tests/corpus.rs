//! Every input that a fuzzer found or a person thought of is tried by a normal `cargo test`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use narrows_fuzz::TARGETS;

/// The repository keeps inputs that differ, not all that were ever found.
const MAX_CORPUS: u64 = 400_000;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

fn names_in(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn every_input_of_the_corpus_keeps_the_promises_of_its_target() {
    for (name, target) in TARGETS {
        let folder = corpus().join(name);
        let inputs = names_in(&folder);
        assert!(!inputs.is_empty(), "{name} has no corpus");
        for input in inputs {
            println!("{name}/{input}"); // shown if it panics
            target(&fs::read(folder.join(input)).unwrap());
        }
    }
}

#[test]
fn every_target_has_a_fuzzer_and_every_corpus_a_target() {
    let names: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names_in(&corpus()), names);
    let sources = names_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("targets"));
    let fuzzers: BTreeSet<String> =
        sources.iter().filter_map(|file| file.strip_suffix(".rs")).map(str::to_owned).collect();
    assert_eq!(fuzzers, names);
}

#[test]
fn the_corpus_stays_small() {
    let folders = TARGETS.iter().map(|(name, _)| corpus().join(name));
    let files = folders.flat_map(|folder| fs::read_dir(folder).unwrap());
    let bytes: u64 = files.map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!(
        bytes <= MAX_CORPUS,
        "{bytes} bytes; keep what differs: cargo fuzz cmin"
    );
}

#[test]
fn no_bytes_at_all_and_single_bytes_are_refused_in_words() {
    for (_, target) in TARGETS {
        target(&[]);
        (0..=u8::MAX).for_each(|byte| target(&[byte]));
    }
}
