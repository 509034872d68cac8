//! The same map with one link changed, for advice: what if it were faster, or had no schedule.

use super::SiteMap;
use crate::file::SiteFile;
use crate::{LinkId, Rate};

impl SiteMap {
    /// The same map with a link of another rate, as if its `rate` were edited: its schedule stands as it is,
    /// and its cost changes with it if it has none of its own.
    pub fn with_rate(&self, link: LinkId, rate: Rate) -> SiteMap {
        self.edited(|file| match link {
            LinkId::Named(i) => {
                if let Some(link) = file.links.get_mut(i as usize) {
                    link.rate = rate;
                }
            }
            LinkId::Attached(_) => {
                if let Some(attach) = &mut file.attach {
                    attach.rate = rate;
                }
            }
        })
    }

    /// The same map with a link that has its `rate` at all hours but those in which it is paused: a pause is
    /// the operator's word.
    pub fn without_schedule(&self, link: LinkId) -> SiteMap {
        self.edited(|file| {
            if let LinkId::Named(i) = link
                && let Some(link) = file.links.get_mut(i as usize)
            {
                link.schedule.retain(|rule| rule.rate == Rate::ZERO);
            }
        })
    }

    /// Whether a link has another rate at some hours, without being paused.
    pub fn has_schedule(&self, link: LinkId) -> bool {
        let link = match link {
            LinkId::Named(i) => self.links.get(i as usize),
            LinkId::Attached(_) => None,
        };
        link.is_some_and(|link| link.schedule.iter().any(|rule| rule.rate != Rate::ZERO))
    }

    fn edited(&self, edit: impl FnOnce(&mut SiteFile)) -> SiteMap {
        let mut file = SiteFile {
            sites: self.sites.clone(),
            links: self.links.clone(),
            attach: self.attach.clone(),
            timezone: self.timezone.clone(),
            defaults: self.defaults,
        };
        edit(&mut file);
        SiteMap::compile(file)
    }
}
