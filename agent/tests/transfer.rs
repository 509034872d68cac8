//! Agents as processes: what is fetched is whole, survives kills and stops, and is not fetched twice.

mod common;

use std::time::Duration;

use common::agent::Agent;
use common::content::{assert_same, folder, noise, torrent};
use common::eventually;
use common::tracker::Tracker;
use narrows_agent::ContentState;
use narrows_protocol::{AnnounceEvent, Sharing};

const MB: usize = 1_000_000;
const PIECE: u32 = 128 << 10;

#[test]
fn a_folder_goes_from_a_seeder_to_a_leecher_over_the_lan() {
    let (dir, tracker) = (tempfile::tempdir().unwrap(), Tracker::start());
    let source = dir.path().join("seeder/office");
    folder(&source, 1, 20 * MB);
    let (file, meta) = torrent(&source, &tracker, PIECE);
    let seeder = Agent::new(&dir.path().join("s"), &[(&file, source.parent().unwrap())]).started();
    seeder.wait_for(ContentState::Seeding);
    let target = dir.path().join("target");
    let leecher = Agent::new(&dir.path().join("l"), &[(&file, &target)]).started();
    let done = leecher.wait_for(ContentState::Seeding);
    assert_same(&source, &target.join("office"));
    assert_eq!(
        (done.bytes, done.bytes_done, done.progress),
        (meta.total, meta.total, 1.0)
    );
    assert_eq!(done.bytes_wan, 0);
    assert!(done.bytes_lan >= meta.total && done.bytes_lan <= meta.total + done.bytes_wasted);
    eventually("the tracker has heard of it", || {
        tracker.has_announced(leecher.listen(), AnnounceEvent::Completed).then_some(())
    });
    assert!(tracker.announces().iter().all(|(peer, _)| [seeder.ip, leecher.ip].contains(&peer.ip())));
    let sent = eventually("the seeder counted it", || {
        Some(seeder.content().uploaded_lan).filter(|sent| *sent >= meta.total)
    });
    assert!(sent <= done.bytes_lan);
}

#[test]
fn many_leechers_complete_each_other() {
    let (dir, tracker) = (tempfile::tempdir().unwrap(), Tracker::start());
    let source = dir.path().join("seeder/data.bin");
    std::fs::create_dir_all(source.parent().unwrap()).unwrap();
    std::fs::write(&source, noise(7, 20 * MB)).unwrap();
    let (file, _) = torrent(&source, &tracker, PIECE);
    let seeder = Agent::new(&dir.path().join("s"), &[(&file, source.parent().unwrap())])
        .with("limits: {upload: 80 Mbit/s}")
        .started();
    let leechers: Vec<Agent> = (0..3)
        .map(|n| {
            Agent::new(
                &dir.path().join(format!("l{n}")),
                &[(&file, &dir.path().join(format!("t{n}")))],
            )
            .started()
        })
        .collect();
    for (n, leecher) in leechers.iter().enumerate() {
        leecher.wait_for(ContentState::Seeding);
        let got = std::fs::read(dir.path().join(format!("t{n}/data.bin"))).unwrap();
        assert!(got == std::fs::read(&source).unwrap());
    }
    assert!(
        seeder.content().uploaded_lan < 3 * 20 * MB as u64,
        "they took it from each other, too"
    );
}

#[test]
fn after_a_kill_only_what_was_in_flight_is_fetched_again() {
    let (dir, tracker) = (tempfile::tempdir().unwrap(), Tracker::start());
    let source = dir.path().join("seeder/office");
    folder(&source, 2, 30 * MB);
    let (file, meta) = torrent(&source, &tracker, PIECE);
    let _seeder = Agent::new(&dir.path().join("s"), &[(&file, source.parent().unwrap())]).started();
    let target = dir.path().join("target");
    let mut leecher = Agent::new(&dir.path().join("l"), &[(&file, &target)])
        .with("limits: {download: 80 Mbit/s}")
        .started();
    let before = leecher.wait("40 % is there", |content| content.progress > 0.4);
    leecher.kill();
    assert!(before.progress < 1.0, "killed too late to show anything");
    assert!(
        !target.join("office").exists(),
        "what is not whole is not at its target"
    );
    leecher.start();
    let after = leecher.wait_for(ContentState::Seeding);
    assert_same(&source, &target.join("office"));
    let missing = meta.total - before.bytes_done;
    // what was verified between our last look and the kill is not missing, and nothing verified is fetched
    // again
    assert!(
        after.bytes_lan <= missing + after.bytes_wasted,
        "{} fetched, {missing} were missing",
        after.bytes_lan
    );
}

