//! What happens during a run: `--event`. Syntax and what is due are pure; [`run`] does it.
//!
//! ```text
//! EVENT  = WHAT "@" WHEN [ "for" TIME ]           several: --event again, or `;` between
//! WHEN   = "30%" (of the agent's progress, else of all clients' mean) | "12s" since the clients' start
//!        | "spread" (some client has everything)
//! WHAT   = kill AGENT [no-restart] | stop AGENT [no-restart] | freeze AGENT | thaw AGENT | vanish AGENT | return AGENT
//!        | cut LINK | restore LINK | slow LINK to RATE | restart tracker [with FILE] | kill tracker | map FILE
//!        | add SITE=N | remove-last-seeder | http METHOD PATH
//! AGENT  = SITE ":" ( number | gateway | member | upstream | all ) | seeders
//! ```
//! `for TIME` undoes it after that time: thaw, return, restore, start again. A kill or stop comes back after
//! 5 s.

pub mod claims;
pub(crate) mod due;
pub mod judge;
pub mod kills;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use narrows_topology::Rate;

use crate::values::Groups;
pub use due::{Due, Schedule, Seen};

/// What happens when.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// What.
    pub what: What,
    /// When.
    pub when: When,
    /// Undone after that time.
    pub lasts: Option<Duration>,
}

/// What happens.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// To agents.
    Agents(Deed, Who),
    /// Nothing crosses a link.
    Cut(String),
    /// A link is as at first.
    Restore(String),
    /// A link carries less, or more.
    Slow(String, Rate),
    /// SIGKILL to the tracker, which starts at once (or after `for`), with this site map if one is named.
    RestartTracker(Option<PathBuf>),
    /// The tracker's site map is replaced by this file while it runs.
    Map(PathBuf),
    /// Clients start.
    Add(Groups),
    /// A request to the tracker's admin address: method and path.
    Http(String, String),
}

/// What is done to agents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// SIGKILL; started again unless it is for good.
    Kill {
        /// Not started again.
        forever: bool,
    },
    /// SIGTERM; started again unless it is for good.
    Stop {
        /// Not started again.
        forever: bool,
    },
    /// SIGSTOP: the process stands still, its connections stay open.
    Freeze,
    /// SIGCONT.
    Thaw,
    /// The network cable is pulled: no packet, no reset.
    Vanish,
    /// The cable is back.
    Return,
}

/// Which agents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// That client of a site, from 0.
    Number(String, usize),
    /// The site's gateway then.
    Gateway(String),
    /// The site's first client that is not, and to which nothing has been done.
    Member(String),
    /// The agent that the site's gateway fetches from then.
    Upstream(String),
    /// All that are at a site.
    All(String),
    /// Every seeder.
    Seeders,
}

/// When.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum When {
    /// At this progress of the agent in question, else of the clients' mean; in per cent.
    Progress(f64),
    /// So long after the clients' start.
    After(Duration),
    /// When some client has everything, so that every piece is at a client.
    Spread,
}

impl Who {
    /// The site, if it is one.
    pub fn site(&self) -> Option<&str> {
        match self {
            Who::Number(site, _)
            | Who::Gateway(site)
            | Who::Member(site)
            | Who::Upstream(site)
            | Who::All(site) => Some(site),
            Who::Seeders => None,
        }
    }
}

impl FromStr for Who {
    type Err = String;

    fn from_str(text: &str) -> Result<Who, String> {
        if text == "seeders" {
            return Ok(Who::Seeders);
        }
        let wrong =
            || format!("`{text}` is not SITE:WHO (a number, gateway, member, upstream, all) or seeders");
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
            number => number.parse().map(|n| Who::Number(site, n)).map_err(|_| wrong()),
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Who::Number(site, number) => write!(f, "{site}:{number}"),
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
    match words {
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
             http METHOD PATH"
                .to_owned(),
        ),
    }
}

impl What {
    fn can_end(&self) -> bool {
        match self {
            What::Agents(Deed::Kill { forever } | Deed::Stop { forever }, _) => !forever,
            What::Agents(Deed::Freeze | Deed::Vanish, _) => true,
            What::Cut(_) | What::Slow(..) | What::RestartTracker(_) => true,
            _ => false,
        }
    }

    /// Whether it needs `--netns`.
    pub fn needs_netns(&self) -> bool {
        matches!(
            self,
            What::Cut(_) | What::Restore(_) | What::Slow(..) | What::Agents(Deed::Vanish | Deed::Return, _)
        )
    }

    /// What undoes it, where something does.
    pub fn undone(&self) -> Option<What> {
        match self {
            What::Agents(Deed::Freeze, who) => Some(What::Agents(Deed::Thaw, who.clone())),
            What::Agents(Deed::Vanish, who) => Some(What::Agents(Deed::Return, who.clone())),
            What::Cut(link) | What::Slow(link, _) => Some(What::Restore(link.clone())),
            _ => None,
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Agents(Deed::Kill { forever: true }, Who::Seeders) => f.write_str("remove-last-seeder"),
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
        }
    }
}

impl Deed {
    fn forever(self) -> bool {
        matches!(self, Deed::Kill { forever: true } | Deed::Stop { forever: true })
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

#[cfg(test)]
mod tests;
