//! Announcing: when ([`schedule`]), and how ([`client`]).

mod client;
pub(crate) mod restarts;
mod schedule;
pub(crate) mod source;

pub(crate) use client::{Announcer, Trackers, look};
pub(crate) use schedule::Schedule;
