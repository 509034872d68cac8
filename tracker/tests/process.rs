//! The program itself: its exit codes, its signals, its log.
#![cfg(unix)]

mod support;

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use support::process::Process;
use support::*;

const RELOADS_OK: &str = "narrows_tracker_site_map_reloads_total{outcome=\"ok\"}";
const RELOADS_REFUSED: &str = "narrows_tracker_site_map_reloads_total{outcome=\"refused\"}";

fn run_to_end(command: &str, config: &Path) -> Output {
    run_with(command, "--config", config)
}

fn run_with(command: &str, option: &str, file: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_narrows-tracker"))
        .args([command, option])
        .arg(file)
        .output()
        .unwrap()
}

fn map_with(more_sites: &[&str]) -> String {
    let extra: String =
        more_sites.iter().map(|name| format!("  - {{between: [hq, {name}], rate: 1 Mbit/s}}\n")).collect();
    let mut text = SITES.replace("links:\n", &format!("links:\n{extra}"));
    for (position, name) in more_sites.iter().enumerate() {
        let site = format!("  {name}: {{networks: [127.{}.0.0/16]}}\nlinks:", 50 + position);
        text = text.replace("links:", &site);
    }
    text
}

#[test]
fn sighup_reloads_the_site_map_any_number_of_times_and_a_bad_one_in_between_is_refused() {
    let tracker = Process::start(files(""), &[]);
    assert_eq!(tracker.sites(), 2);
    tracker.signal("HUP");
    until("the first reload", || tracker.metric(RELOADS_OK) == 1.0);
    tracker.signal("HUP");
    until("the second reload", || tracker.metric(RELOADS_OK) == 2.0);

    tracker.write_map("version: 1\nsites: {hq: {netwerks: [127.1.0.0/16]}}\nlinks: [{between: [hq, nowhere], rate: 1 Mbit/s}]\n");
    tracker.signal("HUP");
    until("the bad map is refused", || {
        tracker.metric(RELOADS_REFUSED) >= 1.0
    });
    assert_eq!(tracker.metric("narrows_tracker_site_map_valid"), 0.0);
    assert_eq!(tracker.sites(), 2, "the old map stays");
    assert_eq!(
        accepted(say(tracker.addr, "127.2.0.1", &announce())).incomplete,
        1
    );
    until("the log names every mistake", || {
        let log = tracker.log();
        ["sites.yaml:2:", "netwerks", "sites.yaml:3:", "nowhere"].iter().all(|part| log.contains(part))
    });

    tracker.write_map(&map_with(&["oslo"]));
    tracker.signal("HUP");
    until("the good map is in force", || tracker.sites() == 3);
    assert_eq!(tracker.metric("narrows_tracker_site_map_valid"), 1.0);
}

#[test]
fn a_changed_site_map_is_taken_over_and_its_swarms_follow() {
    let tracker = Process::start(files(""), &[]);
    refused(say(tracker.addr, "127.50.0.1", &announce()));
    let mut seeder = announce();
    seeder.left = 0;
    accepted(say(tracker.addr, "127.1.0.1", &seeder));
    accepted(say(tracker.addr, "127.2.0.1", &announce()));
    tracker.write_map(&map_with(&["aarhus"]));
    until("the new map is in force", || tracker.sites() == 3);
    let response = accepted(say(tracker.addr, "127.50.0.1", &announce()));
    assert_eq!((response.complete, response.incomplete), (1, 2));
    assert_eq!(
        response.peers.len(),
        1,
        "its site's gateway is told one remote peer: {response:?}"
    );
    let status: serde_json::Value = serde_json::from_slice(&get(tracker.admin, "/status").body).unwrap();
    let names: Vec<_> =
        status["contents"][0]["sites"].as_array().unwrap().iter().map(|site| &site["site"]).collect();
    assert_eq!(
        names,
        ["aarhus", "hq", "munich"],
        "ids have moved, names have not"
    );
}

