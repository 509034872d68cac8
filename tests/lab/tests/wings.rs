//! The lab's folders use each other in one direction.

/// From the ground up; folders of one storey do not know each other.
const STOREYS: &[&[&str]] = &[
    &["values", "timeline", "content"],
    &["deployment", "programs"],
    &["players", "budget", "liars"],
    &["network", "events"],
    &["chaos"],
    &["args", "report"],
    &["setup"],
    &["run", "compare", "testing"],
];

#[test]
fn each_folder_uses_those_below_it_alone() {
    let faults = narrows_wings::faults(concat!(env!("CARGO_MANIFEST_DIR"), "/src").as_ref(), STOREYS);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
