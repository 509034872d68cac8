//! What `--chaos` needs on disks: small ones that can be filled, and files of users.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::chaos::{Plan, SmallFile, USERS_FILE};
use crate::deployment::Deployment;
use crate::players::files::Layout;
use crate::players::player::{Host, Task};

/// Disks that are unmounted when they are dropped, so that the folder they are in can be removed. The mounts
/// are in the lab's own namespace.
#[derive(Debug, Default)]
pub struct Disks(Vec<PathBuf>);

impl Disks {
    /// A tmpfs as the data folder of each agent whose disk gets full: it holds all contents twice, as a new
    /// version beside an old one would need.
    pub(super) fn mount(plan: &Plan, deployment: &Deployment, layout: &Layout) -> Result<Disks> {
        let mut disks = Disks::default();
        let size = plan.size.0 * u64::from(plan.contents) * 2 + (8 << 20);
        for place in deployment.agents.iter().filter(|place| !place.seeder) {
            if !plan.filled(&deployment.map.name(place.site), place.number) {
                continue;
            }
            let data = layout.data(place);
            let output = Command::new("mount")
                .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
                .arg(&data)
                .output()
                .context("cannot run mount")?;
            if !output.status.success() {
                bail!(
                    "cannot mount a tmpfs at {}: {}",
                    data.display(),
                    String::from_utf8_lossy(&output.stderr).trim()
                );
            }
            disks.0.push(data);
        }
        Ok(disks)
    }

    /// Whether a folder is a disk of its own.
    pub(crate) fn has(&self, folder: &Path) -> bool {
        self.0.iter().any(|disk| disk == folder)
    }
}

impl Drop for Disks {
    fn drop(&mut self) {
        for disk in &self.0 {
            // lazily: what still runs has files open there; the namespace ends with the lab anyway
            let _ = Command::new("umount").arg("-l").arg(disk).output();
        }
    }
}

/// Where a user's files are at an agent: beside the contents, and in each of them.
pub(crate) fn users_files(host: &Host, task: &Task) -> Vec<PathBuf> {
    let folders = task.contents.iter().map(|content| host.data.join(&content.name));
    std::iter::once(host.data.clone()).chain(folders).map(|folder| folder.join(USERS_FILE)).collect()
}

/// What is in one.
pub(crate) fn users_text(file: &Path) -> String {
    format!("not of any content: {}\n", file.display())
}

/// Plants them.
pub(super) fn plant(hosts: &[Host], task: &Task) -> Result<()> {
    for file in hosts.iter().flat_map(|host| users_files(host, task)) {
        let wrong = || format!("cannot write {}", file.display());
        fs::create_dir_all(file.parent().unwrap_or(Path::new("/"))).with_context(wrong)?;
        fs::write(&file, users_text(&file)).with_context(wrong)?;
    }
    Ok(())
}

/// Writes small files into a content's folder.
pub(super) fn write_tree(root: &Path, tree: &[SmallFile]) -> Result<()> {
    for file in tree {
        let path = root.join(&file.path);
        let wrong = || format!("cannot write {}", path.display());
        fs::create_dir_all(path.parent().unwrap_or(root)).with_context(wrong)?;
        fs::write(&path, file.bytes()).with_context(wrong)?;
    }
    Ok(())
}
