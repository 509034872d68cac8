//! Everything before the first process: what is asked is checked, folders and content are made.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use narrows_protocol::metainfo::Metainfo;
use tempfile::TempDir;

use super::args::{Args, Size};
use super::content::{self, Gathered};
use super::fleet::{Layout, Ports, free_space};
use super::kills::{Kill, Who, default_plan};
use super::process::{Minder, log_of, tail};
use super::screen::Screen;
use super::world::{DEFAULT_MAP, World};
use super::{Stop, binaries};

/// Room that is left over for logs, resume data and the system.
const SPARE: u64 = 64 << 20;

/// The folder of a run; removed at the end unless it is kept.
#[derive(Debug)]
pub enum Workplace {
    /// Removed when dropped.
    Temporary(TempDir),
    /// The user's.
    Kept(PathBuf),
}

impl Workplace {
    /// An empty folder.
    fn new(keep: Option<&Path>) -> Result<Workplace, Stop> {
        let Some(dir) = keep else {
            let made = tempfile::Builder::new().prefix("narrows-lab-").tempdir();
            return made.map(Workplace::Temporary).map_err(|error| {
                Stop::Missing(format!(
                    "cannot make a folder in {}: {error}",
                    std::env::temp_dir().display()
                ))
            });
        };
        let wrong = |error: std::io::Error| Stop::Wrong(format!("--keep: {}: {error}", dir.display()));
        fs::create_dir_all(dir).map_err(wrong)?;
        if fs::read_dir(dir).map_err(wrong)?.next().is_some() {
            return Err(Stop::Wrong(format!(
                "--keep: {} is not empty; name a new folder",
                dir.display()
            )));
        }
        Ok(Workplace::Kept(fs::canonicalize(dir).map_err(wrong)?))
    }

    /// Its absolute path.
    pub fn path(&self) -> &Path {
        match self {
            Workplace::Temporary(dir) => dir.path(),
            Workplace::Kept(dir) => dir,
        }
    }

    /// After a failure: keeps logs and configuration, and removes the data unless the folder is the user's.
    /// Where the logs are.
    pub fn keep_logs(self, layout: &Layout, world: &World) -> PathBuf {
        match self {
            Workplace::Kept(dir) => dir,
            Workplace::Temporary(dir) => {
                for place in &world.agents {
                    let _ = fs::remove_dir_all(layout.data(place));
                }
                let _ = fs::remove_dir_all(dir.path().join("content"));
                dir.keep()
            }
        }
    }
}

/// A run that can begin.
#[derive(Debug)]
pub struct Prepared {
    /// Who is where.
    pub world: World,
    /// Who is to be killed.
    pub kills: Vec<Kill>,
    /// The programs.
    pub binaries: binaries::Binaries,
    /// The folder.
    pub workplace: Workplace,
    /// What is where in it.
    pub layout: Layout,
    /// The content.
    pub content: Gathered,
    /// Its name in the .torrent.
    pub name: String,
    /// 40 hex digits.
    pub info_hash: String,
    /// Its pieces.
    pub pieces: u32,
    /// Ends the processes when nothing else does.
    pub minder: Minder,
}

/// Checks what is asked, finds or builds the programs, gathers the content, makes its .torrent, and gives
/// every seeder a copy.
///
/// # Errors
/// What is wrong or missing.
pub async fn prepare(args: &Args, screen: &mut Screen) -> Result<Prepared, Stop> {
    let ports = args
        .port
        .map(Ports::from_first)
        .transpose()
        .map_err(Stop::Wrong)?;
    let world = world(args)?;
    let kills = kills(args, &world)?;
    let given = match &args.content {
        None => None,
        Some(path) => {
            let path = fs::canonicalize(path)
                .map_err(|error| Stop::Wrong(format!("--content: {}: {error}", path.display())))?;
            Some(content::measure(&path).map_err(|error| Stop::Wrong(format!("--content: {error:#}")))?)
        }
    };
    let binaries = binaries::find(args.bin_dir.as_deref())?;
    let ports = Ports::choose(ports, &world.agents).map_err(Stop::Missing)?;
    let workplace = Workplace::new(args.keep.as_deref())?;
    let layout = Layout::new(workplace.path().to_owned(), ports);
    space(&workplace, &world, given.as_ref(), args.size)?;
    let failed = |error: anyhow::Error| Stop::Failed(format!("{error:#}"));
    layout.write(&world).map_err(failed)?;
    let content = match given {
        Some(content) => content,
        None => {
            screen.say(&format!("gathering {} of this machine's files", args.size));
            content::gather(&sources(), args.size.0, &workplace.path().join("content")).map_err(failed)?
        }
    };
    let files = if content.files == 1 {
        "1 file".to_owned()
    } else {
        format!("{} files", content.files)
    };
    screen.say(&format!("content: {} in {files}", Size(content.bytes)));
    let minder = Minder::start().map_err(|error| Stop::Missing(format!("cannot run sh: {error}")))?;
    create(&minder, &binaries.agent, &content.path, &layout).await?;
    let meta = fs::read(layout.torrent())
        .context("no .torrent was made")
        .map_err(failed)?;
    let meta = Metainfo::parse(&meta)
        .map_err(|error| Stop::Failed(format!("narrows-agent create made a wrong .torrent: {error}")))?;
    for place in world.agents.iter().filter(|place| place.seeder) {
        content::link_tree(&content.path, &layout.data(place).join(&meta.name)).map_err(failed)?;
    }
    Ok(Prepared {
        kills,
        binaries,
        name: meta.name.clone(),
        info_hash: meta.info_hash.to_string(),
        pieces: meta.piece_count(),
        world,
        workplace,
        layout,
        content,
        minder,
    })
}

