//! Announcing: when ([`schedule`]), and how ([`client`]).

mod client;
mod schedule;

pub(crate) use client::{Announcer, Trackers};
pub(crate) use schedule::Schedule;
