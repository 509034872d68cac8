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
/// so far: about ten microseconds on a map of 2,000 sites.
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
    let mut reached = vec![None; map.sites().len()];
    let mut best: Option<Candidate> = None;
    for (site, step) in map.paths(hub)?.walk() {
        let (least, hops) = match (step.hops, reached[step.before as usize]) {
            (0, _) => spur(to, true),
            // hops of the tree lead away from the newcomer
            (_, Some((least, hops))) => (speed(hop(step.hop).reversed()).min(least), hops + 1),
            (_, None) => continue,
        };
        if best.is_some_and(|best| (least, Reverse(hops)) < (best.speed, best.hops)) {
            continue;
        }
        reached[site as usize] = Some((least, hops));
        let from = SiteId::Named(site);
        let may_beat = best.is_none_or(|best| best < Candidate::at_best(from, least, hops));
        if may_beat && from != to && map.may_serve(from) {
            best = best.max(Candidate::of(from, least, hops, &mut arrives));
        }
    }
    if best.is_none()
        && let Some((least, hops)) =
            reached[map.attach_hub().and_then(|hub| map.hub(hub)).unwrap_or(hub) as usize]
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
