//! Budgets measured (rule 10, rates): how the load of each link, by the kernel's counters, related to what it
//! might carry.
//!
//! [`rates`] says what a link might carry when, [`loads`] what it did carry and how soon it followed a
//! change, [`shares`] what each content got; all pure, of what [`watch`] notes during a run. [`words`] is the
//! table for people.

pub(crate) mod loads;
pub mod rates;
pub(crate) mod shares;
mod words;

use serde::Serialize;

pub use shares::Share;
pub use words::lines;

/// A link in one direction, as far as sites wanted something over it or its rate changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Budget {
    /// Both ends as in the map.
    pub link: String,
    /// Where bytes come from.
    pub from: String,
    /// Where they go.
    pub to: String,
    /// What it might carry at the clients' start, bytes per second of frames; null: no limit.
    pub rate: Option<u64>,
    /// The highest mean load over any ten seconds, over the rate then; null if there were none with a limit.
    /// The times in which the load was still following a fall of the rate are in `changes` instead.
    pub over_10s: Option<f64>,
    /// The same over any five seconds.
    pub over_5s: Option<f64>,
    /// Of the seconds in which a site wanted something over it and it might carry something: the part with a
    /// load of 95 % of the rate or more; null if there were none.
    pub full: Option<f64>,
    /// How many seconds those were.
    pub wanted_seconds: f64,
    /// When the rate changed, and what the load did then.
    pub changes: Vec<Change>,
    /// What each content got.
    pub shares: Vec<Share>,
}

/// Another rate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// Seconds since the clients' start.
    pub at: f64,
    /// From then on, bytes per second of frames; null: no limit.
    pub rate: Option<u64>,
    /// Until then.
    pub before: Option<u64>,
    /// Why.
    pub why: rates::Why,
    /// Whether a site wanted something over the link then.
    pub wanted: bool,
    /// How long until the load followed: at most 1.05 x the lower rate over three seconds, at least 0.9 x the
    /// higher over two, or nothing but announces any more if it is 0; null if it did not until the next
    /// change or the end.
    pub seconds: Option<f64>,
    /// Bytes of frames that crossed until then.
    pub bytes: u64,
}

#[cfg(test)]
mod tests;
