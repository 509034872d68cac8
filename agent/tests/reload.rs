//! What a reload changes, and torrents that cannot be read yet.

mod common;

use common::agent::Agent;
use common::content::{assert_same, folder, torrent};
use common::eventually;
use common::tracker::Tracker;
use narrows_agent::ContentState;
use narrows_protocol::AnnounceEvent;
use rustix::process::Signal;

const MB: usize = 1_000_000;
const PIECE: u32 = 128 << 10;

#[test]
fn a_reload_adds_and_drops_content_and_its_files_stay() {
    let (dir, tracker) = (tempfile::tempdir().unwrap(), Tracker::start());
    let sources = ["one", "two"].map(|name| dir.path().join("seeder").join(name));
    let [one, two] = [(&sources[0], 1), (&sources[1], 2)].map(|(source, seed)| {
        folder(source, seed, 2 * MB);
        torrent(source, &tracker, PIECE)
    });
    let from = dir.path().join("seeder");
    let _seeder = Agent::new(&dir.path().join("s"), &[(&one.0, &from), (&two.0, &from)]).started();
    let target = dir.path().join("target");
    let mut leecher = Agent::new(&dir.path().join("l"), &[(&one.0, &target)]).started();
    leecher.wait_for(ContentState::Seeding);

    leecher.set_content(&[(&one.0, &target), (&two.0, &target)]);
    let output = leecher.command(&["reload"]);
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "added two\n",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    eventually("both are there", || {
        let content = leecher.status().content;
        (content.len() == 2 && content.iter().all(|content| content.state == ContentState::Seeding))
            .then_some(())
    });

    leecher.set_content(&[(&two.0, &target)]);
    leecher.signal(Signal::HUP);
    eventually("one is gone", || {
        (leecher.status().content.len() == 1).then_some(())
    });
    assert_eq!(leecher.content().name, "two");
    assert_same(&sources[0], &target.join("one"));
    let stopped = tracker.announces().into_iter().any(|(peer, request)| {
        peer == leecher.listen()
            && request.event == AnnounceEvent::Stopped
            && request.info_hash == one.1.info_hash
    });
    assert!(stopped, "the tracker was told");
}

#[test]
fn a_wrong_file_is_refused_with_its_place_and_everything_runs_on() {
    let (dir, tracker) = (tempfile::tempdir().unwrap(), Tracker::start());
    let source = dir.path().join("seeder/office");
    folder(&source, 1, MB);
    let (file, _) = torrent(&source, &tracker, PIECE);
    let mut agent = Agent::new(&dir.path().join("s"), &[(&file, source.parent().unwrap())]).started();
    agent.wait_for(ContentState::Seeding);
    agent.set_extra("limitz: {upload: 1 Mbit/s}");
    let (code, body) = agent.post("/reload");
    assert_eq!(code, 422);
    assert!(
        body.contains("limitz") && body.contains("did you mean `limits`"),
        "{body}"
    );
    assert_eq!(agent.content().state, ContentState::Seeding);
    let check = agent.command(&["check"]);
    assert_eq!(check.status.code(), Some(64));
    let run = agent.command(&["run"]);
    assert_eq!(run.status.code(), Some(64));
    let text = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(text.contains("agent.yaml:8:1"), "{text}");
}

#[test]
fn a_broken_or_public_torrent_is_an_error_of_its_own() {
    let (dir, tracker) = (tempfile::tempdir().unwrap(), Tracker::start());
    let source = dir.path().join("seeder/office");
    folder(&source, 1, MB);
    let (file, _) = torrent(&source, &tracker, PIECE);
    let broken = dir.path().join("broken.torrent");
    std::fs::write(&broken, b"d4:infoi1ee").unwrap();
    let public = dir.path().join("public.torrent");
    let bytes = std::fs::read(&file).unwrap();
    let at = bytes.windows(12).position(|window| window == b"7:privatei1e").unwrap();
    std::fs::write(&public, [&bytes[..at], &bytes[at + 12..]].concat()).unwrap();
    let (from, missing) = (source.parent().unwrap(), dir.path().join("missing.torrent"));
    let entries = [&broken, &public, &missing, &file].map(|torrent| (torrent.as_path(), from));
    let agent = Agent::new(&dir.path().join("s"), &entries).started();
    eventually("the good one is seeded", || {
        agent.status().content.iter().any(|content| content.state == ContentState::Seeding).then_some(())
    });
    let content = agent.status().content;
    let errors: Vec<String> = content.iter().filter_map(|content| content.error.clone()).collect();
    assert_eq!(errors.len(), 3, "{errors:?}");
    assert!(errors[0].contains("broken.torrent"), "{errors:?}");
    assert!(errors[1].contains("not a private torrent"), "{errors:?}");
    assert!(errors[2].contains("cannot read"), "{errors:?}");
}

#[test]
fn a_torrent_that_comes_later_is_found_without_a_reload() {
    let (dir, tracker) = (tempfile::tempdir().unwrap(), Tracker::start());
    let source = dir.path().join("seeder/office");
    folder(&source, 1, MB);
    let (file, _) = torrent(&source, &tracker, PIECE);
    let late = dir.path().join("late.torrent");
    let agent = Agent::new(&dir.path().join("s"), &[(&late, source.parent().unwrap())]).started();
    agent.wait_for(ContentState::Error);
    let error = agent.content().error.unwrap();
    assert!(
        error.contains("late.torrent") && error.contains("tried again"),
        "{error}"
    );
    // by and by, as a slow copy writes it
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&late, &bytes[..bytes.len() / 2]).unwrap();
    std::fs::write(&late, &bytes).unwrap();
    agent.wait_for(ContentState::Seeding);
}

#[test]
fn a_reload_while_a_torrent_is_half_written_keeps_what_runs_and_takes_the_new_one_later() {
    let (dir, tracker) = (tempfile::tempdir().unwrap(), Tracker::start());
    let (one, two) = (dir.path().join("one/office"), dir.path().join("two/manual"));
    folder(&one, 1, MB);
    folder(&two, 2, MB);
    let ((first, old), (second, new)) = (torrent(&one, &tracker, PIECE), torrent(&two, &tracker, PIECE));
    let (file, target) = (dir.path().join("content.torrent"), dir.path().join("target"));
    std::fs::create_dir(&target).unwrap();
    for folder in [&one, &two] {
        std::fs::rename(folder, target.join(folder.file_name().unwrap())).unwrap();
    }
    std::fs::copy(&first, &file).unwrap();
    let agent = Agent::new(&dir.path().join("s"), &[(&file, &target)]).started();
    agent.wait_for(ContentState::Seeding);
    let bytes = std::fs::read(&second).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    let (code, body) = agent.post("/reload");
    assert_eq!(code, 200);
    let done: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (&done["unread"][0], &done["removed"]),
        (&"office".into(), &serde_json::json!([]))
    );
    assert_eq!(agent.content().info_hash, old.info_hash.to_string());
    assert_eq!(agent.content().state, ContentState::Seeding);
    std::fs::write(&file, &bytes).unwrap();
    eventually("the new one is seeded", || {
        // while one takes the other's place there is none
        let content = agent.status().content.into_iter().next()?;
        (content.info_hash == new.info_hash.to_string() && content.state == ContentState::Seeding)
            .then_some(())
    });
}
