//! The site map: parse, check, look an address up, paths, distribution forest.
//!
//! Nothing here knows of BitTorrent, sockets or clocks: a [`SiteMap`] is compiled once from `sites.yaml`
//! and is immutable; every decision is a pure function over it, with the time passed in.
//!
//! Site and link ids are positions inside the map that gave them. After a reload, carry sites over by name
//! ([`SiteMap::name`], [`SiteMap::site_named`]); an id of another map is answered, but means nothing.

mod draw;
mod dscp;
mod fair;
mod file;
mod flow;
mod forest;
mod ids;
mod load;
mod map;
mod networks;
mod paths;
pub mod plan;
mod schedule;
pub mod spell;
mod stripes;

pub use draw::{draw, positions};
pub use fair::{fair_rates, fair_rates_capped};
pub use file::schema;
pub use flow::max_flow;
pub use forest::{Forest, Parent, forest};
pub use ids::{Hop, LinkId, SiteId};
pub use load::Load;
pub use map::SiteMap;
pub use narrows_config::{LoadError, Mistake, Mistakes, Rate, RateError};
pub use paths::Route;
pub use stripes::stripes;
