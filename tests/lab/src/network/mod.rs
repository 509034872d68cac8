//! The lab's own network (`--netns`): hosts, routers and links as network namespaces, shaped and counted by
//! the kernel.
//!
//! [`plan`] says which host has which address and which routes, [`shape`] how fast a link is, [`neighbours`]
//! which hosts find each other without ARP (all pure), [`enter`] gets the lab into namespaces of its own;
//! [`texts`] says what
//! `ip` and `tc` are told, [`commands`] runs them, [`counters`] reads.

mod commands;
pub mod congestion;
mod counters;
pub mod enter;
mod host;
mod neighbours;
pub mod plan;
pub mod probe;
pub mod shape;
mod texts;
pub mod wire;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

use ipnet::Ipv4Net;
use narrows_topology::{Hop, LinkId, Rate};

use crate::Stop;
use crate::programs::process::CommandLine;
use crate::programs::process::{Minder, Process};
use commands::{batch, batches};
use counters::sent;
use host::interface;
use plan::{End, NetPlan, Router};

/// A network that stands. It ends with the lab's last process.
#[derive(Debug)]
pub struct Net {
    plan: NetPlan,
    /// What each link carries each way.
    links: BTreeMap<LinkId, Line>,
    /// TCP's congestion control between sites.
    congestion: String,
    /// One process per router that does nothing: by its number, /proc shows the router's counters.
    holders: Vec<Process>,
}

/// A link as it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Line {
    /// Of the line itself.
    physical: Rate,
    /// What htb lets through now, if it is shaped.
    rate: Rate,
    cut: bool,
}

impl Net {
    /// Makes it. `rate` says how fast each link is; `lan` what each host may send, unlimited by default;
    /// `congestion` is TCP's between sites.
    ///
    /// # Errors
    /// The command that failed, and what it said.
    pub fn build(
        plan: NetPlan,
        rate: impl Fn(LinkId) -> Rate,
        lan: Rate,
        congestion: String,
        minder: &Minder,
        folder: &Path,
    ) -> Result<Net, Stop> {
        let links = plan.links.iter().map(|wire| (wire.link, Line::new(rate(wire.link))));
        let mut net = Net {
            links: links.collect(),
            congestion,
            plan,
            holders: Vec::new(),
        };
        batch("ip", None, &net.interfaces())?;
        let routers = net.plan.routers.iter().map(|router| (router.netns.clone(), net.router(router)));
        let hosts = net.plan.hosts.iter().map(|host| (host.netns.clone(), interface(host, &net.congestion)));
        batches("ip", routers.chain(hosts).collect())?;
        if neighbours::are_fixed(&net.plan) {
            net.fix_neighbours()?;
        }
        batches("tc", net.shaping(lan))?;
        for router in &net.plan.routers {
            let script = "echo 1 > /proc/sys/net/ipv4/ip_forward && exec sleep 1000000000";
            let args = ["-c", script].map(OsString::from);
            let (program, args) = enter::within(&router.netns, "sh".as_ref(), args);
            let holder = minder.spawn(&program, args, &folder.join("router.log"));
            let holder =
                holder.map_err(|error| Stop::Missing(format!("--netns: cannot run nsenter: {error}")))?;
            net.holders.push(holder);
        }
        net.ready()?;
        Ok(net)
    }

    /// Gives each host the MAC addresses of its neighbours.
    fn fix_neighbours(&self) -> Result<(), Stop> {
        let plan = &self.plan;
        batch("ip", None, &neighbours::of_lab(plan))?;
        let routers = plan.routers.iter().enumerate();
        let routers =
            routers.map(|(number, router)| (router.netns.clone(), neighbours::of_router(plan, number)));
        let hosts = plan.hosts.iter();
        let hosts = hosts.map(|host| (host.netns.clone(), neighbours::of_host(plan, host)));
        batches("ip", routers.chain(hosts).collect())
    }

