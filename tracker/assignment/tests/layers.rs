//! The layers of this crate know only those below them; `src/lib.rs` says what each is for.

/// From the ground up; those of one storey do not know each other.
const STOREYS: &[&[&str]] = &[
    &["brakes", "decision", "dscp", "endpoint", "invariant", "policy"],
    &["hash", "ledger", "untruths"],
    &["context"],
    &["state"],
    &["rules"],
    &["turn", "report"],
];

#[test]
fn no_layer_knows_one_above_it_and_no_files_go_in_circles() {
    let faults = narrows_wings::faults(concat!(env!("CARGO_MANIFEST_DIR"), "/src").as_ref(), STOREYS);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
