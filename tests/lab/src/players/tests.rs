//! What each client's answers mean, from answers that were recorded in a run.

use std::net::SocketAddr;
use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::players::player::Content;

pub(super) const HASH: &str = "e11f4bbb59696dca1f6dedbcd992203cc53a08ab";

pub(super) fn host(folder: &Path) -> Host {
    Host {
        id: "b1-0".to_owned(),
        seeder: false,
        addr: [10, 2, 0, 10].into(),
        peer_port: 6881,
        control: SocketAddr::from(([172, 16, 0, 2], 6882)),
        folder: folder.to_owned(),
        data: folder.join("data"),
    }
}

/// One content of 1,000 bytes.
pub(super) fn task() -> Task {
    Task {
        contents: vec![Content {
            name: "office".to_owned(),
            torrent: "/t/office.torrent".into(),
            info_hash: HASH.to_owned(),
            size: 1000,
            source: "/t/office".into(),
        }],
        announce: "http://10.1.0.1:6969/announce".to_owned(),
        sources: vec![SocketAddr::from(([10, 1, 0, 10], 6881))],
    }
}

fn said(found: Result<Vec<Progress>>) -> (String, f64) {
    let status = found.unwrap().remove(0).status();
    (status.state, (status.progress * 1000.0).round() / 1000.0)
}

#[test]
fn libtorrents_states_are_those_of_an_agent() {
    let state = |state: &str, done: u64, error: &str| {
        let torrent = json!({"info_hash": HASH, "state": state, "done": done, "total": 30_700_000, "down": 1_202_726,
            "up": 0, "peers": 1, "error": error});
        libtorrent::parse(&json!([torrent]).to_string(), &task())
    };
    assert_eq!(said(state("checking_files", 0, "")), ("checking".to_owned(), 0.0));
    assert_eq!(
        said(state("downloading", 7_675_000, "")),
        ("fetching".to_owned(), 0.25)
    );
    assert_eq!(
        said(state("seeding", 30_700_000, "")),
        ("seeding".to_owned(), 1.0)
    );
    assert!(state("downloading", 0, "No space left on device").unwrap_err().to_string().contains("No space"));
    assert!(libtorrent::parse("[]", &task()).unwrap_err().to_string().contains(HASH));
}

#[test]
fn aria2s_strings_are_numbers_and_it_is_complete_only_when_it_has_checked() {
    let answer = |seeder: &str, done: &str, checking: bool| {
        let mut active = json!({"infoHash": HASH, "completedLength": done, "connections": "3",
            "downloadSpeed": "6038866", "seeder": seeder, "status": "active", "totalLength": "30700000",
            "uploadSpeed": "0"});
        if checking {
            active["verifiedLength"] = json!("262144");
        }
        aria2::parse(
            &json!({"id": "lab", "jsonrpc": "2.0", "result": [active]}),
            &task(),
        )
    };
    assert_eq!(
        said(answer("false", "7675000", false)),
        ("fetching".to_owned(), 0.25)
    );
    assert_eq!(answer("false", "0", false).unwrap()[0].rates, (6_038_866, 0));
    assert_eq!(
        said(answer("true", "30700000", true)),
        ("checking".to_owned(), 1.0)
    );
    assert_eq!(
        said(answer("true", "30700000", false)),
        ("seeding".to_owned(), 1.0)
    );
    // a download that it gave up is active no more
    assert!(aria2::parse(&json!({"result": []}), &task()).is_err());
    assert!(aria2::parse(&json!({"error": {"code": 1, "message": "Unauthorized"}}), &task()).is_err());
}

#[test]
fn transmission_seeds_only_when_nothing_is_left() {
    let answer = |status: u64, valid: u64, left: u64| {
        let torrent = json!({"hashString": HASH, "errorString": "", "haveUnchecked": 475_136, "haveValid": valid,
            "leftUntilDone": left, "rateDownload": 0, "rateUpload": 0, "sizeWhenDone": 30_700_000, "status": status});
        transmission::parse(
            &json!({"arguments": {"torrents": [torrent]}, "result": "success"}),
            &task(),
        )
    };
    assert_eq!(
        said(answer(4, 12_087_776, 18_137_088)),
        ("fetching".to_owned(), 0.409)
    );
    assert_eq!(said(answer(2, 8_388_608, 22_311_392)).0, "checking");
    assert_eq!(said(answer(6, 30_700_000, 0)), ("seeding".to_owned(), 1.0));
    assert_eq!(said(answer(6, 30_000_000, 700_000)).0, "fetching");
    assert!(answer(0, 0, 30_700_000).is_err(), "stopped is not fetching");
    let none = json!({"arguments": {"torrents": []}, "result": "success"});
    assert!(transmission::parse(&none, &task()).is_err());
}

#[test]
fn several_torrents_come_in_the_order_of_the_task() {
    let mut task = task();
    let mut other = task.contents[0].clone();
    other.info_hash = "00".repeat(20);
    task.contents.insert(0, other);
    let torrent = |hash: &str, done: u64| json!({"info_hash": hash, "state": "downloading", "done": done, "total": 100, "down": 0, "up": 0, "error": ""});
    let text = json!([torrent(HASH, 10), torrent(&"00".repeat(20), 20)]).to_string();
    let done: Vec<u64> =
        libtorrent::parse(&text, &task).unwrap().iter().map(|progress| progress.done).collect();
    assert_eq!(done, [20, 10]);
}

#[test]
fn every_command_names_its_folder_and_listens_where_the_host_says() {
    let dir = tempfile::tempdir().unwrap();
    let (host, task) = (host(dir.path()), task());
    for kind in [
        PlayerKind::Libtorrent,
        PlayerKind::Aria2,
        PlayerKind::Transmission,
        PlayerKind::Http,
    ] {
        let player = player(kind).unwrap();
        player.prepare(&host, &task).ok();
        let command = player.command(&host, &task);
        let args: Vec<_> = command.args.iter().map(|arg| arg.to_string_lossy()).collect();
        assert!(
            args.join(" ").contains(&*dir.path().to_string_lossy()),
            "{args:?}"
        );
    }
    let settings = std::fs::read_to_string(dir.path().join("transmission/settings.json")).unwrap();
    let settings: Value = serde_json::from_str(&settings).unwrap();
    assert_eq!(settings["bind-address-ipv4"], "10.2.0.10");
    assert_eq!(settings["rpc-bind-address"], "172.16.0.2");
}

proptest! {
    #[test]
    fn progress_is_a_fraction_and_one_only_of_everything(done in 0u64..2000, total in 0u64..1000) {
        for phase in [Phase::Checking, Phase::Fetching, Phase::Complete] {
            let status = Progress { phase, done, total, rates: (0, 0) }.status();
            prop_assert!((0.0..=1.0).contains(&status.progress));
            prop_assert_eq!(status.complete(), phase == Phase::Complete);
        }
    }

    #[test]
    fn no_answer_of_a_client_ends_the_lab(text in "\\PC{0,60}") {
        let value = serde_json::from_str(&text).unwrap_or(Value::String(text.clone()));
        prop_assert!(libtorrent::parse(&text, &task()).is_err());
        prop_assert!(aria2::parse(&value, &task()).is_err());
        prop_assert!(transmission::parse(&value, &task()).is_err());
    }
}
