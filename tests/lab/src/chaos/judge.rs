//! What must be true at the end of a run with faults and liars. Pure.

use std::collections::BTreeSet;

use crate::chaos::expectations;
use crate::liars::{Kind, Outcome};

/// Copies that may cross a link in a direction, over those that have to.
pub const MAX_COPIES: f64 = 1.15;

/// What a disturbance of a site's supply may cost on top, in pieces: those that were under way when a gateway
/// ended, and are fetched once more by its successor.
pub const PIECES_PER_DISTURBANCE: u64 = 6;

/// What was seen.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    /// Agents that are not whole, each with why.
    pub unsound: Vec<String>,
    /// Files of users that are gone or changed.
    pub users: Vec<String>,
    /// Links in each direction.
    pub links: Vec<Crossed>,
    /// Each process and its peak resident memory in bytes; whether it is the tracker.
    pub memory: Vec<(String, u64, bool)>,
    /// The offences that any program counted.
    pub named: BTreeSet<String>,
    /// Each liar and how it went; `None` if it did not say.
    pub liars: Vec<(Kind, Option<Outcome>)>,
}

/// A link in one direction.
#[derive(Debug, Clone, PartialEq)]
pub struct Crossed {
    /// `hq → b1`
    pub link: String,
    /// Payload that agents fetched across it.
    pub bytes: u64,
    /// What has to cross it.
    pub needed: u64,
    /// What faults may have cost: disturbances, and files that were damaged at the target.
    pub lost: u64,
}

/// Everything that should not be; empty if all is well.
pub fn findings(seen: &Seen) -> Vec<String> {
    let mut found = seen.unsound.clone();
    found.extend(seen.users.iter().cloned());
    for link in &seen.links {
        let most = (link.needed as f64 * MAX_COPIES) as u64 + link.lost;
        if link.bytes > most {
            found.push(format!(
                "{}: {} bytes crossed, {} had to; with {MAX_COPIES} copies and {} that faults may cost, {most} are \
                 the most",
                link.link, link.bytes, link.needed, link.lost
            ));
        }
    }
    for (program, memory, tracker) in &seen.memory {
        let most = match tracker {
            true => expectations::MAX_TRACKER_MEMORY,
            false => expectations::MAX_AGENT_MEMORY,
        };
        if *memory > most {
            found.push(format!(
                "{program} took {} MiB of memory, more than {} MiB",
                memory >> 20,
                most >> 20
            ));
        }
    }
    for (kind, outcome) in &seen.liars {
        let expected = expectations::of(*kind);
        let leases = outcome.map_or(u64::MAX, |outcome| outcome.leases);
        if expected.must
            && leases >= expected.leases
            && !expected.named.iter().any(|name| seen.named.contains(*name))
        {
            found.push(format!(
                "the liar {kind} ({}) was not named: no offence {} was counted, only {:?}",
                kind.says(),
                expected.named.join(" or "),
                seen.named
            ));
        }
        match outcome.map(|outcome| outcome.payload) {
            None => found.push(format!("the liar {kind} did not say how it went: it never ran")),
            Some(bytes) if bytes > 0 && !expected.payload => {
                found.push(format!(
                    "the liar {kind} ({}) got {bytes} bytes of content",
                    kind.says()
                ));
            }
            Some(_) => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn well() -> Seen {
        Seen {
            links: vec![Crossed {
                link: "hq → b1".to_owned(),
                bytes: 1_200,
                needed: 1_000,
                lost: 50,
            }],
            memory: vec![("b1-0".to_owned(), expectations::MAX_AGENT_MEMORY, false)],
            named: ["id_taken".to_owned()].into(),
            liars: vec![(Kind::Stopper, Some(Outcome::default()))],
            ..Seen::default()
        }
    }

    #[test]
    fn a_run_in_which_all_is_well_has_no_findings() {
        assert_eq!(findings(&well()), Vec::<String>::new());
    }

    #[test]
    fn whatever_should_not_be_is_a_finding_of_its_own() {
        let mut seen = well();
        seen.links[0].bytes += 1;
        assert!(findings(&seen)[0].contains("hq → b1"), "{:?}", findings(&seen));
        seen.memory[0].1 += 1 << 20;
        seen.users.push("the user's file x".to_owned());
        seen.unsound.push("b1-0: y is missing".to_owned());
        assert_eq!(findings(&seen).len(), 4);
    }

    #[test]
    fn a_liar_that_is_not_named_or_never_ran_is_a_finding() {
        let mut seen = well();
        seen.named.clear();
        assert!(findings(&seen)[0].contains("id_taken"), "{:?}", findings(&seen));
        seen.liars = vec![(Kind::Stopper, None)];
        assert_eq!(findings(&seen).len(), 2);
    }
}
