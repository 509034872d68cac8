//! How packets across links are marked, so that routers let other traffic go first.
//!
//! Whoever sends marks, and a seeder does not know who will ask it. So everybody of a site is told one mark:
//! the lowest priority on any path that the site's peers fetch or are fetched from over, as far as planned;
//! before anything is planned, that of the links at the site.

use narrows_topology::{Hop, LinkId, Route, SiteId, SiteMap};

use crate::Context;
use crate::state::Swarm;

impl Swarm {
    /// The mark of a site's peers: 0 to 63, or none.
    pub(crate) fn dscp(&self, cx: &Context<'_>, id: SiteId) -> Option<u8> {
        match self.sites.get(&id).and_then(|site| site.mark) {
            Some(hop) => cx.map.link_dscp(hop.link),
            None => cx.map.dscp_default(),
        }
    }

    /// A flow from one site to another is planned.
    pub(crate) fn mark(&mut self, cx: &Context<'_>, from: SiteId, to: SiteId) {
        let Some(route) = cx.map.path(from, to) else {
            return;
        };
        for id in [from, to] {
            if let Some(site) = self.sites.get_mut(&id) {
                site.mark = lowest(cx.map, site.mark.into_iter().chain(route.hops.iter().copied()));
            }
        }
    }
}

/// Of the links at a site, one with the lowest mark.
pub(crate) fn at(map: &SiteMap, id: SiteId) -> Option<Hop> {
    let beside = |link: &LinkId| {
        let (one, other) = map.ends(*link);
        one == id || other == id
    };
    let attached = match id {
        SiteId::Attached(net) => Some(LinkId::Attached(net)),
        SiteId::Named(_) => None,
    };
    let links = map.links().filter(beside).chain(attached);
    lowest(map, links.map(|link| Hop { link, forward: true }))
}

/// Of some hops, the first that is marked as all of them together would be.
fn lowest(map: &SiteMap, hops: impl Iterator<Item = Hop>) -> Option<Hop> {
    let all = Route {
        hops: hops.collect(),
        cost: 0,
    };
    let mark = map.dscp(&all);
    all.hops.iter().copied().find(|hop| map.link_dscp(hop.link) == mark)
}
