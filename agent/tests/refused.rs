//! What a tracker says to an agent that it refuses is shown where a person looks.

mod common;

use common::agent::Agent;
use common::answers::answering;
use common::content::{folder, torrent_of};
use narrows_protocol::Failure;

/// An agent with one content whose tracker answers every request like this.
fn agent_of(dir: &std::path::Path, status: &'static str, body: Vec<u8>) -> Agent {
    let url = answering(move || (status, body.clone()));
    let source = dir.join("seeder/office");
    folder(&source, 1, 100_000);
    let (file, _) = torrent_of(&source, url, 64 << 10);
    Agent::new(&dir.join("agent"), &[(&file, &dir.join("target"))]).started()
}

/// What status, explain and the log say once the tracker has answered.
fn shown(agent: &Agent) -> [String; 3] {
    agent.wait("the tracker's answer is told", |content| {
        content.tracker_error.is_some()
    });
    let shown = |command| String::from_utf8(agent.command(&[command]).stdout).unwrap();
    let log = std::fs::read_to_string(agent.dir.join("log")).unwrap();
    let log = log.lines().filter(|line| line.contains("WARN")).collect();
    [shown("status"), shown("explain"), log]
}

#[test]
fn the_text_of_an_answer_that_is_none_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    let body = b"not found: this tracker serves /announce and /scrape\n".to_vec();
    let agent = agent_of(dir.path(), "404 Not Found", body);
    for text in shown(&agent) {
        let shown =
            text.contains("404 Not Found") && text.contains("this tracker serves /announce and /scrape");
        assert!(shown, "{text}");
    }
}

#[test]
fn explain_says_that_a_tracker_refused_and_where_it_saw_the_agent_not_that_none_answered() {
    let dir = tempfile::tempdir().unwrap();
    let failure = Failure {
        external_ip: "10.9.8.7".parse().ok(),
        ..Failure::new("not here")
    };
    let mut body = Vec::new();
    failure.encode(&mut body);
    let agent = agent_of(dir.path(), "200 OK", body);
    for text in shown(&agent) {
        assert!(
            text.contains("the tracker refuses: not here (it sees this agent at 10.9.8.7)"),
            "{text}"
        );
        assert!(!text.contains("no tracker has answered"), "{text}");
    }
}
