//! The order of the crate's modules, as lib.rs has it: a module uses those below it alone, and no files use
//! each other in a circle.

/// From the ground up; modules of one storey do not know each other.
const STOREYS: &[&[&str]] = &[
    &["clock", "platform"],
    &["config", "identity", "resources"],
    &["net"],
    &["announce"],
    &["content"],
    &["supervisor"],
    &["control"],
    &["cli"],
];

#[test]
fn every_module_uses_those_below_it_alone_and_no_files_go_in_circles() {
    let faults = narrows_wings::faults(concat!(env!("CARGO_MANIFEST_DIR"), "/src").as_ref(), STOREYS);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
