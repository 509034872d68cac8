//! `status`, `pause`, `resume`, `verify`, `reload`: what is asked of a running agent.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use narrows_host::say;
use narrows_protocol::query::encode;

use super::failure::Failure;
use super::setup::runtime;
use super::show;
use crate::config::Config;
use crate::content::{ContentState, ContentStatus};
use crate::control::{Client, Token};
use crate::platform;
use crate::supervisor::{AgentStatus, Reloaded};

#[derive(Args, Debug)]
pub(super) struct ControlArgs {
    /// The running agent's configuration: says where its control port and token are.
    #[arg(long, short, default_value = platform::default_config())]
    config: PathBuf,
    /// The control address, instead of that in the configuration.
    #[arg(long)]
    control: Option<SocketAddr>,
    /// The token file, instead of that in the configuration.
    #[arg(long)]
    token_file: Option<PathBuf>,
    /// Answer for machines.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Args, Debug)]
pub(super) struct CommandArgs {
    /// Name or info hash; default: all.
    pub(super) content: Option<String>,
    #[command(flatten)]
    pub(super) control: ControlArgs,
}

/// What `status` found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Health {
    Well,
    /// Some content is in error.
    InError,
}

/// `status`: what the agent does.
pub(super) fn status(args: &ControlArgs) -> Result<Health, Failure> {
    let client = args.client(false)?;
    let body = runtime()?.block_on(client.get("/status"))?;
    let status: AgentStatus = serde_json::from_slice(&body).context("not a status")?;
    if args.json {
        say!("{}", String::from_utf8_lossy(&body));
    } else {
        narrows_host::out::say(format_args!("{}", show::table(&status)));
    }
    let in_error = |content: &ContentStatus| content.state == ContentState::Error;
    Ok(if status.content.iter().any(in_error) {
        Health::InError
    } else {
        Health::Well
    })
}

/// `pause`, `resume`, `verify`.
pub(super) fn command(name: &str, args: &CommandArgs) -> Result<(), Failure> {
    let client = args.control.client(true)?;
    let body = runtime()?.block_on(client.post(&args.path(name)))?;
    if args.control.json {
        say!("{}", String::from_utf8_lossy(&body));
    } else {
        let answer: serde_json::Value = serde_json::from_slice(&body).context("not an answer")?;
        let names = answer["content"].as_array().cloned().unwrap_or_default();
        for content in names.iter().filter_map(|content| content.as_str()) {
            say!("{name}: {content}");
        }
    }
    Ok(())
}

/// `reload`.
pub(super) fn reload(args: &ControlArgs) -> Result<(), Failure> {
    let body = runtime()?.block_on(args.client(true)?.post("/reload"))?;
    if args.json {
        say!("{}", String::from_utf8_lossy(&body));
        return Ok(());
    }
    let done: Reloaded = serde_json::from_slice(&body).context("not an answer")?;
    done.added.iter().for_each(|name| say!("added {name}"));
    done.removed.iter().for_each(|name| say!("removed {name}"));
    done.unread.iter().for_each(|name| {
        say!("kept {name}: its .torrent cannot be read now and is tried again; see the log")
    });
    done.needs_restart.iter().for_each(|key| say!("`{key}` changed; restart the agent to apply that"));
    if done == Reloaded::default() {
        say!("nothing changed");
    }
    Ok(())
}

impl CommandArgs {
    /// What to ask the control port for.
    pub(super) fn path(&self, name: &str) -> String {
        let mut path = format!("/{name}");
        if let Some(content) = &self.content {
            path.push_str("?content=");
            encode(content.as_bytes(), &mut path);
        }
        path
    }
}

impl ControlArgs {
    /// The running agent; with its token if commands are to be given.
    pub(super) fn client(&self, with_token: bool) -> Result<Client, Failure> {
        let needs_config = self.control.is_none() || (with_token && self.token_file.is_none());
        let config = if needs_config {
            Some(Config::load(&self.config)?)
        } else {
            None
        };
        let config_control = config.as_ref().map(|config| config.control);
        let address = self.control.or(config_control).context("no control address")?;
        let token_path = self.token_file.clone().or(config.map(|config| config.token_path()));
        let token = match token_path.filter(|_| with_token) {
            Some(path) => {
                let read = Token::read(&path);
                Some(read.with_context(|| {
                    format!("cannot read the token {}; does the agent run?", path.display())
                })?)
            }
            None => None,
        };
        Ok(Client::new(address, token))
    }
}
