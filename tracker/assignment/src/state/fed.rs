//! What a site knows of the site that it fetches from.

use std::time::Duration;

use narrows_topology::SiteId;

use crate::Time;
use crate::endpoint::Endpoint;

/// The most addresses that are remembered as of no use; the first gives way.
const MAX_USELESS: usize = 16;

/// Whether a parent ever brought something, and when a gateway last went to a root site because it brought nothing; and
/// of which addresses the site's gateways had nothing.
#[derive(Debug, Default)]
pub(crate) struct Fed {
    by: Option<SiteId>,
    left: Option<Left>,
    useless: Vec<([u8; 16], Time)>,
}

/// A parent was left for a root site.
#[derive(Clone, Copy, Debug)]
struct Left {
    parent: SiteId,
    at: Time,
    /// It had been left already a short time before.
    again: bool,
}

impl Fed {
    /// A gateway had nothing of these until now: others come first, for the next gateway, too.
    pub(crate) fn had_nothing_of(&mut self, upstreams: impl Iterator<Item = Endpoint>, until: Time) {
        for at in upstreams {
            self.had_something_of(at);
            if self.useless.len() >= MAX_USELESS {
                self.useless.remove(0);
            }
            self.useless.push((at.ip_bytes(), until));
        }
    }

    /// A gateway had something, and these are its upstreams.
    pub(crate) fn had_something_of(&mut self, at: Endpoint) {
        self.useless.retain(|(known, _)| *known != at.ip_bytes());
    }

    /// Whether a gateway of the site had nothing of this one, as far as is remembered.
    pub(crate) fn was_useless(&self, at: Endpoint) -> bool {
        self.useless.iter().any(|(known, _)| *known == at.ip_bytes())
    }

    /// Whether a gateway of the site had nothing of this one, a short time ago.
    pub(crate) fn is_useless(&self, at: Endpoint, now: Time) -> bool {
        self.useless.iter().any(|(known, until)| *known == at.ip_bytes() && now < *until)
    }

    /// A gateway that fetches from this parent got something across links.
    pub(crate) fn brings(&mut self, parent: SiteId) {
        self.by = Some(parent);
    }

    /// A gateway goes to a root site, since this parent brings nothing. Returns whether the parent may only say that it
    /// has something: it never brought anything, or a gateway left it already within `memory`. One that stood still once
    /// is not told from one that its link was cut off for a while, and is the way to go as soon as it serves again.
    pub(crate) fn leaves(&mut self, parent: SiteId, now: Time, memory: Duration) -> bool {
        let is_known = |left: Left| left.parent == parent && now.saturating_sub(left.at) < memory;
        let again = self.left.is_some_and(is_known);
        self.left = Some(Left {
            parent,
            at: now,
            again,
        });
        again || self.by != Some(parent)
    }

    /// Whether a parent that was left is doubted no more: it has brought another site something since, at that time, or has
    /// a peer by then that was not tried.
    pub(crate) fn may_return(&self, parent: SiteId, brought: Time) -> bool {
        self.left.is_some_and(|left| left.parent == parent && !left.again && brought > left.at)
    }
}
