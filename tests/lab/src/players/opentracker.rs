//! Debian's opentracker.

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};

use super::{installed, write};
use crate::Stop;
use crate::programs::process::CommandLine;

/// Whether it is there.
///
/// # Errors
/// Which package has it.
pub fn check() -> Result<(), Stop> {
    installed("opentracker", "opentracker")
}

/// Writes its configuration into `folder`: it answers announces at `listen`, `/announce`, of the torrents
/// with these info hashes (40 hex digits). Its intervals are built in.
///
/// # Errors
/// The path that cannot be written.
pub fn prepare(folder: &Path, listen: SocketAddr, info_hashes: &[&str]) -> Result<()> {
    let list = folder.join("whitelist.txt");
    write(&list, &format!("{}\n", info_hashes.join("\n")))?;
    write(&folder.join("opentracker.conf"), &conf(folder, listen))?;
    // it refuses to stay root, and reads its list as the user nobody, in that folder as its root
    for (path, mode) in [(folder, 0o755), (&list, 0o644)] {
        fs::set_permissions(path, Permissions::from_mode(mode))
            .with_context(|| format!("cannot let nobody read {}", path.display()))?;
    }
    Ok(())
}

fn conf(folder: &Path, listen: SocketAddr) -> String {
    // the list's path is inside of its root
    format!(
        "listen.tcp {listen}\naccess.stats {}\naccess.whitelist /whitelist.txt\ntracker.rootdir {}\ntracker.user nobody\n",
        listen.ip(),
        folder.display()
    )
}

/// How to start it, as root: in a user namespace of the lab's own there is no user nobody for it to become.
pub fn command(folder: &Path) -> CommandLine {
    CommandLine {
        program: "opentracker".into(),
        args: vec!["-f".into(), folder.join("opentracker.conf").into()],
        env: Vec::new(),
    }
}
