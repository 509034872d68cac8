//! What a run says beside its table: what events cost, what probes got, how long each content took.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use narrows_topology::{Hop, Rate, SiteId};

use crate::Stop;
use crate::args::options::Probe;
use crate::events::claims::Gateways;
use crate::events::judge::{self, Claimed, Cost, Extra, Interruption, Inward};
use crate::network::probe::{self, Found};
use crate::players::player::CommandLine;
use crate::programs::files::write_agent;
use crate::programs::poll;
use crate::programs::process::Process;
use crate::report::view::{HEADERS, View};
use crate::report::{Content, Report};
use crate::run::Rollout;

/// A probe of which both ends run.
#[derive(Debug)]
pub(crate) struct Running {
    probe: Probe,
    at: f64,
    log: PathBuf,
    _ends: [Process; 2],
}

fn round(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

impl Rollout {
    /// Starts the ends of probes whose time has come.
    pub(crate) fn probes_due(&mut self) -> Result<(), Stop> {
        let now = self.elapsed().as_secs_f64();
        while let Some(probe) = self.probes_wanted.get(self.probes.len()).cloned() {
            if self.t0.is_none() || now < f64::from(probe.at) {
                return Ok(());
            }
            let (number, first) = (self.probes.len(), 1 + self.agents.len());
            let [sender, receiver] = [first + 2 * number, first + 2 * number + 1];
            let addr = self.prepared.net.as_ref().and_then(|net| net.plan().hosts.get(receiver));
            let Some(addr) = addr.map(|host| SocketAddr::new(host.addr.addr().into(), probe::PORT)) else {
                return Ok(());
            };
            let own = std::env::current_exe().map_err(|error| {
                Stop::Missing(format!("--probe: cannot tell where this program is: {error}"))
            })?;
            let end = |what: &str| CommandLine {
                program: own.clone(),
                args: [probe::WORD, what, &addr.to_string()].map(Into::into).into(),
                env: Vec::new(),
            };
            let log = |what: &str| self.prepared.layout.tracker().join(format!("probe-{number}-{what}.log"));
            let ends = [
                self.spawn(receiver, end("receive"), &log("receive"))?,
                self.spawn(sender, end("send"), &log("send"))?,
            ];
            let (log, what) = (
                log("receive"),
                format!("a TCP stream begins: {} to {}", probe.from, probe.to),
            );
            self.probes.push(Running {
                probe,
                at: now,
                log,
                _ends: ends,
            });
            self.event(what);
        }
        Ok(())
    }

    /// Gives the clients the contents whose time has come (`--stagger`).
    pub(crate) async fn contents_due(&mut self) -> Result<(), Stop> {
        let (Some(stagger), Some(t0)) = (self.stagger, self.t0) else {
            return Ok(());
        };
        let all = self.prepared.task.contents.len();
        let mut told = false;
        while self.begun_at.len() < all && t0.elapsed() >= stagger * self.begun_at.len() as u32 {
            self.begun_at.push(self.elapsed().as_secs_f64());
            told = true;
        }
        if !told || self.begun_at.len() == 1 {
            return Ok(());
        }
        self.write_clients()?;
        let hosts = self.prepared.hosts.iter().zip(&self.agents);
        let running = hosts.filter(|(host, agent)| !host.seeder && agent.process.is_some() && !agent.frozen);
        for (host, _) in running {
            let token = std::fs::read_to_string(host.folder.join("state/control.token"));
            let token = token.unwrap_or_default();
            let patience = Duration::from_secs(5);
            // one that is just starting reads the new file itself
            let _ = poll::authorized("POST", host.control, "/reload", Some(token.trim()), patience).await;
        }
        self.event(format!("{} contents of {all} are asked for", self.begun_at.len()));
        Ok(())
    }

    /// The clients' configuration, with the contents that have begun.
    pub(crate) fn write_clients(&self) -> Result<(), Stop> {
        let begun = self.begun_at.len().max(1);
        let contents = self.prepared.task.contents.iter().take(begun);
        let torrents: Vec<_> = contents.map(|content| content.torrent.as_path()).collect();
        let mut clients = self.prepared.hosts.iter().filter(|host| !host.seeder);
        clients
            .try_for_each(|host| write_agent(host, &torrents))
            .map_err(|error| Stop::Failed(format!("{error:#}")))
    }

    /// What the report says beside what the view shows.
    pub(crate) fn complete(&self, report: &mut Report, view: &View) {
        report.costs = self.costs(view);
        report.probes = self.probes.iter().filter_map(|probe| self.found(probe, view)).collect();
        report.contents = self.contents();
        report.gateways = self.gateways();
        report.budgets = self.budgets();
        let net = self.prepared.net.as_ref();
        report.congestion_control = net.map(|net| net.congestion().to_owned());
    }

    fn contents(&self) -> Vec<Content> {
        let one = |(number, content): (usize, &crate::players::player::Content)| {
            let clients = self.prepared.hosts.iter().zip(&self.agents);
            let clients = clients.filter(|(host, agent)| !host.seeder && !agent.gone);
            let seconds = clients.map(|(_, agent)| agent.done[number]);
            Content {
                name: content.name.clone(),
                begun: round(self.begun_at.get(number).copied().unwrap_or(0.0)),
                seconds: seconds.into_iter().try_fold(0.0, |most: f64, at| Some(most.max(at?))).map(round),
            }
        };
        self.prepared.task.contents.iter().enumerate().map(one).collect()
    }

    /// What each event cost, by the kernel's counters.
    fn costs(&self, view: &View) -> Vec<Cost> {
        if self.prepared.net.is_none() {
            return Vec::new();
        }
        let one = |happened: &crate::events::run::Happened| Cost {
            at: round(happened.at),
            what: happened.what.clone(),
            interruptions: happened
                .sites
                .iter()
                // agents that are away for good need nothing any more
                .filter(|site| self.peopled(**site))
                .map(|site| self.interruption(*site, happened.at, view))
                .collect(),
            extra: self.extra(&happened.sites, view),
            gateways: self.claimed(&happened.sites, happened.at),
        };
        self.happened.iter().map(one).collect()
    }

    fn interruption(&self, site: SiteId, at: f64, view: &View) -> Interruption {
        let name = self.prepared.deployment.map.name(site).into_owned();
        let links: Vec<usize> = self
            .wire
            .hops()
            .enumerate()
            .filter(|(_, hop)| self.leads_to(*hop, site))
            .map(|(i, _)| i)
            .collect();
        let complete = view.sites.iter().find(|row| row.site == name).and_then(|row| row.seconds);
        Interruption {
            seconds: judge::interruption(&self.wire.samples, &links, at, complete).map(round),
            site: name,
        }
    }

    fn leads_to(&self, hop: Hop, site: SiteId) -> bool {
        let (a, b) = self.prepared.deployment.map.ends(hop.link);
        (if hop.forward { b } else { a }) == site
    }

    /// Whether any client at a site is waited for.
    fn peopled(&self, site: SiteId) -> bool {
        let places = self.prepared.deployment.agents.iter().zip(&self.agents);
        let mut those = places.filter(|(place, _)| place.site == site && !place.seeder);
        those.any(|(_, agent)| !agent.gone)
    }

    /// What came into these sites beyond one copy, where they are complete.
    fn extra(&self, sites: &BTreeSet<SiteId>, view: &View) -> Vec<Extra> {
        let deployment = &self.prepared.deployment;
        let piece = self.size.0 as f64 / f64::from(self.facts.pieces.max(1)) * HEADERS;
        let counted = self.traffic.total() > 0;
        let complete = |site: &&SiteId| {
            let name = deployment.map.name(**site);
            let row = view.sites.iter().find(|row| row.site == name);
            self.peopled(**site) && row.is_some_and(|row| row.seconds.is_some())
        };
        let one = |site: &SiteId| {
            let hops = self.wire.hops().filter(|hop| self.leads_to(*hop, *site));
            let inward = |hop: Hop| {
                let routes = self
                    .planned_routes
                    .iter()
                    .filter(|route| route.site != *site && route.hops.contains(&hop));
                let planned = routes.map(|route| route.share).sum::<f64>() * self.size.0 as f64;
                Inward {
                    bytes: self.wire.of(hop).unwrap_or(0),
                    back: self.wire.of(hop.reversed()).unwrap_or(0),
                    // other players do not say what they fetched over which link
                    others: if counted {
                        self.traffic.others(hop, *site)
                    } else {
                        planned as u64
                    },
                }
            };
            let links: Vec<Inward> = hops.map(inward).collect();
            let bytes = judge::extra(&links, self.size.0);
            Extra {
                site: deployment.map.name(*site).into_owned(),
                bytes,
                pieces: (bytes as f64 / piece * 10.0).round() / 10.0,
            }
        };
        sites.iter().filter(complete).map(one).collect()
    }

    /// Notes which agents say that they are gateway now, of all that others can reach.
    pub(crate) fn note_claims(&mut self, at: f64) {
        if self.prepared.player.name() != "narrows" {
            return;
        }
        let contents = self.prepared.task.contents.len();
        let mut claims = Vec::new();
        for site in &self.prepared.deployment.waiting {
            let places = self.prepared.deployment.agents.iter().zip(&self.agents);
            let those = places.filter(|(place, agent)| {
                place.site == *site && agent.process.is_some() && !agent.frozen && !agent.unplugged
            });
            let those: Vec<_> = those.collect();
            claims.extend((0..contents).map(|content| {
                let claims = those.iter().filter_map(|(_, agent)| agent.status.get(content));
                claims.filter(|content| content.gateway() && !content.complete()).count()
            }));
        }
        self.claims.note(at, claims);
    }

    /// Each waiting site and content, with its place in the claims.
    fn claimants(&self) -> impl Iterator<Item = (usize, SiteId, &str)> {
        let contents = &self.prepared.task.contents;
        let sites = self.prepared.deployment.waiting.iter();
        let each = sites.flat_map(move |site| contents.iter().map(move |content| (*site, &*content.name)));
        each.enumerate().map(|(i, (site, content))| (i, site, content))
    }

    fn gateways(&self) -> Vec<Gateways> {
        if self.prepared.player.name() != "narrows" {
            return Vec::new();
        }
        let map = &self.prepared.deployment.map;
        let one = |(i, site, content): (usize, SiteId, &str)| {
            let allowed = map.gateways(site) as usize;
            Gateways {
                site: map.name(site).into_owned(),
                content: content.to_owned(),
                allowed,
                most: self.claims.most(i, 0.0, f64::INFINITY),
                seconds_above: round(self.claims.above(i, allowed)),
            }
        };
        self.claimants().map(one).collect()
    }

    /// The gateways of these sites from an event to the next.
    fn claimed(&self, sites: &BTreeSet<SiteId>, at: f64) -> Vec<Claimed> {
        if self.prepared.player.name() != "narrows" {
            return Vec::new();
        }
        let later = self.happened.iter().map(|happened| happened.at);
        let end = later.filter(|later| *later > at).fold(f64::INFINITY, f64::min);
        let those = self.claimants().filter(|(_, site, _)| sites.contains(site) && self.peopled(*site));
        let one = |(i, site, content): (usize, SiteId, &str)| Claimed {
            site: self.prepared.deployment.map.name(site).into_owned(),
            content: content.to_owned(),
            most: self.claims.most(i, at, end),
        };
        those.map(one).collect()
    }

    fn found(&self, running: &Running, view: &View) -> Option<Found> {
        let until = view.seconds().unwrap_or(view.elapsed) - running.at;
        let (rate, seconds) = probe::read(&running.log, until)?;
        let (map, net) = (&self.prepared.deployment.map, self.prepared.net.as_ref()?);
        let site = |name: &str| map.site_named(name);
        let route = map.path(site(&running.probe.from)?, site(&running.probe.to)?)?;
        let line: Option<Rate> = route.hops.iter().map(|hop| net.physical(hop.link)).min();
        let line = line.and_then(Rate::bytes_per_second);
        Some(Found {
            from: running.probe.from.clone(),
            to: running.probe.to.clone(),
            at: round(running.at),
            seconds: round(seconds),
            rate: rate as u64,
            share: line.map(|line| round(rate / line.max(1) as f64)),
        })
    }
}
