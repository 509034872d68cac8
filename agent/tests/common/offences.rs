//! How an agent names a machine that does what honest ones do not: everywhere where an operator looks.

use std::fs;
use std::net::IpAddr;

use narrows_protocol::{AnnounceRequest, SeenOffender};

use super::agent::Agent;
use super::eventually;

/// Waits until the agent has named `ip` for this `offence`, at least so many times: counted by kind in `/metrics`, with
/// the address in `/status`, by one line of the log with both, however often it was.
pub(crate) fn is_named(agent: &Agent, offence: &str, ip: IpAddr, times: u64) {
    eventually(&format!("{ip} is named for {offence}, {times} times"), || {
        let mut known = agent.status().offenders.into_iter();
        known.find(|known| known.offence == offence && known.ip == ip && known.times >= times)
    });
    assert!(counted(agent, offence) >= times, "{offence} in /metrics");
    let log = fs::read_to_string(agent.dir.join("log")).unwrap();
    let (kind, address) = (format!("offence=\"{offence}\""), format!("ip={ip} "));
    let lines = log.lines().filter(|line| line.contains(&kind) && line.contains(&address));
    let lines: Vec<&str> = lines.collect();
    assert!(lines.len() == 1 && lines[0].contains(" WARN "), "{lines:?}");
}

/// Waits until the agent, which has `said` this to the tracker, has told it so.
pub(crate) fn is_told(said: impl Fn() -> Vec<AnnounceRequest>, offence: &str, ip: IpAddr) {
    let seen = SeenOffender::new(offence, ip).expect("a word");
    let tells = |said: AnnounceRequest| said.narrows.is_some_and(|report| report.offenders.contains(&seen));
    eventually(&format!("the tracker is told of {offence} by {ip}"), || {
        said().into_iter().any(tells).then_some(())
    });
}

/// The kinds of offences that the agent counts, and how often each was.
pub(crate) fn kinds(agent: &Agent) -> Vec<(String, u64)> {
    let (_, metrics) = agent.get("/metrics");
    let values = metrics.lines().filter_map(|line| {
        let (kind, times) =
            line.strip_prefix("narrows_agent_offences_total{offence=\"")?.split_once("\"} ")?;
        Some((kind.to_owned(), times.parse::<f64>().ok()? as u64))
    });
    values.collect()
}

fn counted(agent: &Agent, offence: &str) -> u64 {
    kinds(agent).into_iter().find(|(kind, _)| kind == offence).map_or(0, |(_, times)| times)
}
