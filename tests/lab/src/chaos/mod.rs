//! `--chaos SEED`: a deployment and what befalls it, from a number alone.
//!
//! [`Plan`] is a pure function of the seed and the time: sites, links, contents ([`network`]), faults that all
//! heal before the end ([`faults`]), and liars, which the lab starts beside the honest agents. What must be
//! true at the end is in [`judge`], which liar must be named how in [`expectations`] and [`named`], how long an agent
//! may take in [`pace`]. [`rounds`] runs one seed after the other.

mod dice;
pub mod expectations;
mod faults;
pub mod judge;
pub mod named;
mod network;
pub mod pace;
pub mod rounds;
mod tree;

use std::fmt;
use std::time::Duration;

use crate::chaos::dice::Dice;
pub use crate::chaos::network::GUEST;
use crate::chaos::network::Network;
pub use crate::chaos::tree::SmallFile;
use crate::events::{Deed, Event, What, When};
use crate::liars::Kind;
use crate::values::{Groups, Size};

/// How long a round lasts unless it is asked otherwise; longer times are several rounds.
pub const ROUND: Duration = Duration::from_secs(60);

/// A file of a user, planted beside the content of each agent and in it.
pub const USERS_FILE: &str = "notes of a user.txt";

/// A run.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// What it is made of.
    pub seed: u64,
    /// All faults are healed by then; liars go on.
    pub lasts: Duration,
    /// The site map by which the lab builds the network.
    pub map: String,
    /// The site map that the tracker reads: without [`GUEST`].
    pub known: String,
    /// Seeders.
    pub seeds: Groups,
    /// Clients.
    pub clients: Groups,
    /// Of each content.
    pub size: Size,
    /// How many.
    pub contents: u32,
    /// What happens, in the order of time.
    pub events: Vec<Event>,
    /// Who lies, and at which site.
    pub liars: Vec<(Kind, String)>,
    /// Small files that are part of each content; none: it has a few large ones.
    pub tree: Vec<SmallFile>,
    /// A link itself carries so many times its rate by the map. More than once, where it is a sender that has to keep
    /// to the map's rate, which the link would keep to otherwise.
    pub room: f64,
}

/// How many kinds of liars the first dice know: another number would make another run of each seed.
const FIRST_KINDS: usize = 10;

/// Of ten seeds in a row, one has a glutton besides.
const GLUTTON: u64 = 4;

/// One seed of so many has contents of many small files.
const TREES: u64 = 3;

/// A link's own rate beside the map's where there is a glutton: each of two seeders paces for itself, at 1.25 times
/// the map's rate, and the gateways have theirs.
const ROOM: f64 = 8.0;

impl Plan {
    /// From a seed.
    pub fn new(seed: u64, lasts: Duration) -> Plan {
        let mut dice = Dice::new(seed);
        let liars = liars(seed, &mut dice);
        let network = Network::new(&mut dice);
        let contents = dice.between(1, 2);
        // the slowest way takes two fifths of the time for all contents
        let bytes = network.slowest() / 8 * lasts.as_secs() * 2 / 5 / contents;
        let events = faults::schedule(&mut dice, &network, lasts);
        let place = |kind: Kind| match kind {
            Kind::Stranger => Some((kind, GUEST.to_owned())),
            _ => None,
        };
        let mut liars: Vec<(Kind, String)> = liars
            .into_iter()
            .filter_map(|kind| place(kind).or_else(|| Some((kind, dice.pick(&network.branches())?))))
            .collect();
        // what came later has dice of its own, so that every earlier seed is the run that it was
        let mut more = Dice::new(!seed);
        let glutton = (seed % 10 == GLUTTON).then(|| more.pick(&network.branches())).flatten();
        liars.extend(glutton.iter().map(|site| (Kind::Glutton, site.clone())));
        let tree = match seed.is_multiple_of(TREES) {
            true => tree::files(&mut more),
            false => Vec::new(),
        };
        Plan {
            seed,
            lasts,
            map: network.text(true),
            known: network.text(false),
            seeds: Groups(vec![("hq".to_owned(), 2)]),
            clients: network.clients(),
            size: Size(bytes.clamp(1_000_000, 60_000_000)),
            contents: u32::try_from(contents).unwrap_or(1),
            events,
            liars,
            tree,
            room: if glutton.is_some() { ROOM } else { 1.0 },
        }
    }

    /// The agents that need a small disk of their own: those whose disk gets full.
    pub fn filled(&self, site: &str, number: usize) -> bool {
        self.events.iter().any(|event| {
            matches!(&event.what, What::Agents(Deed::Fill, who)
                if *who == crate::events::Who::Number(site.to_owned(), number))
        })
    }

    /// Whether any clock is put wrong.
    pub fn clocks(&self) -> bool {
        self.events.iter().any(|event| {
            matches!(
                event.what,
                What::TrackerClock(_) | What::Agents(Deed::Clock(_), _)
            )
        })
    }
}

/// One after the other as seeds go up, so that few rounds have them all; and some more.
fn liars(seed: u64, dice: &mut Dice) -> Vec<Kind> {
    let kinds = Kind::ALL.get(..FIRST_KINDS).unwrap_or_default();
    let first = kinds.get((seed % FIRST_KINDS as u64) as usize).copied();
    let mut chosen: Vec<Kind> = first.into_iter().collect();
    for _ in 0..dice.between(0, 2) {
        chosen.extend(dice.pick(kinds).filter(|kind| !chosen.contains(kind)));
    }
    chosen
}

impl fmt::Display for Plan {
    /// As people read it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups = |groups: &Groups| {
            let each: Vec<String> = groups.0.iter().map(|(site, n)| format!("{site}={n}")).collect();
            each.join(",")
        };
        writeln!(
            f,
            "chaos {}: {} x {}, seeders {}, clients {}, {} s",
            self.seed,
            self.contents,
            self.size,
            groups(&self.seeds),
            groups(&self.clients),
            self.lasts.as_secs(),
        )?;
        for line in self.map.lines().filter(|line| line.contains("between")) {
            writeln!(f, "  link {}", line.trim_start_matches([' ', '-']))?;
        }
        if !self.tree.is_empty() {
            writeln!(f, "  each content with {} small files", self.tree.len())?;
        }
        if self.room > 1.0 {
            writeln!(f, "  links carry {} times their rate", self.room)?;
        }
        for (kind, site) in &self.liars {
            writeln!(f, "  liar {kind} at {site}: {}", kind.says())?;
        }
        let at = |event: &Event| match event.when {
            When::After(time) => time,
            _ => Duration::ZERO,
        };
        for event in &self.events {
            writeln!(f, "  {:>5.1} s {event}", at(event).as_secs_f64())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
