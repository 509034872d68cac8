//! The sites of a swarm, in the order of their ids. Each announce looks its site up several times, so named
//! sites, of which a map has up to thousands, lie in one sorted list of small keys, whose search is cheaper
//! than that of a B-tree of ids that may be networks. Pseudo-sites may be many, come one by one and are
//! rarer: a tree.

use std::collections::BTreeMap;

use narrows_topology::SiteId;

use super::site::Site;

#[derive(Debug, Default)]
pub(crate) struct Sites {
    named: Vec<(u32, Box<Site>)>,
    attached: BTreeMap<SiteId, Box<Site>>,
}

impl Sites {
    pub(crate) fn get(&self, id: &SiteId) -> Option<&Site> {
        match id {
            SiteId::Named(number) => self.place(*number).ok().map(|place| &*self.named[place].1),
            SiteId::Attached(_) => self.attached.get(id).map(|site| &**site),
        }
    }

    pub(crate) fn get_mut(&mut self, id: &SiteId) -> Option<&mut Site> {
        match id {
            SiteId::Named(number) => {
                let place = self.place(*number).ok()?;
                Some(&mut *self.named[place].1)
            }
            SiteId::Attached(_) => self.attached.get_mut(id).map(|site| &mut **site),
        }
    }

    /// The site, which is made if it is not there.
    pub(crate) fn get_or_insert_with(&mut self, id: SiteId, make: impl FnOnce() -> Site) -> &mut Site {
        match id {
            SiteId::Named(number) => {
                let place = self.place(number).unwrap_or_else(|place| {
                    self.named.insert(place, (number, Box::new(make())));
                    place
                });
                &mut self.named[place].1
            }
            SiteId::Attached(_) => self.attached.entry(id).or_insert_with(|| Box::new(make())),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.named.len() + self.attached.len()
    }

    /// The sites of attached networks.
    pub(crate) fn attached(&self) -> impl Iterator<Item = SiteId> {
        self.attached.keys().copied()
    }

    pub(crate) fn remove(&mut self, id: &SiteId) {
        match id {
            SiteId::Named(number) => {
                if let Ok(place) = self.place(*number) {
                    self.named.remove(place);
                }
            }
            SiteId::Attached(_) => drop(self.attached.remove(id)),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (SiteId, &Site)> + Clone {
        let named = self.named.iter().map(|(n, site)| (SiteId::Named(*n), &**site));
        named.chain(self.attached.iter().map(|(id, site)| (*id, &**site)))
    }

    pub(crate) fn into_iter(self) -> impl Iterator<Item = (SiteId, Site)> {
        let named = self.named.into_iter().map(|(n, site)| (SiteId::Named(n), *site));
        named.chain(self.attached.into_iter().map(|(id, site)| (id, *site)))
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &Site> + Clone {
        self.iter().map(|(_, site)| site)
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut Site> {
        let named = self.named.iter_mut().map(|(_, site)| &mut **site);
        named.chain(self.attached.values_mut().map(|site| &mut **site))
    }

    fn place(&self, number: u32) -> Result<usize, usize> {
        self.named.binary_search_by_key(&number, |(number, _)| *number)
    }
}
