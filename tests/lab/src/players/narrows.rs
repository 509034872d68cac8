//! Our own agent as a player.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::Stop;
use crate::players::files::write_agent;
use crate::players::player::{Answer, Host, Player, Task};
use crate::programs::poll;
use crate::programs::process::CommandLine;

/// narrows-agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Narrows {
    /// The program.
    pub agent: PathBuf,
}

impl Player for Narrows {
    fn name(&self) -> &'static str {
        "narrows"
    }

    fn check(&self) -> Result<(), Stop> {
        // binaries::find looked
        Ok(())
    }

    fn prepare(&self, host: &Host, task: &Task) -> Result<()> {
        let torrents: Vec<&Path> = task.contents.iter().map(|content| &*content.torrent).collect();
        write_agent(host, &torrents)
    }

    fn command(&self, host: &Host, _task: &Task) -> CommandLine {
        let config = host.folder.join("agent.yaml");
        CommandLine {
            program: self.agent.clone(),
            args: vec!["run".into(), "--config".into(), config.into()],
            env: Vec::new(),
        }
    }

    fn status<'a>(&'a self, host: &'a Host, _task: &'a Task) -> Answer<'a> {
        Box::pin(poll::agent(host.control))
    }
}
