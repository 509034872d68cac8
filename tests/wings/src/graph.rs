//! Circles among the files of a wing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::source::{Module, Use};

/// A sentence for each set of files that use each other in a circle: one of its shortest circles, with
/// places.
pub(crate) fn circles(uses: &[Use]) -> Vec<String> {
    let mut next: BTreeMap<&Module, Vec<&Use>> = BTreeMap::new();
    // one that leaves its wing goes through a use that is a fault by itself
    for used in uses.iter().filter(|used| !used.from.is_empty() && used.from.first() == used.to.first()) {
        next.entry(&used.from).or_default().push(used);
    }
    let mut told: BTreeSet<&Module> = BTreeSet::new();
    let mut found = Vec::new();
    for start in next.keys() {
        if told.contains(start) {
            continue;
        }
        let Some(circle) = shortest(start, &next) else {
            continue;
        };
        told.extend(circle.iter().map(|used| &used.from));
        let places = circle.iter().map(|used| format!("{}:{}", used.file.display(), used.line));
        found.push(format!("a circle: {}", places.collect::<Vec<_>>().join(" -> ")));
    }
    found
}

/// The shortest way from a module back to it.
fn shortest<'u>(start: &Module, next: &BTreeMap<&Module, Vec<&'u Use>>) -> Option<Vec<&'u Use>> {
    let mut came: BTreeMap<&Module, &Use> = BTreeMap::new();
    let mut waiting = VecDeque::from([start]);
    while let Some(at) = waiting.pop_front() {
        for used in next.get(at).into_iter().flatten() {
            if came.contains_key(&used.to) {
                continue;
            }
            came.insert(&used.to, used);
            if used.to == *start {
                let mut circle = vec![*used];
                while circle[circle.len() - 1].from != *start {
                    circle.push(came[&circle[circle.len() - 1].from]);
                }
                circle.reverse();
                return Some(circle);
            }
            waiting.push_back(&used.to);
        }
    }
    None
}
