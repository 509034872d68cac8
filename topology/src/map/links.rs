//! What a map knows of its links: rates and when they change, costs, seeders, DSCP, ends.

use std::cell::OnceCell;

use jiff::Timestamp;

use super::SiteMap;
use super::compile::default_cost;
use crate::paths::hop;
use crate::{Hop, LinkId, Rate, Route, SiteId, dscp};

impl SiteMap {
    /// The present rate of a hop, each way the same: that of the first line of the schedule that matches at
    /// this time in the map's timezone, else the link's own.
    pub fn rate(&self, hop: Hop, at: Timestamp) -> Rate {
        self.rates(at)(hop)
    }

    /// The same for many hops: the time in the map's timezone is looked up once.
    pub fn rates(&self, at: Timestamp) -> impl Fn(Hop) -> Rate {
        let local = OnceCell::new();
        move |hop| match hop.link {
            LinkId::Attached(_) => self.attach.as_ref().map_or(Rate::ZERO, |attach| attach.rate),
            LinkId::Named(i) => {
                let Some(link) = self.links.get(i as usize) else {
                    return Rate::ZERO;
                };
                if link.schedule.is_empty() {
                    return link.rate;
                }
                let local = local.get_or_init(|| self.timezone.to_datetime(at));
                let rule =
                    link.schedule.iter().find(|rule| rule.matches(local.date().weekday(), local.time()));
                rule.map_or(link.rate, |rule| rule.rate)
            }
        }
    }

    /// The rate of a link outside its schedule.
    pub fn base_rate(&self, link: LinkId) -> Rate {
        match link {
            LinkId::Named(i) => self.links.get(i as usize).map_or(Rate::ZERO, |link| link.rate),
            LinkId::Attached(_) => self.attach.as_ref().map_or(Rate::ZERO, |attach| attach.rate),
        }
    }

    /// The first time after `at` at which the rate of a link may change by its schedule; `None` if none has
    /// one.
    /// (At a change of the clocks to or from summer time rates may change too.)
    pub fn next_change(&self, at: Timestamp) -> Option<Timestamp> {
        let rules = || self.links.iter().flat_map(|link| &link.schedule);
        rules().next()?;
        // days change at midnight
        let mut minutes: Vec<u16> =
            rules().flat_map(|rule| [rule.from % 1440, rule.until % 1440]).chain([0]).collect();
        minutes.sort_unstable();
        minutes.dedup();
        let today = self.timezone.to_datetime(at).date();
        let days = (0..3).filter_map(|day| today.checked_add(jiff::Span::new().days(day)).ok());
        let moments = days.flat_map(|day| {
            let moment = |minute: &u16| {
                let (hour, minute) = (i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?);
                self.timezone.to_timestamp(day.at(hour, minute, 0, 0)).ok()
            };
            minutes.iter().filter_map(moment).collect::<Vec<_>>()
        });
        let clocks = self.timezone.following(at).next().map(|change| change.timestamp());
        moments.chain(clocks).filter(|moment| *moment > at).min()
    }

    /// The cost of a link, as given or by default.
    pub fn cost(&self, link: LinkId) -> u64 {
        match link {
            LinkId::Named(i) => self.weights.get(i as usize).map_or(u64::MAX, |weight| weight.cost),
            LinkId::Attached(_) => self.attach_cost(),
        }
    }

    pub(super) fn attach_cost(&self) -> u64 {
        self.attach.as_ref().map_or(u64::MAX, |attach| {
            attach.cost.unwrap_or(default_cost(attach.rate))
        })
    }

    /// How many seeders a gateway may be told of behind this route: the least along it, at least 1.
    pub fn max_seeders(&self, route: &Route) -> u32 {
        let of = |hop: &Hop| match hop.link {
            LinkId::Named(i) => self.links.get(i as usize).and_then(|link| link.max_seeders),
            LinkId::Attached(_) => self.attach.as_ref().and_then(|attach| attach.max_seeders),
        };
        let least = route.hops.iter().map(|hop| of(hop).unwrap_or(self.defaults.max_seeders)).min();
        least.unwrap_or(self.defaults.max_seeders)
    }

    /// The DSCP (0 to 63) with which packets that go along this route are marked; `None`: they are not.
    ///
    /// Of several links the lowest priority, so that no link sees its other traffic wait for ours: LE, then
    /// CS1, then unmarked, then the rest in the order of their classes. Unlimited links have a say too. A
    /// route without hops (inside a site) is not marked.
    pub fn dscp(&self, route: &Route) -> Option<u8> {
        dscp::lowest(route.hops.iter().map(|hop| self.link_dscp(hop.link)))
    }

    /// The `dscp` of a link, its own or by default; `None`: `none`.
    pub fn link_dscp(&self, link: LinkId) -> Option<u8> {
        let own = match link {
            LinkId::Named(i) => self.links.get(i as usize).and_then(|link| link.dscp),
            LinkId::Attached(_) => None,
        };
        own.unwrap_or(self.defaults.dscp)
    }

    /// `defaults.dscp`; `None`: `none`.
    pub fn dscp_default(&self) -> Option<u8> {
        self.defaults.dscp
    }

    /// Both ends' names in the order of `between`: `hq-munich`.
    pub fn link_name(&self, link: LinkId) -> String {
        let (a, b) = self.ends(link);
        format!("{}-{}", self.name(a), self.name(b))
    }

    /// The links at a site, in the order of the file.
    pub fn links_at(&self, site: SiteId) -> impl Iterator<Item = LinkId> {
        let (named, own) = match site {
            SiteId::Named(number) => (self.neighbours(number), None),
            SiteId::Attached(net) => (&[][..], Some(LinkId::Attached(net))),
        };
        named.iter().map(|(_, index)| hop(*index).link).chain(own)
    }

    /// The ends in the order of `between`; of a pseudo-site's link, the hub first.
    pub fn ends(&self, link: LinkId) -> (SiteId, SiteId) {
        match link {
            LinkId::Named(i) => {
                let none = (u32::MAX, u32::MAX);
                let (a, b) = self.links.get(i as usize).map_or(none, |link| link.between);
                (SiteId::Named(a), SiteId::Named(b))
            }
            LinkId::Attached(net) => {
                let hub = self.attach.as_ref().map_or(u32::MAX, |attach| attach.hub);
                (SiteId::Named(hub), SiteId::Attached(net))
            }
        }
    }
}
