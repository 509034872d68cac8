//! A swarm as it was at a moment, to plan with while announces go on; and what came of that.
//!
//! A plan for thousands of sites takes longer than an announce may wait. So it is made beside the announces:
//! a picture is taken, the plan is made from the picture alone, and put in force where it still holds.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use narrows_topology::{Forest, Load, Rate, Route, SiteId};

use super::site::Supply;
use super::stripes::Stripes;
use crate::Time;

/// Names a plan under way: one that was overtaken, by a new map for instance, is not put in force.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PlanId {
    /// Another swarm of the same content was born at another time.
    pub(super) born: Option<Time>,
    pub(super) number: u64,
}

/// How far a swarm is with planning its parents.
#[derive(Debug, Default)]
pub(crate) struct Planning {
    /// Counts the pictures that were taken.
    pub(super) taken: u64,
    /// The plan that is being made.
    pub(super) under_way: Option<PlanId>,
}

/// What parents are planned with.
#[derive(Debug)]
pub struct Picture {
    pub(crate) id: PlanId,
    pub(crate) wall: Timestamp,
    pub(crate) sites: Vec<Pictured>,
    /// The site with most bytes, if it is needed as a root.
    pub(crate) best: Option<SiteId>,
    /// The parents in force, without those that newcomers were given until a plan knows them.
    pub(crate) forest: Forest,
    pub(crate) known: Arc<Known>,
    /// (child, parent) of parents that had nothing to give, or could not be reached.
    pub(crate) barren: BTreeSet<(SiteId, SiteId)>,
    pub(crate) stripes: Arc<Stripes>,
    /// What is planned on the links for all swarms ...
    pub(crate) load: Load,
    /// ... and of it for this one.
    pub(crate) own: Vec<(Route, Rate)>,
}

/// A site in a picture.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pictured {
    pub(crate) id: SiteId,
    pub(crate) supply: Supply,
    pub(crate) serves: bool,
}

/// The roots and the waiting sites that serve, and which parents could not be had, as of a plan.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) roots: BTreeSet<SiteId>,
    pub(crate) waiting: BTreeSet<SiteId>,
    pub(crate) barren: BTreeSet<(SiteId, SiteId)>,
}

/// Where sites get the content from.
#[derive(Debug)]
pub struct Plan {
    pub(crate) id: PlanId,
    /// The site with most bytes, where no site is supplied.
    pub(crate) root: Option<SiteId>,
    pub(crate) known: Known,
    /// The sites that it was made for.
    pub(crate) waiting: BTreeSet<SiteId>,
    pub(crate) forest: Forest,
    /// Other stripes than those in force.
    pub(crate) stripes: Option<Stripes>,
}
