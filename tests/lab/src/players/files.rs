//! The folders and configuration files of a tracker and its agents.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::json;

use crate::content;
use crate::deployment::{AddressSpace, Deployment, Place};
use crate::players::player::Host;

/// The ports of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// The tracker's /announce.
    pub tracker: u16,
    /// The tracker's /status.
    pub admin: u16,
    /// Every agent's peers, each at its own address.
    pub peer: u16,
    /// Every agent's /status.
    pub control: u16,
}

/// What changes at the tracker's admin port need (events `http`): in `--netns` that is not on a loopback
/// address. The management network is the lab's own.
pub(crate) const ADMIN_TOKEN: &str = "narrows-lab-admin-token";

/// What the programs use by default.
const USUAL: Ports = Ports {
    tracker: 6969,
    admin: 6970,
    peer: 6881,
    control: 6882,
};

impl Ports {
    /// Four in a row.
    ///
    /// # Errors
    /// There are no four from there on.
    pub fn from_first(first: u16) -> Result<Ports, String> {
        match first {
            1..=65_532 => Ok(Ports {
                tracker: first,
                admin: first + 1,
                peer: first + 2,
                control: first + 3,
            }),
            _ => Err("--port: the first of four ports is from 1 to 65532".to_owned()),
        }
    }

    /// The asked ones, or the usual, or the first four that are free.
    ///
    /// # Errors
    /// Which address is taken, and what to do.
    pub fn choose(asked: Option<Ports>, deployment: &Deployment) -> Result<Ports, String> {
        // in namespaces of their own, programs share ports with no others
        if deployment.address_space == AddressSpace::Namespaces {
            return Ok(asked.unwrap_or(USUAL));
        }
        if let Some(ports) = asked {
            return match taken(ports, deployment) {
                None => Ok(ports),
                Some(addr) => Err(format!(
                    "--port: {addr} is in use by another program; choose other ports"
                )),
            };
        }
        let others = (0..20u16).filter_map(|i| Ports::from_first(20_000 + 100 * i).ok());
        let mut free =
            std::iter::once(USUAL).chain(others).filter(|ports| taken(*ports, deployment).is_none());
        free.next().ok_or_else(|| "found no free ports; choose four with --port".to_owned())
    }
}

/// The first address that cannot be listened on.
fn taken(ports: Ports, deployment: &Deployment) -> Option<SocketAddr> {
    let tracker = [ports.tracker, ports.admin].map(|port| SocketAddr::new(deployment.tracker(), port));
    let agents = deployment
        .agents
        .iter()
        .flat_map(|place| [ports.peer, ports.control].map(|port| SocketAddr::new(place.addr, port)));
    tracker.into_iter().chain(agents).find(|addr| TcpListener::bind(addr).is_err())
}

/// The folder of a run and what is where in it.
#[derive(Debug, Clone)]
pub struct Layout {
    root: PathBuf,
    /// The ports of the run.
    pub ports: Ports,
    /// The tracker's address for announces.
    tracker: IpAddr,
    /// Where the lab asks, by number: 0 the tracker, from 1 the agents. Empty: at their own addresses.
    management: Vec<IpAddr>,
}

impl Layout {
    /// In this folder, which must be absolute.
    pub fn new(root: PathBuf, ports: Ports, tracker: IpAddr) -> Layout {
        Layout {
            root,
            ports,
            tracker,
            management: Vec::new(),
        }
    }

    /// With addresses of their own for the lab's questions: the tracker's first, then the agents' in order.
    pub fn managed(mut self, management: Vec<IpAddr>) -> Layout {
        self.management = management;
        self
    }

    /// The tracker's folder.
    pub fn tracker(&self) -> PathBuf {
        self.root.join("tracker")
    }

    /// The .torrent of a content, where the tracker looks for it.
    pub fn torrent(&self, content: usize) -> PathBuf {
        self.tracker().join("torrents").join(format!("{}.torrent", content_name(content)))
    }

    /// The folder of machines that lie.
    pub fn liars(&self) -> PathBuf {
        self.root.join("liars")
    }

    /// The folder of an agent.
    pub fn agent(&self, place: &Place) -> PathBuf {
        self.root.join("agents").join(&place.id)
    }

    /// An agent's data folder.
    pub fn data(&self, place: &Place) -> PathBuf {
        self.agent(place).join("data")
    }

    /// Where the tracker takes announces.
    pub fn announce(&self) -> String {
        format!("http://{}/announce", self.announce_addr())
    }

    /// The same as an address.
    pub fn announce_addr(&self) -> SocketAddr {
        SocketAddr::new(self.tracker, self.ports.tracker)
    }

    /// The tracker's admin address.
    pub fn admin(&self) -> SocketAddr {
        SocketAddr::new(
            self.management.first().copied().unwrap_or(self.tracker),
            self.ports.admin,
        )
    }

    /// Every agent as a player sees it, in the world's order.
    pub fn hosts(&self, deployment: &Deployment) -> Vec<Host> {
        let one = |(i, place): (usize, &Place)| Host {
            id: place.id.clone(),
            seeder: place.seeder,
            addr: place.addr,
            peer_port: self.ports.peer,
            control: SocketAddr::new(
                self.management.get(i + 1).copied().unwrap_or(place.addr),
                self.ports.control,
            ),
            folder: self.agent(place),
            data: self.data(place),
        };
        deployment.agents.iter().enumerate().map(one).collect()
    }

