//! Our side of a test with stock clients: tracker, recorder, agents, content.

use std::fs::File;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::recorder::Recorder;

/// Where clients announce: the recorder.
pub const ANNOUNCE: &str = "10.0.0.1:6969";
const TRACKER: &str = "10.0.0.1:7969";
const ADMIN: &str = "10.0.0.1:7970";

/// The rate of the branches' links, unless a test wants another.
const RATE: &str = "40 Mbit/s";

/// hq, and two branches behind links of this rate.
fn sites(rate: &str) -> String {
    format!(
        "\
version: 1
sites:
  ops: {{networks: [10.0.0.0/16]}}
  hq: {{networks: [10.1.0.0/16]}}
  b1: {{networks: [10.2.0.0/16]}}
  b2: {{networks: [10.3.0.0/16]}}
links:
  - {{between: [hq, ops], rate: 1 Gbit/s}}
  - {{between: [hq, b1], rate: {rate}}}
  - {{between: [hq, b2], rate: {rate}}}
"
    )
}

/// The site (second octet) of an address in the site map.
pub fn site(ip: IpAddr) -> u8 {
    match ip {
        IpAddr::V4(ip) => ip.octets()[1],
        IpAddr::V6(_) => 0,
    }
}

/// A process of ours; dropping it ends it.
pub struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // ended already is fine
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Tracker, recorder and a content of some megabytes, in a temporary folder.
pub struct Fleet {
    dir: tempfile::TempDir,
    bin_dir: PathBuf,
    /// What the tracker was asked and said.
    pub recorder: Recorder,
    _tracker: Process,
}

impl Fleet {
    /// Makes the content, its torrent with our `create`, and starts the tracker behind its recorder.
    ///
    /// # Errors
    /// A program is missing, or a port is taken.
    pub fn start(bin_dir: &Path, bytes: u64) -> Result<Self> {
        Self::start_with(bin_dir, bytes, RATE)
    }

    /// The same, with links of this rate to the branches.
    ///
    /// # Errors
    /// As [`start`](Self::start)'s.
    pub fn start_with(bin_dir: &Path, bytes: u64, rate: &str) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        make_content(&dir.path().join("source/office"), bytes)?;
        std::fs::create_dir_all(dir.path().join("torrents"))?;
        let status = Command::new(bin_dir.join("narrows-agent"))
            .arg("create")
            .arg(dir.path().join("source/office"))
            .args(["--tracker", &format!("http://{ANNOUNCE}/announce"), "--output"])
            .arg(dir.path().join("torrents/office.torrent"))
            .status()?;
        if !status.success() {
            bail!("narrows-agent create failed: {status}");
        }
        std::fs::write(dir.path().join("sites.yaml"), sites(rate))?;
        let config = format!(
            "listen: {TRACKER}\nadmin: {ADMIN}\nsite_map: sites.yaml\ntorrents: torrents/\n\
             trusted_proxies: [10.0.0.1/32]\n\
             interval: {{seeder: 60s, leecher: 30s, gateway: 15s, min: 10s}}\n"
        );
        std::fs::write(dir.path().join("tracker.yaml"), config)?;
        let tracker = spawn(
            Command::new(bin_dir.join("narrows-tracker"))
                .args(["run", "--config"])
                .arg(dir.path().join("tracker.yaml")),
            &dir.path().join("tracker.log"),
        )?;
        wait_for("the tracker to be healthy", Duration::from_secs(20), || {
            Ok(http_get(ADMIN.parse()?, "/healthz").is_ok().then_some(()))
        })?;
        let recorder = Recorder::start(ANNOUNCE.parse()?, TRACKER.parse()?)?;
        Ok(Self {
            dir,
            bin_dir: bin_dir.to_owned(),
            recorder,
            _tracker: tracker,
        })
    }

    /// The .torrent file.
    pub fn torrent(&self) -> PathBuf {
        self.dir.path().join("torrents/office.torrent")
    }

    /// A folder for what happens at `ip`.
    pub fn home(&self, ip: IpAddr) -> PathBuf {
        self.dir.path().join(ip.to_string())
    }

    /// Puts a whole copy of the content where a peer at `ip` keeps its data, and says where that is.
    ///
    /// # Errors
    /// The copy failed.
    pub fn stock_up(&self, ip: IpAddr) -> Result<PathBuf> {
        let data = self.home(ip).join("data");
        copy_tree(&self.dir.path().join("source"), &data)?;
        Ok(data)
    }

    /// Starts one of our agents at `ip`; it fetches what it lacks of the content.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn agent(&self, ip: IpAddr) -> Result<Process> {
        let home = self.home(ip);
        std::fs::create_dir_all(&home)?;
        let config = format!(
            "id: agent-{ip}\nlisten: {ip}:6881\ncontrol: {ip}:6882\ndata: data\nstate: state\n\
             content:\n  - torrent: {}\n",
            self.torrent().display()
        );
        let path = home.join("agent.yaml");
        std::fs::write(&path, config)?;
        spawn(
            Command::new(self.bin_dir.join("narrows-agent")).args(["run", "--config"]).arg(path),
            &home.join("agent.log"),
        )
    }

    /// `GET /status` of the agent at `ip`: its only content.
    ///
    /// # Errors
    /// The agent does not answer.
    pub fn content_of(&self, ip: IpAddr) -> Result<Value> {
        Ok(self.status_of(ip)?["content"][0].clone())
    }

    /// `GET /status` of the agent at `ip`.
    ///
    /// # Errors
    /// The agent does not answer.
    pub fn status_of(&self, ip: IpAddr) -> Result<Value> {
        status(SocketAddr::new(ip, 6882))
    }

    /// `GET /status` of the tracker.
    ///
    /// # Errors
    /// It does not answer.
    pub fn tracker_status(&self) -> Result<Value> {
        status(ADMIN.parse()?)
    }

    /// Waits until the agent at `ip` has all of the content.
    ///
    /// # Errors
    /// It takes longer than `limit`.
    pub fn wait_seeding(&self, ip: IpAddr, limit: Duration) -> Result<()> {
        wait_for(&format!("the agent at {ip} to be complete"), limit, || {
            Ok(self.content_of(ip).ok().filter(|content| content["state"] == "seeding").map(|_| ()))
        })
    }

    /// Is what lies at `ip` byte for byte the content? (Transmission leaves empty files out.)
    ///
    /// # Errors
    /// A file is missing or differs; it is named.
    pub fn assert_identical(&self, ip: IpAddr) -> Result<()> {
        let source = self.dir.path().join("source");
        for file in files_below(&source)? {
            let name = file.strip_prefix(&source)?;
            let copy = self.home(ip).join("data").join(name);
            let is_stock = !self.home(ip).join("agent.yaml").exists();
            if is_stock && file.metadata()?.len() == 0 && !copy.exists() {
                // Transmission makes no empty files
                continue;
            }
            let arrived = std::fs::read(&copy).with_context(|| format!("{} at {ip}", name.display()))?;
            if arrived != std::fs::read(&file)? {
                bail!("{} at {ip} differs from the source", name.display());
            }
        }
        Ok(())
    }

    /// Copies the logs out when a test is to be looked at: set `NARROWS_TEST_KEEP` to a folder.
    pub fn keep_logs(&self) {
        if let Some(to) = std::env::var_os("NARROWS_TEST_KEEP")
            && let Err(error) = copy_tree(self.dir.path(), Path::new(&to))
        {
            eprintln!("cannot keep the logs: {error:#}");
        }
    }
}

