//! The labels of series: of contents, of links and of sites. Strangers must not make up new ones.

use narrows_topology::{Hop, LinkId, SiteId, SiteMap};

/// A link and the site at whose end bytes come out.
pub(crate) type Direction = (String, String);

/// The label of what has no series of its own, as the contents beyond a number.
pub(crate) const OTHER: &str = "other";

/// The labels of a content, here and at agents: the name in its .torrent, which several contents may have,
/// and the info hash, which only this one has. Neither depends on what other contents there are.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct ContentLabel {
    pub(crate) name: String,
    /// Hexadecimal, 40 digits.
    pub(crate) info_hash: String,
}

impl ContentLabel {
    /// Those of all contents that have no series of their own.
    pub(crate) fn other() -> Self {
        Self {
            name: OTHER.to_owned(),
            info_hash: OTHER.to_owned(),
        }
    }

    pub(crate) fn is_other(&self) -> bool {
        self.info_hash == OTHER
    }
}

/// The label of pseudo-sites and their links, of which there may be thousands.
pub(crate) const ATTACHED: &str = "attached";

/// A link, the site at which its bytes came out, and a content.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Labels {
    pub(crate) content: ContentLabel,
    pub(crate) link: String,
    pub(crate) site: String,
}

impl Labels {
    /// In the order of the series' labels: link, site, content, info_hash.
    pub(crate) fn values(&self) -> [&str; 4] {
        let ContentLabel { name, info_hash } = &self.content;
        [&self.link, &self.site, name, info_hash]
    }
}

/// A hop's link and the site at whose end its bytes come out.
pub(crate) fn direction(map: &SiteMap, hop: Hop) -> Direction {
    let (one, other) = map.ends(hop.link);
    let end = if hop.forward { other } else { one };
    (link_label(map, hop.link), site_label(map, end))
}

/// A link's name; links to unknown networks share one.
pub(crate) fn link_label(map: &SiteMap, link: LinkId) -> String {
    match link {
        LinkId::Named(_) => map.link_name(link),
        LinkId::Attached(_) => ATTACHED.to_owned(),
    }
}

/// A site's name; likewise.
pub(crate) fn site_label(map: &SiteMap, site: SiteId) -> String {
    match site {
        SiteId::Named(_) => map.name(site).into_owned(),
        SiteId::Attached(_) => ATTACHED.to_owned(),
    }
}
