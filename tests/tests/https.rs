//! Our tracker over https beside our agents, curl, aria2 and libtorrent as Debian ships them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use narrows_agent::config::Config as AgentConfig;
use narrows_agent::{Agent, ContentState, ContentStatus};
use narrows_tls::{Identity, Pin};
use narrows_tracker::{Config, Listeners, Prepared, RunError, run};
use tempfile::TempDir;
use tokio::sync::oneshot;

const PATIENCE: Duration = Duration::from_secs(60);

/// A loopback address that no other test uses at the same time.
fn address() -> IpAddr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let pid = std::process::id();
    let (a, b) = (128 + (pid / 250 % 60) as u8, (pid % 250) as u8);
    Ipv4Addr::new(127, a, b, NEXT.fetch_add(1, Ordering::Relaxed)).into()
}

/// A tracker over http and https in this process.
struct Tracker {
    http: SocketAddr,
    https: SocketAddr,
    dir: TempDir,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), RunError>>>,
}

impl Tracker {
    fn start() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect("written");
        write(
            "sites.yaml",
            "version: 1\nsites: {hq: {networks: [127.0.0.0/8]}}\n",
        );
        write(
            "tracker.yaml",
            "{listen: 127.0.0.1:0, listen_tls: 127.0.0.1:0, admin: 127.0.0.1:0, site_map: sites.yaml, state: state, \
             interval: {seeder: 1s, leecher: 1s, gateway: 1s, min: 1s}}",
        );
        std::fs::create_dir(dir.path().join("state")).expect("a folder");
        let config = Config::load(&dir.path().join("tracker.yaml")).expect("a configuration");
        let prepared = Prepared::new(config).expect("prepared");
        let config = prepared.config();
        let listeners = Listeners::bind(&config.listen, config.admin).expect("bound");
        let listeners = listeners.and_tls(&config.listen_tls, &config.admin_tls).expect("bound");
        let https = listeners.tracker_tls[0].local_addr().expect("an address");
        let http = listeners.tracker_addrs()[0];
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
            runtime.block_on(run(prepared, listeners, async {
                let _ = stopped.await;
            }))
        });
        let this = Self {
            http,
            https,
            dir,
            stop: Some(stop),
            thread: Some(thread),
        };
        until("the certificate is made", || {
            this.certificate().exists().then_some(())
        });
        this
    }

    fn pin(&self) -> Pin {
        narrows_tls::read_key(&Identity::key_path(&self.dir.path().join("state"))).expect("a key")
    }

    fn certificate(&self) -> PathBuf {
        Identity::certificate_path(&self.dir.path().join("state"))
    }

    fn url(&self) -> String {
        format!("https://{}/announce", self.https)
    }
}

