//! How events are written and read. See [`super`].

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::{Deed, Event, What, When, Who};

impl FromStr for Who {
    type Err = String;

    fn from_str(text: &str) -> Result<Who, String> {
        if text == "seeders" {
            return Ok(Who::Seeders);
        }
        let wrong =
            || format!("`{text}` is not SITE:WHO (a number, gateway, member, upstream, all, s0) or seeders");
        let (site, who) = text.rsplit_once(':').ok_or_else(wrong)?;
        if site.is_empty() {
            return Err(wrong());
        }
        let site = site.to_owned();
        match who {
            "gateway" => Ok(Who::Gateway(site)),
            "member" => Ok(Who::Member(site)),
            "upstream" => Ok(Who::Upstream(site)),
            "all" => Ok(Who::All(site)),
            number => match number.strip_prefix('s') {
                Some(number) => number.parse().map(|n| Who::Seeder(site, n)),
                None => number.parse().map(|n| Who::Number(site, n)),
            }
            .map_err(|_| wrong()),
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Who::Number(site, number) => write!(f, "{site}:{number}"),
            Who::Seeder(site, number) => write!(f, "{site}:s{number}"),
            Who::Gateway(site) => write!(f, "{site}:gateway"),
            Who::Member(site) => write!(f, "{site}:member"),
            Who::Upstream(site) => write!(f, "{site}:upstream"),
            Who::All(site) => write!(f, "{site}:all"),
            Who::Seeders => f.write_str("seeders"),
        }
    }
}

/// `20s`, `1.5 s`, `2m`.
fn time(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no time, as in 20s or 2m");
    let text = text.trim();
    let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let scale = match text[split..].trim() {
        "s" | "" => 1.0,
        "m" | "min" => 60.0,
        _ => return Err(wrong()),
    };
    let seconds = text[..split].parse::<f64>().map_err(|_| wrong())? * scale;
    match (0.0..=86_400.0).contains(&seconds) {
        true => Ok(Duration::from_secs_f64(seconds)),
        false => Err(wrong()),
    }
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<When, String> {
        let text = text.trim();
        if text == "spread" {
            return Ok(When::Spread);
        }
        let Some(percent) = text.strip_suffix('%') else {
            return time(text).map(When::After).map_err(|_| {
                format!("`@{text}` says no moment: @30% (progress), @12s (since the start) or @spread")
            });
        };
        let percent = percent.trim().parse().ok().filter(|p| (0.0..100.0).contains(p));
        percent.map(When::Progress).ok_or_else(|| format!("`@{text}`: a progress is from 0% to below 100%"))
    }
}

impl FromStr for Event {
    type Err = String;

    fn from_str(text: &str) -> Result<Event, String> {
        let text = text.trim();
        let (what, rest) = match text.rsplit_once('@') {
            Some((what, rest)) => (what.trim(), Some(rest)),
            None => (text, None),
        };
        let (when, lasts) = match rest.and_then(|rest| rest.split_once(" for ")) {
            Some((when, lasts)) => (Some(when), Some(time(lasts)?)),
            None => (rest, None),
        };
        let words: Vec<&str> = what.split_whitespace().collect();
        let what = parse_what(&words).map_err(|why| format!("`{text}`: {why}"))?;
        let when = match when {
            Some(when) => when.parse()?,
            None if words == ["remove-last-seeder"] => When::Spread,
            None => {
                return Err(format!(
                    "`{text}` says no moment: end it with @30%, @12s or @spread"
                ));
            }
        };
        if lasts.is_some() && !what.can_end() {
            return Err(format!("`{text}`: that is not undone by `for`"));
        }
        Ok(Event { what, when, lasts })
    }
}

