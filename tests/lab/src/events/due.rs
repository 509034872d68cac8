//! Which events are due, and which agents they hit: decided from what is seen of the run now.

use std::time::Duration;

use super::{Deed, Event, What, When, Who};

/// An agent now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seen<'a> {
    /// Its site's name.
    pub site: &'a str,
    /// Its number among the seeders or clients of its site.
    pub number: usize,
    /// Whether it had everything from the beginning.
    pub seeder: bool,
    /// 0 to 1.
    pub progress: f64,
    /// Whether it is its site's gateway.
    pub gateway: bool,
    /// Whether a content of it is published.
    pub published: bool,
    /// Whether its process runs, be it frozen or unplugged.
    pub running: bool,
    /// Whether an event or a kill has met it before.
    pub touched: bool,
}

/// The run now.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'a> {
    /// Since the clients' start.
    pub elapsed: Duration,
    /// All agents.
    pub agents: &'a [Seen<'a>],
    /// What a site's gateway fetches from: the site, and the upstream's position in `agents`.
    pub upstreams: &'a [(&'a str, usize)],
}

/// An event that is due now.
#[derive(Debug, Clone, PartialEq)]
pub struct Due {
    /// As asked.
    pub event: Event,
    /// The agents it hits, as positions; empty for links and the tracker.
    pub agents: Vec<usize>,
}

/// Events that have not happened yet.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Schedule {
    open: Vec<Event>,
}

impl Schedule {
    /// Of these.
    pub fn new(events: Vec<Event>) -> Schedule {
        Schedule { open: events }
    }

    /// What has not happened yet.
    pub fn open(&self) -> &[Event] {
        &self.open
    }

    /// Those that are due, in the order asked for; they count as done.
    pub fn due(&mut self, moment: Moment<'_>) -> Vec<Due> {
        let mut due = Vec::new();
        self.open.retain(|event| match moment.meets(event) {
            Some(agents) => {
                due.push(Due {
                    event: event.clone(),
                    agents,
                });
                false
            }
            None => true,
        });
        due
    }
}