impl Drop for Tracker {
    fn drop(&mut self) {
        let _ = self.stop.take().map(|stop| stop.send(()));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A content of 1 MB in `source` below the folder; its .torrent, which announces to `url`.
fn content(dir: &Path, url: &str) -> PathBuf {
    let source = dir.join("source");
    std::fs::create_dir_all(&source).expect("a folder");
    let bytes: Vec<u8> = (0..1_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    std::fs::write(source.join("office.bin"), bytes).expect("written");
    let options = narrows_storage::CreateOptions {
        announce: vec![vec![url.to_owned()]],
        piece_length: Some(64 << 10),
        ..Default::default()
    };
    let made = narrows_storage::create(&source.join("office.bin"), options, &|_, _| {}).expect("a torrent");
    let torrent = dir.join("office.torrent");
    std::fs::write(&torrent, made.torrent).expect("written");
    torrent
}

/// An agent in this process.
struct Ours {
    agent: Arc<Agent>,
    file: PathBuf,
    begin: String,
    runtime: tokio::runtime::Runtime,
}

impl Ours {
    fn start(dir: &Path, name: &str, torrent: &Path, target: &Path, more: &str) -> Self {
        let ip = address();
        let begin = format!(
            "id: {name}\nlisten: {ip}:6881\ncontrol: {ip}:0\nstate: {name}-state\ndata: {name}-data\ncontent:\n  - {{torrent: \
             {torrent:?}, target: {target:?}}}\n"
        );
        let file = dir.join(format!("{name}.yaml"));
        std::fs::write(&file, format!("{begin}{more}\n")).expect("written");
        let config = AgentConfig::load(&file).expect("a configuration");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let agent = runtime.block_on(Agent::start(config, Some(file.clone()))).expect("an agent");
        Self {
            agent,
            file,
            begin,
            runtime,
        }
    }

    fn content(&self) -> ContentStatus {
        self.runtime.block_on(self.agent.status()).content.into_iter().next().expect("a content")
    }

    fn error(&self) -> String {
        until("the tracker's error is known", || self.content().tracker_error)
    }

    fn reload(&self, more: &str) {
        std::fs::write(&self.file, format!("{}{more}\n", self.begin)).expect("written");
        self.runtime.block_on(self.agent.reload()).expect("reloaded");
    }

    fn wait_for(&self, state: ContentState) {
        until(&format!("{state}"), || {
            Some(self.content()).filter(|content| content.state == state)
        });
    }

    fn wait_announced(&self) {
        until("the tracker answers", || {
            self.content().tracker_error.is_none().then_some(())
        });
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        self.runtime.block_on(self.agent.stop());
    }
}

#[test]
fn a_tracker_that_moved_to_https_serves_agents_whose_torrents_name_the_old_one() {
    let (tracker, dir) = (Tracker::start(), tempfile::tempdir().expect("a folder"));
    let torrent = content(dir.path(), "http://127.0.0.1:1/announce");
    let moved = format!("tracker: {}\ntracker_pin: {}", tracker.url(), tracker.pin());
    let seeder = Ours::start(dir.path(), "seeder", &torrent, &dir.path().join("source"), &moved);
    let target = dir.path().join("target");
    let leecher = Ours::start(dir.path(), "leecher", &torrent, &target, &moved);
    seeder.wait_for(ContentState::Seeding);
    leecher.wait_for(ContentState::Seeding);
    let read = |path: PathBuf| std::fs::read(path).expect("a file");
    assert!(read(target.join("office.bin")) == read(dir.path().join("source/office.bin")));
}

#[test]
fn agents_over_http_and_https_are_in_one_swarm() {
    let (tracker, dir) = (Tracker::start(), tempfile::tempdir().expect("a folder"));
    let torrent = content(dir.path(), &format!("http://{}/announce", tracker.http));
    let source = dir.path().join("source");
    let seeder = Ours::start(dir.path(), "seeder", &torrent, &source, "");
    let ca = format!(
        "tracker: {}\ntracker_ca: {:?}",
        tracker.url(),
        tracker.certificate()
    );
    let leecher = Ours::start(dir.path(), "leecher", &torrent, &dir.path().join("target"), &ca);
    seeder.wait_for(ContentState::Seeding);
    leecher.wait_for(ContentState::Seeding);
}

#[test]
fn a_machine_in_the_middle_is_refused_with_both_pins_until_its_key_is_the_second_one() {
    let (tracker, other) = (Tracker::start(), Tracker::start());
    let dir = tempfile::tempdir().expect("a folder");
    let torrent = content(dir.path(), &other.url());
    let source = dir.path().join("source");
    let agent = Ours::start(
        dir.path(),
        "a",
        &torrent,
        &source,
        &format!("tracker_pin: {}", tracker.pin()),
    );
    let error = agent.error();
    for pin in [tracker.pin(), other.pin()] {
        assert!(error.contains(&pin.to_string()), "{error}");
    }
    assert!(error.contains("tracker_pin"), "{error}");
    agent.reload(&format!("tracker_pin: [{}, {}]", tracker.pin(), other.pin()));
    agent.wait_announced();
    agent.reload(&format!("tracker_pin: {}", tracker.pin()));
    until("the old trust is over, with its sessions", || {
        agent.content().tracker_error
    });
}

#[test]
fn what_may_not_be_announced_to_says_what_to_write() {
    let tracker = Tracker::start();
    let dir = tempfile::tempdir().expect("a folder");
    let source = dir.path().join("source");
    let torrent = content(dir.path(), &tracker.url());
    let agent = Ours::start(dir.path(), "a", &torrent, &source, "");
    let error = agent.error();
    assert!(error.contains("set `tracker_pin`"), "{error}");
    drop(agent);

    // a pin is no use in the clear
    let torrent = content(dir.path(), &format!("http://{}/announce", tracker.http));
    let agent = Ours::start(
        dir.path(),
        "b",
        &torrent,
        &source,
        &format!("tracker_pin: {}", tracker.pin()),
    );
    let error = agent.error();
    assert!(
        error.contains("https alone") && error.contains("`tracker: https://"),
        "{error}"
    );
    // to the port for http
    let wrong = format!(
        "tracker: https://{}/announce\ntracker_pin: {}",
        tracker.http,
        tracker.pin()
    );
    agent.reload(&wrong);
    until("it is told that this port is for http", || {
        agent.content().tracker_error.filter(|error| error.contains("does not speak TLS"))
    });
    // in the clear to the port for https
    agent.reload(&format!("tracker: http://{}/announce", tracker.https));
    until("it is told that this port is for https", || {
        agent.content().tracker_error.filter(|error| error.contains("this port speaks https"))
    });
}

#[test]
fn no_redirect_is_followed() {
    let tracker = Tracker::start();
    let dir = tempfile::tempdir().expect("a folder");
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let at = listener.local_addr().expect("an address");
    let elsewhere = format!("http://{}/announce", tracker.http);
    std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = write!(
                stream,
                "HTTP/1.1 302 Found\r\nLocation: {elsewhere}\r\nContent-Length: 0\r\n\r\n"
            );
        }
    });
    let torrent = content(dir.path(), &format!("http://{at}/announce"));
    let agent = Ours::start(dir.path(), "a", &torrent, &dir.path().join("source"), "");
    let error = agent.error();
    assert!(error.contains("no redirect is followed"), "{error}");
}

