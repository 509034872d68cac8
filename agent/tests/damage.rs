//! Files that change after they were published: told at once, healed from a neighbour, and no more fetched
//! than is wrong.

mod common;

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use common::agent::Agent;
use common::content::{assert_same, folder, torrent};
use common::tracker::Tracker;
use narrows_agent::{ContentState, ContentStatus};

const MB: usize = 1_000_000;
const PIECE: u32 = 128 << 10;

/// Two seeders of one content, each with a copy of its own, and a third copy that is never touched.
struct Two {
    dir: tempfile::TempDir,
    _tracker: Tracker,
    torrent: PathBuf,
    first: Agent,
    second: Agent,
}

impl Two {
    fn start() -> Self {
        let (dir, tracker) = (tempfile::tempdir().unwrap(), Tracker::start());
        let source = dir.path().join("source/office");
        folder(&source, 1, 5 * MB);
        let (torrent, _) = torrent(&source, &tracker, PIECE);
        let agent = |name: &str| {
            let target = dir.path().join(name).join("target");
            folder(&target.join("office"), 1, 5 * MB);
            Agent::new(&dir.path().join(name), &[(&torrent, &target)])
        };
        let (first, second) = (agent("first").started(), agent("second").started());
        first.wait_for(ContentState::Seeding);
        second.wait_for(ContentState::Seeding);
        Self {
            torrent,
            first,
            second,
            _tracker: tracker,
            dir,
        }
    }

    fn source(&self) -> PathBuf {
        self.dir.path().join("source/office")
    }

    fn copy(&self) -> PathBuf {
        self.dir.path().join("first/target/office")
    }

    /// The operator or Salt asks; nothing is said to be whole any more. Then it is healed.
    fn look_and_heal(&self) -> ContentStatus {
        let before = self.first.content().bytes_lan;
        assert_eq!(self.first.post("/look").0, 200);
        let told = self.first.content();
        assert_ne!(told.state, ContentState::Seeding, "{told:?}");
        assert_eq!(told.verified, None);
        let mut healed = self.first.wait_for(ContentState::Seeding);
        assert_same(&self.source(), &self.copy());
        healed.bytes_lan -= before;
        healed
    }
}

/// Changes bytes and nothing that a stat shows.
fn rot(path: &Path) {
    use std::os::unix::fs::FileExt;
    let file = OpenOptions::new().write(true).open(path).unwrap();
    let modified = file.metadata().unwrap().modified().unwrap();
    file.write_all_at(b"rot", 1000).unwrap();
    file.set_modified(modified).unwrap();
}

#[test]
fn what_changes_at_the_target_is_told_when_asked_and_only_that_is_fetched() {
    let two = Two::start();
    assert_eq!(two.first.post("/look?content=office").0, 200);
    let whole = two.first.content();
    assert_eq!(whole.state, ContentState::Seeding);
    assert!(whole.verified.is_some_and(|seconds| seconds < 30), "{whole:?}");
    fs::write(two.copy().join("one byte"), b"2").unwrap();
    let healed = two.look_and_heal();
    assert!(healed.bytes_lan <= 4 * u64::from(PIECE), "{healed:?}");
    assert!(healed.pieces_damaged >= 1 && healed.pieces_damaged == healed.pieces_healed);
    fs::remove_file(two.copy().join("deep/small.txt")).unwrap();
    fs::remove_file(two.copy().join("empty")).unwrap();
    let users = two.copy().join("licence.key");
    fs::write(&users, "the user's").unwrap();
    assert_eq!(two.first.post("/look").0, 200);
    two.first.wait_for(ContentState::Seeding);
    assert_eq!(fs::read(&users).unwrap(), b"the user's");
    fs::remove_file(&users).unwrap();
    assert_same(&two.source(), &two.copy());
    fs::remove_dir_all(two.copy()).unwrap();
    let healed = two.look_and_heal();
    assert!(healed.bytes_lan >= 5 * MB as u64);
    let (_, metrics) = two.first.get("/metrics");
    assert!(metrics.contains("narrows_agent_pieces_damaged_total{content=\"office\","));
}

#[test]
fn rot_that_verify_found_is_not_forgotten_when_the_agent_is_killed() {
    let mut two = Two::start();
    two.second.kill();
    rot(&two.copy().join("rest.bin"));
    assert_eq!(two.first.post("/verify").0, 200);
    let found =
        |content: &ContentStatus| content.pieces_damaged == 1 && content.state != ContentState::Checking;
    let damaged = two.first.wait("the rot is found", found);
    assert_eq!(damaged.state, ContentState::Fetching);
    assert!(
        !two.dir.path().join("first/target/.narrows").exists(),
        "no second copy"
    );
    for _ in 0..3 {
        two.first.kill();
        two.first.start();
        let told = two.first.wait("it is opened", |content| content.state != ContentState::Checking);
        assert_eq!(told.state, ContentState::Fetching);
        assert!(told.bytes_done < told.bytes && told.verified.is_none());
    }
    two.second.start();
    let healed = two.first.wait_for(ContentState::Seeding);
    assert_eq!(healed.pieces_healed, 1);
    assert!(healed.bytes_lan <= 2 * u64::from(PIECE), "{healed:?}");
    assert_same(&two.source(), &two.copy());
}

