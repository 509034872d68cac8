//! What a liar knows, and how it went.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::liars::Kind;

/// What a liar knows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scene {
    /// What it does.
    pub kind: Kind,
    /// Its own address.
    pub own: IpAddr,
    /// The site it is at.
    pub site: String,
    /// Where the tracker takes announces.
    pub tracker: SocketAddr,
    /// The tracker's admin port.
    pub admin: SocketAddr,
    /// Each content: 40 hex digits.
    pub info_hashes: Vec<String>,
    /// Bytes of a content.
    pub size: u64,
    /// Its pieces.
    pub pieces: u32,
    /// Who is where.
    pub agents: Vec<Agent>,
    /// Where it writes how it went.
    pub outcome: PathBuf,
}

/// An honest agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Agent {
    /// Its id.
    pub id: String,
    /// Its site.
    pub site: String,
    /// Where it takes peers.
    pub addr: SocketAddr,
    /// Its control port.
    pub control: SocketAddr,
    /// Whether it had the content from the beginning.
    pub seeder: bool,
}

/// How it went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Requests and connections that it made.
    pub tried: u64,
    /// Those that were answered as an honest client's would be.
    pub taken: u64,
    /// Bytes of content that it got.
    pub payload: u64,
    /// Announces that were answered with a gateway's lease.
    pub leases: u64,
    /// Accusations of agents that were gateways just then, by their own word; one of each again after some seconds.
    pub accused: u64,
    /// For how long it was at it, in milliseconds, where that matters.
    pub millis: u64,
}

/// The same, counted by several threads.
#[derive(Debug, Default)]
pub(super) struct Tally {
    tried: AtomicU64,
    taken: AtomicU64,
    payload: AtomicU64,
    leases: AtomicU64,
    accused: AtomicU64,
    millis: AtomicU64,
}

impl Tally {
    pub(super) fn tried(&self) {
        self.tried.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn taken(&self) {
        self.taken.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn lease(&self) {
        self.leases.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn accused(&self) {
        self.accused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn lasted(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.millis.store(millis, Ordering::Relaxed);
    }

    pub(super) fn payload(&self, bytes: usize) {
        self.payload.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Writes it down, whole: the lab may read at any time.
    pub(super) fn save(&self, scene: &Scene) -> io::Result<()> {
        let outcome = Outcome {
            tried: self.tried.load(Ordering::Relaxed),
            taken: self.taken.load(Ordering::Relaxed),
            payload: self.payload.load(Ordering::Relaxed),
            leases: self.leases.load(Ordering::Relaxed),
            accused: self.accused.load(Ordering::Relaxed),
            millis: self.millis.load(Ordering::Relaxed),
        };
        let next = scene.outcome.with_extension("next");
        std::fs::write(&next, serde_json::to_vec(&outcome)?)?;
        std::fs::rename(&next, &scene.outcome)
    }
}

impl Scene {
    /// The agents at its own site; all where it is alone.
    pub(super) fn neighbours(&self) -> Vec<&Agent> {
        let local: Vec<&Agent> = self.agents.iter().filter(|agent| agent.site == self.site).collect();
        match local.is_empty() {
            true => self.agents.iter().collect(),
            false => local,
        }
    }
}
