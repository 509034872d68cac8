//! The control port and the commands that use it.

mod common;

use std::process::{Command, Stdio};

use common::agent::Agent;
use common::content::{assert_same, folder, torrent};
use common::eventually;
use common::tracker::Tracker;
use narrows_agent::ContentState;
use narrows_protocol::AnnounceEvent;

const MB: usize = 1_000_000;
const PIECE: u32 = 128 << 10;

#[test]
fn commands_want_the_token_and_reading_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let agent = Agent::new(dir.path(), &[]).started();
    for headers in [
        "",
        "Authorization: Bearer 0000\r\n",
        "Authorization: Basic eDp5\r\n",
    ] {
        for path in ["/pause", "/resume", "/verify", "/reload"] {
            let (code, body) = agent.post_with(path, headers);
            assert_eq!(code, 401, "{path}");
            assert!(body.contains("\"error\""), "{body}");
        }
    }
    assert!(!agent.status().paused);
    assert_eq!(agent.get("/status").0, 200);
    assert_eq!(agent.get("/metrics").0, 200);
    assert_eq!(agent.get("/pause").0, 405);
    assert_eq!(agent.get("/nothing").0, 404);
    assert_eq!(agent.post("/pause?content=absent").0, 404);
    assert_eq!(agent.post("/pause").0, 200);
    assert!(agent.status().paused);
}

#[test]
fn a_pause_stops_the_transfer_and_a_resume_goes_on() {
    let (dir, tracker) = (tempfile::tempdir().unwrap(), Tracker::start());
    let source = dir.path().join("seeder/office");
    folder(&source, 1, 20 * MB);
    let (file, meta) = torrent(&source, &tracker, PIECE);
    let _seeder = Agent::new(&dir.path().join("s"), &[(&file, source.parent().unwrap())]).started();
    let target = dir.path().join("target");
    let leecher = Agent::new(&dir.path().join("l"), &[(&file, &target)])
        .with("limits: {download: 80 Mbit/s}")
        .started();
    leecher.wait("some is there", |content| content.progress > 0.1);
    let paused = leecher.command(&["pause", "office"]);
    assert!(
        paused.status.success(),
        "{}",
        String::from_utf8_lossy(&paused.stderr)
    );
    let there = leecher.wait_for(ContentState::Paused);
    assert_eq!(there.peers, 0);
    eventually("the tracker was told", || {
        tracker.has_announced(leecher.listen(), AnnounceEvent::Stopped).then_some(())
    });
    let still = leecher.content().bytes_lan;
    assert!(still < meta.total);
    assert!(leecher.command(&["resume", &meta.info_hash.to_string()]).status.success());
    leecher.wait_for(ContentState::Seeding);
    assert_same(&source, &target.join("office"));
}

#[test]
fn status_exits_with_three_if_a_content_is_in_error_and_with_one_if_no_agent_answers() {
    let (dir, tracker) = (tempfile::tempdir().unwrap(), Tracker::start());
    let source = dir.path().join("seeder/office");
    folder(&source, 1, MB);
    let (file, _) = torrent(&source, &tracker, PIECE);
    let later = dir.path().join("later.torrent");
    let from = source.parent().unwrap();
    let mut agent = Agent::new(&dir.path().join("s"), &[(&file, from), (&later, from)]).started();
    agent.wait_for(ContentState::Seeding);
    for args in [&["status"][..], &["status", "--json"]] {
        let output = agent.command(args);
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(3), "{text}");
        assert!(
            text.contains("later.torrent") && text.contains("tried again"),
            "{text}"
        );
    }
    // a reader that stops changes neither the end nor the status
    for (command, code) in [("status", 3), ("explain", 0)] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = agent.prepared(&[command]).stdout(writer).stderr(Stdio::piped()).spawn();
        let output = output.unwrap().wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            (output.status.code(), stderr.as_ref()),
            (Some(code), ""),
            "{command}"
        );
    }
    agent.set_content(&[(&file, from)]);
    assert!(agent.command(&["reload"]).status.success());
    assert_eq!(agent.command(&["status"]).status.code(), Some(0));
    agent.kill();
    assert_eq!(agent.command(&["status"]).status.code(), Some(1));
    let help = Command::new(env!("CARGO_BIN_EXE_narrows-agent")).arg("--help").output().unwrap();
    assert!(String::from_utf8(help.stdout).unwrap().contains("3 (status) a content is in error"));
}

