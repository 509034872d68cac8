//! The live table: a moment of a rollout as lines of text.

use crate::report::view::{AgentRow, View};
use crate::values::Size;

/// Cells of a progress bar.
const BAR: usize = 16;

/// Agents that get a line each; with more, each site gets one.
const LINES: usize = 40;

/// How many of the last events are shown.
const EVENTS: usize = 3;

/// The table, without colours; every line is at most 100 characters.
pub fn render(view: &View) -> Vec<String> {
    let mut lines = vec![headline(view), String::new()];
    lines.push(format!(
        "{:<12}  {:<BAR$}        {:<9} {:<7} {:>11} {:>11} {:>9} {:>9}",
        "agent", "progress", "state", "", "down", "up", "lan", "wan"
    ));
    if view.agents.len() <= LINES {
        lines.extend(view.agents.iter().map(agent));
    } else {
        lines.extend(sites(&view.agents).iter().map(agent));
    }
    lines.push(String::new());
    lines.push(format!(
        "{:<28}  {:>11} {:>12} {:>9} {:>8}",
        "link", "now", "of", "bytes", "copies"
    ));
    for link in &view.links {
        lines.push(format!(
            "{:<28}  {:>11} {:>12} {:>9} {:>8.3}",
            clip(&format!("{} → {}", link.from, link.to), 28),
            rate(link.rate),
            link.limit,
            bytes(link.wire.map_or(link.bytes, |wire| wire.bytes)),
            view.copies(link.wire.map_or(link.bytes, |wire| wire.bytes)),
        ));
    }
    if !view.events.is_empty() {
        lines.push(String::new());
        let skip = view.events.len().saturating_sub(EVENTS);
        lines.extend(
            view.events.iter().skip(skip).map(|(at, what)| clip(&format!("{at:>5.1} s  {what}"), 100)),
        );
    }
    lines
}

/// One line for where no table can be drawn.
pub fn line(view: &View) -> String {
    let clients: Vec<&AgentRow> = view.agents.iter().filter(|agent| !agent.seeder).collect();
    let complete = clients.iter().filter(|agent| agent.seconds.is_some()).count();
    let links: Vec<String> = view
        .links
        .iter()
        .map(|link| {
            format!(
                "{} → {} {:.2} copies {}",
                link.from,
                link.to,
                view.copies(link.wire.map_or(link.bytes, |wire| wire.bytes)),
                rate(link.rate)
            )
        })
        .collect();
    format!(
        "{:>5.1} s  {:>3.0} %, {complete} of {} complete  {}",
        view.elapsed,
        100.0 * mean(&clients),
        clients.len(),
        links.join("  ")
    )
}

fn headline(view: &View) -> String {
    let clients: Vec<&AgentRow> = view.agents.iter().filter(|agent| !agent.seeder).collect();
    let bound = view.bound.map_or(String::new(), |bound| format!(" (at best {bound:.0} s)"));
    format!(
        "{} to {} clients: {:.0} % after {:.0} s{bound}",
        view.size,
        clients.len(),
        100.0 * mean(&clients),
        view.elapsed
    )
}

fn mean(clients: &[&AgentRow]) -> f64 {
    clients.iter().map(|agent| agent.progress).sum::<f64>() / clients.len().max(1) as f64
}

fn agent(agent: &AgentRow) -> String {
    let mut marks = if agent.gateway {
        "gateway".to_owned()
    } else {
        String::new()
    };
    if agent.kills > 0 && !agent.gateway {
        marks = match agent.kills {
            1 => "back".to_owned(),
            n => format!("back {n}x"),
        };
    }
    if agent.state == "killed" {
        marks.clear();
    }
    format!(
        "{:<12}  {} {:>3.0} %  {:<9} {:<7} {:>11} {:>11} {:>9} {:>9}",
        clip(&agent.id, 12),
        bar(agent.progress),
        // 100 only when it is
        (agent.progress * 100.0).floor(),
        clip(&agent.state, 9),
        clip(&marks, 7),
        rate(agent.rates.0),
        rate(agent.rates.1),
        bytes(agent.bytes_lan),
        bytes(agent.bytes_wan),
    )
}

/// The agents of each site as one.
fn sites(agents: &[AgentRow]) -> Vec<AgentRow> {
    let mut rows: Vec<(AgentRow, usize, usize)> = Vec::new();
    for agent in agents {
        let row = rows.iter_mut().find(|(row, ..)| row.site == agent.site && row.seeder == agent.seeder);
        let done = usize::from(agent.seeder || agent.seconds.is_some());
        match row {
            None => rows.push((
                AgentRow {
                    gateway: false,
                    kills: 0,
                    ..agent.clone()
                },
                1,
                done,
            )),
            Some((row, count, complete)) => {
                row.progress += agent.progress;
                row.rates.0 += agent.rates.0;
                row.rates.1 += agent.rates.1;
                row.bytes_lan += agent.bytes_lan;
                row.bytes_wan += agent.bytes_wan;
                *count += 1;
                *complete += done;
            }
        }
    }
    let one = |(mut row, count, complete): (AgentRow, usize, usize)| {
        row.progress /= count as f64;
        row.id = format!("{} x{count}", clip(&row.site, 7));
        row.state = format!("{complete} done");
        row
    };
    rows.into_iter().map(one).collect()
}

