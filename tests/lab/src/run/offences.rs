//! Who is named by tracker and agents in a run of `--chaos`, and what befell whom.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use narrows_topology::SiteId;
use serde::Deserialize;
use tokio::task::JoinSet;

use crate::chaos::expectations::Befell;
use crate::chaos::named::{AllNamed, Honest, Named};
use crate::events::{Deed, What};
use crate::programs::poll;
use crate::run::observations::Happened;
use crate::run::rollout::Rollout;

/// Between two questions for offenders. A program that is killed in between takes what it counted with it.
const ASK: Duration = Duration::from_millis(700);

/// What the lab reads of offenders in the status of a tracker or an agent.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Offenders {
    offenders: Vec<Offender>,
}

#[derive(Debug, Deserialize)]
struct Offender {
    offence: String,
    ip: IpAddr,
}

impl Rollout {
    /// Asks all programs for the offenders that they list, again and again; ends with the returned set.
    pub(crate) fn watch_offences(&self) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        let Some(chaos) = &self.chaos else { return tasks };
        let agents = self.prepared.hosts.iter().map(|host| (host.control, host.id.clone()));
        let tracker = (self.prepared.layout.admin(), "the tracker".to_owned());
        for (program, by) in std::iter::once(tracker).chain(agents) {
            let named = chaos.named.clone();
            tasks.spawn(async move {
                loop {
                    if let Ok(body) = poll::get(program, "/status", Duration::from_secs(2)).await {
                        let now = Instant::now();
                        let mut named = named.lock().unwrap_or_else(PoisonError::into_inner);
                        for named_now in offenders(&body, &by) {
                            named.entry(named_now).or_insert(now);
                        }
                    }
                    tokio::time::sleep(ASK).await;
                }
            });
        }
        tasks
    }

    /// Who was named, and when first.
    pub(crate) fn named(&self) -> AllNamed {
        let (Some(chaos), Some(started)) = (&self.chaos, self.clock.clients_started) else {
            return AllNamed::new();
        };
        let named = chaos.named.lock().unwrap_or_else(PoisonError::into_inner);
        let since = |at: &Instant| at.saturating_duration_since(started).as_secs_f64();
        named.iter().map(|(named, at)| (named.clone(), since(at))).collect()
    }

    /// Every machine but liars, and what befell it.
    pub(crate) fn honest(&self) -> Vec<Honest> {
        let deployment = &self.prepared.deployment;
        let hosts = self.prepared.net.as_ref().map(|net| net.plan().hosts.as_slice()).unwrap_or_default();
        let managed = |host: usize| hosts.get(host).map(|host| IpAddr::from(host.management));
        let mut all: Vec<Honest> = deployment
            .agents
            .iter()
            .enumerate()
            .map(|(number, place)| Honest {
                id: place.id.clone(),
                addrs: std::iter::once(place.addr).chain(managed(number + 1)).collect(),
                // one that starts later is a copy of another one
                befell: place.late.then_some((Befell::Cloned, 0.0)).into_iter().collect(),
            })
            .collect();
        for (number, before) in &self.seen.moved {
            if let Some(machine) = all.get_mut(*number) {
                machine.addrs.push(*before);
            }
        }
        for happened in &self.seen.happened {
            for (number, machine) in all.iter_mut().enumerate() {
                if happened.agents.contains(&number)
                    && let Some(befell) = happened.of.as_ref().and_then(Befell::of)
                {
                    machine.hit(befell, happened.at);
                }
                if self.is_fed_through(number, happened) {
                    machine.hit(Befell::Unsupplied, happened.at);
                }
            }
        }
        all.push(Honest {
            id: "the tracker".to_owned(),
            addrs: std::iter::once(deployment.tracker()).chain(managed(0)).collect(),
            befell: BTreeMap::new(),
        });
        all
    }

    /// Whether what happened interrupted what an agent's site gets, at the site or before it.
    pub(crate) fn is_fed_through(&self, agent: usize, happened: &Happened) -> bool {
        let deployment = &self.prepared.deployment;
        let Some(place) = deployment.agents.get(agent) else {
            return false;
        };
        let path = deployment.roots.iter().find_map(|root| deployment.map.path(*root, place.site));
        let ends = path.iter().flat_map(|path| path.hops.iter()).flat_map(|hop| {
            let (a, b) = deployment.map.ends(hop.link);
            [a, b]
        });
        let on_the_path: Vec<SiteId> = ends.filter(|site| !deployment.roots.contains(site)).collect();
        happened.fed.iter().any(|site| on_the_path.contains(site))
    }

    /// The sites that get less while this goes on: those of whose gateways it hits one, or one's upstream; those
    /// behind a link; all without their tracker, or braked.
    pub(crate) fn fed_through(&self, what: &What, agents: &[usize]) -> std::collections::BTreeSet<SiteId> {
        let deployment = &self.prepared.deployment;
        match what {
            What::Agents(Deed::Clock(_), _) | What::TrackerClock(_) | What::Clone(..) => Default::default(),
            What::Agents(..) => {
                let gateways = agents.iter().filter(|agent| self.fleet.agents[**agent].gateway());
                let theirs = gateways.map(|agent| deployment.agents[*agent].site);
                let fed = deployment.waiting.iter().filter(|site| self.feeds(agents, **site));
                theirs.chain(fed.copied()).filter(|site| deployment.waiting.contains(site)).collect()
            }
            _ => self.affected(what, agents),
        }
    }
}

/// The offenders that a program lists in its status.
fn offenders(status: &[u8], by: &str) -> Vec<Named> {
    let listed: Offenders = serde_json::from_slice(status).unwrap_or_default();
    let one = |offender: Offender| Named {
        addr: offender.ip,
        offence: offender.offence,
        by: by.to_owned(),
    };
    listed.offenders.into_iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offenders_are_read_from_a_status_with_their_addresses() {
        let status = br#"{"id": "b1-0", "offences": {"no_delivery": 1, "flooding": 0},
            "offenders": [{"offence": "no_delivery", "ip": "10.2.255.253", "agent": null, "times": 3}]}"#;
        let expected = Named {
            addr: [10, 2, 255, 253].into(),
            offence: "no_delivery".to_owned(),
            by: "b1-1".to_owned(),
        };
        assert_eq!(offenders(status, "b1-1"), [expected]);
        assert_eq!(offenders(b"{}", "b1-1"), []);
        assert_eq!(offenders(b"no JSON", "b1-1"), []);
    }
}
