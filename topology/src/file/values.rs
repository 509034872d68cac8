//! Single values: what each must look like, and what was probably meant.

use ipnet::IpNet;
use jiff::tz::TimeZone;

use narrows_config::values::{self, text};
use narrows_config::{Node, Report, Value, did_you_mean, nearest};

use super::keys::{Fields, Shape};
use crate::Rate;

/// A count, between 1 and what the table of keys says.
pub(super) fn count(fields: &Fields<'_>, key: &str, report: &mut Report<'_>) -> Option<u64> {
    let node = fields.take(key)?;
    let Shape::Count(max) = fields.key(key)?.shape else {
        return None;
    };
    values::count(node, key, max, report)
}

/// A count that is small enough, as the tables of keys have it.
pub(super) fn small_count(fields: &Fields<'_>, key: &str, report: &mut Report<'_>) -> Option<u32> {
    count(fields, key, report).and_then(|count| u32::try_from(count).ok())
}

/// A rate.
pub(super) fn rate(node: &Node, zero: bool, report: &mut Report<'_>) -> Option<Rate> {
    match values::rate(node, "rate", report)? {
        Rate::ZERO if !zero => {
            let help = "leave the link out, or pause it for some hours with `schedule`";
            report.add(node.at, "a link of rate 0 never carries anything", help);
            None
        }
        rate => Some(rate),
    }
}

/// A timezone of the IANA database.
pub(super) fn timezone(node: &Node, report: &mut Report<'_>) -> Option<TimeZone> {
    let name = text(node, "`timezone`", "timezone: Europe/Berlin", report)?;
    if name == "UTC" {
        return Some(TimeZone::UTC);
    }
    if let Ok(zone) = TimeZone::get(name) {
        return Some(zone);
    }
    let known: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
    let city = |name: &'_ str| name.rsplit('/').next().unwrap_or(name).to_owned();
    let same_city = known.iter().find(|known| known.contains('/') && city(known).eq_ignore_ascii_case(name));
    let near = match same_city {
        Some(near) => Some(format!("did you mean `{near}`?")),
        None => did_you_mean(name, known.iter().map(String::as_str)),
    };
    let help = match near {
        Some(near) => near,
        None => "write a name of the IANA database, such as `Europe/Berlin`, or `UTC`".to_owned(),
    };
    report.add(node.at, format!("no timezone `{name}`"), help);
    None
}

