//! Numbers and tables for people.

use indicatif::{BinaryBytes, ProgressState, ProgressStyle};
use narrows_config::units;

use crate::content::ContentState;
use crate::supervisor::AgentStatus;

/// `1.5 GB`
pub(super) fn bytes(bytes: u64) -> String {
    units::bytes(bytes as f64)
}

/// `9.54 Mbit/s`, of bytes per second.
pub(super) fn rate(bytes_per_second: u64) -> String {
    units::rate(bytes_per_second as f64)
}

/// `1.00 MiB`: what is a power of two.
pub(super) fn piece_length(bytes: u32) -> String {
    BinaryBytes(bytes.into()).to_string()
}

/// A bar with bytes, rate and time left.
pub(super) fn bytes_style() -> ProgressStyle {
    let position = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
        let _ = out.write_str(&bytes(state.pos()));
    };
    let length = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
        let _ = out.write_str(&bytes(state.len().unwrap_or(0)));
    };
    let speed = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
        let _ = out.write_str(&units::rate(state.per_sec()));
    };
    ProgressStyle::with_template("{msg}{bar:30} {percent:>3} % {position} of {length}, {speed}, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .with_key("position", position)
        .with_key("length", length)
        .with_key("speed", speed)
}

/// So many offenders are shown to people.
const MAX_OFFENDERS: usize = 8;

/// The table of `narrows-agent status`.
pub(super) fn table(status: &AgentStatus) -> String {
    let site = if status.site.is_empty() {
        "unknown yet"
    } else {
        &status.site
    };
    let mut out = format!(
        "{}, site {site}{}\n",
        status.id,
        if status.paused { ", paused" } else { "" }
    );
    if status.content.is_empty() {
        out.push_str("no content\n");
        return out;
    }
    let head = [
        "content", "state", "done", "size", "LAN", "WAN", "role", "peers", "down", "up",
    ]
    .map(str::to_owned);
    let mut rows = vec![head.to_vec()];
    for content in &status.content {
        rows.push(vec![
            content.name.clone(),
            content.state.to_string(),
            format!("{:.1} %", floor_tenth(content.progress * 100.0)),
            bytes(content.bytes),
            bytes(content.bytes_lan),
            bytes(content.bytes_wan),
            content.role.as_str().to_owned(),
            content.peers.to_string(),
            rate(content.rate_down),
            rate(content.rate_up),
        ]);
    }
    let columns = rows[0].len();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in &rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| match column {
            0 | 1 | 6 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        out.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        out.push('\n');
    }
    for content in &status.content {
        if let Some(error) = &content.error {
            out.push_str(&format!("{}: {error}\n", content.name));
        }
        for peer in &content.unreachable {
            out.push_str(&format!("{}: {peer}\n", content.name));
        }
        if let Some(error) = content.tracker_error.as_ref().filter(|_| content.state != ContentState::Paused)
        {
            out.push_str(&format!("{}: tracker: {error}\n", content.name));
        }
    }
    // an address has a line for each thing it does, the last first; the rest is in the JSON
    for offender in status.offenders.iter().take(MAX_OFFENDERS) {
        out.push_str(&format!(
            "{} does what no agent does: {}, {} times, the last one {} s ago\n",
            offender.ip, offender.offence, offender.times, offender.last_seconds_ago
        ));
    }
    out
}

/// 99.97 is shown as 99.9: only what is done is 100.
fn floor_tenth(percent: f64) -> f64 {
    (percent * 10.0).floor() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::ContentStatus;
    use crate::supervisor::OffenderStatus;

    #[test]
    fn the_table_shows_every_content_and_its_errors() {
        let content = ContentStatus {
            name: "office".to_owned(),
            progress: 0.9999,
            error: Some("the disk is full".to_owned()),
            state: ContentState::Error,
            bytes: 20_000_000,
            rate_down: 1_195_000,
            ..ContentStatus::default()
        };
        let status = AgentStatus {
            id: "m-1".to_owned(),
            content: vec![content],
            ..AgentStatus::default()
        };
        let table = table(&status);
        assert!(table.contains("99.9 %"), "{table}");
        assert!(
            table.contains("20 MB") && table.contains("9.56 Mbit/s"),
            "{table}"
        );
        assert!(table.contains("office: the disk is full"), "{table}");
    }

    #[test]
    fn the_table_names_those_who_flood() {
        let offender = OffenderStatus {
            offence: "handshake_flood".to_owned(),
            ip: [10, 0, 0, 66].into(),
            agent: None,
            times: 84,
            first_seconds_ago: 9,
            last_seconds_ago: 3,
        };
        let status = AgentStatus {
            content: vec![ContentStatus::default()],
            offenders: vec![offender; 100],
            ..AgentStatus::default()
        };
        let table = table(&status);
        assert!(
            table.contains("10.0.0.66") && table.contains("handshake_flood, 84 times"),
            "{table}"
        );
        assert_eq!(table.matches("10.0.0.66").count(), MAX_OFFENDERS);
    }
}
