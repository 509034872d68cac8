//! The lab's own network (`--netns`): hosts, routers and links as network namespaces, shaped and counted by the kernel.
//!
//! [`plan`] says who has which address and which routes, [`shape`] how fast a link is (both pure), [`enter`] gets the
//! lab into namespaces of its own; here `ip` and `tc` are run, and counters read.

pub mod congestion;
pub mod enter;
pub mod plan;
pub mod shape;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use narrows_topology::{Hop, LinkId, Rate};

use super::Stop;
use super::player::CommandLine;
use super::process::{Minder, Process};
use plan::{End, HostPlan, NetPlan, Router};

/// Frames that one packet may have inside a site, as offloads make them: without any, a lab of forty hosts would
/// measure how fast its own machine switches packets. What leaves onto a link is cut into frames.
const LAN_SEGMENTS: u32 = 8;

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
        let links = plan
            .links
            .iter()
            .map(|wire| (wire.link, Line::new(rate(wire.link))));
        let mut net = Net {
            links: links.collect(),
            congestion,
            plan,
            holders: Vec::new(),
        };
        batch("ip", None, &net.interfaces())?;
        let routers = net
            .plan
            .routers
            .iter()
            .map(|router| (router.netns.clone(), net.router(router)));
        let hosts = net
            .plan
            .hosts
            .iter()
            .map(|host| (host.netns.clone(), interface(host, &net.congestion)));
        batches("ip", routers.chain(hosts).collect())?;
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

    /// Namespaces, veth pairs and the management bridge.
    fn interfaces(&self) -> String {
        let mut text = format!(
            "link add manage type bridge\nlink set manage up\naddr add {}/16 dev manage\n",
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
                "link add eth0 netns {name} type veth peer name {name} netns r{}\n\
                 link add m{name} type veth peer name manage netns {name}\n\
                 link set m{name} master manage up",
                host.router
            );
        }
        text
    }

    /// Inside a router's namespace.
    fn router(&self, router: &Router) -> String {
        let number = self.plan.routers.iter().position(|other| other == router);
        let mut text = "link set lo up\n".to_owned();
        if let Some(lan) = router.lan {
            let _ = writeln!(
                text,
                "link add lan type bridge\naddr add {lan} dev lan\nlink set lan up"
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
            for (own, other) in [(a, b), (b, a)]
                .iter()
                .filter(|(own, _)| Some(own.router) == number)
            {
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
    fn shaping(&self, lan: Rate) -> Vec<(String, String)> {
        let mut texts: Vec<(String, String)> = Vec::new();
        for (number, router) in self.plan.routers.iter().enumerate() {
            let ends = self
                .plan
                .links
                .iter()
                .flat_map(|wire| wire.ends.iter().map(move |end| (wire.link, end)));
            let own = ends.filter(|(_, end)| end.router == number);
            let mut text: String = own
                .map(|(link, end)| shape::shape(&end.device, self.line(link).rate, false))
                .collect();
            let hosts = self.plan.hosts.iter().filter(|host| host.router == number);
            text.extend(hosts.map(|host| shape::shape(&host.netns, lan, false)));
            texts.push((router.netns.clone(), text));
        }
        let hosts = self.plan.hosts.iter();
        texts.extend(hosts.map(|host| (host.netns.clone(), shape::shape("eth0", lan, false))));
        texts.retain(|(_, text)| !text.is_empty());
        texts
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
        self.links
            .get(&link)
            .copied()
            .unwrap_or(Line::new(Rate::UNLIMITED))
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

    /// Bytes that have left onto each link in each direction, in the order of [`NetPlan::hops`]: frames with all
    /// their headers, as the interfaces behind the shaper count them.
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

    /// A host's cable is pulled, or plugged in again: nobody is told, and its routes stay.
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

/// Inside a host's namespace.
fn interface(host: &HostPlan, congestion: &str) -> String {
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

/// Bytes sent per interface, in the network namespace of a process: /proc/PID/net/dev.
fn sent(pid: u32) -> BTreeMap<String, u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/net/dev")).unwrap_or_default();
    parse_sent(&text)
}

/// The ninth number of each line of proc_net_dev(5).
fn parse_sent(text: &str) -> BTreeMap<String, u64> {
    let line = |line: &str| {
        let (name, numbers) = line.split_once(':')?;
        let bytes = numbers.split_whitespace().nth(8)?.parse().ok()?;
        Some((name.trim().to_owned(), bytes))
    };
    text.lines().filter_map(line).collect()
}

/// Whether packets larger than a frame may leave onto a link.
fn offloads(end: &End) -> Result<bool, Stop> {
    let netns = format!("r{}", end.router);
    let output = Command::new("ip")
        .args(["-n", &netns, "-d", "-j", "link", "show", &end.device])
        .output();
    let output = output.map_err(|error| Stop::Missing(format!("--netns: cannot run ip: {error}")))?;
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    Ok(value
        .pointer("/0/gso_max_segs")
        .and_then(serde_json::Value::as_u64)
        != Some(1))
}

/// Runs some, a few at a time.
fn batches(program: &str, texts: Vec<(String, String)>) -> Result<(), Stop> {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let work = || {
        while let Some((netns, text)) = texts.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
            batch(program, Some(netns), text)?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
        let results = threads.into_iter().map(|thread| match thread.join() {
            Ok(result) => result,
            Err(_) => Err(Stop::Failed(format!("--netns: running {program} failed"))),
        });
        results.collect()
    })
}

/// `ip -batch` or `tc -batch`, all in one process.
fn batch(program: &str, netns: Option<&str>, text: &str) -> Result<(), Stop> {
    let failed = |what: String| {
        let place = netns.map_or(String::new(), |netns| format!(" in {netns}"));
        Stop::Missing(format!("--netns: {program}{place}: {what}"))
    };
    let mut command = Command::new(program);
    if let Some(netns) = netns {
        command.args(["-n", netns]);
    }
    let mut child = command
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    if let Some(mut input) = child.stdin.take() {
        input
            .write_all(text.as_bytes())
            .map_err(|error| failed(error.to_string()))?;
    }
    let output = child
        .wait_with_output()
        .map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
    // the batch is numbered in what they say
    let number = said
        .rsplit(':')
        .next()
        .and_then(|n| n.trim().parse::<usize>().ok());
    let line = number
        .and_then(|n| text.lines().nth(n.saturating_sub(1)))
        .unwrap_or_default();
    Err(failed(format!("{said} `{line}`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_sent_are_read_per_interface() {
        let text = "Inter-|   Receive  |  Transmit\n face |bytes packets\n    lo:  1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n\
                    l0a:  1 2 3 4 5 6 7 8 1514000 10 11 12 13 14 15 16\n";
        assert_eq!(parse_sent(text).get("l0a"), Some(&1_514_000));
        assert_eq!(parse_sent(text).len(), 2);
        assert!(parse_sent("").is_empty());
    }
}
