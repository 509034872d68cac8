//! Single values of any file: what each must look like, and what was probably meant.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{Node, Rate, RateError, Report, Value, did_you_mean};

/// A text; `what` names it in the message.
pub fn text<'n>(node: &'n Node, what: &str, example: &str, report: &mut Report<'_>) -> Option<&'n str> {
    let text = node.text();
    if text.is_none() {
        let help = format!("write it as in `{example}`");
        report.add(node.at, format!("{what} cannot be {}", node.kind()), help);
    }
    text
}

/// A whole number from 1 to `max`.
pub fn count(node: &Node, key: &str, max: u64, report: &mut Report<'_>) -> Option<u64> {
    let number = text(node, &format!("`{key}`"), &format!("{key}: 1"), report)?;
    match number.parse::<u64>() {
        Ok(number) if (1..=max).contains(&number) => Some(number),
        _ => {
            let help = format!("write a whole number from 1 to {max}");
            report.add(node.at, format!("`{number}` cannot be `{key}`"), help);
            None
        }
    }
}

/// `true` or `false`, without quotes.
pub fn boolean(node: &Node, key: &str, report: &mut Report<'_>) -> Option<bool> {
    let written = text(node, &format!("`{key}`"), &format!("{key}: false"), report)?;
    let help = match (written, &*node.value) {
        ("true", Value::Scalar(_, true)) => return Some(true),
        ("false", Value::Scalar(_, true)) => return Some(false),
        (word, _) => match word.to_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => "write `true`",
            "false" | "no" | "off" | "0" => "write `false`",
            _ => "write `true` or `false`",
        },
    };
    let problem = format!("`{key}` must be true or false, not `{written}`");
    report.add(node.at, problem, help);
    None
}

/// A rate, which may be zero.
pub fn rate(node: &Node, key: &str, report: &mut Report<'_>) -> Option<Rate> {
    match text(node, &format!("`{key}`"), &format!("{key}: 10 Mbit/s"), report)?.parse() {
        Ok(rate) => Some(rate),
        Err(error) => {
            let RateError { problem, help } = error;
            report.add(node.at, problem, help);
            None
        }
    }
}

/// A list's items, or the one value that stands for a list of one.
pub fn items(node: &Node) -> &[Node] {
    match &*node.value {
        Value::List(list) => list,
        _ => std::slice::from_ref(node),
    }
}

/// One of a few words, each with what it means.
pub fn one_of<T: Copy>(node: &Node, key: &str, words: &[(&str, T)], report: &mut Report<'_>) -> Option<T> {
    let example = words.first().map_or("", |(word, _)| word);
    let written = text(node, &format!("`{key}`"), &format!("{key}: {example}"), report)?;
    if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == written) {
        return Some(*meaning);
    }
    let names = words.iter().map(|(word, _)| *word);
    let help = did_you_mean(written, names.clone())
        .unwrap_or_else(|| format!("write one of {}", names.collect::<Vec<_>>().join(", ")));
    report.add(node.at, format!("`{key}` cannot be `{written}`"), help);
    None
}

/// An address and a port.
pub fn socket_address(node: &Node, key: &str, port: u16, report: &mut Report<'_>) -> Option<SocketAddr> {
    let example = format!("{key}: 10.2.0.17:{port}");
    let written = text(node, &format!("`{key}`"), &example, report)?;
    let address = written.parse().ok();
    if address.is_none() {
        let help = format!("write it as in 10.2.0.17:{port} or \"[2001:db8::17]:{port}\"");
        report.add(node.at, format!("`{written}` is no address with a port"), help);
    }
    address
}

/// A path; a relative one is relative to `folder`.
pub fn path(node: &Node, key: &str, folder: &Path, report: &mut Report<'_>) -> Option<PathBuf> {
    let written = text(node, &format!("`{key}`"), &format!("{key}: /a/path"), report)?;
    if written.is_empty() {
        report.add(
            node.at,
            format!("`{key}` is empty"),
            "write a path; a relative one is relative to this file",
        );
        return None;
    }
    if let Some(c) = written.chars().find(|c| misleads(*c)) {
        let problem = format!(
            "`{key}` has the character U+{:04X}, which shows a path other than it is",
            u32::from(c)
        );
        report.add(node.at, problem, "write the path without it");
        return None;
    }
    Some(folder.join(written))
}