/// A network without host bits.
pub(super) fn network(node: &Node, report: &mut Report<'_>) -> Option<IpNet> {
    let written = text(node, "a network", "10.2.0.0/16", report)?;
    let (problem, help) = match (written.parse::<IpNet>(), written.parse::<std::net::IpAddr>()) {
        (Ok(net), _) if net != net.trunc() => (
            format!("{written} has bits set outside its prefix"),
            format!("did you mean {}?", net.trunc()),
        ),
        (Ok(IpNet::V6(net)), _) if net.prefix_len() >= 96 && net.addr().to_ipv4_mapped().is_some() => {
            let v4 = net.addr().to_canonical();
            let help = format!("write {v4}/{}", net.prefix_len() - 96);
            (format!("{written} is an IPv4 network written as IPv6"), help)
        }
        (Ok(net), _) => return Some(net),
        (Err(_), Ok(addr)) => {
            let all = if addr.is_ipv4() { 32 } else { 128 };
            (
                format!("{written} is an address, not a network"),
                format!("for this one host write {addr}/{all}"),
            )
        }
        (Err(_), Err(_)) => (
            format!("`{written}` is no network"),
            "write it as in 10.2.0.0/16 or \"2001:db8::/48\"".to_owned(),
        ),
    };
    report.add(node.at, problem, help);
    None
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// `mon-fri`, `sat,sun`, `fri-mon`, or a list of such; by days since Monday.
pub(super) fn days(node: &Node, report: &mut Report<'_>) -> Option<[bool; 7]> {
    let parts: Vec<&Node> = match &*node.value {
        Value::List(list) if !list.is_empty() => list.iter().collect(),
        _ => vec![node],
    };
    let (mut days, mut fine) = ([false; 7], true);
    for part in parts {
        let Some(text) = text(part, "`days`", "days: mon-fri", report) else {
            fine = false;
            continue;
        };
        for range in text.split(',').map(str::trim) {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            match (day(first), day(last)) {
                (Some(first), Some(last)) => {
                    let length = (last + 7 - first) % 7;
                    (0..=length).for_each(|i| days[(first + i) % 7] = true);
                }
                (first_day, _) => {
                    let wrong = if first_day.is_none() {
                        first.trim()
                    } else {
                        last.trim()
                    };
                    let help = match DAYS
                        .iter()
                        .find(|day| wrong.len() >= 2 && wrong.to_lowercase().starts_with(&day[..2]))
                    {
                        Some(day) => format!("did you mean `{day}`?"),
                        None => {
                            "write mon, tue, wed, thu, fri, sat, sun, or a range as in `mon-fri`".to_owned()
                        }
                    };
                    report.add(part.at, format!("no day `{wrong}`"), help);
                    fine = false;
                }
            }
        }
    }
    fine.then_some(days)
}

fn day(text: &str) -> Option<usize> {
    DAYS.iter().position(|day| *day == text.trim())
}

/// `08:00-18:00`, `22:00-06:00`: minutes since midnight, from and until.
pub(super) fn hours(node: &Node, report: &mut Report<'_>) -> Option<(u16, u16)> {
    let written = text(node, "`hours`", "hours: 08:00-18:00", report)?;
    let span = written.split_once('-').and_then(|(from, until)| Some((minutes(from)?, minutes(until)?)));
    let (problem, help) = match span {
        Some((from, until)) if from < 1440 && until > 0 && from != until => return Some((from, until)),
        Some((from, until)) if from == until => (
            format!("`{written}` lasts no time"),
            "for the whole day leave `hours` out".to_owned(),
        ),
        Some((from, _)) if from < 1440 => (
            format!("`{written}` ends at 00:00"),
            format!("write {}", spell(from, 1440)),
        ),
        Some((_, until)) => (
            format!("`{written}` begins at 24:00"),
            format!("write {}", spell(0, until)),
        ),
        None => {
            let meant = written.split_once(['-', '–']).and_then(|(from, until)| {
                let guess = |text: &str| {
                    minutes(&text.trim().replace(['.', 'h'], ":")).or(minutes(&format!("{}:00", text.trim())))
                };
                Some((guess(from)?, guess(until)?))
            });
            let help = match meant {
                Some((from, until)) => format!("did you mean `{}`?", spell(from, until)),
                None => "write them as in `08:00-18:00`; `22:00-06:00` ends on the next day".to_owned(),
            };
            (format!("`{written}` are no hours"), help)
        }
    };
    report.add(node.at, problem, help);
    None
}

fn minutes(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once(':')?;
    let digits = |text: &str, most: usize| {
        (!text.is_empty() && text.len() <= most && text.bytes().all(|b| b.is_ascii_digit())).then_some(())
    };
    digits(hour, 2)?;
    digits(minute, 2).filter(|()| minute.len() == 2)?;
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    let total = hour * 60 + minute;
    (minute < 60 && total <= 1440).then_some(total)
}

fn spell(from: u16, until: u16) -> String {
    format!(
        "{:02}:{:02}-{:02}:{:02}",
        from / 60,
        from % 60,
        until / 60,
        until % 60
    )
}

/// A name of a site, where one is defined.
pub(super) fn new_name(node: &Node, report: &mut Report<'_>) -> Option<String> {
    let written = match &*node.value {
        Value::Scalar(text, _) => text.as_str(),
        Value::Null => "",
        _ => {
            report.add(
                node.at,
                format!("a site's name cannot be {}", node.kind()),
                "write it as in `munich:`",
            );
            return None;
        }
    };
    let problem = if written.trim().is_empty() {
        "a site has an empty name"
    } else if written.chars().any(char::is_control) || written.trim() != written {
        "a site's name has blanks around it or control characters in it"
    } else if written.chars().count() > 100 {
        "a site's name is longer than 100 characters"
    } else if written.parse::<IpNet>().is_ok() {
        "a site's name cannot be a network"
    } else {
        return Some(written.to_owned());
    };
    report.add(node.at, problem, "give it a short name, as in `munich:`");
    None
}

/// A name of a site, where one is referred to: its position in `names`.
pub(super) fn site(node: &Node, names: &[String], report: &mut Report<'_>) -> Option<u32> {
    let written = text(node, "a site's name", "munich", report)?;
    if let Some(i) = names.iter().position(|name| name == written) {
        return u32::try_from(i).ok();
    }
    let help = match nearest(written, names.iter().map(String::as_str)) {
        Some(near) => format!("did you mean {near:?}?"),
        None if names.is_empty() => "define it under `sites`".to_owned(),
        None => format!("define it under `sites`, or use one of: {}", few(names)),
    };
    report.add(node.at, format!("no site {written:?}"), help);
    None
}

fn few(names: &[String]) -> String {
    let mut text = names.iter().take(8).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > 8 {
        text.push_str(", …");
    }
    text
}
