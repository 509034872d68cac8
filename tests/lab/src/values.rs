//! Values that people write: groups of agents, sizes, times.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// `hq=4,b1=2`: how many agents at which sites, in the order given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Groups(pub Vec<(String, usize)>);

impl FromStr for Groups {
    type Err = String;

    fn from_str(text: &str) -> Result<Groups, String> {
        let mut groups: Vec<(String, usize)> = Vec::new();
        for part in text.split(',') {
            let (site, count) =
                part.split_once('=').ok_or_else(|| format!("`{part}` is not SITE=N, as in hq=4"))?;
            let (site, count) = (site.trim(), count.trim());
            let count: usize = count
                .parse()
                .ok()
                .filter(|count| (1..=200).contains(count))
                .ok_or_else(|| format!("`{count}` is no number of agents from 1 to 200"))?;
            if site.is_empty() {
                return Err(format!("`{part}` names no site"));
            }
            if groups.iter().any(|(other, _)| other == site) {
                return Err(format!("site `{site}` is named twice"));
            }
            groups.push((site.to_owned(), count));
        }
        Ok(Groups(groups))
    }
}

/// A number of bytes, at least 1: `500MB`, `1.5 GiB`, `1048576`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

const UNITS: [(&str, u64); 9] = [
    ("", 1),
    ("b", 1),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
];

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Size, String> {
        const HELP: &str = "write a number and kB, MB, GB, KiB, MiB or GiB, as in 500MB";
        let text = text.trim();
        let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
        let (number, unit) = (&text[..split], text[split..].trim().to_lowercase());
        let number: f64 = number.parse().map_err(|_| format!("`{text}` is no size; {HELP}"))?;
        let (_, scale) = UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .ok_or_else(|| format!("unknown unit in `{text}`; {HELP}"))?;
        let bytes = number * *scale as f64;
        if !(1.0..=1e14).contains(&bytes) {
            return Err(format!("`{text}` is not between 1 byte and 100 TB"));
        }
        Ok(Size(bytes.round() as u64))
    }
}

impl fmt::Display for Size {
    /// In decimal units with at most one decimal: `500 MB`, `1.1 GB`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, scale) = [("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)]
            .into_iter()
            .find(|(_, scale)| self.0 as f64 >= *scale * 0.99995)
            .unwrap_or(("B", 1.0));
        let number = format!("{:.1}", self.0 as f64 / scale);
        write!(f, "{} {name}", number.strip_suffix(".0").unwrap_or(&number))
    }
}

/// A time of 1 second to a day: `90`, `90s`, `5m`, `1h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seconds(pub Duration);

impl FromStr for Seconds {
    type Err = String;

    fn from_str(text: &str) -> Result<Seconds, String> {
        let text = text.trim();
        let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let scale = match text[split..].trim() {
            "" | "s" => 1,
            "m" | "min" => 60,
            "h" => 3600,
            _ => return Err(format!("`{text}` is no time; write seconds, or as in 5m")),
        };
        let number: u64 =
            text[..split].parse().map_err(|_| format!("`{text}` is no time; write seconds, or as in 5m"))?;
        match number.saturating_mul(scale) {
            seconds @ 1..=86_400 => Ok(Seconds(Duration::from_secs(seconds))),
            _ => Err(format!("`{text}` is not between 1 second and a day")),
        }
    }
}

/// To a thousandth, as reports have it.
pub(crate) fn round(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}
