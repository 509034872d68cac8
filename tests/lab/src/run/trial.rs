//! What a run of `--chaos` keeps beside what every run does.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::chaos::Plan;
use crate::chaos::named::Named;
use crate::liars::Kind;
use crate::programs::process::Process;

/// What a run of `--chaos` keeps.
#[derive(Debug)]
pub(crate) struct Trial {
    pub(crate) plan: Plan,
    /// When the agents were asked to look at their targets, once all faults had healed.
    pub(crate) looked: Option<Instant>,
    /// Who is named by whom, and when that was first seen.
    pub(crate) named: Arc<Mutex<BTreeMap<Named, Instant>>>,
    /// Those that lie.
    pub(crate) liars: Vec<Running>,
}

/// A machine that lies.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) kind: Kind,
    /// That of its site, and that by which it reaches control ports.
    pub(crate) addrs: Vec<IpAddr>,
    /// It ends with it.
    pub(crate) _process: Process,
    /// Where it writes how it went.
    pub(crate) outcome: PathBuf,
}

impl Trial {
    pub(crate) fn new(plan: Plan) -> Trial {
        Trial {
            plan,
            looked: None,
            named: Arc::default(),
            liars: Vec::new(),
        }
    }
}