    /// Waits for the holders to be where they belong, then checks that no packet is larger than a frame.
    fn ready(&self) -> Result<(), Stop> {
        let begun = std::time::Instant::now();
        let forwards = |router: &Router| {
            let (program, args) = enter::within(
                &router.netns,
                "cat".as_ref(),
                ["/proc/sys/net/ipv4/ip_forward".into()],
            );
            let output = Command::new(program).args(args).output();
            output.is_ok_and(|output| output.stdout.first() == Some(&b'1'))
        };
        for router in &self.plan.routers {
            while !forwards(router) {
                if begun.elapsed().as_secs() >= 10 {
                    return Err(Stop::Missing(
                        "--netns: routers may not forward packets (ip_forward)".into(),
                    ));
                }
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
        }
        for wire in &self.plan.links {
            for end in &wire.ends {
                if offloads(end)? {
                    return Err(Stop::Missing(format!(
                        "--netns: this kernel does not let gso_max_segs be 1 ({}): its counters would not be those of a wire",
                        end.device
                    )));
                }
            }
        }
        Ok(())
    }

    /// TCP's congestion control between sites.
    pub fn congestion(&self) -> &str {
        &self.congestion
    }

    fn line(&self, link: LinkId) -> Line {
        self.links.get(&link).copied().unwrap_or(Line::new(Rate::UNLIMITED))
    }

    /// How it is laid out.
    pub fn plan(&self) -> &NetPlan {
        &self.plan
    }

    /// What the line itself carries each way.
    pub fn physical(&self, link: LinkId) -> Rate {
        self.line(link).physical
    }

    /// The same command at a host: 0 the tracker, then the agents in the world's order, then ends of probes.
    pub fn at(&self, host: usize, command: CommandLine) -> CommandLine {
        let Some(host) = self.plan.hosts.get(host) else {
            return command;
        };
        let (program, args) = enter::within(&host.netns, command.program.as_os_str(), command.args);
        CommandLine {
            program,
            args,
            env: command.env,
        }
    }

    /// Bytes that have left onto each link in each direction, in the order of [`NetPlan::hops`]: frames with
    /// all their headers, as the interfaces behind the shaper count them.
    pub fn counters(&self) -> Vec<u64> {
        let tables: Vec<BTreeMap<String, u64>> =
            self.holders.iter().map(|holder| sent(holder.pid())).collect();
        let one = |hop: Hop| {
            let end = self.plan.sender(hop)?;
            tables.get(end.router)?.get(&end.device).copied()
        };
        self.plan.hops().map(|hop| one(hop).unwrap_or(0)).collect()
    }

    /// From now on a link carries this each way, or nothing.
    ///
    /// # Errors
    /// What `tc` said.
    pub fn change(&mut self, link: LinkId, change: Change) -> Result<(), Stop> {
        let before = self.line(link);
        let after = match change {
            Change::Rate(rate) => Line { rate, ..before },
            Change::Original => Line {
                rate: before.physical,
                ..before
            },
            Change::Cut(cut) => Line { cut, ..before },
        };
        let Some(wire) = self.plan.links.iter().find(|wire| wire.link == link) else {
            return Ok(());
        };
        for end in &wire.ends {
            let netns = format!("r{}", end.router);
            let text = match after.cut {
                true => shape::cut(&end.device, before.rate),
                // a cut unlimited link has a qdisc of its own, and a shaper cannot be changed to none
                false if before.rate.is_unlimited() && before.cut => {
                    shape::shape(&end.device, before.rate, true)
                        + &shape::shape(&end.device, after.rate, false)
                }
                false => shape::shape(&end.device, after.rate, !before.rate.is_unlimited()),
            };
            batch("tc", Some(&netns), &text)?;
        }
        self.links.insert(link, after);
        Ok(())
    }

    /// A host gets another address of its network; no program is told.
    ///
    /// # Errors
    /// What `ip` said.
    pub fn readdress(&mut self, host: usize, addr: Ipv4Addr) -> Result<(), Stop> {
        let Some(host) = self.plan.hosts.get_mut(host) else {
            return Ok(());
        };
        let before = host.addr;
        host.addr = Ipv4Net::new(addr, before.prefix_len()).unwrap_or(before);
        let text = host::readdress(host, before, &self.congestion);
        batch("ip", Some(&host.netns), &text)
    }

    /// A host's cable is pulled, or plugged in again: no program is told, and its routes stay.
    ///
    /// # Errors
    /// What `ip` said.
    pub fn plug(&self, host: usize, up: bool) -> Result<(), Stop> {
        let Some(host) = self.plan.hosts.get(host) else {
            return Ok(());
        };
        let state = if up { "up" } else { "down" };
        batch(
            "ip",
            Some(&format!("r{}", host.router)),
            &format!("link set {} {state}\n", host.netns),
        )
    }
}

impl Line {
    fn new(rate: Rate) -> Line {
        Line {
            physical: rate,
            rate,
            cut: false,
        }
    }
}

/// What becomes of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Another rate.
    Rate(Rate),
    /// The rate that it had at first.
    Original,
    /// Nothing gets through, or what its rate lets through again.
    Cut(bool),
}

/// Whether packets larger than a frame may leave onto a link.
fn offloads(end: &End) -> Result<bool, Stop> {
    let netns = format!("r{}", end.router);
    let output = Command::new("ip").args(["-n", &netns, "-d", "-j", "link", "show", &end.device]).output();
    let output = output.map_err(|error| Stop::Missing(format!("--netns: cannot run ip: {error}")))?;
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    Ok(value.pointer("/0/gso_max_segs").and_then(serde_json::Value::as_u64) != Some(1))
}
