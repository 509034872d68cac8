//! Streams beside the rollout (`--probe`): started when their time has come, read at the end.

use std::net::SocketAddr;

use narrows_topology::Rate;

use crate::Stop;
use crate::network::probe::{self, Found};
use crate::programs::process::CommandLine;
use crate::report::view::View;
use crate::run::observations::Running;
use crate::run::rollout::Rollout;
use crate::values::round;

impl Rollout {
    /// Starts the ends of probes whose time has come.
    pub(crate) fn probes_due(&mut self) -> Result<(), Stop> {
        let now = self.elapsed().as_secs_f64();
        while let Some(probe) = self.pending.probes.get(self.seen.probes.len()).cloned() {
            if self.clock.clients_started.is_none() || now < f64::from(probe.at) {
                return Ok(());
            }
            let (number, first) = (self.seen.probes.len(), 1 + self.fleet.agents.len());
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
            self.seen.probes.push(Running {
                probe,
                at: now,
                log,
                _ends: ends,
            });
            self.event(what);
        }
        Ok(())
    }

    pub(crate) fn found(&self, running: &Running, view: &View) -> Option<Found> {
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
