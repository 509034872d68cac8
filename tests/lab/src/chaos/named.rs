//! Who is named by whom: each liar, by its own address, and no honest machine for a lie. Pure.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::chaos::expectations::{self, BURST, Befell, HEADROOM, Must, Payload};
use crate::liars::{Kind, Outcome};

/// A program lists an address among its offenders.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    /// The address.
    pub addr: IpAddr,
    /// The offence's name.
    pub offence: String,
    /// The program that says so.
    pub by: String,
}

/// All that were named, and when each was first, in seconds since the clients' start.
pub type AllNamed = BTreeMap<Named, f64>;

/// A machine that lies.
#[derive(Debug, Clone, PartialEq)]
pub struct Liar {
    /// What it does.
    pub kind: Kind,
    /// Its addresses: that of its site, and that by which it reaches control ports.
    pub addrs: Vec<IpAddr>,
    /// How it went; `None` if it did not say.
    pub outcome: Option<Outcome>,
    /// What the path from the seeders to it carries by the map, in bytes per second.
    pub path: Option<u64>,
    /// How many seeders there are.
    pub senders: u64,
    /// How many contents there are.
    pub contents: u64,
}

impl Liar {
    /// The most payload that it may get in the time that it was at it; `None`: any.
    pub fn most_payload(&self, outcome: &Outcome) -> Option<u64> {
        match expectations::of(self.kind).payload {
            Payload::Any => None,
            Payload::None => Some(0),
            Payload::Paced => {
                let seconds = outcome.millis as f64 / 1000.0 + BURST;
                Some((self.path? as f64 * HEADROOM * self.senders as f64 * seconds) as u64)
            }
        }
    }
}

/// A machine that does not lie: an agent, the tracker, or the lab itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Honest {
    /// What it is called.
    pub id: String,
    /// Its addresses, also those that it had before.
    pub addrs: Vec<IpAddr>,
    /// What befell it, and when first, in seconds since the clients' start.
    pub befell: BTreeMap<Befell, f64>,
}

impl Honest {
    /// Something befalls it.
    pub fn hit(&mut self, befell: Befell, at: f64) {
        let first = self.befell.entry(befell).or_insert(at);
        *first = first.min(at);
    }

    fn is_excused(&self, offence: &str, at: f64) -> bool {
        let before = self.befell.iter().filter(|(_, since)| **since <= at);
        before.into_iter().any(|(befell, _)| befell.excuses().contains(&offence))
    }
}

/// Liars that were not named; `restarts` lives of the tracker ended meanwhile.
pub(super) fn unnamed(liar: &Liar, named: &AllNamed, restarts: u64) -> Option<String> {
    let expected = expectations::of(liar.kind);
    let must = match (expected.must, &liar.outcome) {
        (Must::Never, _) => false,
        (Must::Always, _) | (_, None) => true,
        (Must::After(count, least), Some(outcome)) => count(outcome, liar.contents) >= least * (restarts + 1),
    };
    let of_it = || named.keys().filter(|named| liar.addrs.contains(&named.addr));
    if !must || of_it().any(|named| expected.named.contains(&named.offence.as_str())) {
        return None;
    }
    let as_what: Vec<String> =
        of_it().map(|named| format!("{} says {} of {}", named.by, named.offence, named.addr)).collect();
    Some(format!(
        "the liar {} ({}, at {}) was not named: no program says {} of it{}",
        liar.kind,
        liar.kind.says(),
        list(&liar.addrs),
        expected.named.join(" or "),
        match as_what.is_empty() {
            true => String::new(),
            false => format!(", only: {}", as_what.join(", ")),
        }
    ))
}

/// Honest machines that were named for what nothing that befell them excuses.
pub(super) fn slandered(honest: &[Honest], liars: &[Liar], named: &AllNamed) -> Vec<String> {
    let lies = |addr: &IpAddr| liars.iter().any(|liar| liar.addrs.contains(addr));
    let those = named.iter().filter(|(named, _)| !lies(&named.addr));
    those
        .filter_map(|(named, at)| {
            let machine = honest.iter().find(|machine| machine.addrs.contains(&named.addr));
            if machine.is_some_and(|machine| machine.is_excused(&named.offence, *at)) {
                return None;
            }
            let (id, befell) = match machine {
                Some(machine) => (machine.id.as_str(), format!("{:?}", machine.befell)),
                None => ("unknown to the lab", "{}".to_owned()),
            };
            Some(format!(
                "the honest machine {} ({id}) is named for {} by {} after {at:.0} s; what befell it: {befell}",
                named.addr, named.offence, named.by
            ))
        })
        .collect()
}

