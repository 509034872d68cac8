//! Numbers, times and tables as people read them.

pub use narrows_config::units::bytes;

use crate::{Hop, Rate, SiteMap};
use jiff::Timestamp;

/// `84 s`, `27 min 52 s`, `3 h 05 min`, `2 d 4 h`.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..10 => format!("{seconds:.1} s"),
        10..100 => format!("{whole} s"),
        100..6_000 => format!("{} min {:02} s", whole / 60, whole % 60),
        6_000..360_000 => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
        _ => format!("{} d {} h", whole / 86_400, whole % 86_400 / 3600),
    }
}

/// A duration to be said beside another: minutes alone where seconds are no news.
pub fn about(seconds: f64) -> String {
    match seconds {
        s if s < 100.0 => duration(s),
        s if s < 6_000.0 => format!("{:.0} min", s / 60.0),
        _ => duration(seconds),
    }
}

/// `Tue 06:12:30` in the map's timezone, with the date if it is not within the week after `since`.
pub fn moment(map: &SiteMap, at: Timestamp, since: Timestamp) -> String {
    let local = map.timezone().to_datetime(at);
    let near = at.duration_since(since).as_secs() < 6 * 86_400;
    let format = if near { "%a %H:%M:%S" } else { "%a %Y-%m-%d %H:%M" };
    local.strftime(format).to_string()
}

/// `Mon 2026-11-23 22:00:00 (Europe/Berlin)`.
pub fn date(map: &SiteMap, at: Timestamp) -> String {
    let local = map.timezone().to_datetime(at);
    let zone = map.timezone().iana_name().unwrap_or("UTC");
    format!("{} ({zone})", local.strftime("%a %Y-%m-%d %H:%M:%S"))
}

/// A rate to three digits.
pub fn rate(rate: Rate) -> String {
    match rate.bytes_per_second() {
        None => "unlimited".to_owned(),
        Some(0) => "paused".to_owned(),
        Some(bytes) => narrows_config::units::rate(bytes as f64),
    }
}

/// `hq -> munich`.
pub fn hop(map: &SiteMap, hop: Hop) -> String {
    let (from, to) = ends(map, hop);
    format!("{from} -> {to}")
}

/// Where a hop begins and ends.
pub fn ends(map: &SiteMap, hop: Hop) -> (String, String) {
    let (first, second) = map.ends(hop.link);
    let (from, to) = if hop.forward {
        (first, second)
    } else {
        (second, first)
    };
    (map.name(from).into_owned(), map.name(to).into_owned())
}

/// Rows in columns, of which those in `right` are numbers.
pub fn table(rows: &[Vec<String>], right: &[usize]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let cells = |column: usize| rows.iter().filter_map(move |row| row.get(column));
    let widths: Vec<usize> = (0..columns)
        .map(|column| cells(column).map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().enumerate().map(|(column, cell)| {
            let gap = " ".repeat(widths[column].saturating_sub(cell.chars().count()));
            if right.contains(&column) {
                format!("{gap}{cell}")
            } else {
                format!("{cell}{gap}")
            }
        });
        let line = cells.collect::<Vec<_>>().join("   ");
        format!("{}\n", line.trim_end())
    };
    rows.iter().map(line).collect()
}