#[test]
fn status_is_a_table_for_people_and_json_for_machines() {
    let (dir, tracker) = (tempfile::tempdir().unwrap(), Tracker::start());
    let source = dir.path().join("seeder/office");
    folder(&source, 1, MB);
    let (file, meta) = torrent(&source, &tracker, PIECE);
    let agent = Agent::new(&dir.path().join("s"), &[(&file, source.parent().unwrap())]).started();
    agent.wait_for(ContentState::Seeding);
    let table = String::from_utf8(agent.command(&["status"]).stdout).unwrap();
    assert!(
        table.contains("office") && table.contains("seeding") && table.contains("100.0 %"),
        "{table}"
    );
    let json: serde_json::Value =
        serde_json::from_slice(&agent.command(&["status", "--json"]).stdout).unwrap();
    let content = &json["content"][0];
    assert_eq!(content["info_hash"], meta.info_hash.to_string());
    for key in [
        "name",
        "state",
        "progress",
        "bytes",
        "bytes_lan",
        "bytes_wan",
        "role",
        "peers",
        "rate_down",
        "rate_up",
        "error",
    ] {
        assert!(content.get(key).is_some(), "{key}");
    }
    let metrics = agent.get("/metrics").1;
    let labels = format!("content=\"office\",info_hash=\"{}\"", meta.info_hash);
    for series in [
        format!("narrows_agent_content_seeding{{{labels}}} 1"),
        format!("narrows_agent_received_bytes_total{{class=\"wan\",{labels}}} 0"),
    ] {
        assert!(metrics.contains(&series), "{series}: {metrics}");
    }
    let value = |name: &str| -> f64 {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|value| value.trim().parse().ok()).unwrap_or_else(|| panic!("{name}: {metrics}"))
    };
    let (free, size) = (
        value("narrows_agent_disk_free_bytes "),
        value("narrows_agent_disk_size_bytes "),
    );
    assert!(0.0 < free && free <= size, "{free} of {size}");
}

#[test]
fn create_and_get_are_all_one_needs_without_a_configuration() {
    let (dir, tracker) = (tempfile::tempdir().unwrap(), Tracker::start());
    let source = dir.path().join("seeder/office");
    folder(&source, 1, 3 * MB);
    let file = dir.path().join("office.torrent");
    let created = Command::new(env!("CARGO_BIN_EXE_narrows-agent"))
        .arg("create")
        .arg(&source)
        .args(["--tracker", &tracker.url(), "--piece-length", "64KiB", "--output"])
        .arg(&file)
        .output()
        .unwrap();
    assert!(
        created.status.success(),
        "{}",
        String::from_utf8_lossy(&created.stderr)
    );
    let seeder = Agent::new(&dir.path().join("s"), &[(&file, source.parent().unwrap())]).started();
    seeder.wait_for(ContentState::Seeding);
    let target = dir.path().join("target");
    let got = Command::new(env!("CARGO_BIN_EXE_narrows-agent"))
        .arg("get")
        .arg(&file)
        .arg("--to")
        .arg(&target)
        .args(["--listen", &format!("{}:0", common::address())])
        .output()
        .unwrap();
    assert!(got.status.success(), "{}", String::from_utf8_lossy(&got.stderr));
    assert_same(&source, &target.join("office"));
    assert!(!target.join(".narrows-get").exists());
}

