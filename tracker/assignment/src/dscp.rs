//! How packets across links are marked (DSCP), so that routers let other traffic go first; the lowest is
//! lower effort (RFC 8622).
//!
//! The sender marks, and a seeder does not know which peers will ask it. So every peer of a site is given one
//! DSCP: the lowest on any path that the site's peers fetch or are fetched from over, as far as planned;
//! before anything is planned, that of the links at the site.

use narrows_topology::{Hop, Route, SiteId, SiteMap};

/// The DSCP of a link, or of a site without one: 0 to 63, or none.
pub(crate) fn of(map: &SiteMap, hop: Option<Hop>) -> Option<u8> {
    match hop {
        Some(hop) => map.link_dscp(hop.link),
        None => map.dscp_default(),
    }
}

/// Of the links at a site, one with the lowest DSCP.
pub(crate) fn at(map: &SiteMap, id: SiteId) -> Option<Hop> {
    let links = map.links_at(id);
    lowest(map, links.map(|link| Hop { link, forward: true }))
}

/// Of some hops, the first that is marked as all of them together would be.
pub(crate) fn lowest(map: &SiteMap, hops: impl Iterator<Item = Hop>) -> Option<Hop> {
    let all = Route {
        hops: hops.collect(),
        cost: 0,
    };
    let dscp = map.dscp(&all);
    all.hops.iter().copied().find(|hop| map.link_dscp(hop.link) == dscp)
}
