//! How a picture of a swarm is taken, and what is known between plans of who can feed which site.

use std::cmp::Reverse;
use std::sync::Arc;

use narrows_topology::{Forest, SiteId};

use super::Swarm;
use super::picture::{Picture, Pictured, PlanId};
use super::site::{Site, Supply};
use crate::{Context, Time};

impl Swarm {
    /// Takes the picture that parents are to be planned with; it then counts as planned for.
    pub(crate) fn take_picture(&mut self, cx: &Context<'_>, now: Time) -> Picture {
        self.redeem_slow();
        self.replan = false;
        self.planning.taken += 1;
        let id = PlanId {
            born: self.born,
            number: self.planning.taken,
        };
        self.planning.under_way = Some(id);
        let sites = self.sites.iter().map(|(id, site)| Pictured {
            id,
            supply: site.supply,
            serves: site.can_serve(),
        });
        let avoided = self.avoided.iter().filter(|(_, until)| **until > now).map(|(pair, _)| *pair);
        let flows = self.sites.values().flat_map(|site| &site.flows).filter(|flow| flow.planned);
        let (routes, ids): (Vec<_>, Vec<_>) = flows.map(|flow| (flow.route.clone(), flow.id)).unzip();
        let (load, rates) = cx.ledger.load_and_planned(&ids);
        let forest = self.forest.iter().filter(|(child, _)| !self.provisional.contains(child));
        Picture {
            id,
            wall: cx.wall,
            sites: sites.collect(),
            best: if self.supplied == 0 {
                self.best_supplied()
            } else {
                None
            },
            forest: forest.map(|(child, parent)| (*child, *parent)).collect(),
            known: Arc::clone(&self.known),
            barren: self.barren.iter().copied().chain(avoided).collect(),
            stripes: Arc::clone(&self.stripes),
            load,
            own: routes.into_iter().zip(rates).collect(),
        }
    }

    /// Where all who say that they have everything are slow, those that bring most are as good as it gets.
    fn redeem_slow(&mut self) {
        let best = if self.supplied == 0 {
            self.best_supplied()
        } else {
            None
        };
        let slow = best.and_then(|id| self.sites.get_mut(&id)).filter(|site| site.has_slow_seeders());
        if let (Some(id), Some(site)) = (best, slow) {
            site.seeder_speed.redeem();
            self.look_at(id);
        }
    }

    /// Whether a plan is the one under way. There is none afterwards.
    pub(crate) fn finish_planning(&mut self, id: PlanId) -> bool {
        self.planning.under_way.take_if(|under_way| *under_way == id).is_some()
    }

    /// A plan under way is overtaken, and will not be put in force.
    pub(crate) fn overtake_planning(&mut self) {
        self.planning.under_way = None;
    }

    /// Whether a plan is wanted or under way.
    pub(crate) fn awaits_plan(&self) -> bool {
        self.replan || self.planning.under_way.is_some()
    }

    /// Whether a site is fed from its parent, as far as the plan goes: the parent has peers that serve, and has the
    /// content or a parent itself.
    pub(crate) fn is_planned_for(&self, id: SiteId) -> bool {
        self.forest
            .get(&id)
            .is_some_and(|parent| self.sites.get(&parent.site).is_some_and(|site| self.feeds(site)))
    }

    /// Whether a site may be another one's parent.
    pub(crate) fn feeds(&self, site: &Site) -> bool {
        site.can_serve()
            && (site.supply == Supply::Supplied
                || self.root == Some(site.id)
                || (site.supply == Supply::Waiting && self.forest.contains_key(&site.id)))
    }

    /// Whether `id` is `site` or one of the parents above it.
    pub(crate) fn is_above(forest: &Forest, id: SiteId, site: SiteId) -> bool {
        let mut at = Some(site);
        while let Some(here) = at {
            if here == id {
                return true;
            }
            at = forest.get(&here).map(|parent| parent.site);
        }
        false
    }

    /// The site with most bytes: one with seeders, if they are slow, the one where they bring most; else by what its
    /// best-supplied peer lacks; of equal ones the first by name.
    fn best_supplied(&self) -> Option<SiteId> {
        let sites = self.sites.iter().filter(|(_, site)| self.has_data(site));
        let rank = |(id, site): (SiteId, &Site)| match site.has_slow_seeders() {
            true => Some((0, Reverse(site.seeder_speed.best()), id)),
            false => Some((site.peers.best()?.0, Reverse(0), id)),
        };
        sites.filter_map(rank).min().map(|(.., id)| id)
    }
}
