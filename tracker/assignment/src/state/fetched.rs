//! What agents say they fetched across links, and what of it is new.

use std::collections::{HashMap, VecDeque};

use foldhash::fast::RandomState;
use narrows_protocol::{AgentReport, AnnounceEvent, Host};
use narrows_topology::SiteId;
use serde::{Deserialize, Serialize};

use super::peer::Tick;
use crate::Time;
use crate::hash::{AgentKey, Machine, name_hash};
use crate::policy::IdentityPolicy;

/// The most agents of a swarm whose totals are remembered; of one address: see
/// [`IdentityPolicy::max_at_address`]. What is kept of one is about 150 bytes, and 16 for each site that it
/// fetched from, of at most [`MAX_SITES`]: 20 MB in all, where a swarm has so many that fetched across links.
const MAX_TOTALS: usize = 131_072;

/// The most sites whose totals are remembered of one agent.
const MAX_SITES: usize = 64;

/// The last totals of each agent that fetched across a link; kept while an agent is away.
///
/// An agent's totals go on over its restarts. Totals that are less than before are of an agent that forgot
/// them (its state folder is new, or its machine lost power before they were written) or that does not keep
/// them.
///
/// Ids are what clients say, so each address has a bound, and what it brought first goes first; where all are
/// too many, the address that has most gives way.
#[derive(Debug, Default)]
pub(crate) struct Fetched {
    totals: HashMap<AgentKey, Totals, RandomState>,
    by_address: HashMap<Host, VecDeque<AgentKey>, RandomState>,
}

#[derive(Debug)]
struct Totals {
    all: u64,
    /// By the hash of the parent site's name, for numbers of sites change with the site map.
    by_site: Vec<(u64, u64)>,
    /// When it last reported.
    heard: Tick,
    from: Host,
}

/// [`Totals`] of one agent, kept over a restart of the tracker: hashes of its id and of site names.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct TotalsRecord {
    agent: u64,
    all: u64,
    by_site: Vec<(u64, u64)>,
    /// The address that reported it.
    from: [u8; 16],
}

/// Bytes that no report had spoken of.
#[derive(PartialEq, Eq, Debug, Default)]
pub(crate) struct Unheard {
    pub(crate) bytes: u64,
    /// Of these, as far as the agent knows where they came from.
    pub(crate) from: Vec<(SiteId, u64)>,
    /// When the agent last reported; `None`: never, as far as is known.
    pub(crate) since: Option<Time>,
}

impl Fetched {
    pub(crate) fn record(&self) -> Vec<TotalsRecord> {
        let records = self.totals.iter().map(|(key, totals)| TotalsRecord {
            agent: key.number(),
            all: totals.all,
            by_site: totals.by_site.clone(),
            from: totals.from.bytes(),
        });
        records.collect()
    }

    pub(crate) fn restore(&mut self, policy: &IdentityPolicy, records: Vec<TotalsRecord>, now: Time) {
        for record in records {
            let key = AgentKey::from_number(record.agent);
            let from = Host::of_bytes(record.from);
            self.make_room(policy, from);
            self.by_address.entry(from).or_default().push_back(key);
            let mut by_site = record.by_site;
            by_site.truncate(MAX_SITES);
            let totals = Totals {
                all: record.all,
                by_site,
                heard: Tick::of(now),
                from,
            };
            self.totals.insert(key, totals);
        }
    }

    fn forget(&mut self, key: AgentKey) {
        let Some(totals) = self.totals.remove(&key) else {
            return;
        };
        if let Some(of_address) = self.by_address.get_mut(&totals.from) {
            of_address.retain(|other| *other != key);
            if of_address.is_empty() {
                self.by_address.remove(&totals.from);
            }
        }
    }

    fn make_room(&mut self, policy: &IdentityPolicy, from: Host) {
        let of_address = self.by_address.get(&from).map_or(0, VecDeque::len);
        let fullest = || self.by_address.iter().max_by_key(|(host, keys)| (keys.len(), **host));
        let first = if of_address >= policy.most_of(from) {
            self.by_address.get(&from).and_then(VecDeque::front).copied()
        } else if self.totals.len() >= MAX_TOTALS {
            fullest().and_then(|(_, keys)| keys.front()).copied()
        } else {
            None
        };
        first.into_iter().for_each(|key| self.forget(key));
    }

