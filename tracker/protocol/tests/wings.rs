//! The parts of the protocol know only those below them.

/// From the ground up; parts of one storey do not know each other.
const STOREYS: &[&[&str]] = &[
    &["bencode", "host", "ids", "networks", "query", "text"],
    &["compact"],
    &["announce"],
    &["metainfo", "scrape"],
];

#[test]
fn no_part_knows_one_above_it_and_no_files_go_in_circles() {
    let faults = narrows_wings::faults(concat!(env!("CARGO_MANIFEST_DIR"), "/src").as_ref(), STOREYS);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
