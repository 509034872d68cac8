//! The folders and configuration files of a tracker and its agents.

use std::fs;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::json;

use super::content;
use super::world::{Place, TRACKER, World};

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
    pub fn choose(asked: Option<Ports>, agents: &[Place]) -> Result<Ports, String> {
        if let Some(ports) = asked {
            return match taken(ports, agents) {
                None => Ok(ports),
                Some(addr) => Err(format!(
                    "--port: {addr} is in use by another program; choose other ports"
                )),
            };
        }
        let others = (0..20u16).filter_map(|i| Ports::from_first(20_000 + 100 * i).ok());
        let mut free = std::iter::once(USUAL)
            .chain(others)
            .filter(|ports| taken(*ports, agents).is_none());
        free.next()
            .ok_or_else(|| "found no free ports; choose four with --port".to_owned())
    }
}

/// The first address that cannot be listened on.
fn taken(ports: Ports, agents: &[Place]) -> Option<SocketAddr> {
    let tracker = [ports.tracker, ports.admin].map(|port| SocketAddr::new(TRACKER, port));
    let agents = agents
        .iter()
        .flat_map(|place| [ports.peer, ports.control].map(|port| SocketAddr::new(place.addr, port)));
    tracker
        .into_iter()
        .chain(agents)
        .find(|addr| TcpListener::bind(addr).is_err())
}

/// The folder of a run and what is where in it.
#[derive(Debug, Clone)]
pub struct Layout {
    root: PathBuf,
    /// The ports of the run.
    pub ports: Ports,
}

impl Layout {
    /// In this folder, which must be absolute.
    pub fn new(root: PathBuf, ports: Ports) -> Layout {
        Layout { root, ports }
    }

    /// The tracker's folder.
    pub fn tracker(&self) -> PathBuf {
        self.root.join("tracker")
    }

    /// Where the tracker looks for .torrent files.
    pub fn torrent(&self) -> PathBuf {
        self.tracker()
            .join("torrents")
            .join(format!("{}.torrent", content::NAME))
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
        format!("http://{}/announce", SocketAddr::new(TRACKER, self.ports.tracker))
    }

    /// The tracker's admin address.
    pub fn admin(&self) -> SocketAddr {
        SocketAddr::new(TRACKER, self.ports.admin)
    }

    /// The control address of an agent at `addr`.
    pub fn control(&self, addr: IpAddr) -> SocketAddr {
        SocketAddr::new(addr, self.ports.control)
    }

    /// Makes the folders and writes tracker.yaml, sites.yaml and every agent.yaml.
    ///
    /// # Errors
    /// The path that cannot be written.
    pub fn write(&self, world: &World) -> Result<()> {
        let tracker = self.tracker();
        folder(&tracker.join("torrents"))?;
        file(&tracker.join("sites.yaml"), &world.text)?;
        file(&tracker.join("tracker.yaml"), &self.tracker_yaml())?;
        for place in &world.agents {
            folder(&self.data(place))?;
            folder(&self.agent(place).join("state"))?;
            file(&self.agent(place).join("agent.yaml"), &self.agent_yaml(place))?;
        }
        Ok(())
    }

    fn tracker_yaml(&self) -> String {
        format!(
            "listen: {}\nadmin: {}\nsite_map: sites.yaml\ntorrents: torrents/\n",
            SocketAddr::new(TRACKER, self.ports.tracker),
            self.admin(),
        )
    }

    fn agent_yaml(&self, place: &Place) -> String {
        // a JSON string is a YAML string, whatever the path holds
        let quoted = |path: PathBuf| json!(path.to_string_lossy()).to_string();
        let folder = self.agent(place);
        format!(
            "id: {}\nlisten: {}\ncontrol: {}\ndata: {}\nstate: {}\ncontent:\n  - torrent: {}\n",
            json!(place.id),
            SocketAddr::new(place.addr, self.ports.peer),
            self.control(place.addr),
            quoted(folder.join("data")),
            quoted(folder.join("state")),
            quoted(self.torrent()),
        )
    }
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
    use crate::lab::world::DEFAULT_MAP;

    fn world() -> World {
        World::new("default", DEFAULT_MAP, None, None).unwrap()
    }

    #[test]
    fn every_program_finds_its_configuration() {
        let dir = tempfile::tempdir().unwrap();
        let ports = Ports::from_first(7000).unwrap();
        let (layout, world) = (Layout::new(dir.path().join("a \"folder\""), ports), world());
        layout.write(&world).unwrap();
        let text = fs::read_to_string(layout.agent(&world.agents[5]).join("agent.yaml")).unwrap();
        let value: serde_json::Value = serde_yaml::from_str(&text).unwrap();
        assert_eq!(value["listen"], "127.2.0.11:7002");
        assert_eq!(value["control"], "127.2.0.11:7003");
        assert_eq!(value["content"][0]["torrent"], layout.torrent().to_str().unwrap());
        let map = fs::read_to_string(layout.tracker().join("sites.yaml")).unwrap();
        assert_eq!(map, world.text);
    }

    #[test]
    fn a_taken_port_is_named_when_it_was_asked_for_and_avoided_when_not() {
        let world = world();
        // the control port of the first agent, whichever is free
        let holder = TcpListener::bind((world.agents[0].addr, 0)).unwrap();
        let addr = holder.local_addr().unwrap();
        let asked = Ports {
            control: addr.port(),
            ..Ports::from_first(20_000).unwrap()
        };
        assert_eq!(taken(asked, &world.agents), Some(addr));
        let error = Ports::choose(Some(asked), &world.agents).unwrap_err();
        assert!(
            error.contains("--port") && error.contains(&addr.to_string()),
            "{error}"
        );
        let chosen = Ports::choose(None, &world.agents).unwrap();
        assert_eq!(taken(chosen, &world.agents), None);
    }

    #[test]
    fn there_must_be_four_ports() {
        assert!(Ports::from_first(65_533).unwrap_err().contains("--port"));
        assert!(Ports::from_first(0).is_err());
        assert_eq!(Ports::from_first(65_532).unwrap().control, 65_535);
    }
}