fn world(args: &Args) -> Result<World, Stop> {
    let (name, text) = match &args.sites {
        None => ("the default site map".to_owned(), DEFAULT_MAP.to_owned()),
        Some(path) => {
            let name = path.display().to_string();
            let text =
                fs::read_to_string(path).map_err(|error| Stop::Wrong(format!("--sites: {name}: {error}")))?;
            (name, text)
        }
    };
    World::new(&name, &text, args.seeds.as_ref(), args.clients.as_ref()).map_err(Stop::Wrong)
}

/// The kills that are asked for, each of somebody who is there.
fn kills(args: &Args, world: &World) -> Result<Vec<Kill>, Stop> {
    let sites = world.client_sites();
    if args.no_kills {
        return Ok(Vec::new());
    }
    if args.kill.is_empty() {
        return Ok(default_plan(&sites));
    }
    for kill in &args.kill {
        let Some((site, count)) = sites.iter().find(|(site, _)| *site == kill.site) else {
            let names: Vec<_> = sites.iter().map(|(site, _)| site.as_str()).collect();
            return Err(Stop::Wrong(format!(
                "--kill {kill}: no clients at `{}`; there are at {}",
                kill.site,
                names.join(", ")
            )));
        };
        if let Who::Number(number) = kill.who
            && number >= *count
        {
            return Err(Stop::Wrong(format!(
                "--kill {kill}: the clients at `{site}` are 0 to {}",
                count - 1
            )));
        }
    }
    Ok(args.kill.clone())
}

/// Refuses to begin what the disk cannot hold: a copy for each client, and the content if it is gathered.
fn space(workplace: &Workplace, world: &World, given: Option<&Gathered>, size: Size) -> Result<(), Stop> {
    let clients = world.clients().count() as u64;
    let (bytes, copies) = match given {
        Some(content) => (content.bytes, clients),
        None => (size.0, clients + 1),
    };
    let need = bytes.saturating_mul(copies).saturating_add(SPARE);
    let free = free_space(workplace.path()).map_err(|error| Stop::Missing(format!("{error:#}")))?;
    if need > free {
        return Err(Stop::Missing(format!(
            "{} for {clients} clients needs {} of space and {} has {}; use a smaller --size, fewer --clients, or \
             another disk with --keep DIR or TMPDIR",
            Size(bytes),
            Size(need),
            workplace.path().display(),
            Size(free.max(1)),
        )));
    }
    Ok(())
}

/// Files that a machine which can build this has: the Rust toolchain, then the system's.
fn sources() -> Vec<(String, PathBuf)> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let sysroot = Command::new(rustc)
        .args(["--print", "sysroot"])
        .output()
        .ok()
        .filter(|out| out.status.success());
    let sysroot = sysroot
        .and_then(|out| String::from_utf8(out.stdout).ok())
        .map(|text| PathBuf::from(text.trim()));
    let rust = sysroot.map(|path| ("rust".to_owned(), path));
    rust.into_iter()
        .chain([("usr".to_owned(), PathBuf::from("/usr"))])
        .collect()
}

/// `narrows-agent create`
async fn create(minder: &Minder, agent: &Path, content: &Path, layout: &Layout) -> Result<(), Stop> {
    let log = layout.tracker().join("create.log");
    let (announce, torrent) = (layout.announce(), layout.torrent());
    let args = [
        "create".as_ref(),
        content.as_os_str(),
        "--tracker".as_ref(),
        announce.as_ref(),
        "--output".as_ref(),
    ];
    let args = args.into_iter().chain([torrent.as_os_str()]);
    let failed = |what: String| Stop::Failed(format!("narrows-agent create {what}"));
    let mut process = minder
        .spawn(agent, args, &log)
        .map_err(|error| failed(format!("cannot be run: {error}")))?;
    let status = process.wait().await.map_err(|error| failed(error.to_string()))?;
    if !status.success() {
        return Err(failed(format!(
            "ended with {status}:\n{}",
            tail(&log, 5).join("\n")
        )));
    }
    Ok(())
}

/// The log of an agent or the tracker in this folder, for a message: its last lines and where it is.
pub fn last_words(folder: &Path) -> String {
    let log = log_of(folder);
    let mut lines = tail(&log, 12);
    lines.insert(0, format!("last lines of {}:", log.display()));
    lines.join("\n  ")
}