fn parse_what(words: &[&str]) -> Result<What, String> {
    let agents = |deed, who: &str| Ok(What::Agents(deed, who.parse()?));
    let seconds = |text: &str| {
        let seconds = text.strip_suffix('s').unwrap_or(text).parse();
        seconds.map_err(|_| format!("`{text}` is no number of seconds, as in -3600s"))
    };
    match words {
        ["freeze", "tracker"] => Ok(What::FreezeTracker),
        ["thaw", "tracker"] => Ok(What::ThawTracker),
        ["clock", "tracker", "by", shift] => Ok(What::TrackerClock(seconds(shift)?)),
        ["mistype", "map"] => Ok(What::MistypeMap),
        ["correct", "map"] => Ok(What::CorrectMap),
        ["clone", who, "at", site] => Ok(What::Clone(who.parse()?, (*site).to_owned())),
        ["fill", who] => agents(Deed::Fill, who),
        ["empty", who] => agents(Deed::Empty, who),
        ["spoil", who] => agents(Deed::Spoil, who),
        ["delete", who] => agents(Deed::Delete, who),
        ["move", who] => agents(Deed::Move, who),
        ["clock", who, "by", shift] => agents(Deed::Clock(seconds(shift)?), who),
        ["kill", "tracker"] | ["restart", "tracker"] => Ok(What::RestartTracker(None)),
        ["restart", "tracker", "with", file @ ..] if !file.is_empty() => {
            Ok(What::RestartTracker(Some(PathBuf::from(file.join(" ")))))
        }
        ["map", file @ ..] if !file.is_empty() => Ok(What::Map(PathBuf::from(file.join(" ")))),
        ["kill", who] => agents(Deed::Kill { forever: false }, who),
        ["kill", who, "no-restart"] => agents(Deed::Kill { forever: true }, who),
        ["stop", who] => agents(Deed::Stop { forever: false }, who),
        ["stop", who, "no-restart"] => agents(Deed::Stop { forever: true }, who),
        ["freeze", who] => agents(Deed::Freeze, who),
        ["thaw", who] => agents(Deed::Thaw, who),
        ["vanish", who] => agents(Deed::Vanish, who),
        ["return", who] => agents(Deed::Return, who),
        ["remove-last-seeder"] => Ok(What::Agents(Deed::Kill { forever: true }, Who::Seeders)),
        ["cut", link] => Ok(What::Cut((*link).to_owned())),
        ["restore", link] => Ok(What::Restore((*link).to_owned())),
        ["slow", link, "to", rate @ ..] if !rate.is_empty() => {
            let rate = rate.join(" ");
            let rate = rate.parse().map_err(|error| format!("{error}"))?;
            Ok(What::Slow((*link).to_owned(), rate))
        }
        ["add", groups] => Ok(What::Add(groups.parse()?)),
        ["http", method @ ("GET" | "POST" | "DELETE"), path] if path.starts_with('/') => {
            Ok(What::Http((*method).to_owned(), (*path).to_owned()))
        }
        _ => Err(
            "there are: kill|stop AGENT [no-restart], freeze|thaw|vanish|return AGENT, cut|restore LINK, \
             slow LINK to RATE, restart tracker [with FILE], kill tracker, map FILE, add SITE=N, remove-last-seeder, \
             http METHOD PATH, freeze|thaw tracker, clock AGENT|tracker by SECONDS, mistype map, correct map, \
             fill|empty|spoil|delete|move AGENT, clone AGENT at SITE"
                .to_owned(),
        ),
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Agents(Deed::Kill { forever: true }, Who::Seeders) => f.write_str("remove-last-seeder"),
            What::Agents(Deed::Clock(seconds), who) => write!(f, "clock {who} by {seconds}s"),
            What::Agents(deed, who) => write!(
                f,
                "{deed} {who}{}",
                if deed.forever() { " no-restart" } else { "" }
            ),
            What::Cut(link) => write!(f, "cut {link}"),
            What::Restore(link) => write!(f, "restore {link}"),
            What::Slow(link, rate) => write!(f, "slow {link} to {rate}"),
            What::RestartTracker(None) => f.write_str("restart tracker"),
            What::RestartTracker(Some(file)) => write!(f, "restart tracker with {}", file.display()),
            What::Map(file) => write!(f, "map {}", file.display()),
            What::Add(groups) => {
                let groups: Vec<_> = groups.0.iter().map(|(site, n)| format!("{site}={n}")).collect();
                write!(f, "add {}", groups.join(","))
            }
            What::Http(method, path) => write!(f, "http {method} {path}"),
            What::FreezeTracker => f.write_str("freeze tracker"),
            What::ThawTracker => f.write_str("thaw tracker"),
            What::TrackerClock(seconds) => write!(f, "clock tracker by {seconds}s"),
            What::MistypeMap => f.write_str("mistype map"),
            What::CorrectMap => f.write_str("correct map"),
            What::Clone(who, site) => write!(f, "clone {who} at {site}"),
        }
    }
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Deed::Kill { .. } => "kill",
            Deed::Stop { .. } => "stop",
            Deed::Freeze => "freeze",
            Deed::Thaw => "thaw",
            Deed::Vanish => "vanish",
            Deed::Return => "return",
            Deed::Fill => "fill",
            Deed::Empty => "empty",
            Deed::Spoil => "spoil",
            Deed::Delete => "delete",
            Deed::Move => "move",
            Deed::Clock(_) => "clock",
        })
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.when {
            When::Progress(percent) => write!(f, "{} @{percent}%", self.what)?,
            When::After(time) => write!(f, "{} @{}s", self.what, time.as_secs_f64())?,
            When::Spread => write!(f, "{} @spread", self.what)?,
        }
        match self.lasts {
            Some(lasts) => write!(f, " for {}s", lasts.as_secs_f64()),
            None => Ok(()),
        }
    }
}
