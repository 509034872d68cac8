//! What operators have stopped: nothing is fetched across these links, by these sites, of these contents.

use std::collections::BTreeSet;

use narrows_protocol::InfoHash;
use narrows_topology::{Route, SiteId, SiteMap};
use serde::{Deserialize, Serialize};

/// The brakes that are on. Sites and links are kept by name, so that they outlive the site map; a name that
/// the present map does not know stops nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Brakes {
    /// Everything.
    pub all: bool,
    /// Links by the names of their ends, the lesser first.
    pub links: BTreeSet<(String, String)>,
    /// Sites, which fetch nothing from others, and from which others fetch nothing.
    pub sites: BTreeSet<String>,
    /// Contents, as 40 hex digits.
    pub contents: BTreeSet<String>,
}

impl Brakes {
    /// A link's name for [`Brakes::links`].
    pub fn link(one: &str, other: &str) -> (String, String) {
        let (one, other) = if one <= other { (one, other) } else { (other, one) };
        (one.to_owned(), other.to_owned())
    }

    /// How many brakes are on.
    pub fn count(&self) -> usize {
        usize::from(self.all) + self.links.len() + self.sites.len() + self.contents.len()
    }

    /// Whether no brake is on.
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// Whether nothing of a content is to cross any link.
    pub fn stops_content(&self, content: &InfoHash) -> bool {
        self.all || (!self.contents.is_empty() && self.contents.contains(&content.to_string()))
    }

    /// Whether a content is not to be fetched from one site by another, along a route.
    pub fn stop(
        &self,
        map: &SiteMap,
        content: &InfoHash,
        (from, to): (SiteId, SiteId),
        route: &Route,
    ) -> bool {
        if self.is_empty() {
            return false;
        }
        self.stops_content(content)
            || (!self.sites.is_empty()
                && [from, to].iter().any(|site| self.sites.contains(map.name(*site).as_ref())))
            || (!self.links.is_empty()
                && route.hops.iter().any(|hop| {
                    let (one, other) = map.ends(hop.link);
                    self.has_link(map, one, other)
                }))
    }

    /// Whether nothing at all is to be fetched across the link between two sites.
    pub fn stops_link(&self, map: &SiteMap, one: SiteId, other: SiteId) -> bool {
        self.all || (!self.links.is_empty() && self.has_link(map, one, other))
    }

    fn has_link(&self, map: &SiteMap, one: SiteId, other: SiteId) -> bool {
        self.links.contains(&Brakes::link(&map.name(one), &map.name(other)))
    }
}
