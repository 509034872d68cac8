//! What plays the clients, and which tracker they announce to: ours, or others for a side-by-side.
//!
//! A player is a program that the lab starts once per machine, seeders and clients alike, inside the
//! machine's network namespace (`--netns`) or on its 127.x address. The lab calls, in this order:
//! [`Player::check`] once; [`Player::prepare`] once per machine before anything runs; [`Player::command`] at
//! each start (again after a kill: continue with what the disk holds); [`Player::status`] five times a second
//! while it runs. The lab ends it with SIGKILL, or SIGTERM for the event `stop`. The lab has put the content
//! into [`Host::data`] of every seeder.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::pin::Pin;

use anyhow::Result;
use clap::ValueEnum;

use crate::Stop;
use crate::programs::poll::AgentStatus;
use crate::programs::process::CommandLine;

/// `--player`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum PlayerKind {
    /// narrows-agent
    #[default]
    Narrows,
    /// libtorrent, by its Python binding
    Libtorrent,
    /// aria2c
    Aria2,
    /// transmission-daemon
    Transmission,
    /// Unicast: every client fetches from a seeder over HTTP
    Http,
}

/// `--tracker`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum TrackerKind {
    /// narrows-tracker
    #[default]
    Narrows,
    /// opentracker, which knows nothing of sites
    Opentracker,
}

/// A machine that a player runs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// `b1-0`: unique in the run, and safe as a file name.
    pub id: String,
    /// Whether everything is in `data` from the beginning.
    pub seeder: bool,
    /// Its address in its site: listen for peers, announce and dial from here, and nowhere else.
    pub addr: IpAddr,
    /// The port for peers.
    pub peer_port: u16,
    /// Where the lab asks for the status: an address that is only for this, and a port. A player that can
    /// only be asked on its own terms (a file, a log) leaves it unused.
    pub control: SocketAddr,
    /// Its own folder, there already: configuration, state, logs.
    pub folder: PathBuf,
    /// Where content belongs: each ends as `data/NAME`.
    pub data: PathBuf,
}

/// What is distributed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// One per content, in the order of the status.
    pub contents: Vec<Content>,
    /// The announce URL, which the .torrent files have too.
    pub announce: String,
    /// Of all seeders, [`Host::addr`] and [`Host::peer_port`]: for players without a tracker.
    pub sources: Vec<SocketAddr>,
}

/// One content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Its name, of its folder or file and in the .torrent.
    pub name: String,
    /// Its .torrent.
    pub torrent: PathBuf,
    /// 40 hex digits.
    pub info_hash: String,
    /// Its bytes.
    pub size: u64,
    /// Where it lies, for comparison and for lists of its files.
    pub source: PathBuf,
}

/// A boxed answer to [`Player::status`].
pub type Answer<'a> = Pin<Box<dyn Future<Output = Result<AgentStatus>> + Send + 'a>>;

/// What plays the clients. See the module.
pub trait Player: Send + Sync + std::fmt::Debug {
    /// As in `--player`.
    fn name(&self) -> &'static str;

    /// Whether its programs are there.
    ///
    /// # Errors
    /// [`Stop::Missing`] with what is missing and which package has it.
    fn check(&self) -> Result<(), Stop>;

    /// Writes what it needs into [`Host::folder`].
    ///
    /// # Errors
    /// The path that cannot be written.
    fn prepare(&self, host: &Host, task: &Task) -> Result<()>;

    /// What to start. It must stay in the foreground: the lab's child is the process that is killed. A player
    /// that forks others must see to it that they end with it.
    fn command(&self, host: &Host, task: &Task) -> CommandLine;

    /// How far it is: one [`ContentStatus`](crate::programs::poll::ContentStatus) per content of the task, in its order.
    /// Needed are `state` (`checking`, `fetching`, `seeding`) and `progress` (0 to 1, by bytes); complete is
    /// `seeding` at progress 1, when all files stand in `data`. What a player does not count stays 0;
    /// [`AgentStatus::id`] is the host's. An error is "no answer now"; the run fails after 20 s of them.
    fn status<'a>(&'a self, host: &'a Host, task: &'a Task) -> Answer<'a>;
}
