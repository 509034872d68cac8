//! A run of `--chaos`: when it is over, and what is found then.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use narrows_topology::{Hop, SiteId};

use crate::chaos::judge::{self, Crossed, PIECES_PER_DISTURBANCE};
use crate::chaos::pace::{self, Near, Wait};
use crate::chaos::{Plan, USERS_FILE};
use crate::events::{What, Who};
use crate::liars::Kind;
use crate::programs::poll;
use crate::report::Report;
use crate::run::observations::Happened;
use crate::run::rollout::Rollout;
use crate::run::trial::Trial;
use crate::setup::disks::{users_files, users_text};

/// After the last fault each agent is asked to look at what stands at its target; it is given so long to say
/// that something differs.
const LOOKED: Duration = Duration::from_secs(4);

/// How late a fault that ends with the time may be.
const LATE: Duration = Duration::from_secs(2);

impl Rollout {
    /// Whether all that was ordered has happened, and every client is as it should be.
    pub(crate) fn finished(&self) -> bool {
        match &self.chaos {
            None => self.all_complete(|_| true),
            Some(chaos) => {
                let looked = chaos.looked.is_some_and(|at| at.elapsed() > LOOKED);
                looked && self.all_complete(|_| true) && self.all_whole()
            }
        }
    }

    /// Whether the time for faults is up, with a little for those that end exactly then.
    pub(crate) fn faults_are_over(&self) -> bool {
        self.chaos.as_ref().is_some_and(|chaos| self.elapsed() > chaos.plan.lasts + LATE)
    }

    /// Whether every agent says now that it has everything.
    fn all_whole(&self) -> bool {
        self.fleet
            .agents
            .iter()
            .filter(|agent| agent.process.is_some())
            .all(|agent| !agent.status.is_empty() && agent.status.iter().all(poll::ContentStatus::complete))
    }

    /// Once everything is healed, each agent looks at what stands at its target, as Salt has it do.
    pub(crate) async fn look_again(&mut self) {
        let Some(chaos) = &self.chaos else { return };
        let waits = self.fleet.agents.iter().any(|agent| agent.restart.is_some());
        let healed = self.faults_are_over() && self.pending.undo.is_empty();
        if chaos.looked.is_some() || !healed || waits || self.fleet.tracker.is_none() {
            return;
        }
        for (host, agent) in self.prepared.hosts.iter().zip(&self.fleet.agents) {
            let token = std::fs::read_to_string(host.folder.join("state/control.token"));
            if let (Some(_), Ok(token)) = (&agent.process, token) {
                let patience = Duration::from_secs(5);
                // one that does not answer is found by its silence
                let _ = poll::authorized("POST", host.control, "/look", Some(token.trim()), patience).await;
            }
        }
        // with the logs, for who looks into a finding
        if let Ok(status) = poll::get(self.prepared.layout.admin(), "/status", Duration::from_secs(5)).await {
            let _ = std::fs::write(self.prepared.layout.tracker().join("status.json"), status);
        }
        if let Some(chaos) = &mut self.chaos {
            chaos.looked = Some(Instant::now());
        }
        self.event("all faults have healed; each agent looks at its files".to_owned());
    }

    /// Who was named, the most memory that a program took, and how slow the slowest agent was, for people.
    pub(crate) fn counted(&self, report: &Report) -> Vec<String> {
        if self.chaos.is_none() {
            return Vec::new();
        }
        let mut named: BTreeMap<(IpAddr, String), Vec<String>> = BTreeMap::new();
        for one in self.named().into_keys() {
            named.entry((one.addr, one.offence)).or_default().push(one.by);
        }
        let most = report.agents.iter().map(|row| row.rss_peak).max().unwrap_or(0);
        let named = named
            .into_iter()
            .map(|((addr, offence), by)| format!("named: {addr} for {offence} by {}", by.join(", ")));
        let liars = self.liars().into_iter().map(|liar| match liar.outcome {
            Some(outcome) => format!("liar {} at {:?}: {outcome:?}", liar.kind, liar.addrs),
            None => format!("liar {} at {:?} did not say how it went", liar.kind, liar.addrs),
        });
        let memory = format!(
            "most memory of an agent {} MiB, of the tracker {} MiB",
            most >> 20,
            report.tracker_rss_peak >> 20
        );
        liars.chain(named).chain([memory, pace::slowest(&self.waits())]).collect()
    }

