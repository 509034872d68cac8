//! Everything before the first process: what is asked is checked, folders and content are made.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use anyhow::Context;
use jiff::Timestamp;
use narrows_protocol::metainfo::Metainfo;
use narrows_topology::{Rate, SiteId};
use tempfile::TempDir;

use super::args::{Args, Size};
use super::content::{self, Gathered};
use super::events::What;
use super::fleet::{Layout, Ports, content_name, free_space};
use super::kills::{Kill, Who, default_plan};
use super::net::congestion::congestion;
use super::net::plan::NetPlan;
use super::net::{Net, enter};
use super::player::{Content, Host, Narrows, Player, PlayerKind, Task, TrackerKind};
use super::process::{Minder, log_of, tail};
use super::screen::Screen;
use super::world::{DEFAULT_MAP, World};
use super::{Stop, binaries};
use super::{options, players};

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
    /// What is distributed.
    pub task: Task,
    /// Pieces of all contents.
    pub pieces: u32,
    /// Every agent as its player sees it.
    pub hosts: Vec<Host>,
    /// What plays the agents.
    pub player: Arc<dyn Player>,
    /// Who tells them of each other.
    pub tracker: TrackerKind,
    /// With `--netns`: the network they are in. Before the minder: its processes end first.
    pub net: Option<Net>,
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
    let mut world = world(args)?;
    let kills = kills(args, &world)?;
    late(args, &mut world)?;
    options::check(&args.options, &world).map_err(Stop::Wrong)?;
    let given = match &args.content {
        None => None,
        Some(path) => {
            let path = fs::canonicalize(path)
                .map_err(|error| Stop::Wrong(format!("--content: {}: {error}", path.display())))?;
            Some(content::measure(&path).map_err(|error| Stop::Wrong(format!("--content: {error:#}")))?)
        }
    };
    let binaries = match enter::inside() {
        // built before, where there is a network to build from
        Some(dir) => binaries::find(Some(&dir))?,
        None => binaries::find(args.bin_dir.as_deref())?,
    };
    let player = player(args.options.player, &binaries)?;
    if args.options.tracker == TrackerKind::Opentracker {
        players::opentracker::check()?;
    }
    let ports = Ports::choose(ports, &world).map_err(Stop::Missing)?;
    let workplace = Workplace::new(args.keep.as_deref())?;
    let mut layout = Layout::new(workplace.path().to_owned(), ports, world.tracker());
    let contents = args.options.contents as usize;
    space(
        &workplace,
        &world,
        given.as_ref(),
        Size(args.size.0.saturating_mul(contents as u64)),
    )?;
    let failed = |error: anyhow::Error| Stop::Failed(format!("{error:#}"));
    let minder = Minder::start().map_err(|error| Stop::Missing(format!("cannot run sh: {error}")))?;
    let plan = match args.options.netns {
        true => Some(NetPlan::new(&world, &probe_sites(args, &world)).map_err(Stop::Wrong)?),
        false => None,
    };
    if let Some(plan) = &plan {
        layout = layout.managed(plan.hosts.iter().map(|host| host.management.into()).collect());
    }
    layout.write(&world).map_err(failed)?;
    let mut gathered = match given {
        Some(content) => vec![content],
        None => {
            screen.say(&format!("gathering {} of this machine's files", args.size));
            let to = workplace.path().join("content");
            vec![content::gather(&sources(), args.size.0, &to).map_err(failed)?]
        }
    };
    // the others are the same files under other names
    for number in 1..contents {
        let path = workplace.path().join("content").join(content_name(number));
        content::link_tree(&gathered[0].path, &path).map_err(failed)?;
        gathered.push(Gathered {
            path,
            ..gathered[0].clone()
        });
    }
    let mut task = Task {
        contents: Vec::new(),
        announce: layout.announce(),
        sources: Vec::new(),
    };
    let mut pieces = 0;
    for (number, content) in gathered.iter().enumerate() {
        let files = match content.files {
            1 => "1 file".to_owned(),
            n => format!("{n} files"),
        };
        screen.say(&format!("content: {} in {files}", Size(content.bytes)));
        let torrent = layout.torrent(number);
        create(&minder, &binaries.agent, &content.path, &torrent, &layout).await?;
        let meta = fs::read(&torrent)
            .context("no .torrent was made")
            .map_err(failed)?;
        let meta = Metainfo::parse(&meta)
            .map_err(|error| Stop::Failed(format!("narrows-agent create made a wrong .torrent: {error}")))?;
        for place in world.agents.iter().filter(|place| place.seeder) {
            content::link_tree(&content.path, &layout.data(place).join(&meta.name)).map_err(failed)?;
        }
        pieces += meta.piece_count();
        task.contents.push(Content {
            name: meta.name.clone(),
            torrent,
            info_hash: meta.info_hash.to_string(),
            size: content.bytes,
            source: content.path.clone(),
        });
    }
    let hosts = layout.hosts(&world);
    let seeders = hosts.iter().filter(|host| host.seeder);
    task.sources = seeders
        .map(|host| SocketAddr::new(host.addr, host.peer_port))
        .collect();
    for host in &hosts {
        player.prepare(host, &task).map_err(failed)?;
    }
    if args.options.tracker == TrackerKind::Opentracker {
        let hashes: Vec<&str> = task
            .contents
            .iter()
            .map(|content| content.info_hash.as_str())
            .collect();
        players::opentracker::prepare(&layout.tracker(), layout.announce_addr(), &hashes).map_err(failed)?;
    }
    let net = match plan {
        Some(plan) => Some(build(plan, args, &world, &minder, &layout, screen)?),
        None => None,
    };
    Ok(Prepared {
        kills,
        binaries,
        pieces,
        world,
        workplace,
        layout,
        task,
        hosts,
        player,
        tracker: args.options.tracker,
        net,
        minder,
    })
}