/// Asks `probe` every 50 ms until it has an answer.
///
/// # Errors
/// `probe`'s own, or that `what` did not happen within `limit`.
pub fn wait_for<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(answer) = probe()? {
            return Ok(answer);
        }
        if start.elapsed() > limit {
            bail!("waited {limit:?} for {what}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn spawn(command: &mut Command, log: &Path) -> Result<Process> {
    let log = File::create(log)?;
    let child = command
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("cannot start {command:?}"))?;
    Ok(Process(child))
}

fn status(of: SocketAddr) -> Result<Value> {
    Ok(serde_json::from_str(&http_get(of, "/status")?)?)
}

fn http_get(from: SocketAddr, path: &str) -> Result<String> {
    use std::io::Read;
    let mut stream = std::net::TcpStream::connect_timeout(&from, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {from}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no body")?;
    if !head.starts_with("HTTP/1.1 200") {
        bail!("{path}: {}", head.lines().next().unwrap_or_default());
    }
    Ok(body.to_owned())
}

/// Files of odd sizes and one empty one; the bytes are a fixed pseudo-random stream.
fn make_content(dir: &Path, bytes: u64) -> Result<()> {
    let sizes = [bytes / 2, 1, 0, bytes / 3, 70_001, bytes / 7];
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    std::fs::create_dir_all(dir.join("sub"))?;
    for (number, size) in sizes.into_iter().enumerate() {
        let name = if number % 2 == 0 {
            format!("{number}.bin")
        } else {
            format!("sub/{number}.bin")
        };
        let mut data = Vec::with_capacity(size as usize + 8);
        while (data.len() as u64) < size {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            data.extend_from_slice(&state.to_le_bytes());
        }
        data.truncate(size as usize);
        std::fs::write(dir.join(name), data)?;
    }
    Ok(())
}

fn files_below(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(files_below(&path)?);
        } else {
            files.push(path);
        }
    }
    Ok(files)
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    for file in files_below(from)? {
        let copy = to.join(file.strip_prefix(from)?);
        if let Some(parent) = copy.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::copy(&file, &copy)?;
    }
    Ok(())
}