    /// What should not be; `None` for a run without `--chaos`.
    pub(crate) fn findings(&self, report: &Report) -> Option<Vec<String>> {
        self.chaos.as_ref()?;
        let judged = report.agents.iter().zip(&self.fleet.agents);
        // a clone that was never started is none
        let judged = judged.filter(|(_, agent)| agent.since.is_some());
        let unsound = judged.filter(|(row, _)| !row.ok()).map(|(row, agent)| {
            let unfinished = agent.status.iter().zip(&agent.done).find(|(_, done)| done.is_none());
            let why = row.difference.clone().unwrap_or_else(|| match unfinished {
                Some((status, _)) if status.state.is_empty() => "a content is not there".to_owned(),
                Some((status, _)) => format!("is {} at {:.1} %", status.state, 100.0 * status.progress),
                None => "said nothing".to_owned(),
            });
            format!("{}: {why}", row.id)
        });
        let files = self.prepared.hosts.iter().flat_map(|host| users_files(host, &self.prepared.task));
        let users = files.filter_map(|file| match std::fs::read_to_string(&file) {
            Ok(text) if text == users_text(&file) => None,
            Ok(_) => Some(format!("the user's file {} is another one", file.display())),
            Err(error) => Some(format!("the user's file {}: {error}", file.display())),
        });
        let agents = report.agents.iter().map(|row| (row.id.clone(), row.rss_peak, false));
        let tracker = ("the tracker".to_owned(), report.tracker_rss_peak, true);
        Some(judge::findings(&judge::Seen {
            unsound: unsound.collect(),
            users: users.collect(),
            links: self.crossed(),
            memory: agents.chain([tracker]).collect(),
            named: self.named(),
            liars: self.liars(),
            honest: self.honest(),
            restarts: self.times(|what| matches!(what, What::RestartTracker(_))),
            cuts: self.times(|what| matches!(what, What::Cut(_) | What::Agents(_, Who::Seeder(..)))),
            waits: self.waits(),
        }))
    }

    fn times(&self, which: impl Fn(&What) -> bool) -> u64 {
        let those = self.seen.happened.iter().filter_map(|happened| happened.of.as_ref());
        those.filter(|what| which(what)).count() as u64
    }

    /// When each client had everything, and what held it up.
    fn waits(&self) -> Vec<Wait> {
        let deployment = &self.prepared.deployment;
        let clients = deployment.clients().filter(|agent| !deployment.agents[*agent].late);
        let one = |agent: usize| {
            let place = &deployment.agents[agent];
            let done = self.fleet.agents[agent].done.iter();
            let rate = deployment.best_rate(place.site, self.clock.clients_started_at).bytes_per_second();
            let seconds = |bytes: u64| rate.map_or(0.0, |rate| bytes as f64 / rate.max(1) as f64);
            // all contents share the path, and the last one had to begin
            let last = self.prepared.task.contents.last().map_or(0, |content| content.size);
            let begun = self.seen.contents_begun.last().copied().unwrap_or(0.0);
            Wait {
                id: place.id.clone(),
                took: done.copied().try_fold(0.0, |most: f64, at| Some(most.max(at?))),
                least: seconds(self.size.0).max(begun + seconds(last)),
                times: match self.has_a_link_of_a_glutton(place.site) {
                    true => pace::BESIDE_A_GLUTTON,
                    false => 1.0,
                },
                liars: self.beside(place.site, Kind::speaks_of_supply),
                hindered: self.hindered(agent),
            }
        };
        clients.map(one).collect()
    }

    /// Whether a glutton takes content across a link of a site's path (seed 6024: one beyond the site).
    fn has_a_link_of_a_glutton(&self, site: SiteId) -> bool {
        let links =
            |to: SiteId| -> Vec<_> { self.hops_from_seeders(to).iter().map(|hop| hop.link).collect() };
        let own = links(site);
        let mut gluttons = self.liars_at(|kind| kind == Kind::Glutton);
        gluttons.any(|at| links(at).iter().any(|link| own.contains(link)))
    }

