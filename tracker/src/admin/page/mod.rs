//! The page on the admin port: the site map with what crosses it, rollouts, a site's agents, and the check of
//! a site map that is not in force. Live over server-sent events.

mod assets;
mod check;
mod feed;
mod headers;
mod layout;
mod rollout;
mod roster;

pub(crate) use assets::asset;
pub(crate) use check::check;
pub(crate) use feed::{EventStream, Feed};
pub(crate) use headers::protect;
pub(crate) use layout::map;
pub(crate) use rollout::rollout;
pub(crate) use roster::agents;