#[test]
fn explain_names_every_peer_with_its_reason_to_people_and_machines() {
    let (dir, tracker) = (tempfile::tempdir().unwrap(), Tracker::start());
    let source = dir.path().join("seeder/office");
    folder(&source, 1, 20 * MB);
    let (file, _) = torrent(&source, &tracker, PIECE);
    let seeder = Agent::new(&dir.path().join("s"), &[(&file, source.parent().unwrap())]).started();
    let leecher = Agent::new(&dir.path().join("l"), &[(&file, &dir.path().join("target"))])
        .with("limits: {download: 8 Mbit/s}")
        .started();
    leecher.wait("some is there", |content| content.progress > 0.01);
    let people = leecher.command(&["explain", "office"]);
    let text = String::from_utf8_lossy(&people.stdout).into_owned();
    let (address, id) = (seeder.listen().to_string(), seeder.status().id);
    for part in [
        "office",
        "role",
        "member",
        &address,
        &id,
        "a peer of our site",
        "if it dies",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let machines = leecher.command(&["explain", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&machines.stdout).unwrap();
    let peer = &json["content"][0]["peers"][0];
    assert_eq!(peer["agent"], id);
    assert_eq!(peer["relation"], "local");
    assert!(peer["received"].as_u64().unwrap() > 0);
    assert_eq!(leecher.get("/explain?content=absent").0, 404);
    assert!(!leecher.command(&["explain", "absent"]).status.success());
}

#[test]
fn a_pause_holds_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut agent = Agent::new(dir.path(), &[]).started();
    assert_eq!(agent.post("/pause").0, 200);
    agent.terminate();
    agent.start();
    assert!(agent.status().paused);
    assert_eq!(agent.post("/resume").0, 200);
    agent.kill();
    agent.start();
    assert!(!agent.status().paused);
}

#[test]
fn a_second_agent_on_one_state_folder_ends_with_a_clear_error() {
    let dir = tempfile::tempdir().unwrap();
    let first = Agent::new(dir.path(), &[]).started();
    let config = std::fs::read_to_string(first.config_path()).unwrap();
    let other = dir.path().join("other.yaml");
    let free = |line: &str| match line.split_once(':') {
        Some((key @ ("listen" | "control"), _)) => format!("{key}: {}:0", common::address()),
        _ => line.to_owned(),
    };
    let config: Vec<String> = config.lines().map(free).collect();
    std::fs::write(&other, config.join("\n")).unwrap();
    let program = env!("CARGO_BIN_EXE_narrows-agent");
    let second = Command::new(program).args(["run", "--config"]).arg(&other).output().unwrap();
    let text = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(69), "{text}");
    assert!(text.contains("in use by another running agent"), "{text}");
    assert!(first.status().content.is_empty());
}

#[cfg(unix)]
#[test]
fn systemd_is_told_once_the_agent_listens() {
    let dir = tempfile::tempdir().unwrap();
    let agent = Agent::new(dir.path(), &[]);
    agent.write_config();
    let path = dir.path().join("notify");
    let socket = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(std::time::Duration::from_secs(30))).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_narrows-agent"))
        .args(["run", "--config"])
        .arg(agent.config_path())
        .env("NOTIFY_SOCKET", &path)
        .spawn()
        .unwrap();
    let mut message = [0; 64];
    let received = socket.recv(&mut message);
    let listens =
        std::net::TcpStream::connect(agent.listen()).and(std::net::TcpStream::connect(agent.control()));
    child.kill().unwrap();
    child.wait().unwrap();
    let length = received.expect("systemd is told within 30 s");
    assert_eq!(message[..length].trim_ascii_end(), b"READY=1");
    listens.expect("what was announced as ready listens");
}

#[cfg(unix)]
#[test]
fn a_reader_that_stops_early_ends_a_command_quietly() {
    let (dir, tracker) = (tempfile::tempdir().unwrap(), Tracker::start());
    let source = dir.path().join("seeder/office");
    folder(&source, 1, MB);
    let (file, _) = torrent(&source, &tracker, PIECE);
    let agent = Agent::new(&dir.path().join("s"), &[(&file, source.parent().unwrap())]).started();
    agent.wait_for(ContentState::Seeding);
    for what in ["status", "explain"] {
        // its standard output is a pipe that is not read any more
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = agent.prepared(&[what]);
        let ended = command.stdout(writer).output().unwrap();
        let stderr = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(ended.status.success() && stderr.is_empty(), "{what}: {stderr}");
    }
}