    /// How many of some kind are at a site, or at one that it is fed through.
    fn beside(&self, site: SiteId, which: impl Fn(Kind) -> bool) -> usize {
        let map = &self.prepared.deployment.map;
        let hops = self.hops_from_seeders(site).into_iter();
        let sites: Vec<SiteId> = hops.flat_map(|hop| <[SiteId; 2]>::from(map.ends(hop.link))).collect();
        self.liars_at(which).filter(|at| sites.contains(at)).count()
    }

    /// The way to a site from the seeders.
    fn hops_from_seeders(&self, site: SiteId) -> Vec<Hop> {
        let deployment = &self.prepared.deployment;
        let path = deployment.roots.iter().find_map(|root| deployment.map.path(*root, site));
        path.map_or_else(Vec::new, |path| path.hops.to_vec())
    }

    /// The sites at which liars of some kind are, each as often as there are any.
    fn liars_at(&self, which: impl Fn(Kind) -> bool) -> impl Iterator<Item = SiteId> {
        let liars = self.chaos.iter().flat_map(|chaos| &chaos.plan.liars);
        let those = liars.filter(move |(kind, _)| which(*kind));
        those.filter_map(|(_, site)| self.prepared.deployment.map.site_named(site))
    }

    fn hindered(&self, agent: usize) -> Vec<(f64, f64)> {
        let one = |happened: &Happened| {
            let near = match happened.agents.contains(&agent) {
                true => Near::Itself,
                false if self.is_fed_through(agent, happened) => Near::Supply,
                false => return None,
            };
            let lasts = match &happened.of {
                // a brake lasts until the request that releases it
                Some(What::Http(..)) => {
                    let later = self.seen.happened.iter().filter(|other| other.at > happened.at);
                    later
                        .filter(|other| matches!(other.of, Some(What::Http(..))))
                        .map(|other| other.at)
                        .next()
                }
                .map(|until| until - happened.at),
                _ => happened.lasts.map(|lasts| lasts.as_secs_f64()),
            };
            pace::hindrance(happened.of.as_ref()?, near, happened.at, lasts)
        };
        self.seen.happened.iter().filter_map(one).collect()
    }

    /// What crossed each link, and what had to.
    fn crossed(&self) -> Vec<Crossed> {
        let deployment = &self.prepared.deployment;
        let piece = self.size.0 / u64::from(self.seen.facts.pieces.max(1));
        let hops: BTreeSet<_> = self.seen.traffic.hops().collect();
        let one = |hop: Hop| {
            let (from, to) = deployment.hop_name(hop);
            // each disturbance of a site that is fed by this link, and what was damaged there
            let (a, b) = deployment.map.ends(hop.link);
            let end = if hop.forward { b } else { a };
            let behind = |site: &SiteId| *site == end || self.hops_from_seeders(*site).contains(&hop);
            let disturbed = self.seen.happened.iter().filter(|happened| happened.sites.iter().any(&behind));
            let damaged = self.seen.damaged.iter().filter(|(site, _)| behind(site)).map(|(_, bytes)| bytes);
            let planned = self.planned.get(&hop).copied().unwrap_or(0.0);
            let rate = deployment.map.rate(hop, self.clock.clients_started_at);
            Crossed {
                rate: rate.bytes_per_second().unwrap_or(0),
                link: format!("{from} → {to}"),
                bytes: self.seen.traffic.bytes(hop),
                needed: (planned * self.size.0 as f64) as u64,
                lost: disturbed.count() as u64 * PIECES_PER_DISTURBANCE * piece + damaged.sum::<u64>(),
            }
        };
        hops.into_iter().map(one).collect()
    }
}

/// What the lab itself put into a content's folder.
pub(crate) fn planted(chaos: Option<&Trial>) -> BTreeSet<std::path::PathBuf> {
    chaos.into_iter().map(|_| USERS_FILE.into()).collect()
}

/// What should not be, with the seed and what happened, for people.
pub(crate) fn tell(chaos: &Plan, findings: &[String], events: &[crate::report::Event]) -> Vec<String> {
    let mut lines = vec![format!("chaos {}: {} findings", chaos.seed, findings.len())];
    lines.extend(findings.iter().map(|finding| format!("  FOUND {finding}")));
    if !findings.is_empty() {
        lines.push("what happened:".to_owned());
        lines.extend(events.iter().map(|event| format!("  {:>6.1} s {}", event.at, event.what)));
        lines.push(format!("again: narrows-lab --chaos {}", chaos.seed));
    }
    lines
}
