//! What must be true at the end of a run with faults and liars. Pure.

use crate::chaos::expectations;
use crate::chaos::named::{self, AllNamed, Honest, Liar};
use crate::chaos::pace::{self, Wait};

/// Copies that may cross a link in a direction, over those that have to.
pub const MAX_COPIES: f64 = 1.15;

/// What a disturbance of a site's supply may cost on top, in pieces: those that were under way when a gateway
/// ended, and are fetched once more by its successor.
pub const PIECES_PER_DISTURBANCE: u64 = 6;

/// A tracker that has restarted before it had written down whom it knows has a site fed by another one for so long, in
/// seconds, until the seeders have announced: across links that nothing had to cross (seed 1102).
const UNTIL_SEEDERS_ANNOUNCE: u64 = 10;

/// A site whose upstreams do not answer, as behind a link that is cut or where a seeder stands still, is fed by another one
/// for so long, in seconds, be that behind the same link (seeds 1139, 1160).
const AVOIDED: u64 = 60;

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
    /// Who was named by whom.
    pub named: AllNamed,
    /// Those that lie.
    pub liars: Vec<Liar>,
    /// Those that do not.
    pub honest: Vec<Honest>,
    /// How often the tracker was killed.
    pub restarts: u64,
    /// How often a link was cut, or something befell a seeder.
    pub cuts: u64,
    /// Each agent that fetched, and when it had everything.
    pub waits: Vec<Wait>,
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
    /// What it carries by the map, in bytes per second.
    pub rate: u64,
}

impl Crossed {
    /// The most that may cross it, where the tracker was killed and links were cut so often.
    fn most(&self, restarts: u64, cuts: u64) -> u64 {
        let off_the_plan = match self.needed {
            0 => self.rate.saturating_mul(UNTIL_SEEDERS_ANNOUNCE * restarts + AVOIDED * cuts),
            _ => 0,
        };
        ((self.needed as f64 * MAX_COPIES) as u64).saturating_add(self.lost).saturating_add(off_the_plan)
    }
}

/// Everything that should not be; empty if all is well.
pub fn findings(seen: &Seen) -> Vec<String> {
    let mut found = seen.unsound.clone();
    found.extend(seen.users.iter().cloned());
    for link in &seen.links {
        let most = link.most(seen.restarts, seen.cuts);
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
    for liar in &seen.liars {
        let kind = liar.kind;
        found.extend(named::unnamed(liar, &seen.named, seen.restarts));
        match liar.outcome.map(|outcome| (outcome.payload, liar.most_payload(&outcome))) {
            None => found.push(format!("the liar {kind} did not say how it went: it never ran")),
            Some((bytes, Some(most))) if bytes > most => {
                found.push(format!(
                    "the liar {kind} ({}) got {bytes} bytes of content, and {most} are the most",
                    kind.says()
                ));
            }
            Some(_) => {}
        }
    }
    found.extend(named::slandered(&seen.honest, &seen.liars, &seen.named));
    found.extend(pace::late(&seen.waits));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chaos::named::Named;
    use crate::liars::{Kind, Outcome};

    fn well() -> Seen {
        let named = Named {
            addr: [10, 2, 0, 250].into(),
            offence: "id_taken".to_owned(),
            by: "the tracker".to_owned(),
        };
        Seen {
            links: vec![Crossed {
                link: "hq → b1".to_owned(),
                bytes: 1_200,
                needed: 1_000,
                lost: 50,
                rate: 1_000,
            }],
            memory: vec![("b1-0".to_owned(), expectations::MAX_AGENT_MEMORY, false)],
            named: [(named, 3.0)].into(),
            liars: vec![Liar {
                kind: Kind::Stopper,
                addrs: vec![[10, 2, 0, 250].into()],
                outcome: Some(Outcome::default()),
                path: Some(1_000_000),
                senders: 2,
                contents: 1,
            }],
            honest: vec![Honest {
                id: "b1-0".to_owned(),
                addrs: vec![[10, 2, 0, 10].into()],
                ..Honest::default()
            }],
            waits: vec![Wait {
                id: "b1-0".to_owned(),
                took: Some(30.0),
                least: 24.0,
                times: 1.0,
                liars: 1,
                hindered: Vec::new(),
            }],
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
        seen.waits[0].took = Some(100.0);
        assert_eq!(findings(&seen).len(), 5);
        let of_an_honest_one = Named {
            addr: [10, 2, 0, 10].into(),
            offence: "no_progress".to_owned(),
            by: "the tracker".to_owned(),
        };
        seen.named.insert(of_an_honest_one, 9.0);
        assert_eq!(findings(&seen).len(), 6);
    }

    /// Seed 1102: a branch fed another one across headquarters until the seeders had announced to a new tracker.
    #[test]
    fn what_nothing_had_to_cross_may_be_crossed_for_seconds_after_a_restart_of_the_tracker_or_a_cut() {
        let mut link = Crossed {
            link: "b2 → hq".to_owned(),
            bytes: 0,
            needed: 0,
            lost: 7,
            rate: 1_000,
        };
        assert_eq!(
            (link.most(0, 0), link.most(2, 0), link.most(0, 1)),
            (7, 20_007, 60_007)
        );
        link.needed = 1;
        assert_eq!(link.most(2, 1), 8);
    }

    #[test]
    fn a_liar_that_is_not_named_or_never_ran_or_gets_what_it_must_not_is_a_finding() {
        let mut seen = well();
        seen.named.clear();
        assert!(findings(&seen)[0].contains("id_taken"), "{:?}", findings(&seen));
        seen.liars[0].outcome = None;
        assert_eq!(findings(&seen).len(), 2);
        let mut seen = well();
        seen.liars[0].outcome = Some(Outcome {
            payload: 1,
            ..Outcome::default()
        });
        assert_eq!(findings(&seen), Vec::<String>::new());
        seen.liars[0].kind = Kind::Stranger;
        assert_eq!(findings(&seen).len(), 2, "{:?}", findings(&seen));
    }
}
