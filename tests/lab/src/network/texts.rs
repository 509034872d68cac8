//! What `ip` and `tc` are told to do when the network is made. Pure.

use std::fmt::Write as _;

use narrows_topology::Rate;

use super::host::LAN_SEGMENTS;
use super::neighbours::mac;
use super::plan::{NetPlan, Router};
use super::{Net, shape};

impl Net {
    /// Namespaces, veth pairs and the management bridge.
    pub(super) fn interfaces(&self) -> String {
        let mut text = format!(
            "link add manage address {} type bridge\nlink set manage up\naddr add {}/16 dev manage\n",
            mac(NetPlan::lab()),
            NetPlan::lab()
        );
        let routers = self.plan.routers.iter().map(|router| &router.netns);
        for netns in routers.chain(self.plan.hosts.iter().map(|host| &host.netns)) {
            let _ = writeln!(text, "netns add {netns}");
        }
        for wire in &self.plan.links {
            let [a, b] = &wire.ends;
            let _ = writeln!(
                text,
                "link add {} netns r{} type veth peer name {} netns r{}",
                a.device, a.router, b.device, b.router
            );
        }
        for host in &self.plan.hosts {
            let name = &host.netns;
            let _ = writeln!(
                text,
                "link add eth0 address {} netns {name} type veth peer name {name} netns r{}\n\
                 link add m{name} type veth peer name manage address {} netns {name}\n\
                 link set m{name} master manage up",
                mac(host.addr.addr()),
                host.router,
                mac(host.management)
            );
        }
        text
    }

    /// Inside a router's namespace.
    pub(super) fn router(&self, router: &Router) -> String {
        let number = self.plan.routers.iter().position(|other| other == router);
        let mut text = "link set lo up\n".to_owned();
        if let Some(lan) = router.lan {
            let _ = writeln!(
                text,
                "link add lan address {} type bridge\naddr add {lan} dev lan\nlink set lan up",
                mac(lan.addr())
            );
        }
        for host in self.plan.hosts.iter().filter(|host| Some(host.router) == number) {
            let _ = writeln!(
                text,
                "link set {0} gso_max_segs {LAN_SEGMENTS}\nlink set {0} master lan up",
                host.netns
            );
        }
        for wire in &self.plan.links {
            let [a, b] = &wire.ends;
            for (own, other) in [(a, b), (b, a)].iter().filter(|(own, _)| Some(own.router) == number) {
                let _ = writeln!(
                    text,
                    "link set {0} gso_max_segs 1\naddr add {1} peer {2} dev {0}\nlink set {0} up",
                    own.device, own.addr, other.addr
                );
            }
        }
        for route in &router.routes {
            let _ = writeln!(text, "route add {} via {}", route.to.trunc(), route.via);
        }
        text
    }

    /// Per namespace what `tc` is to do.
    pub(super) fn shaping(&self, lan: Rate) -> Vec<(String, String)> {
        let mut texts: Vec<(String, String)> = Vec::new();
        for (number, router) in self.plan.routers.iter().enumerate() {
            let ends =
                self.plan.links.iter().flat_map(|wire| wire.ends.iter().map(move |end| (wire.link, end)));
            let own = ends.filter(|(_, end)| end.router == number);
            let mut text: String =
                own.map(|(link, end)| shape::shape(&end.device, self.line(link).rate, false)).collect();
            let hosts = self.plan.hosts_at(number);
            text.extend(hosts.map(|host| shape::shape(&host.netns, lan, false)));
            texts.push((router.netns.clone(), text));
        }
        let hosts = self.plan.hosts.iter();
        texts.extend(hosts.map(|host| (host.netns.clone(), shape::shape("eth0", lan, false))));
        texts.retain(|(_, text)| !text.is_empty());
        texts
    }
}
