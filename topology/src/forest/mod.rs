//! Rule 3, parents: which site gets a swarm's content from which.

mod growing;
mod newcomer;
pub(crate) mod room;
mod tour;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

pub use newcomer::newcomer;

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

/// Which site gets a swarm's content from which: rule 3.
///
/// `roots` have the content, `waiting` want it; sites that the map does not know are left out. Every waiting
/// site gets a parent, a root or a fed site, if there is a path to one that may serve it (not a transit site,
/// not `sharing: false`, not `barren`); by way of parents every such site is connected to a root. Behind a paused
/// link a site is attached at [`Rate::ZERO`].
///
/// Again and again that waiting site is attached to that fed site between which a new flow would be fastest:
/// the least, over the hops of the path, of max(rate - planned, rate / (flows + 1)), counting the flows of
/// the other swarms (`load`) and of this plan, and no more than what arrives at the parent itself. Ties go to
/// fewer hops, then to the site's name, then to the parent's.
///
/// # Kept parents
/// `keep` holds the parents in force. A site stays with its parent unless that is no longer a root or
/// waiting, no longer able to serve or reach it, or has nothing to give (`barren`: pairs of child and parent;
/// a site paired with itself serves no other), or unless that would close a loop; only sites without a kept
/// parent are attached anew. If a site cannot be attached at all, those below it move. The rates of kept
/// flows are planned anew for the present rates of the links.
///
/// # The slowest site
/// Fastest-first alone may spend an uplink that a slower site will need: on maps whose links are all but
/// equal the slowest site was seen to take 1.9 times its bound (a site two hops away took what a sibling
/// behind the same hub needed). So, where the slowest flow of the new ones would be below four fifths of what
/// the slowest of these sites could get from the sites that are fed already, the plan is compared with a
/// *tour* of the map, on which no hop carries two of the flows, and the one whose slowest site is faster is
/// taken. On a map without cycles whose sites all share and where nothing else is planned, the slowest site
/// is then always within 1.25 times the time of the fluid bound ([`crate::max_flow`] for one root; for
/// several, the widest path from any: with one parent a site cannot add up what several roots could send).
pub fn forest(
    map: &SiteMap,
    at: Timestamp,
    roots: &BTreeSet<SiteId>,
    waiting: &BTreeSet<SiteId>,
    keep: &Forest,
    barren: &BTreeSet<(SiteId, SiteId)>,
    load: &Load,
) -> Forest {
    let mut room = room::Room::new(map, at, roots.union(waiting).copied().collect(), load);
    room.silence(barren);
    let mut growing = growing::Growing::new(room, roots, waiting, barren);
    growing.keep(keep);
    growing.attach();
    growing.forest()
}
