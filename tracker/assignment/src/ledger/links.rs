//! The links as a grant sees them: their rates at a moment, and what of them is left.

use jiff::Timestamp;
use narrows_topology::{Hop, Load, Rate, Route, SiteMap};

use crate::policy::SharesPolicy;

/// The links of a map at a moment, and the numbers by which they are shared.
#[derive(Clone, Copy)]
pub(crate) struct Links<'a> {
    pub(crate) map: &'a SiteMap,
    pub(crate) at: Timestamp,
    pub(crate) policy: &'a SharesPolicy,
}

impl Links<'_> {
    pub(crate) fn rate(&self, hop: Hop) -> Rate {
        self.map.rate(hop, self.at)
    }

    /// The least rate along a route.
    pub(crate) fn rate_along(&self, route: &Route) -> Rate {
        route.hops.iter().map(|hop| self.rate(*hop)).min().unwrap_or(Rate::UNLIMITED)
    }

    /// What may be granted to one more along a route, where `granted` is what others have.
    pub(crate) fn room(&self, granted: &Load, route: &Route) -> Rate {
        let rooms = route.hops.iter().map(|hop| self.room_on(granted.planned(*hop), self.rate(*hop)));
        rooms.min().unwrap_or(Rate::UNLIMITED)
    }

    /// What is granted to no gateway; but at least a 25th of the link, as long as the headroom has room for
    /// it.
    fn room_on(&self, granted: Rate, rate: Rate) -> Rate {
        let Some(link) = rate.bytes_per_second() else {
            return Rate::UNLIMITED;
        };
        let granted = granted.bytes_per_second().unwrap_or(u64::MAX);
        let most = link.saturating_add(link / 1000 * self.policy.headroom);
        let headroom = most.saturating_sub(granted);
        let floor = (link / self.policy.floor).min(headroom / 20 * self.policy.floor_headroom);
        Rate::from_bytes_per_second(link.saturating_sub(granted).max(floor))
    }
}
