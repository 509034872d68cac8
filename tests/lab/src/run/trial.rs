//! What a run of `--chaos` keeps beside what every run does.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::chaos::Plan;
use crate::liars::Kind;
use crate::programs::process::Process;

/// What a run of `--chaos` keeps.
#[derive(Debug)]
pub(crate) struct Trial {
    pub(crate) plan: Plan,
    /// When the agents were asked to look at their targets, once all faults had healed.
    pub(crate) looked: Option<Instant>,
    /// The offences that programs counted.
    pub(crate) named: Arc<Mutex<BTreeSet<String>>>,
    /// Those that lie, with where each writes how it went.
    pub(crate) liars: Vec<(Kind, Process, PathBuf)>,
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

    /// Those that were counted until now.
    pub(crate) fn offences(&self) -> BTreeSet<String> {
        self.named.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}