#[test]
fn sigterm_and_sigint_end_the_tracker_with_success() {
    for signal in ["TERM", "INT"] {
        let mut tracker = Process::start(files(""), &[]);
        let mut idle = connect(tracker.addr, None);
        write!(idle, "GET /scrape HTTP/1.1\r\nHost: t\r\n\r\n").unwrap();
        read_reply(&mut idle);
        let asked = Instant::now();
        tracker.signal(signal);
        assert!(tracker.wait().success());
        assert!(
            asked.elapsed().as_secs() < 5,
            "an idle connection holds nothing up"
        );
        assert_eq!(idle.read(&mut [0]).unwrap(), 0);
        until("the end is logged", || tracker.log().contains("stopped"));
    }
}

#[test]
fn a_client_that_never_finishes_its_request_cannot_keep_the_tracker_from_ending() {
    let mut tracker = Process::start(files(""), &[]);
    let mut slow = connect(tracker.addr, None);
    slow.write_all(b"GET /announce?").unwrap();
    until("the connection is open", || {
        tracker.metric("narrows_tracker_connections") >= 2.0
    });
    tracker.signal("TERM");
    assert!(tracker.wait().success());
}

#[test]
fn systemd_is_told_when_the_tracker_is_ready_reloads_and_stops() {
    let dir = files("");
    let socket = dir.path().join("notify");
    let receiver = UnixDatagram::bind(&socket).unwrap();
    receiver.set_read_timeout(Some(PATIENCE)).unwrap();
    let next = || {
        let mut buffer = [0; 256];
        let length = receiver.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).trim_end().to_owned()
    };
    let mut tracker = Process::start(dir, &[("NOTIFY_SOCKET", &socket)]);
    assert_eq!(next(), "READY=1");
    tracker.signal("HUP");
    assert!(next().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert_eq!(next(), "READY=1");
    tracker.signal("TERM");
    assert_eq!(next(), "STOPPING=1");
    assert!(tracker.wait().success());
}

#[test]
fn check_says_ok_or_every_mistake_with_its_place() {
    let dir = files("torrents: torrents/");
    let config = dir.path().join("tracker.yaml");
    let checked = run_to_end("check", &config);
    assert!(checked.status.success(), "{checked:?}");
    assert!(String::from_utf8_lossy(&checked.stdout).contains("2 sites, 1 links"));
    assert!(checked.stderr.is_empty(), "{checked:?}");

    fs::write(&config, "site_map: sites.yaml\n").unwrap();
    let checked = run_to_end("check", &config);
    let warned = String::from_utf8_lossy(&checked.stderr);
    assert!(
        checked.status.success() && warned.contains("warning: "),
        "{checked:?}"
    );
    assert!(warned.contains("there is no `torrents`"), "{warned}");

    fs::write(
        &config,
        "lisen: 127.0.0.1:0\nsite_map: sites.yaml\ninterval: {min: 10}\n",
    )
    .unwrap();
    let checked = run_to_end("check", &config);
    let said = String::from_utf8_lossy(&checked.stderr);
    assert_eq!(checked.status.code(), Some(64));
    for part in [
        "tracker.yaml:1:1",
        "did you mean `listen`?",
        "tracker.yaml:3:17",
        "`10` is no duration",
    ] {
        assert!(said.contains(part), "{part} is not in\n{said}");
    }
}

#[test]
fn check_tells_the_mistakes_of_all_files_at_once_and_run_those_that_keep_it_from_starting() {
    let dir = files("torrents: torrents/\nadmin_token: token\nstate: state\nlisten: nowhere");
    let config = dir.path().join("tracker.yaml");
    let write = |file: &str, text: &str| fs::write(dir.path().join(file), text).unwrap();
    write("sites.yaml", "version: 2\nsites: {a: {networks: [10.0.0.1/8]}}\n");
    write("token", "short\n");
    fs::create_dir_all(dir.path().join("state")).unwrap();
    write("state/brakes.json", "{\n");
    write("torrents/broken.torrent", "d4:info");
    write("torrents/README", "not a torrent");
    let errors = [
        "tracker.yaml:",
        "sites.yaml:1:",
        "sites.yaml:2:",
        "token: it is too short",
        "brakes.json: ",
    ];
    for (command, warnings) in [("check", 1), ("run", 0)] {
        let ended = run_to_end(command, &config);
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(64), "{said}");
        assert_eq!(said.matches("error: ").count(), errors.len(), "{said}");
        for part in errors {
            assert!(said.contains(part), "{part} is not in\n{said}");
        }
        assert_eq!(said.matches("warning: ").count(), warnings, "{said}");
        assert_eq!(
            said.contains("broken.torrent: this torrent will not be tracked"),
            warnings == 1,
            "{said}"
        );
    }
    let good = files("torrents: torrents/");
    fs::write(good.path().join("torrents/broken.torrent"), "d4:info").unwrap();
    let checked = run_to_end("check", &good.path().join("tracker.yaml"));
    let said = String::from_utf8_lossy(&checked.stderr);
    assert!(
        checked.status.success() && said.contains("warning: ") && said.contains("broken.torrent"),
        "{said}"
    );
}

