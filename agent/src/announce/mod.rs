//! Trackers, as an agent speaks to them: when ([`Schedule`]), to which ([`Trackers`]), how ([`Client`], and
//! below it one request in `http`), and what changes around it (`restarts`, `source`).

mod client;
mod error;
mod http;
mod reply;
mod restarts;
mod schedule;
mod source;
mod trackers;
mod trusted;

pub(crate) use client::Client;
pub(crate) use error::AnnounceError;
pub(crate) use schedule::Schedule;
pub(crate) use source::Moved;
pub(crate) use trackers::Trackers;