fn bar(progress: f64) -> String {
    let full = (progress.clamp(0.0, 1.0) * BAR as f64).floor() as usize;
    format!("{}{}", "█".repeat(full), "·".repeat(BAR - full))
}

/// Short, and nothing for nothing.
pub(crate) fn bytes(bytes: u64) -> String {
    if bytes == 0 {
        "-".to_owned()
    } else {
        Size(bytes).to_string()
    }
}

/// In bits per second, as links are rated; nothing for nothing.
pub(crate) fn rate(bytes_per_second: u64) -> String {
    if bytes_per_second == 0 {
        "-".to_owned()
    } else {
        narrows_config::units::rate(bytes_per_second as f64)
    }
}

/// At most so many characters.
fn clip(text: &str, most: usize) -> String {
    match text.chars().count() > most {
        true => text.chars().take(most - 1).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

/// What to print to a terminal so that these lines stand where `before` lines stood.
pub fn redraw(lines: &[String], before: usize) -> String {
    let mut out = String::new();
    if before > 0 {
        out.push_str(&format!("\x1b[{before}A"));
    }
    for line in lines {
        // clears what the line was before; longer lines are cut by the terminal, not wrapped
        out.push_str(&format!("\x1b[?7l{line}\x1b[K\x1b[?7h\n"));
    }
    out.push_str("\x1b[J");
    out
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::report::view::{LinkRow, SiteRow};
    use proptest::prelude::*;

    pub(crate) fn row(id: &str, seeder: bool, progress: f64) -> AgentRow {
        AgentRow {
            id: id.to_owned(),
            site: id.split('-').next().unwrap_or("").to_owned(),
            seeder,
            state: if progress < 1.0 { "fetching" } else { "seeding" }.to_owned(),
            progress,
            gateway: false,
            rates: (10_000_000, 0),
            bytes_lan: 0,
            bytes_wan: 0,
            kills: 0,
            gone: false,
            seconds: (progress >= 1.0).then_some(50.0),
            usage: Default::default(),
        }
    }

    pub(crate) fn view(agents: Vec<AgentRow>) -> View {
        let link = LinkRow {
            link: "hq-b1".into(),
            from: "hq".into(),
            to: "b1".into(),
            rate: 10_000_000,
            limit: "80 Mbit/s".into(),
            bytes: 510_000_000,
            demanding: 1,
            wire: None,
        };
        View {
            size: Size(500_000_000),
            elapsed: 51.0,
            bound: Some(50.0),
            max_flow: Some(50.0),
            agents,
            links: vec![link],
            sites: vec![SiteRow {
                site: "b1".into(),
                bytes_wan: 510_000_000,
                bound: Some(50.0),
                seconds: Some(51.0),
            }],
            ideal_wan: 500_000_000,
            events: vec![(12.0, "killed b1-0, the gateway of b1".into())],
        }
    }

    #[test]
    fn the_table_says_what_a_person_wants_to_know() {
        let mut gateway = row("b1-0", false, 0.5);
        gateway.gateway = true;
        let text = render(&view(vec![row("hq-0", true, 1.0), gateway])).join("\n");
        for part in [
            "500 MB to 1 clients: 50 %",
            "at best 50 s",
            "████████········  50 %",
            "fetching  gateway   80 Mbit/s",
            "gateway",
            "hq → b1",
            "1.020",
            "killed b1-0",
        ] {
            assert!(text.contains(part), "{part}:\n{text}");
        }
    }

    #[test]
    fn a_large_fleet_is_shown_by_site() {
        let agents = (0..50).map(|i| row(&format!("b1-{i}"), false, f64::from(i % 2))).collect();
        let text = render(&view(agents)).join("\n");
        assert!(
            text.contains("b1 x50") && text.contains("25 done") && text.contains(" 50 %"),
            "{text}"
        );
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_a_hundred(
            id in "[a-z]{1,40}-[0-9]", state in "[a-z]{1,20}", progress in 0.0f64..=1.0, n in any::<u64>(),
            gateway in any::<bool>(), kills in 0u32..12,
        ) {
            let mut agent = row(&id, false, progress);
            let n = n % 900_000_000_000_000;
            (agent.state, agent.gateway, agent.kills) = (state, gateway, kills);
            // a terabit per second, the highest rate of a link
            let rate = n % 125_000_000_000;
            (agent.rates, agent.bytes_lan, agent.bytes_wan) = ((rate, rate), n, n);
            for line in render(&view(vec![agent])) {
                prop_assert!(line.chars().count() <= 100, "{}: {line}", line.chars().count());
            }
        }
    }
}