impl Moment<'_> {
    /// The agents that an event hits if it is due.
    fn meets(&self, event: &Event) -> Option<Vec<usize>> {
        let (deed, who) = match &event.what {
            What::Agents(deed, who) => (*deed, who),
            What::Clone(who, _) => (Deed::Move, who),
            _ => return self.reached(event.when, self.mean()).then(Vec::new),
        };
        let mut agents = self.chosen(deed, who);
        if matches!(deed, Deed::Spoil | Deed::Delete) {
            // what is not published yet can be neither changed nor deleted
            agents.retain(|i| self.agents.get(*i).is_some_and(|agent| agent.published));
        }
        let progress = match who {
            Who::Number(..) | Who::Seeder(..) | Who::Gateway(_) | Who::Member(_) => {
                agents.first().and_then(|i| self.agents.get(*i)).map(|agent| agent.progress)
            }
            Who::Upstream(site) | Who::All(site) => self.farthest(site),
            Who::Seeders => None,
        };
        (!agents.is_empty() && self.reached(event.when, progress.unwrap_or_else(|| self.mean())))
            .then_some(agents)
    }

    fn reached(&self, when: When, progress: f64) -> bool {
        match when {
            When::After(time) => self.elapsed >= time,
            When::Progress(percent) => progress * 100.0 >= percent,
            When::Spread => self.clients().any(|agent| agent.progress >= 1.0),
        }
    }

    fn chosen(&self, deed: Deed, who: &Who) -> Vec<usize> {
        // only what runs can be ended or frozen; a machine can be unplugged, moved, filled whatever runs on it
        let able = |agent: &Seen<'_>| {
            agent.running || !matches!(deed, Deed::Kill { .. } | Deed::Stop { .. } | Deed::Freeze)
        };
        let which = |one: &dyn Fn(&Seen<'_>) -> bool| -> Vec<usize> {
            let those = self.agents.iter().enumerate().filter(|(_, agent)| able(agent) && one(agent));
            those.map(|(i, _)| i).collect()
        };
        let first = |mut those: Vec<usize>| {
            those.truncate(1);
            those
        };
        match who {
            Who::Number(site, number) => {
                which(&|agent| !agent.seeder && agent.site == site && agent.number == *number)
            }
            Who::Seeder(site, number) => {
                which(&|agent| agent.seeder && agent.site == site && agent.number == *number)
            }
            Who::Gateway(site) => first(which(&|agent| agent.site == site && agent.gateway)),
            Who::Member(site) => first(which(&|agent| {
                agent.site == site && !agent.seeder && !agent.gateway && !agent.touched
            })),
            Who::Upstream(site) => {
                let found = self.upstreams.iter().find(|(of, _)| of == site).map(|(_, agent)| *agent);
                found.filter(|i| self.agents.get(*i).is_some_and(able)).into_iter().collect()
            }
            Who::All(site) => which(&|agent| agent.site == site),
            Who::Seeders => which(&|agent| agent.seeder),
        }
    }

    fn clients(&self) -> impl Iterator<Item = &Seen<'_>> {
        self.agents.iter().filter(|agent| !agent.seeder)
    }

    fn mean(&self) -> f64 {
        let count = self.clients().count().max(1);
        self.clients().map(|agent| agent.progress).sum::<f64>() / count as f64
    }

    /// The progress of the site's client that has most.
    fn farthest(&self, site: &str) -> Option<f64> {
        let those = self.clients().filter(|agent| agent.site == site);
        those.map(|agent| agent.progress).reduce(f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seen(site: &str, number: usize, seeder: bool, progress: f64, gateway: bool) -> Seen<'_> {
        Seen {
            site,
            number,
            seeder,
            progress,
            gateway,
            published: progress >= 1.0,
            running: true,
            touched: false,
        }
    }

    fn due(text: &str, elapsed: u64, agents: &[Seen<'_>]) -> Option<Vec<usize>> {
        let mut schedule = Schedule::new(vec![text.parse().unwrap()]);
        let moment = Moment {
            elapsed: Duration::from_secs(elapsed),
            agents,
            upstreams: &[("b1", 0)],
        };
        let mut due = schedule.due(moment);
        assert_eq!(due.len() + schedule.open().len(), 1);
        assert!(schedule.due(moment).is_empty() || !due.is_empty());
        due.pop().map(|due| due.agents)
    }

    #[test]
    fn an_event_hits_the_agents_it_names_when_the_moment_has_come() {
        let agents = [
            seen("hq", 0, true, 1.0, false),
            seen("b1", 0, false, 0.2, false),
            seen("b1", 1, false, 0.4, true),
            seen("b2", 0, false, 0.6, true),
        ];
        for (text, expected) in [
            ("kill b1:gateway @30%", Some(vec![2])),
            ("kill b1:gateway @50%", None),
            ("kill b1:0 @10%", Some(vec![1])),
            ("freeze b1:member @10%", Some(vec![1])),
            // the upstream is judged by how far those are that it feeds
            ("kill b1:upstream @40%", Some(vec![0])),
            ("kill b1:upstream @41%", None),
            ("kill b2:upstream @10%", None),
            ("vanish hq:all @40%", Some(vec![0])),
            ("remove-last-seeder", None),
            ("stop seeders @5s", Some(vec![0])),
            ("cut hq-b1 @40%", Some(vec![])),
            ("cut hq-b1 @41%", None),
            ("cut hq-b1 @6s", None),
            ("restart tracker @5s", Some(vec![])),
        ] {
            assert_eq!(due(text, 5, &agents), expected, "{text}");
        }
    }

    #[test]
    fn the_last_seeder_is_removed_when_a_client_has_everything() {
        let agents = [seen("hq", 0, true, 1.0, false), seen("b1", 0, false, 1.0, false)];
        assert_eq!(due("remove-last-seeder", 1, &agents), Some(vec![0]));
    }

    proptest! {
        /// Whatever is ordered: nothing happens twice, and each agent that is hit is there.
        #[test]
        fn an_event_happens_at_most_once_and_to_agents_that_are_there(
            text in prop_oneof![Just("kill b1:gateway @10%"), Just("freeze b1:all @3s"), Just("vanish seeders @spread")],
            agents in proptest::collection::vec((any::<bool>(), 0.0f64..=1.0, any::<bool>(), any::<bool>()), 0..6),
        ) {
            let agents: Vec<Seen<'_>> = agents.iter().enumerate().map(|(i, (seeder, progress, gateway, running))| Seen {
                running: *running, ..seen("b1", i, *seeder, *progress, *gateway)
            }).collect();
            let mut schedule = Schedule::new(vec![text.parse().unwrap()]);
            let mut times = 0;
            for second in 0..6 {
                let moment = Moment { elapsed: Duration::from_secs(second), agents: &agents, upstreams: &[] };
                for due in schedule.due(moment) {
                    times += 1;
                    prop_assert!(!due.agents.is_empty() && due.agents.iter().all(|i| *i < agents.len()));
                }
            }
            prop_assert!(times <= 1);
        }
    }
}
