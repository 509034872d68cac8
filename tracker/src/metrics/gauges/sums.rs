//! What the gauges say, from what swarms say. Pure.

use narrows_assignment::SiteStatus;

use crate::metrics::described::Described;

/// A site in a swarm, or several that share a label.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(crate) struct SiteSum {
    pub(super) peers: f64,
    pub(super) seeders: f64,
    pub(super) leechers: f64,
    pub(super) gateways: f64,
    /// For how long the longest-held lease has been held, in seconds.
    pub(super) held: f64,
    pub(super) wan_bytes: f64,
    /// What its agents had before they fetched any.
    pub(super) reused_bytes: f64,
    /// Bytes across links over what had to cross, if that is known.
    pub(super) copies: Option<f64>,
    /// Peers that wanted the content when they came, and how many of them have it.
    wanted: f64,
    wanted_complete: f64,
    /// What each of these has, from 0 to 1, summed.
    had: Option<f64>,
    /// The same of sites where no peer wanted it.
    had_before: Option<f64>,
    /// The least time until the site can have everything, in seconds; 0: it does not wait.
    pub(super) bound: f64,
}

impl SiteSum {
    pub(crate) fn add(&mut self, site: &SiteStatus, size: Option<u64>) {
        let peers = f64::from(site.peers);
        self.peers += peers;
        self.seeders += f64::from(site.seeders);
        self.leechers += f64::from(site.leechers);
        self.gateways += site.gateways.len() as f64;
        let held = site.gateways.iter().map(|gateway| gateway.since_seconds).max();
        self.held = self.held.max(held.unwrap_or(0) as f64);
        self.wan_bytes += site.wan_bytes as f64;
        self.reused_bytes += site.reused_bytes as f64;
        if let Some(demanded) = demanded(site, size) {
            *self.copies.get_or_insert(0.0) += site.wan_bytes as f64 / demanded as f64;
        }
        self.bound = self.bound.max(site.bound_seconds.unwrap_or(0.0));
        if let Some(progress) = site.progress_mean {
            if site.wanted > 0 {
                *self.had.get_or_insert(0.0) += progress * f64::from(site.wanted);
            } else {
                *self.had_before.get_or_insert(0.0) += progress * peers;
            }
        }
        self.wanted += f64::from(site.wanted);
        self.wanted_complete += f64::from(site.wanted_complete);
    }

    /// What a peer has on average that wanted the content; where none did, what a peer has.
    pub(crate) fn progress(&self) -> Option<f64> {
        if self.wanted > 0.0 {
            return self.had.map(|had| had / self.wanted);
        }
        self.had_before.filter(|_| self.peers > 0.0).map(|had| had / self.peers)
    }

    /// Complete peers over all, of those that wanted the content; where none did, of all.
    pub(super) fn complete(&self) -> Option<f64> {
        if self.wanted > 0.0 {
            return Some(self.wanted_complete / self.wanted);
        }
        (self.peers > 0.0).then(|| self.seeders / self.peers)
    }
}

/// What one copy for a site is: all bytes but those that it had. Of a site that had everything, which need
/// not have fetched any, the size.
fn demanded(site: &SiteStatus, size: Option<u64>) -> Option<u64> {
    let size = size.filter(|size| *size > 0)?;
    Some(site.lacked.filter(|lacked| *lacked > 0).map_or(size, |lacked| lacked.min(size)))
}

/// A content, or several that share a label.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(crate) struct Rollout {
    pub(super) size: Option<f64>,
    pub(super) waiting_sites: f64,
    pub(super) starved_sites: f64,
    pub(super) starved_leechers: f64,
    /// Ids that several machines use.
    pub(super) doubles: f64,
    /// Addresses and ports of several machines.
    pub(super) shared: f64,
    /// The least time until every waiting site can have everything, in seconds; infinite if one is paused or
    /// braked.
    pub(super) bound: f64,
    /// What crossed links for what is there.
    pub(super) fetched: f64,
    /// The least that had to.
    pub(super) fewest: f64,
}

impl Rollout {
    pub(crate) fn add(&mut self, content: &Described) {
        if let Some(size) = content.size {
            *self.size.get_or_insert(0.0) += size as f64;
        }
        self.doubles += content.status.doubles.len() as f64;
        self.shared += content.status.shared.len() as f64;
        for site in &content.status.sites {
            self.waiting_sites += f64::from(u8::from(site.waiting));
            self.bound = self.bound.max(site.bound_seconds.unwrap_or(0.0));
            self.starved_leechers += f64::from(site.starving);
            if site.seeders == 0 && site.leechers > 0 && site.parent.is_none() {
                self.starved_sites += 1.0;
            }
            let size = content.size.filter(|size| *size > 0 && site.wan_bytes > 0);
            if let Some(size) = size {
                let size_bytes = size as f64;
                // where no peer serves others, each has to fetch what it has
                let needed = if site.each_alone {
                    site.progress_mean.map(|mean| mean * f64::from(site.wanted) * size_bytes)
                } else {
                    // what it had before need not cross
                    let had = site.lacked.map_or(0, |lacked| size.saturating_sub(lacked)) as f64;
                    site.progress.map(|progress| (progress * size_bytes - had).max(0.0))
                };
                let fetched = site.wan_bytes as f64;
                self.fetched += fetched;
                self.fewest += needed.unwrap_or(0.0).min(fetched);
            }
        }
    }

    /// The least over what crossed; nothing has: `None`.
    pub(crate) fn efficiency(&self) -> Option<f64> {
        (self.fetched > 0.0).then(|| self.fewest / self.fetched)
    }
}
