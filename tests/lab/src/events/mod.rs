//! What happens during a run: `--event`. Syntax and what is due are pure; [`run`] does it.
//!
//! ```text
//! EVENT  = WHAT "@" WHEN [ "for" TIME ]           several: --event again, or `;` between
//! WHEN   = "30%" (of the agent's progress, else of all clients' mean) | "12s" since the clients' start
//!        | "spread" (some client has everything)
//! WHAT   = kill AGENT [no-restart] | stop AGENT [no-restart] | freeze AGENT | thaw AGENT | vanish AGENT | return AGENT
//!        | cut LINK | restore LINK | slow LINK to RATE | restart tracker [with FILE] | kill tracker | map FILE
//!        | add SITE=N | remove-last-seeder | http METHOD PATH
//!        | freeze tracker | thaw tracker | clock tracker by SECONDS | mistype map | correct map
//!        | fill AGENT | empty AGENT | spoil AGENT | delete AGENT | move AGENT | clock AGENT by SECONDS
//!        | clone AGENT at SITE
//! AGENT  = SITE ":" ( number | "s" number | gateway | member | upstream | all ) | seeders
//! ```
//! `for TIME` undoes it after that time: thaw, return, restore, start again, empty, correct, the right clock. A kill or stop comes back after
//! 5 s.

pub mod claims;
pub(crate) mod due;
pub mod judge;
pub mod kills;
mod syntax;

use std::path::PathBuf;
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
    /// SIGSTOP to the tracker.
    FreezeTracker,
    /// SIGCONT.
    ThawTracker,
    /// The tracker's calendar clock is wrong by so many seconds.
    TrackerClock(i32),
    /// The tracker's site map gets a line that is none.
    MistypeMap,
    /// The line is taken out.
    CorrectMap,
    /// A machine with a copy of that client's state folder and its id starts at a site.
    Clone(Who, String),
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
    /// Its disk is full: it must have one of its own (`--chaos` gives it a small tmpfs).
    Fill,
    /// There is room again.
    Empty,
    /// A byte in the middle of its largest published file is another one.
    Spoil,
    /// Its largest published file is deleted.
    Delete,
    /// Its host gets another address of its site's network.
    Move,
    /// Its calendar clock is wrong by so many seconds; the time since its start goes on as it does.
    Clock(i32),
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
    /// That seeder of a site, from 0.
    Seeder(String, usize),
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
            | Who::Seeder(site, _)
            | Who::Gateway(site)
            | Who::Member(site)
            | Who::Upstream(site)
            | Who::All(site) => Some(site),
            Who::Seeders => None,
        }
    }
}

impl What {
    fn can_end(&self) -> bool {
        match self {
            What::Agents(Deed::Kill { forever } | Deed::Stop { forever }, _) => !forever,
            What::Agents(Deed::Freeze | Deed::Vanish | Deed::Fill | Deed::Clock(_), _) => true,
            What::Cut(_) | What::Slow(..) | What::RestartTracker(_) => true,
            What::FreezeTracker | What::TrackerClock(_) | What::MistypeMap => true,
            _ => false,
        }
    }

    /// Whether it needs `--netns`.
    pub fn needs_netns(&self) -> bool {
        match self {
            What::Cut(_) | What::Restore(_) | What::Slow(..) | What::Clone(..) => true,
            What::Agents(deed, _) => matches!(deed, Deed::Vanish | Deed::Return | Deed::Move),
            _ => false,
        }
    }

    /// What undoes it, where something does.
    pub fn undone(&self) -> Option<What> {
        match self {
            What::Agents(Deed::Freeze, who) => Some(What::Agents(Deed::Thaw, who.clone())),
            What::Agents(Deed::Vanish, who) => Some(What::Agents(Deed::Return, who.clone())),
            What::Agents(Deed::Fill, who) => Some(What::Agents(Deed::Empty, who.clone())),
            What::Agents(Deed::Clock(_), who) => Some(What::Agents(Deed::Clock(0), who.clone())),
            What::Cut(link) | What::Slow(link, _) => Some(What::Restore(link.clone())),
            What::FreezeTracker => Some(What::ThawTracker),
            What::TrackerClock(_) => Some(What::TrackerClock(0)),
            What::MistypeMap => Some(What::CorrectMap),
            _ => None,
        }
    }
}

impl Deed {
    fn forever(self) -> bool {
        matches!(self, Deed::Kill { forever: true } | Deed::Stop { forever: true })
    }
}

#[cfg(test)]
mod tests;
