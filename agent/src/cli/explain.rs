//! `explain`: who the agent is connected to, and why.

use anyhow::Context;
use narrows_host::say;

use super::control::CommandArgs;
use super::failure::Failure;
use super::setup::runtime;
use super::show;
use crate::content::ContentExplained;
use crate::supervisor::AgentExplained;

/// Asks the running agent.
pub(super) fn explain(args: &CommandArgs) -> Result<(), Failure> {
    let client = args.control.client(false)?;
    let body = runtime()?.block_on(client.get(&args.path("explain")))?;
    if args.control.json {
        say!("{}", String::from_utf8_lossy(&body));
        return Ok(());
    }
    let explained: AgentExplained = serde_json::from_slice(&body).context("not an explanation")?;
    narrows_host::out::say(format_args!("{}", text(&explained)));
    Ok(())
}

fn text(explained: &AgentExplained) -> String {
    let parts: Vec<String> = explained.content.iter().map(|content| of(content, &explained.id)).collect();
    if parts.is_empty() {
        return format!("{}: no content is running\n", explained.id);
    }
    parts.join("\n")
}

fn of(content: &ContentExplained, id: &str) -> String {
    let site = match (content.site.as_str(), &content.tracker_error) {
        ("", None) => "unknown yet: no tracker has answered",
        ("", Some(_)) => "unknown yet",
        (site, _) => site,
    };
    let mut out = format!("{}\n", content.name);
    let mut line = |head: &str, text: String| out.push_str(&format!("  {head:<11}{text}\n"));
    line("agent", format!("{id}, site {site}"));
    line(
        "role",
        format!("{} for {}", content.role.as_str(), span(content.role_seconds)),
    );
    if let Some(error) = &content.tracker_error {
        line("tracker", error.clone());
    }
    for gateway in &content.gateways {
        let how = match (gateway.me, gateway.heard_seconds) {
            (true, _) => "this agent".to_owned(),
            (false, Some(seconds)) => format!("connected, last heard of {seconds} s ago"),
            (false, None) => "not connected".to_owned(),
        };
        line("gateway", format!("{}, {how}", gateway.address));
    }
    for parent in &content.parents {
        let site = if parent.site.is_empty() {
            "the parent site"
        } else {
            &parent.site
        };
        let rate = match parent.rate {
            0 => "no limit".to_owned(),
            rate => format!("at most {}", show::rate(rate)),
        };
        let stripes = if parent.stripes_of > 1 {
            format!(", {} of {} stripes", parent.stripes.len(), parent.stripes_of)
        } else {
            String::new()
        };
        let paused = if parent.paused { ", paused" } else { "" };
        let active = parent.active.map_or("no peer there answers yet".to_owned(), |active| {
            format!("from {active}")
        });
        line("parent", format!("{site}, {rate}{stripes}{paused}, {active}"));
    }
    let width = |text: &dyn Fn(&crate::content::ExplainedPeer) -> usize| content.peers.iter().map(text).max();
    let name = |peer: &crate::content::ExplainedPeer| {
        peer.agent.clone().unwrap_or_else(|| "a stock client".to_owned())
    };
    let widths = (
        width(&|peer| peer.address.to_string().len()).unwrap_or(0),
        width(&|peer| name(peer).chars().count()).unwrap_or(0),
    );
    for peer in &content.peers {
        let state = match (peer.silent_seconds, peer.choking_seconds, peer.asked) {
            (Some(seconds), _, _) => format!(", silent for {seconds} s"),
            (_, Some(seconds), _) if peer.relation != "remote gateway" => {
                format!(", chokes us for {seconds} s")
            }
            (_, _, asked) if asked > 0 => format!(", {}", show::rate(peer.rate_down)),
            _ => String::new(),
        };
        let moved = format!(
            "{} from, {} to it",
            show::bytes(peer.received),
            show::bytes(peer.sent)
        );
        let (address, agent) = (peer.address.to_string(), name(peer));
        line(
            "peer",
            format!(
                "{address:<a$}  {agent:<b$}  {}; {moved}{state}",
                peer.why,
                a = widths.0,
                b = widths.1
            ),
        );
    }
    for peer in &content.unreachable {
        line("failed", peer.to_string());
    }
    let unreachable = |addr| content.unreachable.iter().any(|peer| peer.address == addr);
    for gone in content.gone.iter().filter(|gone| !unreachable(**gone)) {
        line("gone", format!("{gone} does not answer; the tracker was told"));
    }
    for waiting in &content.waiting {
        let peers: Vec<String> = waiting.asked_of.iter().map(ToString::to_string).collect();
        let awaited = match peers.as_slice() {
            [] => "for a peer that has it".to_owned(),
            peers => format!("for {}", peers.join(" and ")),
        };
        let (piece, seconds) = (waiting.piece, waiting.still_seconds);
        line("piece", format!("{piece} has waited for {seconds} s {awaited}"));
    }
    line("if it dies", content.if_gateway_dies.clone());
    out
}

/// `75 s`, `12 min`, `3 h 5 min`.
fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::{ExplainedGateway, ExplainedPeer, ExplainedPiece};

    #[test]
    fn every_peer_is_a_line_with_its_reason() {
        let peer = ExplainedPeer {
            address: ([10, 2, 0, 1], 6881).into(),
            agent: Some("m-1".to_owned()),
            site: Some("munich".to_owned()),
            relation: "local".to_owned(),
            why: "the tracker named it: a peer of our site".to_owned(),
            pieces: 3,
            asked: 1,
            received: 1 << 20,
            sent: 0,
            rate_down: 1 << 20,
            choking_seconds: None,
            silent_seconds: None,
        };
        let content = ContentExplained {
            name: "office".to_owned(),
            role_seconds: 125,
            waiting: vec![ExplainedPiece {
                piece: 7,
                still_seconds: 3,
                asked_of: vec![peer.address],
            }],
            gateways: vec![ExplainedGateway {
                address: peer.address,
                me: false,
                heard_seconds: Some(2),
            }],
            peers: vec![peer],
            if_gateway_dies: "The next one takes over.".to_owned(),
            ..ContentExplained::default()
        };
        let explained = AgentExplained {
            id: "m-2".to_owned(),
            content: vec![content],
        };
        let text = text(&explained);
        for part in [
            "member for 2 min",
            "connected, last heard of 2 s ago",
            "m-1",
            "named it",
            "7 has waited for 3 s for 10.2.0.1:6881",
            "The next one takes over.",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        assert_eq!(text.lines().count(), 7, "{text}");
    }
}
