//! Rule 3: who gets a swarm's content from whom.

mod plan;
mod room;
mod tour;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::{Load, Rate, SiteId, SiteMap};

/// Where a site gets a swarm's content from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parent {
    /// The parent site.
    pub site: SiteId,
    /// The speed that is planned for the flow; [`Rate::ZERO`] while a link of the path is paused.
    pub rate: Rate,
}

/// The parent of each fed site. Roots have none.
pub type Forest = BTreeMap<SiteId, Parent>;

/// Rule 3.
pub fn forest(
    map: &SiteMap,
    at: Timestamp,
    roots: &BTreeSet<SiteId>,
    waiting: &BTreeSet<SiteId>,
    keep: &Forest,
    barren: &BTreeSet<(SiteId, SiteId)>,
    load: &Load,
) -> Forest {
    let room = room::Room::new(map, at, roots.union(waiting).copied().collect(), load);
    let mut plan = plan::Plan::new(room, roots, waiting, barren);
    plan.keep(keep);
    plan.attach();
    plan.forest()
}
