//! Which addresses can be used: those of this machine's loopback, or nearly any in namespaces.

use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Net};
use narrows_topology::{SiteId, SiteMap};

const LOOPBACK: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8);

/// Networks that no site in a namespace can have: this host, the lab's own links between routers and its
/// management network, multicast and above.
const RESERVED: [Ipv4Net; 5] = [
    Ipv4Net::new_assert(Ipv4Addr::new(0, 0, 0, 0), 8),
    LOOPBACK,
    Ipv4Net::new_assert(Ipv4Addr::new(100, 64, 0, 0), 10),
    Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 0, 0), 16),
    Ipv4Net::new_assert(Ipv4Addr::new(224, 0, 0, 0), 3),
];

/// Where the sites' addresses come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressSpace {
    /// This machine's loopback, 127.0.0.0/8.
    Loopback,
    /// Network namespaces: any addresses.
    Namespaces,
}

impl AddressSpace {
    /// Whether a site can have this network here.
    fn takes(self, net: Ipv4Net) -> bool {
        match self {
            AddressSpace::Loopback => LOOPBACK.contains(&net),
            AddressSpace::Namespaces => {
                net.prefix_len() <= 27 && RESERVED.iter().all(|r| !r.contains(&net) && !net.contains(r))
            }
        }
    }

    /// The first byte of networks that stand in for those of a map.
    fn stand_in(self) -> u8 {
        match self {
            AddressSpace::Loopback => 127,
            AddressSpace::Namespaces => 10,
        }
    }
}

/// The site's first network that can be used here.
pub(super) fn usable(map: &SiteMap, site: SiteId, address_space: AddressSpace) -> Option<Ipv4Net> {
    map.networks(site).into_iter().find_map(|net| match net {
        IpNet::V4(net) if address_space.takes(net) => Some(net),
        _ => None,
    })
}

/// The same map with 127.N.0.0/16, or 10.N.0.0/16, in place of each site's networks.
pub(super) fn moved(
    name: &str,
    text: &str,
    asked: &SiteMap,
    address_space: AddressSpace,
) -> Result<(SiteMap, String), String> {
    let wrong =
        |what: String| format!("--sites: cannot give the sites of {name} addresses of this machine: {what}");
    let mut value: serde_json::Value =
        serde_yaml::from_str(text).map_err(|error| wrong(error.to_string()))?;
    let peopled: Vec<SiteId> = asked.sites().filter(|site| !asked.is_transit(*site)).collect();
    if peopled.len() > 254 {
        return Err(wrong(format!("{} sites are more than 254", peopled.len())));
    }
    for (number, site) in (1u8..).zip(peopled) {
        let pointer = value.get_mut("sites").and_then(|sites| sites.get_mut(&*asked.name(site)));
        let Some(site) = pointer.and_then(serde_json::Value::as_object_mut) else {
            return Err(wrong(format!(
                "site `{}` is not written as a mapping",
                asked.name(site)
            )));
        };
        site.insert(
            "networks".to_owned(),
            serde_json::json!([format!("{}.{number}.0.0/16", address_space.stand_in())]),
        );
    }
    let text = serde_yaml::to_string(&value).map_err(|error| wrong(error.to_string()))?;
    let map = SiteMap::parse(name, &text).map_err(|mistakes| wrong(mistakes.to_string()))?;
    Ok((map, text))
}
