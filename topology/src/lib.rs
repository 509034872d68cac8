//! The site map: parse, check, look an address up, paths, distribution forest.
//!
//! Nothing here knows of BitTorrent, sockets or clocks: a [`SiteMap`] is compiled once from `sites.yaml`
//! and is immutable; every decision is a pure function over it, with the time passed in.
//!
//! Site and link ids are positions inside the map that gave them. After a reload, carry sites over by name
//! ([`SiteMap::name`], [`SiteMap::site_named`]); an id of another map is answered, but means nothing.
//!
//! ```
//! use narrows_topology::{Load, SiteMap, forest};
//! use std::collections::BTreeSet;
//!
//! let map = SiteMap::parse(
//!     "sites.yaml",
//!     "version: 1
//! sites: {hq: {networks: [10.1.0.0/16]}, munich: {networks: [10.2.0.0/16]}}
//! links: [{between: [hq, munich], rate: 10 Mbit/s}]
//! ",
//! )?;
//! let [hq, munich] = ["10.1.0.7", "10.2.3.4"].map(|address| map.locate(address.parse().unwrap()).unwrap());
//! assert_eq!(map.name(munich), "munich");
//! let (roots, waiting) = (BTreeSet::from([hq]), BTreeSet::from([munich]));
//! let now = jiff::Timestamp::UNIX_EPOCH;
//! let forest = forest(&map, now, &roots, &waiting, &Default::default(), &BTreeSet::new(), &Load::default());
//! assert_eq!((forest[&munich].site, forest[&munich].rate.to_string()), (hq, "10 Mbit/s".to_owned()));
//! # Ok::<(), narrows_topology::Mistakes>(())
//! ```

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
pub use fair::fair_rates;
pub use file::schema;
pub use flow::max_flow;
pub use forest::{Forest, Parent, forest, newcomer};
pub use ids::{Hop, LinkId, SiteId};
pub use load::Load;
pub use map::{SiteMap, Spread};
pub use narrows_config::{LoadError, Mistake, Mistakes, Rate, RateError};
pub use paths::Route;
pub use stripes::stripes;
