//! What a site knows of the site that it fetches from.

use std::time::Duration;

use narrows_topology::SiteId;

use crate::Time;

/// Whether a parent ever brought something, and when a gateway last went to a root site because it brought nothing.
#[derive(Debug, Default)]
pub(crate) struct Fed {
    by: Option<SiteId>,
    left: Option<(SiteId, Time)>,
}

impl Fed {
    /// A gateway that fetches from this parent got something across links.
    pub(crate) fn brings(&mut self, parent: SiteId) {
        self.by = Some(parent);
    }

    /// A gateway goes to a root site, since this parent brings nothing. Returns whether the parent may only say that it
    /// has something: it never brought anything, or a gateway left it already within `memory`. One that stood still once
    /// is not told from one that its link was cut off for a while, and is the way to go as soon as it serves again.
    pub(crate) fn leaves(&mut self, parent: SiteId, now: Time, memory: Duration) -> bool {
        let again = self.left.is_some_and(|(left, at)| left == parent && now.saturating_sub(at) < memory);
        self.left = Some((parent, now));
        again || self.by != Some(parent)
    }
}
