//! Liars are started before the clients, and say how it went.

use std::net::SocketAddr;

use crate::Stop;
use crate::chaos::named::Liar;
use crate::liars::{Agent, Kind, Outcome, Scene, WORD};
use crate::programs::process::CommandLine;
use crate::run::rollout::Rollout;
use crate::run::trial::Running;

impl Rollout {
    /// Starts those of `--chaos`, each at its host.
    pub(crate) fn start_liars(&mut self) -> Result<(), Stop> {
        let Some(chaos) = &self.chaos else { return Ok(()) };
        let failed = |error: String| Stop::Failed(format!("cannot start a liar: {error}"));
        let own = std::env::current_exe().map_err(|error| failed(error.to_string()))?;
        let folder = self.prepared.layout.liars();
        std::fs::create_dir_all(&folder).map_err(|error| failed(error.to_string()))?;
        let hosts = self.prepared.net.as_ref().map(|net| net.plan().hosts.as_slice()).unwrap_or_default();
        let first = hosts.len().saturating_sub(chaos.plan.liars.len());
        let mut started = Vec::new();
        for (number, (kind, site)) in chaos.plan.liars.iter().enumerate() {
            let Some(host) = hosts.get(first + number) else {
                continue;
            };
            let scene = self.scene(*kind, site, host.addr.addr().into());
            let text = serde_json::to_vec(&scene).map_err(|error| failed(error.to_string()))?;
            let path = scene.outcome.with_extension("scene");
            std::fs::write(&path, text).map_err(|error| failed(error.to_string()))?;
            let command = CommandLine {
                program: own.clone(),
                args: vec![WORD.into(), path.into()],
                env: Vec::new(),
            };
            let process = self.spawn(first + number, command, &scene.outcome.with_extension("log"))?;
            started.push(Running {
                kind: *kind,
                addrs: vec![host.addr.addr().into(), host.management.into()],
                _process: process,
                outcome: scene.outcome,
            });
        }
        if let Some(chaos) = &mut self.chaos {
            chaos.liars = started;
        }
        Ok(())
    }

    fn scene(&self, kind: Kind, site: &str, own: std::net::IpAddr) -> Scene {
        let (deployment, layout) = (&self.prepared.deployment, &self.prepared.layout);
        let agents = self.prepared.hosts.iter().zip(&deployment.agents).filter(|(_, place)| !place.late);
        let agent = |(host, place): (&crate::players::player::Host, &crate::deployment::Place)| Agent {
            id: host.id.clone(),
            site: deployment.map.name(place.site).into_owned(),
            addr: SocketAddr::new(host.addr, host.peer_port),
            control: host.control,
            seeder: place.seeder,
        };
        let contents = &self.prepared.task.contents;
        Scene {
            kind,
            own,
            site: site.to_owned(),
            tracker: layout.announce_addr(),
            admin: layout.admin(),
            info_hashes: contents.iter().map(|content| content.info_hash.clone()).collect(),
            size: contents.first().map_or(0, |content| content.size),
            pieces: self.prepared.pieces / u32::try_from(contents.len()).unwrap_or(1).max(1),
            agents: agents.map(agent).collect(),
            outcome: layout.liars().join(kind.word()),
        }
    }

    /// Each with how it went; `None` if it never said anything.
    pub(crate) fn liars(&self) -> Vec<Liar> {
        let liars = self.chaos.iter().flat_map(|chaos| &chaos.liars);
        let outcome = |path: &std::path::Path| {
            let text = std::fs::read(path).ok()?;
            serde_json::from_slice::<Outcome>(&text).ok()
        };
        let deployment = &self.prepared.deployment;
        let seeders = deployment.agents.iter().filter(|place| place.seeder).count();
        let one = |running: &Running| {
            let site = running.addrs.first().and_then(|addr| deployment.map.locate(*addr));
            let rate = site.map(|site| deployment.best_rate(site, self.clock.clients_started_at));
            Liar {
                kind: running.kind,
                addrs: running.addrs.clone(),
                outcome: outcome(&running.outcome),
                path: rate.and_then(narrows_topology::Rate::bytes_per_second),
                senders: seeders as u64,
                contents: self.prepared.task.contents.len() as u64,
            }
        };
        liars.map(one).collect()
    }
}
