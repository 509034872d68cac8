//! What `ip` is told inside a host's namespace. Pure.

use std::fmt::Write as _;

use ipnet::Ipv4Net;

use super::plan::HostPlan;

/// Frames that one packet may have inside a site, as offloads make them: without any, a lab of forty hosts
/// would measure how fast its own machine switches packets. What leaves onto a link is cut into frames.
pub(super) const LAN_SEGMENTS: u32 = 8;

/// Inside a host's namespace.
pub(super) fn interface(host: &HostPlan, congestion: &str) -> String {
    let mut text = format!(
        "link set lo up\nlink set eth0 gso_max_segs {LAN_SEGMENTS}\naddr add {} dev eth0\nlink set eth0 up\n\
         addr add {}/16 dev manage\nlink set manage up\nroute add default via {} congctl {congestion}\n",
        host.addr, host.management, host.gateway
    );
    for net in &host.foreign {
        let _ = writeln!(text, "route add {net} via {} congctl {congestion}", host.gateway);
    }
    text
}

/// The same for another address than before; with the old one its routes go.
pub(super) fn readdress(host: &HostPlan, before: Ipv4Net, congestion: &str) -> String {
    let mut text = format!(
        "addr del {before} dev eth0\naddr add {} dev eth0\nroute replace default via {} congctl {congestion}\n",
        host.addr, host.gateway
    );
    for net in &host.foreign {
        let _ = writeln!(
            text,
            "route replace {net} via {} congctl {congestion}",
            host.gateway
        );
    }
    text
}
