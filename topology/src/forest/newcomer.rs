//! A parent for one site at once, while the whole forest is left as it is.

use std::cmp::Reverse;

use jiff::Timestamp;

use super::Parent;
use crate::paths::hop;
use crate::{Hop, LinkId, Load, Rate, SiteId, SiteMap};

/// Attached sites that are looked at where no named one can feed the newcomer: there may be any number.
const MAX_ATTACHED: usize = 64;

/// The best parent for one more site: what [`super::forest`] would choose for it, were all others kept. `load` is
/// what is planned on the links for all swarms, this one too. `arrives` says what arrives at a site that may
/// feed the newcomer, and `None` of the others; it is asked for few. `attached` are the attached sites among
/// them.
///
/// One walk over the paths to the newcomer, which leaves what is behind a slower or longer path than the best
/// so far: few sites are looked at where the newcomer's neighbour is fed.
pub fn newcomer(
    map: &SiteMap,
    at: Timestamp,
    to: SiteId,
    load: &Load,
    attached: impl Iterator<Item = SiteId>,
    mut arrives: impl FnMut(SiteId) -> Option<Rate>,
) -> Option<Parent> {
    let rates = map.rates(at);
    let speed = |hop: Hop| load.speed(hop, rates(hop));
    let spur = |site: SiteId, forward: bool| match site {
        SiteId::Named(_) => (Rate::UNLIMITED, 0),
        SiteId::Attached(net) => {
            let link = LinkId::Attached(net);
            (speed(Hop { link, forward }), 1)
        }
    };
    let hub = map.hub(to)?;
    let attached_at = map.attach_hub().and_then(|hub| map.hub(hub)).unwrap_or(hub);
    let (first, further) = spur(to, true);
    // what the paths to the sites above the present one let through, by their hops
    let mut above: Vec<Rate> = Vec::new();
    let (mut best, mut at_hub) = (None::<Candidate>, None);
    map.paths(hub)?.walk(|site, step| {
        above.truncate(step.hops as usize);
        // hops of the tree lead away from the newcomer
        let least = above.last().map_or(first, |above| speed(hop(step.hop).reversed()).min(*above));
        let hops = step.hops + further;
        if best.is_some_and(|best| (least, Reverse(hops)) < (best.speed, best.hops)) {
            return false;
        }
        above.push(least);
        if site == attached_at {
            at_hub = Some((least, hops));
        }
        let from = SiteId::Named(site);
        let may_beat = best.is_none_or(|best| best < Candidate::at_best(from, least, hops));
        if may_beat && from != to && map.may_serve(from) {
            best = best.max(Candidate::of(from, least, hops, &mut arrives));
        }
        true
    });
    if best.is_none()
        && let Some((least, hops)) = at_hub
    {
        for from in attached.filter(|from| *from != to && map.may_serve(*from)).take(MAX_ATTACHED) {
            let (speed, further) = spur(from, false);
            best = best.max(Candidate::of(
                from,
                least.min(speed),
                hops + further,
                &mut arrives,
            ));
        }
    }
    best.map(|best| Parent {
        site: best.from.0,
        rate: best.speed,
    })
}

/// A flow that may be added, in the order of preference: the fastest, the fewest hops, the first name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    speed: Rate,
    hops: Reverse<u32>,
    from: Reverse<SiteId>,
}

impl Candidate {
    /// The flow if it gets all that the links give.
    fn at_best(from: SiteId, speed: Rate, hops: u32) -> Candidate {
        Candidate {
            speed,
            hops: Reverse(hops),
            from: Reverse(from),
        }
    }

    fn of(
        from: SiteId,
        speed: Rate,
        hops: u32,
        arrives: &mut impl FnMut(SiteId) -> Option<Rate>,
    ) -> Option<Candidate> {
        let speed = speed.min(arrives(from)?);
        Some(Candidate::at_best(from, speed, hops))
    }
}