#[test]
fn a_stop_is_clean_quick_and_told_to_the_tracker() {
    let (dir, tracker) = (tempfile::tempdir().unwrap(), Tracker::start());
    let source = dir.path().join("seeder/office");
    folder(&source, 3, 30 * MB);
    let (file, meta) = torrent(&source, &tracker, PIECE);
    let _seeder = Agent::new(&dir.path().join("s"), &[(&file, source.parent().unwrap())]).started();
    let target = dir.path().join("target");
    let mut leecher = Agent::new(&dir.path().join("l"), &[(&file, &target)])
        .with("limits: {download: 80 Mbit/s}")
        .started();
    let before = leecher.wait("some is there", |content| content.progress > 0.3);
    let (status, took) = leecher.terminate();
    assert!(status.success(), "{status}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(tracker.has_announced(leecher.listen(), AnnounceEvent::Stopped));
    leecher.start();
    let again = leecher.wait("checked", |content| content.state != ContentState::Checking);
    assert!(again.bytes_done >= before.bytes_done);
    let after = leecher.wait_for(ContentState::Seeding);
    assert!(after.bytes_lan <= meta.total - before.bytes_done + after.bytes_wasted);
}

#[test]
fn content_at_its_target_is_seeded_without_fetching() {
    let (dir, tracker) = (tempfile::tempdir().unwrap(), Tracker::start());
    let source = dir.path().join("seeder/office");
    folder(&source, 4, MB);
    let (file, _) = torrent(&source, &tracker, PIECE);
    let agent = Agent::new(&dir.path().join("s"), &[(&file, source.parent().unwrap())]).started();
    let done = agent.wait_for(ContentState::Seeding);
    assert_eq!((done.progress, done.bytes_lan, done.bytes_wan), (1.0, 0, 0));
}

#[test]
fn a_verify_finds_damage_and_fetches_it_again() {
    let (dir, tracker) = (tempfile::tempdir().unwrap(), Tracker::start());
    let source = dir.path().join("seeder/office");
    folder(&source, 5, 5 * MB);
    let (file, meta) = torrent(&source, &tracker, PIECE);
    let _seeder = Agent::new(&dir.path().join("s"), &[(&file, source.parent().unwrap())]).started();
    let target = dir.path().join("target");
    let leecher = Agent::new(&dir.path().join("l"), &[(&file, &target)]).started();
    leecher.wait_for(ContentState::Seeding);
    let mut damaged = std::fs::read(target.join("office/rest.bin")).unwrap();
    damaged[1_000_000..1_300_000].fill(0);
    std::fs::write(target.join("office/rest.bin"), damaged).unwrap();
    assert_eq!(leecher.post("/verify?content=office").0, 200);
    let again = leecher.wait("the damage is fetched again", |content| {
        content.state == ContentState::Seeding && content.bytes_lan > meta.total
    });
    assert_same(&source, &target.join("office"));
    assert!(
        again.bytes_lan < meta.total + MB as u64,
        "only the damage: {}",
        again.bytes_lan - meta.total
    );
}

#[test]
fn a_download_limit_is_kept() {
    let (dir, tracker) = (tempfile::tempdir().unwrap(), Tracker::start());
    let source = dir.path().join("seeder/office");
    folder(&source, 6, 6 * MB);
    let (file, meta) = torrent(&source, &tracker, 32 << 10);
    let _seeder = Agent::new(&dir.path().join("s"), &[(&file, source.parent().unwrap())]).started();
    let start = std::time::Instant::now();
    let leecher = Agent::new(&dir.path().join("l"), &[(&file, &dir.path().join("t"))])
        .with("limits: {download: 16 Mbit/s}")
        .started();
    leecher.wait_for(ContentState::Seeding);
    let seconds = start.elapsed().as_secs_f64();
    let least = meta.total as f64 / 2e6 - 0.3;
    assert!(
        seconds > least,
        "took {seconds:.1} s, at 2 MB/s at least {least:.1} s"
    );
}

#[test]
fn an_agent_that_does_not_share_fetches_and_serves_no_peer_until_a_reload_says_otherwise() {
    let (dir, tracker) = (tempfile::tempdir().unwrap(), Tracker::start());
    let source = dir.path().join("seeder/office");
    folder(&source, 4, 4 * MB);
    let (file, meta) = torrent(&source, &tracker, PIECE);
    let mut seeder = Agent::new(&dir.path().join("s"), &[(&file, source.parent().unwrap())]).started();
    seeder.wait_for(ContentState::Seeding);
    let targets = [dir.path().join("one"), dir.path().join("two")];
    let mut metered =
        Agent::new(&dir.path().join("m"), &[(&file, &targets[0])]).with("share: never").started();
    metered.wait_for(ContentState::Seeding);
    assert_same(&source, &targets[0].join("office"));
    seeder.terminate();

    // this tracker tells of every peer
    let leecher = Agent::new(&dir.path().join("l"), &[(&file, &targets[1])]).started();
    let heard_from = |agent: &Agent| {
        let listen = agent.listen();
        tracker.announces().into_iter().filter(move |(peer, _)| *peer == listen)
    };
    eventually("it has asked for peers again and again", || {
        (heard_from(&leecher).count() > 3).then_some(())
    });
    assert_eq!(leecher.content().bytes_done, 0);
    let sent = metered.content();
    assert_eq!((sent.uploaded_lan, sent.uploaded_wan), (0, 0));
    let shares = |request: &narrows_protocol::AnnounceRequest| request.narrows.as_ref().map(|it| it.share);
    assert!(heard_from(&metered).all(|(_, request)| shares(&request) == Some(Sharing::Never)));

    metered.set_extra("share: always");
    assert_eq!(metered.post("/reload").0, 200);
    leecher.wait_for(ContentState::Seeding);
    assert_same(&source, &targets[1].join("office"));
    let said = heard_from(&metered).next_back();
    assert_eq!(
        said.and_then(|(_, request)| shares(&request)),
        Some(Sharing::Always)
    );
    assert!(metered.content().uploaded_lan <= meta.total);
}

#[test]
fn what_an_older_version_left_on_disk_is_reused_and_told_also_after_a_kill() {
    let (dir, tracker) = (tempfile::tempdir().unwrap(), Tracker::start());
    let source = dir.path().join("seeder/data.bin");
    std::fs::create_dir_all(source.parent().unwrap()).unwrap();
    let new = noise(7, 10 * MB);
    std::fs::write(&source, &new).unwrap();
    let (file, meta) = torrent(&source, &tracker, PIECE);
    // the older version: two fifths of it are other bytes
    let same = 46 * PIECE as usize;
    let mut old = noise(8, 10 * MB);
    old[..same].copy_from_slice(&new[..same]);
    let target = dir.path().join("target");
    std::fs::create_dir_all(&target).unwrap();
    std::fs::write(target.join("data.bin"), old).unwrap();
    let mut leecher = Agent::new(&dir.path().join("l"), &[(&file, &target)]).started();
    let told = |from, after: usize| {
        eventually("it announces", || {
            let announces = tracker.announces();
            let mut of_it = announces.iter().skip(after).filter(|(peer, _)| *peer == from);
            let report = of_it.next_back()?.1.narrows.as_ref()?;
            Some((report.reused, report.wanted))
        })
    };
    assert_eq!(told(leecher.listen(), 0), (same as u64, true));
    assert_eq!(leecher.content().bytes_reused, same as u64);
    let seeder = Agent::new(&dir.path().join("s"), &[(&file, source.parent().unwrap())]).started();
    let done = leecher.wait_for(ContentState::Seeding);
    assert!(
        done.bytes_lan < meta.total - same as u64 + done.bytes_wasted + u64::from(PIECE),
        "{done:?}"
    );
    leecher.kill();
    let so_far = tracker.announces().len();
    leecher.start();
    leecher.wait_for(ContentState::Seeding);
    assert_eq!(
        told(leecher.listen(), so_far),
        (same as u64, true),
        "what was fetched is not what was reused"
    );
    seeder.wait_for(ContentState::Seeding);
    assert_eq!(told(seeder.listen(), 0), (0, false), "the source wanted nothing");
}

#[test]
fn who_fetched_inside_its_site_says_so_after_a_restart() {
    let (dir, tracker) = (tempfile::tempdir().unwrap(), Tracker::start());
    let source = dir.path().join("seeder/office");
    folder(&source, 11, MB);
    let (file, _) = torrent(&source, &tracker, PIECE);
    let seeder = Agent::new(&dir.path().join("s"), &[(&file, source.parent().unwrap())]).started();
    let mut leecher = Agent::new(&dir.path().join("l"), &[(&file, &dir.path().join("target"))]).started();
    leecher.wait_for(ContentState::Seeding);
    let (status, _) = leecher.terminate();
    assert!(status.success(), "{status}");
    let so_far = tracker.announces().len();
    leecher.start();
    let told = |from, after: usize| {
        eventually("it announces", || {
            let announces = tracker.announces();
            let of_it = announces.iter().skip(after).find(|(peer, _)| *peer == from)?;
            let report = of_it.1.narrows.as_ref()?;
            Some((of_it.1.left, report.wan, report.reused, report.wanted))
        })
    };
    assert_eq!(told(leecher.listen(), so_far), (0, 0, 0, true));
    assert!(!told(seeder.listen(), 0).3, "the source wanted nothing");
}