fn list(addrs: &[IpAddr]) -> String {
    addrs.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([10, 1, 0, last])
    }

    fn named(of: IpAddr, offence: &str, by: &str, at: f64) -> (Named, f64) {
        let named = Named {
            addr: of,
            offence: offence.to_owned(),
            by: by.to_owned(),
        };
        (named, at)
    }

    fn liar(kind: Kind, outcome: Outcome) -> Liar {
        Liar {
            kind,
            addrs: vec![ip(250), ip(251)],
            outcome: Some(outcome),
            path: None,
            senders: 2,
            contents: 2,
        }
    }

    #[test]
    fn a_liar_is_named_by_its_own_address_with_an_offence_of_its_kind_or_not_at_all() {
        let liar = liar(Kind::Poisoner, Outcome::default());
        for (all, found) in [
            (vec![named(ip(250), "wrong_pieces", "b1-0", 9.0)], false),
            (vec![named(ip(251), "wrong_pieces", "b1-0", 9.0)], false),
            // the name is there, of another address
            (vec![named(ip(1), "wrong_pieces", "b1-0", 9.0)], true),
            (vec![named(ip(250), "no_delivery", "b1-0", 9.0)], true),
            (Vec::new(), true),
        ] {
            let all: AllNamed = all.into_iter().collect();
            assert_eq!(unnamed(&liar, &all, 0).is_some(), found, "{all:?}");
        }
        let said = unnamed(&liar, &[named(ip(250), "no_delivery", "b1-0", 9.0)].into(), 0).unwrap();
        assert!(
            said.contains("10.1.0.250") && said.contains("b1-0 says no_delivery"),
            "{said}"
        );
    }

    /// Seeds 101 and 201: the accuser had the lease itself and accused no gateway, so no accusation was false.
    #[test]
    fn an_accuser_that_accused_no_gateway_need_not_be_named_and_one_that_did_must_be() {
        let accused = |accused| {
            let outcome = Outcome {
                accused,
                leases: 50,
                ..Outcome::default()
            };
            liar(Kind::Accuser, outcome)
        };
        assert_eq!(unnamed(&accused(0), &AllNamed::new(), 0), None);
        assert_eq!(unnamed(&accused(23), &AllNamed::new(), 0), None);
        assert!(unnamed(&accused(24), &AllNamed::new(), 0).is_some());
        // a tracker that is killed takes what it counted with it
        assert_eq!(unnamed(&accused(47), &AllNamed::new(), 1), None);
        assert!(unnamed(&accused(48), &AllNamed::new(), 1).is_some());
    }

    /// Seeds 102 and 302: an idler with the leases of two contents for half a minute each was no gateway for a term.
    #[test]
    fn an_idler_must_be_named_once_it_had_a_lease_for_longer_than_a_term() {
        let idler = |leases| {
            let outcome = Outcome {
                leases,
                ..Outcome::default()
            };
            unnamed(&liar(Kind::Idler, outcome), &AllNamed::new(), 0).is_some()
        };
        assert!(!idler(21) && !idler(39) && idler(40));
    }

    #[test]
    fn a_liar_that_never_ran_is_not_excused_by_what_it_did_not_do() {
        let liar = Liar {
            outcome: None,
            ..liar(Kind::Idler, Outcome::default())
        };
        assert!(unnamed(&liar, &AllNamed::new(), 9).is_some());
    }

    #[test]
    fn a_glutton_may_get_what_the_seeders_pace_and_no_more_and_a_stranger_nothing() {
        let most = |kind, millis| {
            let outcome = Outcome {
                millis,
                ..Outcome::default()
            };
            let liar = Liar {
                path: Some(1_000_000),
                ..liar(kind, outcome)
            };
            liar.most_payload(&outcome)
        };
        assert_eq!(most(Kind::Glutton, 8_000), Some(25_000_000));
        assert_eq!(most(Kind::Stranger, 8_000), Some(0));
        assert_eq!(most(Kind::Choker, 8_000), None);
    }

    #[test]
    fn an_honest_machine_is_named_for_what_befell_it_from_then_on_and_for_nothing_else() {
        let mut machine = Honest {
            id: "b1-1".to_owned(),
            addrs: vec![ip(11), ip(111)],
            ..Honest::default()
        };
        machine.hit(Befell::Away, 20.0);
        machine.hit(Befell::Away, 30.0);
        for (all, found) in [
            (named(ip(11), "no_delivery", "b1-0", 21.0), 0),
            (named(ip(111), "no_delivery", "b1-0", 21.0), 0),
            // before it stood still nothing excuses it
            (named(ip(11), "no_delivery", "b1-0", 19.0), 1),
            (named(ip(11), "wrong_pieces", "b1-0", 21.0), 1),
            // no machine that the lab knows of
            (named(ip(99), "no_delivery", "b1-0", 21.0), 1),
            // it lies, so whatever is said of it is right
            (named(ip(250), "no_delivery", "b1-0", 21.0), 0),
        ] {
            let liars = [liar(Kind::Poisoner, Outcome::default())];
            let said = slandered(std::slice::from_ref(&machine), &liars, &[all.clone()].into());
            assert_eq!(said.len(), found, "{all:?}: {said:?}");
            assert!(
                said.iter().all(|said| said.contains("b1-0") && said.contains(&all.0.offence)),
                "{said:?}"
            );
        }
    }
}
