//! Everything before the first process: what is asked is checked, folders and content are made.

pub(crate) mod disks;
pub(crate) mod torrent;
pub mod workplace;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use jiff::Timestamp;
use narrows_protocol::metainfo::Metainfo;
use narrows_topology::{Rate, SiteId};

use crate::Stop;
use crate::args::Args;
use crate::args::options;
use crate::args::resolve::{deployment, kills, late};
use crate::chaos::Plan;
use crate::content::{self, Gathered};
use crate::deployment::Deployment;
use crate::events::kills::Kill;
use crate::network::congestion::congestion;
use crate::network::plan::NetPlan;
use crate::network::{Net, enter};
use crate::players;
use crate::players::files::{Layout, Ports, content_name};
use crate::players::narrows::Narrows;
use crate::players::player::{Content, Host, Player, PlayerKind, Task, TrackerKind};
use crate::programs::binaries;
use crate::programs::process::{Minder, log_of, tail};
use crate::report::screen::Screen;
use crate::setup::disks::Disks;
use crate::setup::torrent::{create, sources};
use crate::setup::workplace::{Workplace, space};
use crate::values::Size;

/// A run that can begin.
#[derive(Debug)]
pub struct Prepared {
    /// Who is where.
    pub deployment: Deployment,
    /// Who is to be killed.
    pub kills: Vec<Kill>,
    /// The programs.
    pub binaries: binaries::Binaries,
    /// With `--chaos`: disks that can be filled. Before the folder, in which they are.
    pub disks: Disks,
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
    let ports = args.port.map(Ports::from_first).transpose().map_err(Stop::Wrong)?;
    let mut deployment = deployment(args)?;
    let kills = kills(args, &deployment)?;
    late(args, &mut deployment)?;
    options::check(&args.options, &deployment).map_err(Stop::Wrong)?;
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
    let ports = Ports::choose(ports, &deployment).map_err(Stop::Missing)?;
    let workplace = Workplace::new(args.keep.as_deref())?;
    let mut layout = Layout::new(workplace.path().to_owned(), ports, deployment.tracker());
    let contents = args.options.contents as usize;
    space(
        &workplace,
        &deployment,
        given.as_ref(),
        Size(args.size.0.saturating_mul(contents as u64)),
    )?;
    let failed = |error: anyhow::Error| Stop::Failed(format!("{error:#}"));
    let minder = Minder::start().map_err(|error| Stop::Missing(format!("cannot run sh: {error}")))?;
    let mut plan = match args.options.netns {
        true => Some(NetPlan::new(&deployment, &probe_sites(args, &deployment)).map_err(Stop::Wrong)?),
        false => None,
    };
    if let (Some(plan), Some(chaos)) = (&mut plan, &args.chaos.plan) {
        join_liars(plan, chaos, &deployment).map_err(Stop::Wrong)?;
    }
    if let Some(plan) = &plan {
        layout = layout.managed(plan.hosts.iter().map(|host| host.management.into()).collect());
    }
    layout.write(&deployment).map_err(failed)?;
    let plan_of_chaos = args.chaos.plan.as_deref();
    let disks = plan_of_chaos.map(|plan| Disks::mount(plan, &deployment, &layout));
    let disks = disks.transpose().map_err(failed)?.unwrap_or_default();
    let mut gathered = match given {
        Some(content) => vec![content],
        None => {
            screen.say(&format!("gathering {} of this machine's files", args.size));
            let to = workplace.path().join("content");
            let tree = plan_of_chaos.map(|plan| plan.tree.as_slice()).unwrap_or_default();
            let small: u64 = tree.iter().map(|file| file.length).sum();
            let large = args.size.0.saturating_sub(small).max(1);
            let mut gathered = content::gather(&sources(), large, &to).map_err(failed)?;
            disks::write_tree(&gathered.path, tree).map_err(failed)?;
            (gathered.bytes, gathered.files) = (gathered.bytes + small, gathered.files + tree.len());
            vec![gathered]
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
        let meta = fs::read(&torrent).context("no .torrent was made").map_err(failed)?;
        let meta = Metainfo::parse(&meta)
            .map_err(|error| Stop::Failed(format!("narrows-agent create made a wrong .torrent: {error}")))?;
        for place in deployment.agents.iter().filter(|place| place.seeder) {
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
    let hosts = layout.hosts(&deployment);
    let seeders = hosts.iter().filter(|host| host.seeder);
    task.sources = seeders.map(|host| SocketAddr::new(host.addr, host.peer_port)).collect();
    if plan_of_chaos.is_some() {
        disks::plant(&hosts, &task).map_err(failed)?;
    }
    for host in &hosts {
        player.prepare(host, &task).map_err(failed)?;
    }
    if args.options.tracker == TrackerKind::Opentracker {
        let hashes: Vec<&str> = task.contents.iter().map(|content| content.info_hash.as_str()).collect();
        players::opentracker::prepare(&layout.tracker(), layout.announce_addr(), &hashes).map_err(failed)?;
    }
    let net = match plan {
        Some(plan) => Some(build(plan, args, &deployment, &minder, &layout, screen)?),
        None => None,
    };
    Ok(Prepared {
        kills,
        binaries,
        pieces,
        deployment,
        disks,
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

/// The hosts of liars, after all others.
fn join_liars(plan: &mut NetPlan, chaos: &Plan, deployment: &Deployment) -> Result<(), String> {
    for (number, (kind, site)) in (0u32..).zip(&chaos.liars) {
        let place =
            deployment.map.site_named(site).and_then(|site| Some((site, deployment.outsider(site, number)?)));
        let (site, addr) = place.ok_or_else(|| format!("there is no place for the liar {kind} at {site}"))?;
        plan.join(deployment, site, addr)?;
    }
    Ok(())
}

/// The network of `--netns`.
fn build(
    plan: NetPlan,
    args: &Args,
    deployment: &Deployment,
    minder: &Minder,
    layout: &Layout,
    screen: &mut Screen,
) -> Result<Net, Stop> {
    let (begun, now) = (std::time::Instant::now(), Timestamp::now());
    let rate = |link| options::physical(&args.options, &deployment.map, link, now);
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

fn probe_sites(args: &Args, deployment: &Deployment) -> Vec<SiteId> {
    let probes = args.options.probe.iter();
    let names = probes.flat_map(|probe| [&probe.from, &probe.to]);
    names.filter_map(|name| deployment.map.site_named(name)).collect()
}

/// The log of an agent or the tracker in this folder, for a message: its last lines and where it is.
pub fn last_words(folder: &Path) -> String {
    let log = log_of(folder);
    let mut lines = tail(&log, 12);
    lines.insert(0, format!("last lines of {}:", log.display()));
    lines.join("\n  ")
}
