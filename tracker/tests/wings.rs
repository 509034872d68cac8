//! The wings of the tracker know only those below them; `src/lib.rs` says what each is for.

/// From the ground up; wings of one storey do not know each other.
const STOREYS: &[&[&str]] = &[
    &["net", "system"],
    &["config", "metrics"],
    &["state"],
    &["announce", "admin"],
    &["run"],
];

#[test]
fn no_wing_knows_one_above_it_and_no_files_go_in_circles() {
    let faults = narrows_wings::faults(concat!(env!("CARGO_MANIFEST_DIR"), "/src").as_ref(), STOREYS);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
