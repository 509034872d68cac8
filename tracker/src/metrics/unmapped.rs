//! Networks that the site map lacks.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ipnet::IpNet;
use narrows_host::RepeatsBy;
use prometheus::{IntCounterVec, Opts, Registry};
use tracing::warn;

/// More networks than this share the label `other`: strangers must not fill the database of the operator.
const MAX_NETWORKS: usize = 100;

/// Any client may announce from anywhere: so many networks are named in the log within an hour, the others
/// only counted.
const MAX_NAMED: usize = 16;

/// Counts announces from addresses in no site, by network, and names each network once, then hourly, in the
/// log. Only refused announces wait for the lock.
pub(crate) struct Unmapped {
    counts: IntCounterVec,
    known: Mutex<HashSet<IpNet>>,
    named: RepeatsBy<IpNet>,
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
            named: RepeatsBy::new(MAX_NAMED),
        })
    }

    /// An announce from this address is refused; with the time since the tracker's start, the log may name
    /// it.
    pub(crate) fn count(&self, from: IpAddr, tell: Option<Duration>) {
        let network = network(from);
        if let (Some(now), Some(network)) = (tell, network) {
            self.tell(from, network, now);
        }
        let label = network.filter(|network| {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.contains(network) || (known.len() < MAX_NETWORKS && known.insert(*network))
        });
        let label = label.map_or_else(|| "other".to_owned(), |network| network.to_string());
        self.counts.with_label_values(&[label.as_str()]).inc();
    }

    fn tell(&self, from: IpAddr, network: IpNet, now: Duration) {
        if let Some(times) = self.named.seen(network, now) {
            warn!(
                %from, %network, times,
                "announces from an address in no site are refused; if its machines are to be served, add its network to the \
                 `networks` of a site in the site map"
            );
        }
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
            unmapped.count(addr.parse().unwrap(), None);
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
                unmapped.count(IpAddr::from([10, 0, n, 1]), None);
            }
            let found = series(&unmapped);
            assert_eq!(found.len(), MAX_NETWORKS + 1);
            let other = found.iter().find(|(label, _)| label == "other").unwrap();
            assert_eq!(other.1, 50.0 * f64::from(round + 1));
        }
    }
}