impl Prepared {
    /// What the tracker is called, for people.
    pub fn tracker_name(&self) -> &'static str {
        match self.tracker {
            TrackerKind::Narrows => "narrows",
            TrackerKind::Opentracker => "opentracker",
        }
    }
}

/// The network of `--netns`.
fn build(
    plan: NetPlan,
    args: &Args,
    world: &World,
    minder: &Minder,
    layout: &Layout,
    screen: &mut Screen,
) -> Result<Net, Stop> {
    let (begun, now) = (std::time::Instant::now(), Timestamp::now());
    let rate = |link| options::physical(&args.options, &world.map, link, now);
    let (hosts, routers) = (plan.hosts.len(), plan.routers.len());
    let lan = args.options.lan.unwrap_or(Rate::UNLIMITED);
    let congestion = congestion(args.options.congestion.as_deref()).map_err(Stop::Missing)?;
    let net = Net::build(plan, rate, lan, congestion, minder, &layout.tracker())?;
    screen.say(&format!(
        "{hosts} hosts and {routers} routers in {:.1} s",
        begun.elapsed().as_secs_f64()
    ));
    Ok(net)
}

/// What plays the agents.
fn player(kind: PlayerKind, binaries: &binaries::Binaries) -> Result<Arc<dyn Player>, Stop> {
    let player: Arc<dyn Player> = players::player(kind).unwrap_or_else(|| {
        Arc::new(Narrows {
            agent: binaries.agent.clone(),
        })
    });
    player.check()?;
    Ok(player)
}

/// Clients that events add, there from the beginning, started later.
fn late(args: &Args, world: &mut World) -> Result<(), Stop> {
    for event in &args.options.event {
        if let What::Add(groups) = &event.what {
            for (site, count) in &groups.0 {
                world.settle_late(site, *count).map_err(Stop::Wrong)?;
            }
        }
    }
    Ok(())
}

fn probe_sites(args: &Args, world: &World) -> Vec<SiteId> {
    let probes = args.options.probe.iter();
    let names = probes.flat_map(|probe| [&probe.from, &probe.to]);
    names.filter_map(|name| world.map.site_named(name)).collect()
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
    World::new(
        &name,
        &text,
        args.seeds.as_ref(),
        args.clients.as_ref(),
        args.ground(),
    )
    .map_err(Stop::Wrong)
}

/// The kills that are asked for, each of somebody who is there.
fn kills(args: &Args, world: &World) -> Result<Vec<Kill>, Stop> {
    let sites = world.client_sites();
    if args.no_kills || (args.kill.is_empty() && !args.options.event.is_empty()) {
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
async fn create(
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
