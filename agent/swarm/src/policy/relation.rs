//! What a peer is to us. Nothing else knows about sites.

use narrows_wire::Hello;

use crate::{Class, Origin};

/// What a connected peer is to us.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Relation {
    /// Of our site: we fetch from it and serve it.
    Local,
    /// At the parent site: we fetch from it while we are gateway.
    Upstream,
    /// A gateway of another site: we serve it and never ask it for anything.
    Remote,
    /// Not known yet, e.g. a stock client that the tracker has not handed out to us: as `Remote`.
    Unknown,
}

impl Relation {
    /// Whether its bytes count as having crossed the WAN.
    pub fn is_wan(self) -> bool {
        matches!(self, Relation::Upstream | Relation::Remote)
    }
}

/// What is known about a connection when it is classified.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Which side began it.
    pub origin: Origin,
    /// What it said about itself, if it is one of us.
    pub hello: Option<&'a Hello>,
    /// Our site; empty if not known.
    pub site: &'a str,
    /// Its address is among the local peers that the tracker handed out to us.
    pub listed: bool,
    /// The tracker knows nothing of sites: every peer is local.
    pub foreign_tracker: bool,
}

/// Classifies a connection. A peer that we dialled is what the tracker said; one that dialled us is
/// judged by its word and address.
pub fn relation(facts: Facts<'_>) -> Relation {
    match (facts.origin, facts.hello) {
        (Origin::Dialled(Class::Upstream), _) => Relation::Upstream,
        (Origin::Dialled(Class::Local), _) => Relation::Local,
        (Origin::Accepted, Some(hello)) if hello.wan => Relation::Remote,
        (Origin::Accepted, Some(hello)) if !hello.site.is_empty() && !facts.site.is_empty() => {
            if hello.site == facts.site {
                Relation::Local
            } else {
                Relation::Remote
            }
        }
        (Origin::Accepted, _) if facts.listed || facts.foreign_tracker => Relation::Local,
        (Origin::Accepted, _) => Relation::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(hello: Option<&Hello>, site: &str, listed: bool) -> Relation {
        relation(Facts {
            origin: Origin::Accepted,
            hello,
            site,
            listed,
            foreign_tracker: false,
        })
    }

    fn hello(site: &str, wan: bool) -> Hello {
        Hello {
            agent: "a".into(),
            site: site.into(),
            wan,
            gateway: false,
            forgotten: false,
            non_sharing: false,
        }
    }

    #[test]
    fn a_peer_that_says_it_crosses_the_wan_is_remote_wherever_it_comes_from() {
        assert_eq!(accepted(Some(&hello("hq", true)), "hq", true), Relation::Remote);
    }

    #[test]
    fn an_agent_is_local_or_remote_by_its_site() {
        assert_eq!(accepted(Some(&hello("hq", false)), "hq", false), Relation::Local);
        assert_eq!(accepted(Some(&hello("b1", false)), "hq", true), Relation::Remote);
    }

    #[test]
    fn a_stock_client_is_unknown_until_the_tracker_names_it() {
        assert_eq!(accepted(None, "hq", false), Relation::Unknown);
        assert_eq!(accepted(None, "hq", true), Relation::Local);
    }

    #[test]
    fn an_agent_without_site_is_judged_by_its_address() {
        assert_eq!(accepted(Some(&hello("", false)), "hq", false), Relation::Unknown);
        assert_eq!(accepted(Some(&hello("", false)), "hq", true), Relation::Local);
    }
}
