//! Doing what is due.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use narrows_topology::{LinkId, Rate, SiteId, SiteMap};

use crate::Stop;
use crate::budget::rates::Ruling;
use crate::events::due::Moment;
use crate::events::{Deed, Due, Seen, What, Who};
use crate::network::Change;
use crate::players::files::ADMIN_TOKEN;
use crate::programs::poll;
use crate::programs::process::Signal;
use crate::run::observations::Happened;
use crate::run::pending::Undo;
use crate::run::rollout::Rollout;

/// How long an agent that was killed or stopped stays away.
const AWAY: Duration = Duration::from_secs(5);

/// Requests that the tracker did not take are sent again so often in a run, a second apart.
const ASKED_AGAIN: u32 = 30;

impl Rollout {
    pub(crate) async fn events_due(&mut self) -> Result<(), Stop> {
        if self.clock.clients_started.is_none() {
            return Ok(());
        }
        let undo: Vec<Undo> = {
            let now = Instant::now();
            let (due, open) = self.pending.undo.drain(..).partition(|undo| undo.at <= now);
            self.pending.undo = open;
            due
        };
        for undo in undo {
            self.happen(&undo.what, &undo.agents, None).await?;
        }
        // what has not found its moment by the end of the faults has none
        let over = self.faults_are_over();
        let due = if over { Vec::new() } else { self.schedule_due() };
        for Due { event, agents } in due {
            // a question changes nothing
            if !matches!(&event.what, What::Http(method, _) if method == "GET") {
                self.seen.happened.push(Happened {
                    at: self.elapsed().as_secs_f64(),
                    what: event.to_string(),
                    sites: self.affected(&event.what, &agents),
                    of: Some(event.what.clone()),
                    lasts: event.lasts,
                    fed: self.fed_through(&event.what, &agents),
                    agents: agents.clone(),
                });
            }
            self.happen(&event.what, &agents, event.lasts).await?;
            if let (Some(lasts), Some(what)) = (event.lasts, event.what.undone()) {
                let at = Instant::now() + lasts;
                self.pending.undo.push(Undo { at, what, agents });
            }
        }
        Ok(())
    }

    /// A kill of the plan, for the judgement.
    pub(crate) fn note_kill(&mut self, agent: usize, what: String) {
        let who = Who::All(String::new());
        let happened = Happened {
            at: self.elapsed().as_secs_f64(),
            what,
            sites: self.affected(&What::Agents(Deed::Kill { forever: false }, who), &[agent]),
            of: None,
            lasts: None,
            agents: vec![agent],
            fed: BTreeSet::new(),
        };
        self.seen.happened.push(happened);
    }

    fn schedule_due(&mut self) -> Vec<Due> {
        let deployment = &self.prepared.deployment;
        let names: Vec<_> = deployment.agents.iter().map(|place| deployment.map.name(place.site)).collect();
        let seen: Vec<Seen<'_>> = (deployment.agents.iter().zip(&self.fleet.agents).zip(&names))
            .map(|((place, state), site)| Seen {
                site,
                number: place.number,
                seeder: place.seeder,
                progress: if place.seeder { 1.0 } else { state.progress },
                gateway: state.gateway(),
                published: place.seeder || state.done.iter().any(Option::is_some),
                running: state.process.is_some(),
                touched: state.kills > 0 || state.frozen || state.gone,
            })
            .collect();
        let upstreams: Vec<(&str, usize)> = self
            .seen
            .swarms
            .iter()
            .flat_map(|swarm| &swarm.sites)
            .filter_map(|site| {
                let addr = site.gateways.iter().flat_map(|gateway| &gateway.upstream).next()?;
                let agent = deployment.agents.iter().position(|place| place.addr == addr.ip())?;
                Some((site.site.as_str(), agent))
            })
            .collect();
        let moment = Moment {
            elapsed: self.clock.elapsed(),
            agents: &seen,
            upstreams: &upstreams,
        };
        self.pending.schedule.due(moment)
    }

