//! Which host has which MAC address, and what `ip` is told where ARP cannot find that out. Pure.
//!
//! The kernel has one table of neighbours for all namespaces. When it is full, packets to neighbours that are
//! not in it are dropped, and of a site's hosts the last reach no other. Hosts that all talk to each other
//! are as many entries as there are pairs, 1,600 for forty. Entries that never change do not count; but with
//! them a host does not learn that another one has vanished. So a network has them only where ARP would not
//! do.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use super::plan::{HostPlan, NetPlan};

/// What the kernel's table holds (`net.ipv4.neigh.default.gc_thresh3`, 1,024 unless set), less some for
/// others.
const TABLE: usize = 1000;

/// The MAC address of the interface with this address: a locally administered one.
pub(super) fn mac(addr: Ipv4Addr) -> String {
    let [a, b, c, d] = addr.octets();
    format!("02:00:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
}

/// Whether the table would be full: at a site every host talks to every other and to the router, and the lab
/// to all.
pub(super) fn are_fixed(plan: &NetPlan) -> bool {
    let hosts = (0..plan.routers.len()).map(|router| plan.hosts_at(router).count());
    let pairs = hosts.map(|hosts| hosts * (hosts + 1));
    pairs.sum::<usize>() + 2 * plan.hosts.len() > TABLE
}

/// Of a host: the others of its site, its router, and the lab.
pub(super) fn of_host(plan: &NetPlan, host: &HostPlan) -> String {
    let mates = plan.hosts_at(host.router).filter(|other| other.addr != host.addr);
    let mates = mates.map(|other| other.addr.addr()).chain([host.gateway]);
    entries("eth0", mates) + &entries("manage", [NetPlan::lab()])
}

/// Of a router, by its position: the hosts of its site.
pub(super) fn of_router(plan: &NetPlan, router: usize) -> String {
    entries("lan", plan.hosts_at(router).map(|host| host.addr.addr()))
}

/// Of the lab: all hosts.
pub(super) fn of_lab(plan: &NetPlan) -> String {
    entries("manage", plan.hosts.iter().map(|host| host.management))
}

fn entries(device: &str, addrs: impl IntoIterator<Item = Ipv4Addr>) -> String {
    let mut text = String::new();
    for addr in addrs {
        let _ = writeln!(
            text,
            "neigh replace {addr} lladdr {} dev {device} nud permanent",
            mac(addr)
        );
    }
    text
}