/// Whether a program is here; else the test is skipped aloud.
fn is_here(program: &str, argument: &str) -> bool {
    let found = Command::new(program).arg(argument).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let found = found.is_ok_and(|status| status.success());
    if !found {
        narrows_lab::testing::skipped(&format!("{program} over https: it is not installed"));
    }
    found
}

#[test]
fn curl_takes_the_pin_and_the_certificate_and_no_other() {
    if !is_here("curl", "--version") {
        return;
    }
    let (tracker, other) = (Tracker::start(), Tracker::start());
    let curl = |arguments: &[&str]| {
        let url = format!("https://localhost:{}/epoch", tracker.https.port());
        let done = Command::new("curl")
            .args(["-sS", "--noproxy", "*", "-m", "10"])
            .args(arguments)
            .arg(url)
            .output();
        let done = done.expect("curl");
        (
            done.status.code(),
            String::from_utf8_lossy(&done.stderr).into_owned(),
        )
    };
    // curl writes a pin with two slashes
    let pin = |tracker: &Tracker| tracker.pin().to_string().replacen('/', "//", 1);
    assert_eq!(curl(&["-k", "--pinnedpubkey", &pin(&tracker)]).0, Some(0));
    // CURLE_SSL_PINNEDPUBKEYNOTMATCH
    assert_eq!(curl(&["-k", "--pinnedpubkey", &pin(&other)]).0, Some(90));
    for (tracker, code) in [(&tracker, 0), (&other, 60)] {
        let certificate = tracker.certificate();
        let (done, said) = curl(&["--cacert", certificate.to_str().expect("a path")]);
        assert_eq!(done, Some(code), "{said}");
    }
    let old = curl(&["-k", "--tls-max", "1.2", "--pinnedpubkey", &pin(&tracker)]);
    assert_eq!(old.0, Some(0), "TLS 1.2, as older machines speak it: {}", old.1);
}

/// Starts a stock client and waits until the agent that seeds has served it; `trusts` says whether it is to get that far.
fn stock_client(client: impl FnOnce(&Tracker, &Path, &Path, &Path) -> Command) {
    let (tracker, dir) = (Tracker::start(), tempfile::tempdir().expect("a folder"));
    let torrent = content(
        dir.path(),
        &format!("https://localhost:{}/announce", tracker.https.port()),
    );
    let pin = format!("tracker_pin: {}", tracker.pin());
    let seeder = Ours::start(dir.path(), "seeder", &torrent, &dir.path().join("source"), &pin);
    seeder.wait_for(ContentState::Seeding);
    seeder.wait_announced();
    let target = dir.path().join("stock");
    std::fs::create_dir(&target).expect("a folder");
    let mut child = client(&tracker, &torrent, &target, dir.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let source = std::fs::read(dir.path().join("source/office.bin")).expect("a file");
    let whole = || std::fs::read(target.join("office.bin")).ok().filter(|bytes| *bytes == source).map(|_| ());
    let deadline = Instant::now() + PATIENCE;
    let mut came = false;
    while !came && Instant::now() < deadline {
        came = whole().is_some();
        std::thread::sleep(Duration::from_millis(100));
    }
    let _ = child.kill();
    let _ = child.wait();
    assert!(came, "the stock client has not fetched it");
}

#[test]
fn aria2_that_trusts_the_certificate_announces_over_https() {
    if !is_here("aria2c", "--version") {
        return;
    }
    stock_client(|tracker, torrent, target, _| {
        let mut command = Command::new("aria2c");
        command
            .arg(format!("--ca-certificate={}", tracker.certificate().display()))
            .arg(format!("--dir={}", target.display()))
            .args([
                "--enable-dht=false",
                "--bt-enable-lpd=false",
                "--listen-port=6899",
                "--all-proxy=",
                "--no-conf",
            ])
            .args(["--seed-time=0", "--file-allocation=none"])
            .arg(torrent);
        command
    });
}

#[test]
fn libtorrent_that_trusts_the_certificate_announces_over_https() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/libtorrent_peer.py");
    let python =
        Command::new("/usr/bin/python3").args(["-c", "import libtorrent"]).stderr(Stdio::null()).status();
    if !python.is_ok_and(|status| status.success()) {
        narrows_lab::testing::skipped("libtorrent over https: python3-libtorrent is not installed");
        return;
    }
    stock_client(|tracker, torrent, target, _| {
        let mut command = Command::new("/usr/bin/python3");
        command
            .arg(&script)
            .arg(torrent)
            .arg(target)
            .args([&address().to_string(), "6898"])
            // OpenSSL's list of authorities
            .env("SSL_CERT_FILE", tracker.certificate());
        command
    });
}
