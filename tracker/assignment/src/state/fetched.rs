//! What agents say they fetched across links, and what of it is new.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use narrows_protocol::{AgentReport, AnnounceEvent};
use narrows_topology::SiteId;
use serde::{Deserialize, Serialize};

use crate::hash::{AgentKey, Machine, name_hash};

/// The last totals of each agent that fetched across a link; kept while an agent is away.
///
/// An agent's totals go on over its restarts. Totals that are less than before are of an agent that forgot
/// them (its state folder is new, or its machine lost power before they were written) or that does not keep
/// them.
#[derive(Debug, Default)]
pub(crate) struct Fetched(HashMap<AgentKey, Totals, RandomState>);

#[derive(Debug, Default)]
struct Totals {
    all: u64,
    /// By the hash of the parent site's name, for numbers of sites change with the site map.
    by_site: Vec<(u64, u64)>,
}

/// [`Totals`] of one agent, kept over a restart of the tracker: hashes of its id and of site names.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct TotalsRecord {
    agent: u64,
    all: u64,
    by_site: Vec<(u64, u64)>,
}

/// Bytes that no report had spoken of.
#[derive(PartialEq, Eq, Debug, Default)]
pub(crate) struct Unheard {
    pub(crate) bytes: u64,
    /// Of these, as far as the agent knows where they came from.
    pub(crate) from: Vec<(SiteId, u64)>,
}

impl Fetched {
    pub(crate) fn record(&self) -> Vec<TotalsRecord> {
        let records = self.0.iter().map(|(key, totals)| TotalsRecord {
            agent: key.number(),
            all: totals.all,
            by_site: totals.by_site.clone(),
        });
        records.collect()
    }

    pub(crate) fn restore(&mut self, records: Vec<TotalsRecord>) {
        for TotalsRecord { agent, all, by_site } in records {
            self.0.insert(AgentKey::from_number(agent), Totals { all, by_site });
        }
    }

    /// Takes a report; `site` finds a site by its name.
    pub(crate) fn take(
        &mut self,
        report: &AgentReport,
        machine: Machine,
        event: AnnounceEvent,
        site: impl Fn(&str) -> Option<SiteId>,
    ) -> Unheard {
        let key = AgentKey::of(&report.agent).of_machine(machine);
        let starts = event == AnnounceEvent::Started;
        if report.wan == 0 {
            // the many that never fetch across a link leave nothing here
            if starts {
                self.0.remove(&key);
            }
            return Unheard::default();
        }
        let unknown = !self.0.contains_key(&key);
        let totals = self.0.entry(key).or_default();
        let less = report.wan < totals.all;
        if less {
            *totals = Totals::default();
        }
        let mut unheard = Unheard {
            bytes: report.wan - totals.all,
            from: Vec::new(),
        };
        totals.all = report.wan;
        let mut left = unheard.bytes;
        for (name, total) in &report.sources {
            let Some(id) = site(name) else { continue };
            let name = name_hash(name);
            let before = match totals.by_site.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => std::mem::replace(known, *total),
                None => {
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

    fn report(sources: &[(&str, u64)]) -> AgentReport {
        AgentReport {
            agent: "b2-017".to_owned(),
            wan: sources.iter().map(|(_, bytes)| bytes).sum(),
            sources: sources.iter().map(|(name, bytes)| ((*name).to_owned(), *bytes)).collect(),
            ..AgentReport::default()
        }
    }

    fn heard(fetched: &mut Fetched, event: AnnounceEvent, sources: &[(&str, u64)]) -> Vec<(SiteId, u64)> {
        let unheard = fetched.take(&report(sources), Machine::Key(1), event, |name| match name {
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
        let unheard = fetched.take(&said, Machine::Key(1), AnnounceEvent::None, |name| {
            (name == "hq").then_some(HQ)
        });
        assert_eq!((unheard.bytes, unheard.from), (320, vec![(HQ, 20)]));
    }
}
