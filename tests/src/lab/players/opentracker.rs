//! Debian's opentracker.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Result;

use super::super::Stop;
use super::super::player::CommandLine;
use super::{installed, write};

/// Whether it is there.
///
/// # Errors
/// Which package has it.
pub fn check() -> Result<(), Stop> {
    installed("opentracker", "opentracker")
}

/// Writes its configuration into `folder`: it answers announces at `listen`, `/announce`, of the torrents with these
/// info hashes (40 hex digits). Its intervals are built in.
///
/// # Errors
/// The path that cannot be written.
pub fn prepare(folder: &Path, listen: SocketAddr, info_hashes: &[&str]) -> Result<()> {
    write(
        &folder.join("whitelist.txt"),
        &format!("{}\n", info_hashes.join("\n")),
    )?;
    write(&folder.join("opentracker.conf"), &conf(folder, listen))
}

/// It stays who it is: as `nobody`, its default, it could not read the lab's folder.
fn conf(folder: &Path, listen: SocketAddr) -> String {
    // it changes its root to that folder: the list's path is inside of it
    format!(
        "listen.tcp {listen}\naccess.stats {}\naccess.whitelist /whitelist.txt\ntracker.rootdir {}\ntracker.user root\n",
        listen.ip(),
        folder.display()
    )
}

/// How to start it, as root.
pub fn command(folder: &Path) -> CommandLine {
    CommandLine {
        program: "opentracker".into(),
        args: vec!["-f".into(), folder.join("opentracker.conf").into()],
        env: Vec::new(),
    }
}
