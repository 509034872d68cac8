//! Checks that the wings of a crate, the folders and files directly below its `src`, use each other in one
//! direction, and that no files use each other in a circle.
//!
//! ```
//! let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
//! // from the ground up; wings of one storey do not know each other
//! let storeys: &[&[&str]] = &[&["source"], &["graph"]];
//! assert_eq!(narrows_wings::faults(source.as_ref(), storeys), Vec::<String>::new());
//! ```
//!
//! What is read are the `use` lines and the paths that begin with `crate::`, `super::` or `self::`, without
//! comments and unit tests. A name that a module only passes on (`pub use`) counts for the file that has it.

mod graph;
mod source;

use std::collections::BTreeMap;
use std::path::Path;

use crate::source::Crate;

/// What is wrong, each with its file and line: a wing that uses one of its own storey or above, a wing
/// without a storey, a storey's name without a wing, and each circle of files.
///
/// `src` is the folder with `lib.rs`. `lib.rs` itself may use every wing, and every wing what `lib.rs` has of
/// its own.
pub fn faults(src: &Path, storeys: &[&[&str]]) -> Vec<String> {
    let read = match Crate::read(src) {
        Ok(read) => read,
        Err(error) => return vec![format!("{}: {error}", src.display())],
    };
    let place: BTreeMap<&str, usize> = storeys
        .iter()
        .enumerate()
        .flat_map(|(storey, wings)| wings.iter().map(move |wing| (*wing, storey)))
        .collect();
    let mut faults = Vec::new();
    for wing in read.wings() {
        if !place.contains_key(wing.as_str()) {
            faults.push(format!(
                "{}: the wing `{wing}` has no storey; give it one",
                src.display()
            ));
        }
    }
    for wing in place.keys().filter(|wing| !read.wings().contains(**wing)) {
        faults.push(format!("{}: there is no wing `{wing}`", src.display()));
    }
    let uses = read.uses();
    for used in &uses {
        let (Some(from), Some(to)) = (used.from.first(), used.to.first()) else {
            continue;
        };
        let (Some(own), Some(other)) = (place.get(from.as_str()), place.get(to.as_str())) else {
            continue;
        };
        if from != to && other >= own {
            faults.push(format!(
                "{}:{}: `{from}` uses `{to}`, which does not stand below it",
                used.file.display(),
                used.line
            ));
        }
    }
    // several names of one `use`
    faults.dedup();
    faults.extend(graph::circles(&uses));
    faults
}
