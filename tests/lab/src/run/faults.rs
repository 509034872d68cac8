//! What `--chaos` does to hosts: disks that are full, files that are changed, addresses, clocks, copies of
//! machines, a site map with a mistake.

use std::fs;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::Stop;
use crate::chaos::USERS_FILE;
use crate::content::files;
use crate::events::Deed;
use crate::players::files::write_agent;
use crate::players::player::Host;
use crate::programs::process::Signal;
use crate::run::rollout::Rollout;

/// Takes what room there is on a full disk.
const BALLAST: &str = "ballast";

/// Debian's libfaketime, by which a program has a wrong clock.
const FAKETIME: [&str; 2] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
];

impl Rollout {
    /// A deed that is no signal and no cable.
    pub(crate) fn fault(&mut self, deed: Deed, agent: usize) -> Result<(), Stop> {
        let host = self.prepared.hosts[agent].clone();
        let said = match deed {
            Deed::Fill if !self.prepared.disks.has(&host.data) => Ok("has no disk of its own to fill".into()),
            Deed::Fill => {
                fill(&host.data.join(BALLAST)).map(|bytes| format!("full disk: {bytes} bytes taken"))
            }
            Deed::Empty => fs::remove_file(host.data.join(BALLAST)).map(|()| "room on the disk again".into()),
            Deed::Spoil | Deed::Delete => self.damage(deed, agent, &host),
            Deed::Move => return self.readdress(agent),
            Deed::Clock(seconds) => set_clock(&host.folder, seconds),
            _ => return Ok(()),
        };
        let said = said.unwrap_or_else(|error| format!("{deed} failed: {error}"));
        self.event(format!("{}: {said}", host.id));
        Ok(())
    }

    fn damage(&mut self, deed: Deed, agent: usize, host: &Host) -> io::Result<String> {
        let published = |name: &String| {
            let target = host.data.join(name);
            files(&target).ok().map(|files| (target, files))
        };
        let names = self.prepared.task.contents.iter().map(|content| &content.name);
        let all = names.filter_map(published).flat_map(|(target, files)| {
            files.into_iter().map(move |(path, length)| (target.join(path), length))
        });
        let ours = all.filter(|(path, _)| path.file_name().is_none_or(|name| name != USERS_FILE));
        let many = self.chaos.as_ref().is_some_and(|chaos| !chaos.plan.tree.is_empty());
        let turn = many.then_some(self.seen.happened.len());
        let Some((path, length)) = victim(ours.collect(), deed, turn) else {
            return Ok("nothing is published that could be damaged".to_owned());
        };
        if deed == Deed::Delete {
            fs::remove_file(&path)?;
        } else {
            spoil(&path, length)?;
        }
        let site = self.prepared.deployment.agents[agent].site;
        *self.seen.damaged.entry(site).or_default() += length;
        let verb = if deed == Deed::Delete {
            "deleted"
        } else {
            "changed a byte of"
        };
        let shown = path.strip_prefix(&host.data).unwrap_or(&path).display();
        Ok(format!("{verb} {shown}, {length} bytes"))
    }

    /// Another address at the same site: as far from the first ones as agents are from each other.
    fn readdress(&mut self, agent: usize) -> Result<(), Stop> {
        let Some(net) = &mut self.prepared.net else {
            return Ok(());
        };
        let place = &mut self.prepared.deployment.agents[agent];
        let std::net::IpAddr::V4(before) = place.addr else {
            return Ok(());
        };
        let after = std::net::Ipv4Addr::from(u32::from(before).wrapping_add(256));
        net.readdress(agent + 1, after)?;
        place.addr = after.into();
        self.prepared.hosts[agent].addr = after.into();
        self.seen.moved.push((agent, before.into()));
        let said = format!("{} moved from {before} to {after}", place.id);
        self.event(said);
        Ok(())
    }