    /// Takes a report from an address; `site` finds a site by its name.
    pub(crate) fn take(
        &mut self,
        policy: &IdentityPolicy,
        report: &AgentReport,
        (machine, from): (Machine, Host),
        (event, now): (AnnounceEvent, Time),
        site: impl Fn(&str) -> Option<SiteId>,
    ) -> Unheard {
        let key = AgentKey::of(&report.agent).of_machine(machine);
        let starts = event == AnnounceEvent::Started;
        if report.wan == 0 {
            // the many that never fetch across a link leave nothing here
            if starts {
                self.forget(key);
            }
            return Unheard::default();
        }
        let unknown = !self.totals.contains_key(&key);
        if unknown {
            self.make_room(policy, from);
            self.by_address.entry(from).or_default().push_back(key);
        }
        let new = || Totals {
            all: 0,
            by_site: Vec::new(),
            heard: Tick::of(now),
            from,
        };
        let totals = self.totals.entry(key).or_insert_with(new);
        let since = (!unknown).then(|| totals.heard.time());
        totals.heard = Tick::of(now);
        let less = report.wan < totals.all;
        if less {
            (totals.all, totals.by_site) = (0, Vec::new());
        }
        let mut unheard = Unheard {
            bytes: report.wan - totals.all,
            from: Vec::new(),
            since,
        };
        totals.all = report.wan;
        let mut left = unheard.bytes;
        for (name, total) in &report.sources {
            let Some(id) = site(name) else { continue };
            let name = name_hash(name);
            let before = match totals.by_site.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => std::mem::replace(known, *total),
                None => {
                    if totals.by_site.len() >= MAX_SITES {
                        totals.by_site.remove(0);
                    }
                    totals.by_site.push((name, *total));
                    0
                }
            };
            let bytes = total.saturating_sub(before).min(left);
            if bytes > 0 {
                unheard.from.push((id, bytes));
                left -= bytes;
            }
        }
        // who has only just started has fetched nothing yet: what it remembers crossed before, perhaps long
        // before the tracker's own start
        match starts && (less || unknown) {
            true => Unheard::default(),
            false => unheard,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HQ: SiteId = SiteId::Named(0);
    const B1: SiteId = SiteId::Named(1);
    const HERE: Host = Host::of_bytes([0; 16]);

    fn report(sources: &[(&str, u64)]) -> AgentReport {
        AgentReport {
            agent: "b2-017".to_owned(),
            wan: sources.iter().map(|(_, bytes)| bytes).sum(),
            sources: sources.iter().map(|(name, bytes)| ((*name).to_owned(), *bytes)).collect(),
            ..AgentReport::default()
        }
    }

    fn heard(fetched: &mut Fetched, event: AnnounceEvent, sources: &[(&str, u64)]) -> Vec<(SiteId, u64)> {
        let by = (Machine::Key(1), HERE);
        let (policy, at) = (IdentityPolicy::default(), (event, Time::ZERO));
        let unheard = fetched.take(&policy, &report(sources), by, at, |name| match name {
            "hq" => Some(HQ),
            "b1" => Some(B1),
            _ => None,
        });
        let known: u64 = unheard.from.iter().map(|(_, bytes)| bytes).sum();
        assert_eq!(unheard.bytes, known);
        unheard.from
    }

    #[test]
    fn totals_that_go_on_over_a_restart_are_counted_once_and_so_is_what_came_before_it_unsaid() {
        let mut fetched = Fetched::default();
        assert_eq!(heard(&mut fetched, AnnounceEvent::Started, &[]), []);
        assert_eq!(
            heard(&mut fetched, AnnounceEvent::None, &[("hq", 500)]),
            [(HQ, 500)]
        );
        assert_eq!(heard(&mut fetched, AnnounceEvent::None, &[("hq", 500)]), []);
        // it was killed at 700
        assert_eq!(
            heard(&mut fetched, AnnounceEvent::Started, &[("hq", 700)]),
            [(HQ, 200)]
        );
        let sources = [("b1", 40), ("hq", 710)];
        assert_eq!(
            heard(&mut fetched, AnnounceEvent::None, &sources),
            [(B1, 40), (HQ, 10)]
        );
    }

    #[test]
    fn an_agent_that_forgot_its_totals_is_counted_from_there_on() {
        let mut fetched = Fetched::default();
        heard(&mut fetched, AnnounceEvent::None, &[("hq", 500)]);
        // with a new state folder
        assert_eq!(heard(&mut fetched, AnnounceEvent::Started, &[]), []);
        assert_eq!(
            heard(&mut fetched, AnnounceEvent::None, &[("hq", 600)]),
            [(HQ, 600)]
        );
        // its machine lost power before it had written the last 100
        assert_eq!(heard(&mut fetched, AnnounceEvent::Started, &[("hq", 500)]), []);
        assert_eq!(
            heard(&mut fetched, AnnounceEvent::None, &[("hq", 650)]),
            [(HQ, 150)]
        );
        // one that does not keep them, and whose first announce was lost
        assert_eq!(
            heard(&mut fetched, AnnounceEvent::None, &[("hq", 30)]),
            [(HQ, 30)]
        );
    }

    #[test]
    fn what_crossed_before_the_tracker_started_is_counted_if_the_agent_runs_and_not_if_it_starts_later() {
        let mut fetched = Fetched::default();
        assert_eq!(
            heard(&mut fetched, AnnounceEvent::None, &[("hq", 500)]),
            [(HQ, 500)]
        );
        let mut fetched = Fetched::default();
        assert_eq!(heard(&mut fetched, AnnounceEvent::Started, &[("hq", 500)]), []);
        assert_eq!(
            heard(&mut fetched, AnnounceEvent::None, &[("hq", 502)]),
            [(HQ, 2)]
        );
    }

    #[test]
    fn bytes_from_an_unknown_site_are_counted_without_one() {
        let mut fetched = Fetched::default();
        let said = report(&[("gone", 300), ("hq", 20)]);
        let by = (Machine::Key(1), HERE);
        let (policy, at) = (IdentityPolicy::default(), (AnnounceEvent::None, Time::ZERO));
        let unheard = fetched.take(&policy, &said, by, at, |name| (name == "hq").then_some(HQ));
        assert_eq!((unheard.bytes, unheard.from), (320, vec![(HQ, 20)]));
    }

    #[test]
    fn one_address_fills_no_more_than_its_part_and_leaves_the_others_theirs() {
        let mut fetched = Fetched::default();
        let policy = IdentityPolicy::default();
        let take = |fetched: &mut Fetched, n: u32, from: Host| {
            let said = AgentReport {
                agent: format!("made-up-{n}"),
                wan: 1,
                ..AgentReport::default()
            };
            let at = (AnnounceEvent::None, Time::ZERO);
            fetched.take(&policy, &said, (Machine::Key(n), from), at, |_| None).bytes
        };
        let other = Host::of_bytes([7; 16]);
        assert_eq!(take(&mut fetched, 1, other), 1);
        let v4 = Host::of([10, 0, 0, 1].into());
        for n in 2..200_000 {
            take(&mut fetched, n, v4);
        }
        assert_eq!(fetched.totals.len(), policy.max_at_address + 1);
        assert_eq!(take(&mut fetched, 1, other), 0, "it was remembered");
        for n in 200_000..200_000 + MAX_TOTALS as u32 + 1000 {
            // a network of its own for each few
            let from = Host::of_bytes([
                1,
                (n >> 18) as u8,
                (n >> 12) as u8,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
            ]);
            take(&mut fetched, n, from);
        }
        assert!(fetched.totals.len() <= MAX_TOTALS);
        let listed: usize = fetched.by_address.values().map(VecDeque::len).sum();
        assert_eq!(listed, fetched.totals.len());
        assert_eq!(take(&mut fetched, 1, other), 0, "the fullest address gave way");
    }
}
