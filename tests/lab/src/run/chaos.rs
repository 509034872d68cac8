//! A run of `--chaos`: when it is over, and what is found then.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::chaos::judge::{self, Crossed, PIECES_PER_DISTURBANCE};
use crate::chaos::{Plan, USERS_FILE};
use crate::programs::poll;
use crate::report::Report;
use crate::run::rollout::Rollout;
use crate::run::trial::Trial;
use crate::setup::disks::{users_files, users_text};

/// After the last fault each agent is asked to look at what stands at its target; it is given so long to say
/// that something differs.
const LOOKED: Duration = Duration::from_secs(4);

/// How late a fault that ends with the time may be.
const LATE: Duration = Duration::from_secs(2);

/// Between two questions for offences. A program that is killed in between takes what it counted with it.
const ASK: Duration = Duration::from_millis(700);

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

    /// Asks all programs for the offences that they counted, again and again; ends with the returned set.
    pub(crate) fn watch_offences(&self) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        let Some(chaos) = &self.chaos else { return tasks };
        let controls = self.prepared.hosts.iter().map(|host| host.control);
        for program in std::iter::once(self.prepared.layout.admin()).chain(controls) {
            let named = chaos.named.clone();
            tasks.spawn(async move {
                loop {
                    if let Ok(body) = poll::get(program, "/metrics", Duration::from_secs(2)).await {
                        let found = offences(&String::from_utf8_lossy(&body));
                        let mut named = named.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                        named.extend(found);
                    }
                    tokio::time::sleep(ASK).await;
                }
            });
        }
        tasks
    }

    /// The offences that were counted, and the most memory that a program took, for people.
    pub(crate) fn counted(&self, report: &Report) -> String {
        let named = self.chaos.as_ref().map(Trial::offences).unwrap_or_default();
        let named: Vec<String> = named.into_iter().collect();
        let most = report.agents.iter().map(|row| row.rss_peak).max().unwrap_or(0);
        format!(
            "offences counted: {}; most memory of an agent {} MiB, of the tracker {} MiB",
            if named.is_empty() {
                "none".to_owned()
            } else {
                named.join(", ")
            },
            most >> 20,
            report.tracker_rss_peak >> 20
        )
    }

    /// What should not be; `None` for a run without `--chaos`.
    pub(crate) fn findings(&self, report: &Report) -> Option<Vec<String>> {
        let chaos = self.chaos.as_ref()?;
        let judged = report.agents.iter().zip(&self.fleet.agents);
        // a clone that was never started is none
        let judged = judged.filter(|(_, agent)| agent.since.is_some());
        let unsound = judged.filter(|(row, _)| !row.ok()).map(|(row, agent)| {
            let why = row.difference.clone().unwrap_or_else(|| match agent.status.first() {
                Some(status) => format!("is {} at {:.1} %", status.state, 100.0 * status.progress),
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
            named: chaos.offences(),
            liars: self.liars(),
        }))
    }

    /// What crossed each link, and what had to.
    fn crossed(&self) -> Vec<Crossed> {
        let deployment = &self.prepared.deployment;
        let piece = self.size.0 / u64::from(self.seen.facts.pieces.max(1));
        let hops: BTreeSet<_> = self.seen.traffic.hops().collect();
        let one = |hop: narrows_topology::Hop| {
            let (from, to) = deployment.hop_name(hop);
            // each disturbance of a site that is fed by this link, and what was damaged there
            let (a, b) = deployment.map.ends(hop.link);
            let end = if hop.forward { b } else { a };
            let behind = |site: &narrows_topology::SiteId| {
                let path = deployment.roots.iter().find_map(|root| deployment.map.path(*root, *site));
                *site == end || path.is_some_and(|path| path.hops.contains(&hop))
            };
            let disturbed = self.seen.happened.iter().filter(|happened| happened.sites.iter().any(&behind));
            let damaged = self.seen.damaged.iter().filter(|(site, _)| behind(site)).map(|(_, bytes)| bytes);
            let planned = self.planned.get(&hop).copied().unwrap_or(0.0);
            Crossed {
                link: format!("{from} → {to}"),
                bytes: self.seen.traffic.bytes(hop),
                needed: (planned * self.size.0 as f64) as u64,
                lost: disturbed.count() as u64 * PIECES_PER_DISTURBANCE * piece + damaged.sum::<u64>(),
            }
        };
        hops.into_iter().map(one).collect()
    }
}

/// The offences in a program's metrics that were counted at least once.
fn offences(metrics: &str) -> BTreeSet<String> {
    let one = |line: &str| {
        let rest = line
            .strip_prefix("narrows_tracker_offences_total{")
            .or_else(|| line.strip_prefix("narrows_agent_offences_total{"))?;
        let (labels, count) = rest.rsplit_once('}')?;
        let name = labels.split_once("offence=\"")?.1.split_once('"')?.0;
        (count.trim().parse::<f64>().ok()? > 0.0).then(|| name.to_owned())
    };
    metrics.lines().filter_map(one).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offences_that_were_counted_are_read_from_metrics_and_others_are_not() {
        let metrics = "# HELP narrows_tracker_offences_total x\n\
                       narrows_tracker_offences_total{offence=\"false_accusation\"} 3\n\
                       narrows_tracker_offences_total{offence=\"too_many_ids\"} 0\n\
                       narrows_agent_offences_total{offence=\"wrong_pieces\"} 1\n\
                       narrows_other_total{offence=\"none\"} 1\n";
        let expected: BTreeSet<String> = ["false_accusation", "wrong_pieces"].map(str::to_owned).into();
        assert_eq!(offences(metrics), expected);
    }
}