    /// A machine that waited for it starts with a copy of another one's state folder, under its id.
    pub(crate) fn clone_agent(&mut self, victim: usize, site: &str) -> Result<(), Stop> {
        let deployment = &self.prepared.deployment;
        let waits = |i: &usize| {
            let place = &deployment.agents[*i];
            place.late && self.fleet.agents[*i].since.is_none() && deployment.map.name(place.site) == site
        };
        let Some(clone) = (0..deployment.agents.len()).find(waits) else {
            return Ok(());
        };
        let (of, to) = (&self.prepared.hosts[victim], &self.prepared.hosts[clone]);
        let copied = copy_state(&of.folder.join("state"), &to.folder.join("state"), &of.folder);
        copied.map_err(|error| Stop::Failed(format!("cannot copy the state of {}: {error}", of.id)))?;
        let twin = Host {
            id: of.id.clone(),
            ..to.clone()
        };
        let torrents: Vec<PathBuf> =
            self.prepared.task.contents.iter().map(|content| content.torrent.clone()).collect();
        let torrents: Vec<&Path> = torrents.iter().map(PathBuf::as_path).collect();
        write_agent(&twin, &torrents).map_err(|error| Stop::Failed(format!("{error:#}")))?;
        let said = format!("{} started as a clone of {}", to.id, of.id);
        self.start(clone)?;
        self.event(said);
        Ok(())
    }

    /// The tracker's site map with a line that is none, or as it was.
    pub(crate) fn mistype(&mut self, wrong: bool) -> Result<(), Stop> {
        let mut text = self.prepared.deployment.text.clone();
        if wrong {
            text.push_str("linkz:\n  - {between: [hq, nowhere], rate: fast}\n");
        }
        let to = self.prepared.layout.tracker().join("sites.yaml");
        fs::write(&to, text)
            .map_err(|error| Stop::Failed(format!("cannot write {}: {error}", to.display())))?;
        let said = if wrong {
            "a mistake in the site map"
        } else {
            "the site map is right again"
        };
        self.event(said.to_owned());
        Ok(())
    }

    pub(crate) fn freeze_tracker(&mut self, frozen: bool) {
        if let Some(process) = &self.fleet.tracker {
            // one that has ended is found by the next look at all processes
            let _ = process.signal(if frozen { Signal::Stop } else { Signal::Cont });
        }
        self.event(
            if frozen {
                "froze the tracker"
            } else {
                "thawed the tracker"
            }
            .to_owned(),
        );
    }

    pub(crate) fn tracker_clock(&mut self, seconds: i32) {
        let said = set_clock(&self.prepared.layout.tracker(), seconds);
        self.event(format!(
            "tracker: {}",
            said.unwrap_or_else(|error| error.to_string())
        ));
    }

    /// What a program's environment needs for its clock to be put wrong; nothing if no clock will be.
    pub(crate) fn clock_env(&self, folder: &Path) -> Vec<(std::ffi::OsString, std::ffi::OsString)> {
        let library = FAKETIME.iter().find(|path| Path::new(path).is_file());
        let Some(library) = library.filter(|_| self.chaos.as_ref().is_some_and(|chaos| chaos.plan.clocks()))
        else {
            return Vec::new();
        };
        let file = clock_file(folder);
        if !file.exists() && fs::write(&file, "+0\n").is_err() {
            return Vec::new();
        }
        [
            ("LD_PRELOAD", (*library).into()),
            ("FAKETIME_TIMESTAMP_FILE", file.into_os_string()),
            // read again each second; timers and the times of files go on as they do
            ("FAKETIME_CACHE_DURATION", "1".into()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
            ("NO_FAKE_STAT", "1".into()),
            ("FAKETIME_DISABLE_SHM", "1".into()),
        ]
        .map(|(name, value): (&str, std::ffi::OsString)| (name.into(), value))
        .into()
    }
}

fn clock_file(folder: &Path) -> PathBuf {
    folder.join("clock")
}

fn set_clock(folder: &Path, seconds: i32) -> io::Result<String> {
    let file = clock_file(folder);
    if !file.exists() {
        return Ok("the clock stays right: there is no libfaketime here".to_owned());
    }
    fs::write(file, format!("{seconds:+}\n"))?;
    Ok(match seconds {
        0 => "the clock is right again".to_owned(),
        _ => format!("the clock is wrong by {seconds:+} s"),
    })
}

/// The file that is damaged: the largest, or one of many in turn. There is nothing to change in an empty one.
fn victim(mut files: Vec<(PathBuf, u64)>, deed: Deed, turn: Option<usize>) -> Option<(PathBuf, u64)> {
    files.retain(|(_, length)| deed == Deed::Delete || *length > 0);
    match turn {
        None => files.into_iter().max_by_key(|(_, length)| *length),
        // a prime, so that turns that follow each other are far apart
        Some(turn) => {
            let at = turn.wrapping_mul(7919).checked_rem(files.len())?;
            files.into_iter().nth(at)
        }
    }
}

/// Writes until nothing fits any more; how much that was.
fn fill(ballast: &Path) -> io::Result<u64> {
    let (mut file, mut bytes) = (fs::File::create(ballast)?, 0);
    for block in [1 << 20, 4096] {
        let zeros = vec![0; block];
        loop {
            match file.write(&zeros) {
                Ok(0) => break,
                Ok(written) => bytes += written as u64,
                Err(error) if error.kind() == io::ErrorKind::StorageFull => break,
                Err(error) => return Err(error),
            }
        }
    }
    Ok(bytes)
}

/// Changes the byte in the middle, in place; a file that shares its bytes with others (a hard link) first gets
/// some of its own.
fn spoil(path: &Path, length: u64) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    if fs::metadata(path)?.nlink() > 1 {
        let bytes = fs::read(path)?;
        fs::remove_file(path)?;
        fs::write(path, bytes)?;
    }
    let mut file = fs::File::options().read(true).write(true).open(path)?;
    let mut byte = [0];
    file.seek(SeekFrom::Start(length / 2))?;
    file.read_exact(&mut byte)?;
    file.seek(SeekFrom::Start(length / 2))?;
    file.write_all(&[!byte[0]])
}

