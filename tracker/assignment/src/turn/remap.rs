//! A new site map.

use std::collections::BTreeMap;
use std::sync::Arc;

use narrows_topology::{Forest, SiteId};

use crate::state::Swarm;
use crate::state::site::{Site, Upstream};
use crate::{Context, Time};

impl Swarm {
    /// Takes over a new site map, that of `cx`: peers are located anew, those of no site are forgotten,
    /// parents are planned anew, gateways that work stay as far as the map has room for them.
    pub fn remap(&mut self, cx: &Context<'_>, now: Time) {
        let granted = self.granted(cx);
        self.sites.values_mut().for_each(|site| site.drop_flows(cx));
        let sites = std::mem::take(&mut self.sites);
        let forest = std::mem::take(&mut self.forest);
        self.agents.clear();
        self.clients.clear();
        self.barren.clear();
        self.avoided.clear();
        self.missed.clear();
        self.stripes = Arc::default();
        self.root = None;
        self.supplied = 0;
        self.provisional.clear();
        self.overtake_planning();
        (self.counts.complete, self.counts.incomplete) = (0, 0);

        let mut leases = Vec::new();
        let mut moved: BTreeMap<SiteId, SiteId> = BTreeMap::new();
        for (old, site) in sites.into_iter() {
            let Site {
                peers, gateways, wan, ..
            } = site;
            let mut wan = Some(wan);
            for (class, at, peer) in peers.into_iter() {
                let Some(new) = cx.map.locate(at.ip()) else {
                    continue;
                };
                // ids of the two maps have nothing to do with each other: where its gateway is now, or
                // else its first peer, is where a site has gone
                if gateways.contains_key(&at) {
                    moved.insert(old, new);
                }
                moved.entry(old).or_insert(new);
                self.insert(cx, (new, at), class, peer, now);
                if let (Some(wan), Some(site)) = (wan.take(), self.sites.get_mut(&new)) {
                    site.wan = site.wan.saturating_add(wan);
                }
            }
            leases.extend(gateways);
        }
        let edges = forest.into_iter().filter_map(|(child, mut parent)| {
            parent.site = *moved.get(&parent.site)?;
            Some((*moved.get(&child)?, parent)).filter(|(child, parent)| *child != parent.site)
        });
        self.forest = edges.collect::<Forest>();
        for (at, mut gateway) in leases {
            let Some(id) = cx.map.locate(at.ip()) else {
                continue;
            };
            let Some(site) = self.sites.get(&id).filter(|site| site.wanting_peer(at).is_some()) else {
                continue;
            };
            let (alone, is_non_sharing) = (site.is_each_alone(), site.is_non_sharing_leecher(at));
            if !alone && (is_non_sharing || site.gateways.len() >= cx.map.gateways(id) as usize) {
                continue;
            }
            let translate = |upstreams: &[Upstream]| -> Vec<Upstream> {
                let here = upstreams.iter().filter_map(|up| self.translate(cx, *up));
                here.filter(|up| up.site != id).collect()
            };
            gateway.handed_out = translate(&gateway.handed_out);
            let mut upstreams = translate(&std::mem::take(&mut gateway.upstreams));
            let caps = upstreams.iter().filter_map(|up| cx.map.path(up.site, id));
            let cap = caps.map(|route| cx.map.max_seeders(&route)).min().unwrap_or(0);
            upstreams.truncate(cap as usize);
            gateway.extra = is_non_sharing;
            let Some(site) = self.sites.get_mut(&id) else {
                continue;
            };
            site.gateways.insert(at, gateway);
            site.set_upstreams(cx, at, upstreams);
            // it keeps to what it was granted by the old map until it announces again
            if let Some(rate) = granted.get(&at) {
                site.used_flows(at).for_each(|flow| cx.ledger.note(flow.id, at, *rate));
            }
        }
        self.replan = true;
    }
}
