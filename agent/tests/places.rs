//! Contents that are in each other's way are refused in words, and what runs goes on.

mod common;

use std::process::Command;

use common::agent::Agent;
use common::content::{assert_same, folder, torrent};
use common::eventually;
use common::tracker::Tracker;
use narrows_agent::ContentState;

const MB: usize = 1_000_000;
const PIECE: u32 = 128 << 10;

#[test]
fn two_versions_at_one_place_are_a_mistake_in_check_and_at_a_reload_and_the_first_runs_on() {
    let (dir, tracker) = (tempfile::tempdir().unwrap(), Tracker::start());
    let sources = ["old/office", "new/office", "other/inner"].map(|path| dir.path().join(path));
    let torrents = [0, 1, 2].map(|at| {
        folder(&sources[at], at as u64 + 1, MB);
        torrent(&sources[at], &tracker, PIECE).0
    });
    let [old, new, inner] = &torrents;
    let from = sources[0].parent().unwrap();
    let mut agent = Agent::new(&dir.path().join("a"), &[(old, from)]).started();
    agent.wait_for(ContentState::Seeding);

    // the new one stands first, at the same place by another path; the third lies inside of it
    let dotted = from.join("../old/");
    agent.set_content(&[(new, &dotted), (old, from), (inner, &sources[0])]);
    let check = Command::new(env!("CARGO_BIN_EXE_narrows-agent"))
        .args(["check", "--config"])
        .arg(agent.config_path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&check.stderr).into_owned();
    assert!(!check.status.success());
    for part in ["are both", "lie in each other", "office.torrent", "inner.torrent"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    agent.command(&["reload"]);
    let content = eventually("the reload is through", || {
        let content = agent.status().content;
        (content.len() == 3).then_some(content)
    });
    let states: Vec<ContentState> = content.iter().map(|content| content.state).collect();
    assert_eq!(
        states,
        [ContentState::Error, ContentState::Seeding, ContentState::Error]
    );
    let error = content[0].error.clone().unwrap();
    assert!(error.contains("give one of them another `target`"), "{error}");
    assert_same(&sources[0], &from.join("office"));
    assert!(!sources[0].join("inner").exists());
}

#[test]
fn a_content_removed_half_way_frees_its_space_at_a_reload_and_after_a_stop() {
    let (dir, tracker) = (tempfile::tempdir().unwrap(), Tracker::start());
    let source = dir.path().join("seeder/office");
    folder(&source, 1, 8 * MB);
    let file = torrent(&source, &tracker, PIECE).0;
    let _seeder = Agent::new(&dir.path().join("s"), &[(&file, source.parent().unwrap())]).started();
    let target = dir.path().join("target");
    let mut leecher = Agent::new(&dir.path().join("l"), &[(&file, &target)])
        .with("limits: {download: 8 Mbit/s}")
        .started();
    for reload in [true, false] {
        leecher.wait("some is there", |content| content.progress > 0.05);
        assert!(target.join(".narrows").exists());
        if reload {
            leecher.set_content(&[]);
            leecher.command(&["reload"]);
        } else {
            leecher.terminate();
            leecher.set_content(&[]);
            leecher.start();
        }
        eventually("it is free", || (!target.join(".narrows").exists()).then_some(()));
        let left: Vec<_> = std::fs::read_dir(leecher.dir.join("state"))
            .unwrap()
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| name.len() > 40)
            .collect();
        assert!(left.is_empty(), "{left:?}");
        leecher.set_content(&[(&file, &target)]);
        leecher.command(&["reload"]);
    }
}

#[test]
fn names_that_windows_cannot_hold_travel_where_the_operator_says_linux() {
    use narrows_protocol::metainfo::Metainfo;
    use narrows_protocol::metainfo::names::Names;
    use narrows_storage::{CreateOptions, create};
    let (dir, tracker) = (tempfile::tempdir().unwrap(), Tracker::start());
    let source = dir.path().join("source/man:3");
    folder(&source, 1, MB);
    for name in [
        "File::Spec.3pm",
        "aux.c",
        "what?.txt",
        "readme",
        "README",
        "back\\slash.",
    ] {
        std::fs::write(source.join(name), name).unwrap();
    }
    let options = |names| CreateOptions {
        announce: vec![vec![tracker.url()]],
        names,
        ..CreateOptions::default()
    };
    let refused = create(&source, options(Names::Portable), &|_, _| {}).unwrap_err().to_string();
    assert!(refused.contains("rename it, or say `--names linux`"), "{refused}");
    let bytes = create(&source, options(Names::Linux), &|_, _| {}).unwrap().torrent;
    assert!(Metainfo::parse(&bytes).is_err(), "portable is the default");
    let file = dir.path().join("man.torrent");
    std::fs::write(&file, bytes).unwrap();

    let seeder = Agent::new(&dir.path().join("s"), &[(&file, source.parent().unwrap())])
        .with("names: linux")
        .started();
    let target = dir.path().join("target");
    let mut leecher = Agent::new(&dir.path().join("l"), &[(&file, &target)]).started();
    let status = leecher.content();
    assert_eq!(status.state, ContentState::Error);
    let error = status.error.unwrap();
    assert!(
        error.contains("\"man:3\"") && error.contains("`names: linux` in agent.yaml"),
        "{error}"
    );
    assert!(!target.join("man:3").exists());
    leecher.set_extra("names: linux");
    leecher.command(&["reload"]);
    leecher.wait_for(ContentState::Seeding);
    assert_same(&source, &target.join("man:3"));
    seeder.wait_for(ContentState::Seeding);

    let got = dir.path().join("got");
    let get = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_narrows-agent"));
        command.arg("get").arg(&file).arg("--to").arg(&got).args(more);
        command.args(["--listen", &format!("{}:0", common::address())]).output().unwrap()
    };
    let refused = get(&[]);
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("`--names linux`"));
    assert!(get(&["--names", "linux"]).status.success());
    assert_same(&source, &got.join("man:3"));
}

#[test]
fn a_folder_that_is_away_since_a_kill_is_back_at_a_start_that_fails_otherwise() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("target");
    let missing = dir.path().join("missing.torrent");
    let agent = Agent::new(&dir.path().join("a"), &[(&missing, &target)]);
    agent.write_config();
    // as between the two steps of a replacement where no system swaps folders
    let info_hash = "5".repeat(40);
    let aside = target.join(".narrows").join(format!("{info_hash}.old"));
    std::fs::create_dir_all(&aside).unwrap();
    std::fs::write(aside.join("settings"), "the user's").unwrap();
    let place = format!(
        "{{\"target\": {target:?}, \"name\": \"office\", \"origin\": \"fetched\", \"replacing\": true}}"
    );
    std::fs::create_dir_all(agent.dir.join("state")).unwrap();
    std::fs::write(agent.dir.join(format!("state/{info_hash}.place")), place).unwrap();

    let _taken = std::net::TcpListener::bind(agent.listen()).unwrap();
    let run = agent.command(&["run"]);
    let text = String::from_utf8_lossy(&run.stderr);
    assert!(
        !run.status.success() && text.contains(&agent.listen().to_string()),
        "{text}"
    );
    let settings = std::fs::read_to_string(target.join("office/settings"));
    assert_eq!(settings.unwrap(), "the user's", "{text}");
    assert!(text.contains("what stood there before is back"), "{text}");
}
