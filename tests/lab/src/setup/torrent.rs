//! What is distributed when nothing is named, and its .torrent.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Stop;
use crate::players::files::Layout;
use crate::programs::process::{Minder, tail};

/// Files that a machine which can build this has: the Rust toolchain, then the system's.
pub(crate) fn sources() -> Vec<(String, PathBuf)> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let sysroot =
        Command::new(rustc).args(["--print", "sysroot"]).output().ok().filter(|out| out.status.success());
    let sysroot =
        sysroot.and_then(|out| String::from_utf8(out.stdout).ok()).map(|text| PathBuf::from(text.trim()));
    let rust = sysroot.map(|path| ("rust".to_owned(), path));
    rust.into_iter().chain([("usr".to_owned(), PathBuf::from("/usr"))]).collect()
}

/// `narrows-agent create`
pub(crate) async fn create(
    minder: &Minder,
    agent: &Path,
    content: &Path,
    torrent: &Path,
    layout: &Layout,
) -> Result<(), Stop> {
    let log = layout.tracker().join("create.log");
    let announce = layout.announce();
    let args = [
        "create".as_ref(),
        content.as_os_str(),
        "--tracker".as_ref(),
        announce.as_ref(),
        "--output".as_ref(),
    ];
    let args = args.into_iter().chain([torrent.as_os_str()]);
    let failed = |what: String| Stop::Failed(format!("narrows-agent create {what}"));
    let mut process =
        minder.spawn(agent, args, &log).map_err(|error| failed(format!("cannot be run: {error}")))?;
    let status = process.wait().await.map_err(|error| failed(error.to_string()))?;
    if !status.success() {
        return Err(failed(format!(
            "ended with {status}:\n{}",
            tail(&log, 5).join("\n")
        )));
    }
    Ok(())
}