#[test]
fn a_site_map_can_be_checked_before_a_configuration_names_it() {
    let dir = files("");
    let map = dir.path().join("sites.yaml");
    let checked = run_with("check", "--site-map", &map);
    assert!(checked.status.success(), "{checked:?}");
    assert!(String::from_utf8_lossy(&checked.stdout).contains("sites.yaml: ok, 2 sites, 1 links"));

    fs::write(&map, "version: 1\nsites: {a: {network: [10.0.0.0/8]}}\n").unwrap();
    let checked = run_with("check", "--site-map", &map);
    assert_eq!(checked.status.code(), Some(64));
    let said = String::from_utf8_lossy(&checked.stderr);
    assert!(
        said.contains("sites.yaml:2:") && said.contains("did you mean `networks`?"),
        "{said}"
    );
}

#[test]
fn a_bad_configuration_ends_run_with_64_before_anything_is_bound() {
    // a bound address would be an error of its own, with another code
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("listen: {}\n", taken.local_addr().unwrap());
    let dir = files(&listen);
    let config = dir.path().join("tracker.yaml");
    let ended = run_to_end("run", &config);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(String::from_utf8_lossy(&ended.stderr).contains("another process listens there"));

    fs::write(
        dir.path().join("sites.yaml"),
        "version: 1\nsites: {a: {networks: [10.0.0.1/8]}}\n",
    )
    .unwrap();
    let ended = run_to_end("run", &config);
    assert_eq!(ended.status.code(), Some(64));
    assert!(
        String::from_utf8_lossy(&ended.stderr).contains("sites.yaml:2:"),
        "{ended:?}"
    );

    fs::remove_file(dir.path().join("sites.yaml")).unwrap();
    assert_eq!(run_to_end("run", &config).status.code(), Some(64));
    assert_eq!(
        run_to_end("run", &dir.path().join("none.yaml")).status.code(),
        Some(64)
    );
    let missing = files("torrents: none/");
    let ended = run_to_end("run", &missing.path().join("tracker.yaml"));
    assert_eq!(ended.status.code(), Some(64));
    assert!(
        String::from_utf8_lossy(&ended.stderr).contains("create it"),
        "{ended:?}"
    );
}

/// The end of a pipe without a reader.
fn unread() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    Stdio::from(writer)
}

#[test]
fn who_stops_reading_what_check_says_changes_neither_its_end_nor_its_status() {
    let dir = files("");
    let check = |stdout: Stdio, stderr: Stdio| {
        Command::new(env!("CARGO_BIN_EXE_narrows-tracker"))
            .args(["check", "--config"])
            .arg(dir.path().join("tracker.yaml"))
            .stdout(stdout)
            .stderr(stderr)
            .spawn()
            .unwrap()
            .wait_with_output()
            .unwrap()
    };
    let checked = check(unread(), Stdio::piped());
    let said = String::from_utf8_lossy(&checked.stderr);
    assert!(
        checked.status.success() && !said.contains("panicked"),
        "{checked:?}"
    );
    fs::write(dir.path().join("tracker.yaml"), "listen: nowhere\n").unwrap();
    assert_eq!(check(Stdio::piped(), unread()).status.code(), Some(64));
}