/// Whether a character in a path is shown as no character, ends a line, or turns the direction of those after
/// it (UAX #9): what a person reads, in a log or a unit file, is not what is opened.
fn misleads(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A time, as in `1h30m`.
pub fn duration(
    node: &Node,
    key: &str,
    within: RangeInclusive<Duration>,
    report: &mut Report<'_>,
) -> Option<Duration> {
    let written = text(node, &format!("`{key}`"), &format!("{key}: 15m"), report)?;
    let (problem, help) = match parse_duration(written) {
        Some(duration) if within.contains(&duration) => return Some(duration),
        Some(_) => (
            format!("`{written}` is out of range"),
            format!("from {} to {}", spelled(*within.start()), spelled(*within.end())),
        ),
        None => {
            let help = meant_duration(written).map(|meant| format!("did you mean `{meant}`?"));
            let accepted =
                || "write a number and a unit: s, m, h or d, as in 30s, 15m, 1h30m or 2d".to_owned();
            (
                format!("`{written}` is no duration"),
                help.unwrap_or_else(accepted),
            )
        }
    };
    report.add(node.at, problem, help);
    None
}

/// The units of a duration with their seconds, largest first.
const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

/// Whole numbers, each with a unit: `30s`, `15m`, `1h30m`, `30 d`.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let mut total = 0u64;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let number: u64 = rest[..digits].parse().ok()?;
        let unit = rest[digits..].trim_start();
        let letters = unit.len() - unit.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let written = match &unit[..letters] {
            "min" => "m",
            unit => unit,
        };
        let (_, seconds) = UNITS.iter().find(|(unit, _)| *unit == written)?;
        total = total.checked_add(number.checked_mul(*seconds)?)?;
        rest = unit[letters..].trim_start();
    }
    Some(Duration::from_secs(total))
}

/// What `15 minutes` means.
fn meant_duration(text: &str) -> Option<String> {
    let text = text.trim().to_lowercase();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let unit = match unit.trim().trim_end_matches('s') {
        "day" => "d",
        "h" | "hr" | "hour" => "h",
        "min" | "minute" => "m",
        "sec" | "second" => "s",
        _ => return None,
    };
    (!number.is_empty()).then(|| format!("{number}{unit}"))
}

/// In the largest unit that leaves no rest.
fn spelled(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (unit, size) = UNITS
        .into_iter()
        .find(|(_, size)| seconds >= *size && seconds.is_multiple_of(*size))
        .unwrap_or(("s", 1));
    format!("{}{unit}", seconds / size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_have_units_and_other_spellings_are_understood_but_refused() {
        for (text, seconds) in [
            ("30s", 30),
            ("15m", 900),
            ("90 min", 5400),
            ("1h30m", 5400),
            ("30d", 2_592_000),
            ("0s", 0),
        ] {
            assert_eq!(parse_duration(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            "30",
            "-1d",
            "s",
            "1.5h",
            "1 fortnight",
            "99999999999999999999d",
        ] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
        for (text, meant) in [
            ("15 minutes", "15m"),
            ("2 Hours", "2h"),
            ("1day", "1d"),
            ("9 secs", "9s"),
        ] {
            assert_eq!(meant_duration(text).as_deref(), Some(meant), "{text}");
        }
        assert_eq!(meant_duration("often"), None);
    }

    proptest! {
        #[test]
        fn what_is_spelled_parses_again(seconds in 0u64..10_000_000) {
            let duration = Duration::from_secs(seconds);
            prop_assert_eq!(parse_duration(&spelled(duration)), Some(duration));
        }

        #[test]
        fn any_text_is_a_duration_or_none(text in "\\PC{0,20}|[0-9dhms ]{0,20}") {
            let _ = (parse_duration(&text), meant_duration(&text));
        }
    }
}
