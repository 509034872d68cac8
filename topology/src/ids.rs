//! Names for the parts of a map: small, `Copy`, ordered.

use ipnet::IpNet;

/// A site: named in the file, or the pseudo-site that `unknown: {attach: …}` makes of one /24 (IPv6: /56).
///
/// Named sites are numbered in the order of their names, so that ordering ids orders names.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum SiteId {
    /// A site of the file.
    Named(u32),
    /// The unknown network around an address, behind a link of its own to the hub.
    Attached(IpNet),
}

/// A link: of the file, or the one between a pseudo-site and its hub.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum LinkId {
    /// A link of the file, numbered as written there from 0.
    Named(u32),
    /// The link of [`SiteId::Attached`] with the same network.
    Attached(IpNet),
}

/// A link in one direction.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Hop {
    /// The link that is crossed.
    pub link: LinkId,
    /// From the first to the second site of `between`; for [`LinkId::Attached`], from the hub outwards.
    pub forward: bool,
}

impl Hop {
    /// The same link in the other direction.
    pub fn reversed(self) -> Hop {
        Hop {
            forward: !self.forward,
            ..self
        }
    }
}
