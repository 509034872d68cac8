//! The processes of a run: the tracker and the agents, and what is known of each.

use std::time::Instant;

use crate::programs::poll::ContentStatus;
use crate::programs::process::{Process, Usage};

/// All processes.
#[derive(Default)]
pub(crate) struct Fleet {
    pub(crate) tracker: Option<Process>,
    /// When a tracker that was killed starts again.
    pub(crate) tracker_restart: Option<Instant>,
    /// In the order of the deployment's places.
    pub(crate) agents: Vec<Agent>,
}

/// An agent and what is known of it.
#[derive(Default)]
pub(crate) struct Agent {
    pub(crate) process: Option<Process>,
    /// Of each content.
    pub(crate) status: Vec<ContentStatus>,
    /// Of all contents, 0 to 1; while files are checked, what it was before.
    pub(crate) progress: f64,
    /// Of each content.
    pub(crate) each: Vec<f64>,
    /// When each content was complete, in seconds since the clients' start.
    pub(crate) done: Vec<Option<f64>>,
    pub(crate) kills: u32,
    pub(crate) seconds: Option<f64>,
    pub(crate) usage: Usage,
    pub(crate) restart: Option<Instant>,
    /// Answers to questions asked before this are of an earlier life.
    pub(crate) since: Option<Instant>,
    pub(crate) heard: Option<Instant>,
    /// It stands still and does not answer.
    pub(crate) frozen: bool,
    /// Its network cable is pulled.
    pub(crate) unplugged: bool,
    /// It will not be complete: it is not waited for.
    pub(crate) gone: bool,
}

impl Fleet {
    /// So many agents with so many contents each, none of which runs.
    pub(crate) fn new(agents: usize, contents: usize) -> Fleet {
        Fleet {
            agents: (0..agents).map(|_| Agent::new(contents)).collect(),
            ..Fleet::default()
        }
    }

    /// Ends every process.
    pub(crate) async fn stop(&mut self) {
        let agents = self.agents.iter_mut().filter_map(|agent| agent.process.take());
        for mut process in agents.chain(self.tracker.take()) {
            // it is ours and kill(2) of it cannot fail but for having ended
            let _ = process.kill().await;
        }
    }
}

impl Agent {
    fn new(contents: usize) -> Agent {
        Agent {
            each: vec![0.0; contents],
            done: vec![None; contents],
            ..Agent::default()
        }
    }

    pub(crate) fn add_usage(&mut self, usage: Option<Usage>) {
        let Some(usage) = usage else { return };
        self.usage.cpu_seconds += usage.cpu_seconds;
        self.usage.rss_peak = self.usage.rss_peak.max(usage.rss_peak);
    }

    /// Whether it runs and says that it is its site's gateway, of any content.
    pub(crate) fn gateway(&self) -> bool {
        self.process.is_some() && self.status.iter().any(ContentStatus::gateway)
    }
}