#[test]
fn a_read_that_fails_while_serving_is_looked_into_and_healed() {
    let mut two = Two::start();
    two.second.kill();
    let cut = OpenOptions::new().write(true).open(two.copy().join("rest.bin")).unwrap();
    cut.set_len(1 << 20).unwrap();
    let target = two.dir.path().join("third");
    let third = Agent::new(&two.dir.path().join("t"), &[(&two.torrent, &target)]).started();
    two.first.wait("the damage is found", |content| content.pieces_damaged > 0);
    assert_ne!(two.first.content().state, ContentState::Seeding);
    two.second.start();
    two.first.wait_for(ContentState::Seeding);
    third.wait_for(ContentState::Seeding);
    assert_same(&two.source(), &two.copy());
    assert_same(&two.source(), &target.join("office"));
}

#[test]
fn a_pause_that_cannot_be_kept_is_said_to_be_lost_at_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let agent = Agent::new(dir.path(), &[]).started();
    let in_the_way = dir.path().join("state/paused.new");
    fs::create_dir(&in_the_way).unwrap();
    let (code, body) = agent.post("/pause");
    assert_eq!(code, 503, "{body}");
    assert!(body.contains("restart") && body.contains("state"), "{body}");
    assert!(agent.status().paused, "it holds now");
    let said = agent.command(&["pause"]);
    assert!(!said.status.success());
    fs::remove_dir(&in_the_way).unwrap();
    assert_eq!(agent.post("/pause").0, 200);
    assert_eq!(agent.post("/resume").0, 200);
    assert!(!agent.status().paused);
}

#[test]
fn rot_that_no_stat_shows_is_found_by_the_scrub_and_healed() {
    let mut two = Two::start();
    two.first.kill();
    two.first.set_extra("scrub: 1m");
    two.first.start();
    two.first.wait_for(ContentState::Seeding);
    // in the first piece, to which it comes first
    rot(&two.copy().join("deep/er/half.bin"));
    let healed =
        |content: &ContentStatus| content.pieces_healed > 0 && content.state == ContentState::Seeding;
    two.first.wait("the rot is healed", healed);
    assert_same(&two.source(), &two.copy());
}

#[test]
fn rot_that_no_stat_shows_is_found_when_a_neighbour_complains_and_healed() {
    let mut two = Two::start();
    let third = two.dir.path().join("third/target");
    rot(&two.copy().join("rest.bin"));
    two.second.kill();
    let leecher = Agent::new(&two.dir.path().join("third"), &[(&two.torrent, &third)]).started();
    let told = two.first.wait("the neighbour complains", |content| content.pieces_damaged == 1);
    assert_ne!(told.state, ContentState::Seeding, "{told:?}");
    assert_eq!(told.verified, None);
    two.second.start();
    two.first.wait_for(ContentState::Seeding);
    leecher.wait_for(ContentState::Seeding);
    assert_same(&two.source(), &two.copy());
    assert_same(&two.source(), &third.join("office"));
}

#[test]
fn a_program_is_fetched_executable_and_gets_a_lost_bit_back() {
    use std::os::unix::fs::PermissionsExt;
    let (dir, tracker) = (tempfile::tempdir().unwrap(), Tracker::start());
    let source = dir.path().join("source/office");
    folder(&source, 1, MB);
    let chmod = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    chmod(&source.join("rest.bin"), 0o755);
    let (torrent, _) = torrent(&source, &tracker, PIECE);
    let _seeder = Agent::new(
        &dir.path().join("first"),
        &[(&torrent, &dir.path().join("source"))],
    )
    .started();
    let target = dir.path().join("target");
    let second = Agent::new(&dir.path().join("second"), &[(&torrent, &target)]).started();
    second.wait_for(ContentState::Seeding);
    let is_program = |name: &str| {
        let mode = fs::metadata(target.join("office").join(name)).unwrap().permissions();
        mode.mode() & 0o100 != 0
    };
    assert!(is_program("rest.bin") && !is_program("one byte"));
    chmod(&target.join("office/rest.bin"), 0o644);
    assert_eq!(second.post("/look").0, 200);
    second.wait_for(ContentState::Seeding);
    assert!(is_program("rest.bin"));
}