/// A folder as it is copied beside a program that writes there: what vanishes meanwhile is left out, and what names
/// a place below `own`: a machine of its own would have that place on a disk of its own, here it is the other one's.
fn copy_state(from: &Path, to: &Path, own: &Path) -> io::Result<()> {
    use std::os::unix::ffi::OsStrExt;
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        let copied = match entry.file_type()? {
            kind if kind.is_dir() => copy_state(&from, &to, own),
            kind if kind.is_file() => fs::read(&from).and_then(|bytes| {
                let place = own.as_os_str().as_bytes();
                match bytes.windows(place.len().max(1)).any(|part| part == place) {
                    true => Ok(()),
                    false => fs::copy(&from, &to).map(drop),
                }
            }),
            _ => Ok(()),
        };
        match copied {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_spoilt_file_differs_by_one_byte_and_its_twin_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let (one, twin) = (dir.path().join("one"), dir.path().join("twin"));
        fs::write(&one, b"12345").unwrap();
        fs::hard_link(&one, &twin).unwrap();
        spoil(&one, 5).unwrap();
        assert_eq!(fs::read(&twin).unwrap(), b"12345");
        let found = fs::read(&one).unwrap();
        assert_eq!(found.iter().zip(b"12345").filter(|(a, b)| a != b).count(), 1);
    }

    #[test]
    fn of_few_files_the_largest_is_damaged_and_of_many_one_in_turn_but_no_empty_one_is_changed() {
        let files = || vec![("a".into(), 0), ("b".into(), 5), ("c".into(), 3)];
        let name = |deed, turn| victim(files(), deed, turn).map(|(path, _)| path.display().to_string());
        assert_eq!(name(Deed::Delete, None).as_deref(), Some("b"));
        let all = |deed| (0..9).filter_map(|turn| name(deed, Some(turn))).collect::<BTreeSet<_>>();
        assert_eq!(all(Deed::Delete).len(), 3);
        assert!(!all(Deed::Spoil).contains("a") && all(Deed::Spoil).len() == 2);
        assert_eq!(victim(Vec::new(), Deed::Delete, Some(3)), None);
    }

    #[test]
    fn a_state_folder_is_copied_but_for_what_names_the_other_machines_places() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir(from.path().join("a")).unwrap();
        fs::write(from.path().join("a/b"), b"1").unwrap();
        fs::write(from.path().join("place"), b"x/machine/data").unwrap();
        copy_state(from.path(), &to.path().join("state"), Path::new("/machine")).unwrap();
        assert!(!to.path().join("state/place").exists());
        assert_eq!(fs::read(to.path().join("state/a/b")).unwrap(), b"1");
    }
}
