//! Networks that the site map lacks.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use ipnet::IpNet;
use prometheus::{IntCounterVec, Opts, Registry};

/// More networks than this share the label `other`: strangers must not fill the database of the operator.
const NETWORKS_MAX: usize = 100;

/// Counts announces from addresses in no site, by network. Only refused announces wait for the lock.
pub(crate) struct Unmapped {
    counts: IntCounterVec,
    known: Mutex<HashSet<IpNet>>,
}

impl Unmapped {
    pub(crate) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let counts = IntCounterVec::new(
            Opts::new(
                "narrows_tracker_unmapped_addresses_total",
                "Announces from addresses in no site, by /24 or /56.",
            ),
            &["network"],
        )?;
        registry.register(Box::new(counts.clone()))?;
        Ok(Self {
            counts,
            known: Mutex::default(),
        })
    }

    pub(crate) fn count(&self, from: IpAddr) {
        let network = network(from);
        let label = network.filter(|network| {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.contains(network) || (known.len() < NETWORKS_MAX && known.insert(*network))
        });
        let label = label.map_or_else(|| "other".to_owned(), |network| network.to_string());
        self.counts.with_label_values(&[label.as_str()]).inc();
    }
}

/// The network around an address that `unknown: {attach: ...}` would make a site of.
fn network(addr: IpAddr) -> Option<IpNet> {
    let addr = addr.to_canonical();
    let prefix = if addr.is_ipv4() { 24 } else { 56 };
    IpNet::new(addr, prefix).ok().map(|network| network.trunc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(unmapped: &Unmapped) -> Vec<(String, f64)> {
        use prometheus::core::Collector as _;
        let families = unmapped.counts.collect();
        let metrics = families.iter().flat_map(|family| family.get_metric());
        metrics
            .map(|metric| {
                let label = metric.get_label()[0].value().to_owned();
                (label, metric.get_counter().get_value())
            })
            .collect()
    }

    #[test]
    fn addresses_are_counted_by_their_network() {
        let unmapped = Unmapped::new(&Registry::new()).unwrap();
        for addr in ["10.9.8.7", "10.9.8.200", "::ffff:10.9.8.1", "2001:db8:0:12ff::1"] {
            unmapped.count(addr.parse().unwrap());
        }
        let mut found = series(&unmapped);
        found.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(
            found,
            [("10.9.8.0/24".into(), 3.0), ("2001:db8:0:1200::/56".into(), 1.0)]
        );
    }

    #[test]
    fn the_hundred_and_first_network_and_all_after_it_are_counted_together() {
        let unmapped = Unmapped::new(&Registry::new()).unwrap();
        for round in 0..2 {
            for n in 0..150u8 {
                unmapped.count(IpAddr::from([10, 0, n, 1]));
            }
            let found = series(&unmapped);
            assert_eq!(found.len(), NETWORKS_MAX + 1);
            let other = found.iter().find(|(label, _)| label == "other").unwrap();
            assert_eq!(other.1, 50.0 * f64::from(round + 1));
        }
    }
}
