//! The page on the admin port: the site map with what crosses it, rollouts, a site's agents, and the check of
//! a site map that is not in force. Live over server-sent events.

pub(crate) mod assets;
pub(crate) mod check;
pub(crate) mod feed;
pub(crate) mod headers;
pub(crate) mod layout;
pub(crate) mod rollout;
pub(crate) mod roster;