    /// Waiting sites whose supply an event may interrupt: those of the agents, those fed by their sites,
    /// those behind the link; all for the tracker.
    pub(crate) fn affected(&self, what: &What, agents: &[usize]) -> BTreeSet<SiteId> {
        let deployment = &self.prepared.deployment;
        let parent = |site: SiteId| {
            let name = deployment.map.name(site);
            let sites = self.seen.swarms.iter().flat_map(|swarm| &swarm.sites);
            let parent = sites.filter(|other| other.site == name).find_map(|other| other.parent.clone());
            parent.and_then(|parent| deployment.map.site_named(&parent))
        };
        let places = || agents.iter().filter_map(|agent| deployment.agents.get(*agent));
        let touched: BTreeSet<SiteId> = places().map(|place| place.site).collect();
        let link = match what {
            What::Cut(link) | What::Restore(link) | What::Slow(link, _) => self.link_named(link),
            _ => None,
        };
        let hit = |site: &&SiteId| match what {
            What::Agents(..) => touched.contains(site) || self.feeds(agents, **site),
            What::Cut(_) | What::Restore(_) | What::Slow(..) => {
                let route = parent(**site).and_then(|parent| deployment.map.path(parent, **site));
                route.is_some_and(|route| route.hops.iter().any(|hop| Some(hop.link) == link))
            }
            What::Clone(_, to) => deployment.map.name(**site) == to.as_str(),
            What::Add(_) | What::MistypeMap | What::CorrectMap => false,
            _ => true,
        };
        deployment.waiting.iter().filter(hit).copied().collect()
    }

    /// Whether a gateway of the site has one of these agents as its upstream.
    pub(crate) fn feeds(&self, agents: &[usize], site: SiteId) -> bool {
        let deployment = &self.prepared.deployment;
        let name = deployment.map.name(site);
        let addrs = agents.iter().filter_map(|agent| deployment.agents.get(*agent)).map(|place| place.addr);
        let addrs: BTreeSet<_> = addrs.collect();
        let sites = self.seen.swarms.iter().flat_map(|swarm| &swarm.sites);
        let gateways = sites.filter(|other| other.site == name).flat_map(|other| &other.gateways);
        gateways.flat_map(|gateway| &gateway.upstream).any(|upstream| addrs.contains(&upstream.ip()))
    }

    pub(crate) fn link_named(&self, name: &str) -> Option<LinkId> {
        let map = &self.prepared.deployment.map;
        map.links().find(|link| map.link_name(*link) == name)
    }

    async fn happen(&mut self, what: &What, agents: &[usize], lasts: Option<Duration>) -> Result<(), Stop> {
        match what {
            What::Agents(deed, _) => {
                for agent in agents {
                    self.deed(*deed, *agent, lasts).await?;
                }
            }
            What::Cut(name) => self.change(name, Change::Cut(true), "cut".to_owned())?,
            What::Restore(name) => {
                self.change(name, Change::Cut(false), String::new())?;
                self.change(name, Change::Original, "restored".to_owned())?;
            }
            What::Slow(name, rate) => {
                self.change(name, Change::Rate(*rate), format!("changed to {rate}"))?;
            }
            What::RestartTracker(file) => {
                if let Some(file) = file {
                    self.exchange_map(what, file)?;
                }
                self.kill_tracker().await?;
                self.fleet.tracker_restart = Some(Instant::now() + lasts.unwrap_or_default());
                self.event("killed the tracker".to_owned());
            }
            What::Map(file) => {
                self.exchange_map(what, file)?;
                self.event(format!("the site map is now {}", file.display()));
            }
            What::Add(groups) => {
                for (site, count) in &groups.0 {
                    let started = self.start_late(site, *count)?;
                    self.event(format!("started {started} more clients at {site}"));
                }
            }
            What::FreezeTracker => self.freeze_tracker(true),
            What::ThawTracker => self.freeze_tracker(false),
            What::TrackerClock(seconds) => self.tracker_clock(*seconds),
            What::MistypeMap => self.mistype(true)?,
            What::CorrectMap => self.mistype(false)?,
            What::Clone(_, site) => {
                for victim in agents {
                    self.clone_agent(*victim, site)?;
                }
            }
            What::Http(method, path) => {
                let admin = self.prepared.layout.admin();
                let token = Some(ADMIN_TOKEN);
                let answer = poll::authorized(method, admin, path, token, Duration::from_secs(5)).await;
                let brake = answer.is_ok() && method != "GET" && path.starts_with("/brake");
                if method == "DELETE" && answer.is_err() {
                    self.ask_again(what);
                }
                self.event(match answer {
                    // a question is asked for its answer
                    Ok(body) if method == "GET" => {
                        format!("{method} {path}: {}", String::from_utf8_lossy(&body).trim())
                    }
                    Ok(_) => format!("{method} {path}: done"),
                    Err(error) => format!("{method} {path}: {error:#}"),
                });
                if brake {
                    self.note_brakes().await;
                }
            }
        }
        Ok(())
    }