    /// Makes the folders and writes tracker.yaml and sites.yaml.
    ///
    /// # Errors
    /// The path that cannot be written.
    pub fn write(&self, deployment: &Deployment) -> Result<()> {
        let tracker = self.tracker();
        folder(&tracker.join("torrents"))?;
        file(&tracker.join("sites.yaml"), &deployment.text)?;
        file(&tracker.join("tracker.yaml"), &self.tracker_yaml())?;
        file(&tracker.join("admin.token"), ADMIN_TOKEN)?;
        for place in &deployment.agents {
            folder(&self.data(place))?;
            folder(&self.agent(place).join("state"))?;
        }
        Ok(())
    }

    fn tracker_yaml(&self) -> String {
        format!(
            "listen: {}\nadmin: {}\nadmin_token: admin.token\nstate: state/\nsite_map: sites.yaml\ntorrents: torrents/\n",
            self.announce_addr(),
            self.admin(),
        )
    }
}

/// `rollout`, `rollout-2`, ...
pub fn content_name(content: usize) -> String {
    match content {
        0 => content::NAME.to_owned(),
        n => format!("{}-{}", content::NAME, n + 1),
    }
}

/// Writes the agent.yaml of a host that is to have these contents.
///
/// # Errors
/// The path that cannot be written.
pub fn write_agent(host: &Host, torrents: &[&Path]) -> Result<()> {
    // a JSON string is a YAML string, whatever the path holds
    let quoted = |path: &Path| json!(path.to_string_lossy()).to_string();
    // in a network of its own it listens as an agent does by default; in one with others an address is all
    // that is its own
    let shares_network = host.control.ip() == host.addr;
    let listen = match host.addr {
        own if shares_network => own,
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let mut text = format!(
        "id: {}\nlisten: {}\ncontrol: {}\nannounce_metrics: {}\ndata: {}\nstate: {}\ncontent:{}\n",
        json!(host.id),
        SocketAddr::new(listen, host.peer_port),
        host.control,
        // Prometheus looks for them where the agent announces from
        shares_network,
        quoted(&host.data),
        quoted(&host.folder.join("state")),
        if torrents.is_empty() { " []" } else { "" },
    );
    for torrent in torrents {
        text.push_str(&format!("  - torrent: {}\n", quoted(torrent)));
    }
    file(&host.folder.join("agent.yaml"), &text)
}

fn folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))
}

fn file(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Bytes that may still be written below a folder.
///
/// # Errors
/// The system's.
pub fn free_space(path: &Path) -> Result<u64> {
    let stat = rustix::fs::statvfs(path)
        .with_context(|| format!("cannot tell the free space of {}", path.display()))?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deployment::DEFAULT_MAP;

    fn deployment() -> Deployment {
        Deployment::new("default", DEFAULT_MAP, None, None, AddressSpace::Loopback).unwrap()
    }

    #[test]
    fn every_program_finds_its_configuration() {
        let dir = tempfile::tempdir().unwrap();
        let ports = Ports::from_first(7000).unwrap();
        let (layout, deployment) = (
            Layout::new(
                dir.path().join("a \"folder\""),
                ports,
                IpAddr::from([127, 0, 0, 1]),
            ),
            deployment(),
        );
        layout.write(&deployment).unwrap();
        write_agent(&layout.hosts(&deployment)[5], &[&layout.torrent(0)]).unwrap();
        let text = fs::read_to_string(layout.agent(&deployment.agents[5]).join("agent.yaml")).unwrap();
        let value: serde_json::Value = serde_yaml::from_str(&text).unwrap();
        assert_eq!(value["listen"], "127.2.0.11:7002");
        assert_eq!(value["control"], "127.2.0.11:7003");
        assert_eq!(
            value["content"][0]["torrent"],
            layout.torrent(0).to_str().unwrap()
        );
        let map = fs::read_to_string(layout.tracker().join("sites.yaml")).unwrap();
        assert_eq!(map, deployment.text);
    }

    #[test]
    fn a_taken_port_is_named_when_it_was_asked_for_and_avoided_when_not() {
        let deployment = deployment();
        // the control port of the first agent, whichever is free
        let holder = TcpListener::bind((deployment.agents[0].addr, 0)).unwrap();
        let addr = holder.local_addr().unwrap();
        let asked = Ports {
            control: addr.port(),
            ..Ports::from_first(20_000).unwrap()
        };
        assert_eq!(taken(asked, &deployment), Some(addr));
        let error = Ports::choose(Some(asked), &deployment).unwrap_err();
        assert!(
            error.contains("--port") && error.contains(&addr.to_string()),
            "{error}"
        );
        let chosen = Ports::choose(None, &deployment).unwrap();
        assert_eq!(taken(chosen, &deployment), None);
    }

    #[test]
    fn there_must_be_four_ports() {
        assert!(Ports::from_first(65_533).unwrap_err().contains("--port"));
        assert!(Ports::from_first(0).is_err());
        assert_eq!(Ports::from_first(65_532).unwrap().control, 65_535);
    }
}
