//! Several forests, each for an equal part of the pieces, where one would not fill the links.

use std::collections::BTreeSet;

use narrows_topology::{Forest, Rate, SiteId};

/// The stripes in force.
#[derive(Debug, Default)]
pub(crate) struct Stripes {
    /// One for each; none where one forest is as good.
    pub(crate) forests: Vec<Forest>,
    /// What they were planned for, even if that came to none.
    pub(crate) cause: Option<Cause>,
}

/// What stripes are planned for.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Cause {
    pub(crate) roots: BTreeSet<SiteId>,
    pub(crate) waiting: BTreeSet<SiteId>,
    pub(crate) barren: BTreeSet<(SiteId, SiteId)>,
    pub(crate) rates: Vec<Rate>,
}

impl Stripes {
    pub(crate) fn is_empty(&self) -> bool {
        self.forests.is_empty()
    }
}