    /// A brake that was put on before a tracker stood still, or is put on only when it goes on, is to be released all the
    /// same (seed 7011).
    fn ask_again(&mut self, what: &What) {
        if self.pending.asked_again < ASKED_AGAIN {
            self.pending.asked_again += 1;
            self.pending.undo.push(Undo {
                at: Instant::now() + Duration::from_secs(1),
                what: what.clone(),
                agents: Vec::new(),
            });
        }
    }

    fn change(&mut self, name: &str, change: Change, what: String) -> Result<(), Stop> {
        let link = self.link_named(name);
        if let (Some(net), Some(link)) = (&mut self.prepared.net, link) {
            net.change(link, change)?;
            let rate = match change {
                Change::Rate(rate) => Some(rate),
                Change::Cut(true) => Some(Rate::ZERO),
                Change::Cut(false) | Change::Original => None,
            };
            self.rule(Ruling::Line(name.to_owned(), rate));
        }
        if !what.is_empty() {
            self.event(format!("{what}: {name}"));
        }
        Ok(())
    }

    async fn deed(&mut self, deed: Deed, agent: usize, lasts: Option<Duration>) -> Result<(), Stop> {
        let id = self.prepared.deployment.agents[agent].id.clone();
        let gateway = match self.fleet.agents[agent].gateway() {
            true => ", the gateway",
            false => "",
        };
        match deed {
            Deed::Kill { forever } | Deed::Stop { forever } => {
                self.look(agent).await;
                let state = &mut self.fleet.agents[agent];
                let Some(mut process) = state.process.take() else {
                    return Ok(());
                };
                state.add_usage(process.usage());
                state.frozen = false;
                if matches!(deed, Deed::Stop { .. }) {
                    let _ = process.signal(Signal::Term);
                    // as systemd does: one that is frozen could not hear it
                    let _ = process.signal(Signal::Cont);
                    // a stop that takes longer than systemd would wait for is a kill
                    let _ = tokio::time::timeout(Duration::from_secs(10), process.wait()).await;
                }
                let killed = process.kill().await;
                killed.map_err(|error| Stop::Failed(format!("cannot kill {id}: {error}")))?;
                let state = &mut self.fleet.agents[agent];
                state.restart = (!forever).then(|| Instant::now() + lasts.unwrap_or(AWAY));
                (state.kills, state.gone) = (state.kills + 1, forever);
                if !self.prepared.deployment.agents[agent].seeder {
                    state.seconds = None;
                }
                let verb = if matches!(deed, Deed::Kill { .. }) {
                    "killed"
                } else {
                    "stopped"
                };
                self.event(format!("{verb} {id}{gateway}"));
            }
            Deed::Freeze | Deed::Thaw => {
                let frozen = deed == Deed::Freeze;
                let state = &mut self.fleet.agents[agent];
                if let Some(process) = &state.process {
                    let _ = process.signal(if frozen { Signal::Stop } else { Signal::Cont });
                }
                (state.frozen, state.heard) = (frozen, state.heard.map(|_| Instant::now()));
                // one that stays frozen is not waited for
                state.gone = frozen && lasts.is_none();
                let verb = if frozen { "froze" } else { "thawed" };
                self.event(format!("{verb} {id}{gateway}"));
            }
            Deed::Fill | Deed::Empty | Deed::Spoil | Deed::Delete | Deed::Move | Deed::Clock(_) => {
                self.fault(deed, agent)?;
            }
            Deed::Vanish | Deed::Return => {
                let back = deed == Deed::Return;
                if let Some(net) = &self.prepared.net {
                    net.plug(agent + 1, back)?;
                }
                let state = &mut self.fleet.agents[agent];
                (state.unplugged, state.gone) = (!back, !back && lasts.is_none());
                let verb = if back { "plugged in" } else { "unplugged" };
                self.event(format!("{verb} {id}{gateway}"));
            }
        }
        Ok(())
    }

    /// The tracker gets another site map, with the same sites' networks as this run's.
    fn exchange_map(&mut self, what: &What, file: &std::path::Path) -> Result<(), Stop> {
        let to = self.prepared.layout.tracker().join("sites.yaml");
        let wrong = |error: String| Stop::Wrong(format!("--event {what}: {error}"));
        let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
        let text = self.prepared.deployment.rewritten(&file.display().to_string(), &text).map_err(wrong)?;
        std::fs::write(&to, &text).map_err(|error| wrong(error.to_string()))?;
        let map = SiteMap::parse(&file.display().to_string(), &text);
        let map = map.map_err(|mistakes| wrong(mistakes.to_string()))?;
        self.rule(Ruling::Map(Box::new(map)));
        Ok(())
    }
}
