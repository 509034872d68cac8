//! What a peer is to us. Nothing else knows about sites.

use narrows_wire::Hello;

use super::sites::Whereabouts;
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
    /// Where it is by its address, as far as the tracker told: goes before its word.
    pub whereabouts: Whereabouts,
    /// Its address is among the local peers that the tracker handed out to us.
    pub listed: bool,
    /// The tracker knows nothing of sites: every peer is local.
    pub foreign_tracker: bool,
}

/// Classifies a connection. An upstream is what the tracker said. Any other peer is of the site that its
/// address is in; where the tracker does not tell, one that we dialled is what the tracker said, and one that
/// dialled us is judged by its word and address.
pub fn relation(facts: Facts<'_>) -> Relation {
    match (facts.origin, facts.hello) {
        (Origin::Dialled(Class::Upstream), _) => Relation::Upstream,
        _ if matches!(facts.whereabouts, Whereabouts::There(_) | Whereabouts::Nowhere) => Relation::Remote,
        (Origin::Accepted, Some(hello)) if facts.whereabouts == Whereabouts::Here && !hello.wan => {
            Relation::Local
        }
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
    use narrows_protocol::Place;

    use super::*;

    fn accepted(hello: Option<&Hello>, site: &str, listed: bool) -> Relation {
        relation(Facts {
            origin: Origin::Accepted,
            hello,
            site,
            listed,
            foreign_tracker: false,
            whereabouts: Whereabouts::Untold,
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
    fn an_address_goes_before_a_peers_word() {
        let there = Whereabouts::There(Place::Site(7));
        let of = |whereabouts, origin, hello: Option<&Hello>| {
            relation(Facts {
                origin,
                hello,
                site: "hq",
                whereabouts,
                listed: true,
                foreign_tracker: false,
            })
        };
        let (liar, late) = (hello("hq", false), hello("b1", false));
        assert_eq!(of(there, Origin::Accepted, Some(&liar)), Relation::Remote);
        assert_eq!(of(there, Origin::Accepted, None), Relation::Remote);
        // the map may have changed since it was handed out
        assert_eq!(
            of(there, Origin::Dialled(Class::Local), Some(&liar)),
            Relation::Remote
        );
        assert_eq!(
            of(there, Origin::Dialled(Class::Upstream), None),
            Relation::Upstream
        );
        assert_eq!(
            of(Whereabouts::Here, Origin::Accepted, Some(&late)),
            Relation::Local
        );
        let crosses = hello("hq", true);
        assert_eq!(
            of(Whereabouts::Here, Origin::Accepted, Some(&crosses)),
            Relation::Remote
        );
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
