//! /brake and /explain on the admin port.

mod support;

use std::fs;
use std::time::{Duration, Instant};

use narrows_protocol::{AgentReport, AnnounceEvent, AnnounceRequest, AnnounceResponse, Assignment, InfoHash};
use serde_json::Value;
use support::*;

fn text(reply: &Reply) -> String {
    String::from_utf8(reply.body.clone()).unwrap()
}

fn json(reply: &Reply) -> Value {
    assert_eq!(reply.status, 200, "{}", text(reply));
    serde_json::from_slice(&reply.body).unwrap()
}

/// A seeder at hq and a gateway and a member in munich; the assignment of the gateway.
fn rollout(tracker: &Running) -> Assignment {
    accepted(say(tracker.addr, "127.1.0.1", &agent("hq-1", 0)));
    let assigned = gateway(tracker);
    accepted(say(tracker.addr, "127.2.0.2", &agent("munich-2", 1000)));
    assigned
}

fn gateway(tracker: &Running) -> Assignment {
    let assigned: AnnounceResponse = accepted(say(tracker.addr, "127.2.0.1", &agent("munich-1", 1000)));
    assigned.narrows.unwrap()
}

#[test]
fn prometheus_finds_every_agent_once_that_says_where_its_metrics_are_at_the_address_it_announces_from() {
    let tracker = Running::start("");
    let found = |metrics| {
        let mut agent = agent("munich-1", 1000);
        agent.narrows.as_mut().unwrap().metrics = metrics;
        agent
    };
    let mut other = found(Some(6882));
    other.info_hash = InfoHash([8; 20]);
    for (address, announce) in [
        ("127.2.0.1", &found(Some(6882))),
        ("127.2.0.1", &other),
        ("127.2.0.2", &agent("munich-2", 1000)),
        ("127.1.0.1", &announce()),
    ] {
        accepted(say(tracker.addr, address, announce));
    }
    let reply = get(tracker.admin, "/sd");
    assert!(
        reply.head.to_lowercase().contains("content-type: application/json"),
        "{}",
        reply.head
    );
    let expected = serde_json::json!([
        {"targets": ["127.2.0.1:6882"], "labels": {"site": "munich", "id": "munich-1"}}
    ]);
    assert_eq!(json(&reply), expected);
    // it does not want to be found any more
    accepted(say(tracker.addr, "127.2.0.1", &found(None)));
    other.event = AnnounceEvent::Stopped;
    accepted(say(tracker.addr, "127.2.0.1", &other));
    assert_eq!(json(&get(tracker.admin, "/sd")), serde_json::json!([]));
}

#[test]
fn a_braked_rollout_is_never_done_and_its_link_carries_nothing() {
    let tracker = Running::start("");
    rollout(&tracker);
    let hash = "07".repeat(20);
    let bound = format!("narrows_tracker_rollout_bound_seconds{{content=\"{hash}\",info_hash=\"{hash}\"}}");
    let rate = "narrows_tracker_link_rate_bytes_per_second{link=\"hq-munich\"}";
    assert_eq!(tracker.metric(&bound), Some(1000.0 / 1.25e6));
    assert_eq!(tracker.metric(rate), Some(1.25e6));
    for (target, left) in [
        ("/brake?link=hq-munich", 0.0),
        ("/brake?site=munich", 1.25e6),
        (&format!("/brake?content={hash}"), 1.25e6),
        ("/brake?all=1", 0.0),
    ] {
        json(&send(tracker.admin, "POST", target, "", ""));
        assert_eq!(tracker.metric(&bound), Some(f64::INFINITY), "{target}");
        assert_eq!(tracker.metric(rate), Some(left), "{target}");
        json(&send(tracker.admin, "DELETE", target, "", ""));
    }
    assert_eq!(tracker.metric(&bound), Some(1000.0 / 1.25e6));
}

#[test]
fn a_leecher_without_a_peer_to_fetch_from_is_counted_until_one_comes() {
    let tracker = Running::start("");
    let starved = format!(
        "narrows_tracker_starved_leechers{{content=\"{0}\",info_hash=\"{0}\"}}",
        "07".repeat(20)
    );
    accepted(say(tracker.addr, "127.2.0.1", &agent("munich-1", 1000)));
    accepted(say(tracker.addr, "127.2.0.2", &agent("munich-2", 1000)));
    assert_eq!(tracker.metric(&starved), Some(2.0));
    accepted(say(tracker.addr, "127.1.0.1", &agent("hq-1", 0)));
    accepted(say(tracker.addr, "127.2.0.1", &agent("munich-1", 1000)));
    assert_eq!(tracker.metric(&starved), Some(0.0));
}

#[test]
fn a_brake_pauses_the_gateway_and_its_release_lets_it_go_on() {
    let tracker = Running::start("");
    let before = rollout(&tracker);
    assert!(
        !before.paused && before.rate == 1_250_000 && before.dscp == Some(8),
        "{before:?}"
    );
    let hash = "07".repeat(20);
    let content = format!("/brake?content={hash}");
    let json_type = "Content-Type: application/json\r\n";
    let ways = [
        ("/brake?link=munich-hq", "", ""),
        ("/brake", "", "site=munich"),
        (
            "/brake",
            json_type,
            "{\"link\": [\"hq-munich\"], \"site\": \"hq\"}",
        ),
        ("/brake", json_type, "{\"all\": true}"),
        (content.as_str(), "", ""),
    ];
    for (target, headers, body) in ways {
        json(&send(tracker.admin, "POST", target, headers, body));
        assert!(tracker.metric("narrows_tracker_brakes").unwrap() >= 1.0);
        let assigned = gateway(&tracker);
        assert!(
            assigned.paused && assigned.upstream == before.upstream,
            "{target} {body}: {assigned:?}"
        );
        let listed = json(&get(tracker.admin, "/brake"));
        assert_eq!(listed["kept"], false);
        let after = json(&send(tracker.admin, "DELETE", target, headers, body));
        assert_eq!(after["links"].as_array().unwrap().len(), 0);
        assert_eq!(gateway(&tracker), before);
    }
}

#[test]
fn what_cannot_be_braked_is_refused_with_a_sentence_and_nothing_changes() {
    let tracker = Running::start("");
    let wrong = [
        ("/brake?link=hq-munch", "", "did you mean `hq-munich`?"),
        ("/brake?site=munch", "", "did you mean `munich`?"),
        ("/brake?sit=hq", "", "did you mean `site`?"),
        ("/brake?content=office", "", "there is no content `office`"),
        ("/brake?all=0", "", "all=1"),
        ("/brake", "", "name what to stop"),
        ("/brake?site=%zz", "", "percent-encoded"),
        // one wrong name and one right one: nothing
        ("/brake?site=hq&site=x", "", "there is no site `x`"),
    ];
    for (target, body, sentence) in wrong {
        let reply = send(tracker.admin, "POST", target, "", body);
        assert_eq!(reply.status, 400, "{target}");
        assert!(text(&reply).contains(sentence), "{target}: {}", text(&reply));
    }
    let reply = send(
        tracker.admin,
        "POST",
        "/brake",
        "Content-Type: application/json\r\n",
        "{",
    );
    assert_eq!(reply.status, 400);
    assert_eq!(
        send(tracker.admin, "DELETE", "/brake?site=hq", "", "").status,
        400
    );
    assert_eq!(send(tracker.admin, "PUT", "/brake?site=hq", "", "").status, 405);
    assert_eq!(tracker.metric("narrows_tracker_brakes"), Some(0.0));
}

#[test]
fn brakes_outlive_a_restart_where_there_is_a_state_folder() {
    let mut tracker = Running::start("state: state");
    let listed = json(&send(tracker.admin, "POST", "/brake?link=hq-munich", "", ""));
    assert_eq!(listed["kept"], true);
    tracker.ask_to_stop();
    tracker.join();
    let old = fs::read(tracker.path("state/brakes.json")).unwrap();
    let dir = files("state: state");
    fs::create_dir(dir.path().join("state")).unwrap();
    fs::write(dir.path().join("state/brakes.json"), old).unwrap();
    let tracker = Running::start_in(dir);
    assert!(rollout(&tracker).paused);
    assert_eq!(tracker.metric("narrows_tracker_brakes"), Some(1.0));
    json(&send(tracker.admin, "DELETE", "/brake?link=hq-munich", "", ""));
    assert!(!gateway(&tracker).paused);
}

#[test]
fn with_a_token_changes_need_it() {
    let dir = files("admin_token: token");
    fs::write(dir.path().join("token"), "0123456789abcdef\n").unwrap();
    let tracker = Running::start_in(dir);
    let post = |headers: &str| send(tracker.admin, "POST", "/brake?all=1", headers, "").status;
    assert_eq!(post(""), 401);
    assert_eq!(post("Authorization: Bearer 0123456789abcdeg\r\n"), 401);
    assert_eq!(post("Authorization: Bearer 0123456789abcdef\r\n"), 200);
    assert_eq!(get(tracker.admin, "/brake").status, 200);
}

#[test]
fn without_a_token_no_web_page_may_change_anything() {
    let tracker = Running::start("");
    let reply = send(
        tracker.admin,
        "POST",
        "/brake?all=1",
        "Origin: http://example.org\r\n",
        "",
    );
    assert_eq!(reply.status, 403);
}

#[test]
fn an_agent_is_explained() {
    let tracker = Running::start("");
    rollout(&tracker);
    let explained = json(&get(tracker.admin, "/explain?agent=munich-1"));
    let gateway = &explained["contents"][0];
    assert_eq!(gateway["site"], "munich");
    assert_eq!(gateway["network"], "127.2.0.0/16");
    assert_eq!(gateway["role"], "gateway");
    assert_eq!(
        gateway["lease_left_seconds"].as_u64().map(|left| left > 50),
        Some(true)
    );
    let parent = &gateway["parents"][0];
    assert_eq!(parent["site"], "hq");
    assert_eq!(parent["path"][0], "hq-munich");
    assert_eq!(parent["limited_by"], "hq-munich");
    assert_eq!(parent["share"], "10 Mbit/s");
    assert_eq!(parent["upstream"][0]["agent"], "hq-1");
    assert_eq!(gateway["if_the_gateway_dies"]["successor"], "munich-2");
    assert_eq!(gateway["peers"][0]["agent"], "munich-2");

    let content = "07".repeat(20);
    let explained = json(&get(
        tracker.admin,
        &format!("/explain?agent=munich-2&content={content}"),
    ));
    let member = &explained["contents"][0];
    assert_eq!(member["role"], "member");
    assert_eq!(member["lease_left_seconds"], Value::Null);
    assert_eq!(member["peers"][0]["agent"], "munich-1");
    assert!(member["peers"][0]["rule"].as_str().unwrap().contains("small"));
}

#[test]
fn who_is_not_there_is_404_with_a_name_that_is_like_it() {
    let tracker = Running::start("");
    rollout(&tracker);
    let reply = get(tracker.admin, "/explain?agent=munch-1");
    assert_eq!(reply.status, 404);
    assert!(
        text(&reply).contains("did you mean `munich-1`?"),
        "{}",
        text(&reply)
    );
    assert_eq!(
        get(tracker.admin, "/explain?agent=munich-1&content=office").status,
        404
    );
    assert_eq!(get(tracker.admin, "/explain").status, 400);
    assert_eq!(get(tracker.admin, "/explain?agnt=x").status, 400);
}

#[test]
fn names_of_eight_thousand_letters_are_refused_at_once_and_in_few_words_however_many_ask() {
    const SOON: Duration = Duration::from_secs(1);
    let tracker = Running::start("");
    rollout(&tracker);
    // many that names could be compared with
    for n in 0..500 {
        let named = AnnounceRequest {
            port: 10_000 + n,
            narrows: Some(AgentReport {
                agent: format!("munich-{n:057}"),
                ..AgentReport::default()
            }),
            ..agent(&format!("m{n}"), 1000)
        };
        accepted(say(tracker.addr, "127.2.0.9", &named));
    }
    let (letters, encoded) = ("m".repeat(8000), "%6d".repeat(2600));
    let long = [
        format!("agent={letters}"),
        format!("agent={encoded}"),
        format!("{letters}=munich-1"),
        format!("agent=munich-1&content={letters}"),
        format!("agent={letters}&content={encoded}"),
    ];
    let timed = |ask: &dyn Fn() -> Reply| {
        let began = Instant::now();
        let reply = ask();
        (reply, began.elapsed())
    };
    std::thread::scope(|scope| {
        for n in 0..16 {
            let (tracker, long) = (&tracker, &long);
            scope.spawn(move || {
                for query in long.iter().cycle().skip(n).take(10) {
                    let path = format!("/explain?{query}");
                    let (reply, took) = timed(&|| request(tracker.admin, None, &path, ""));
                    let sentence = text(&reply);
                    assert_eq!(reply.status, 400, "{sentence}");
                    assert!(
                        sentence.contains("longer than 512 bytes") && sentence.len() < 120,
                        "{sentence}"
                    );
                    assert!(took < SOON, "{took:?}");
                }
            });
        }
        // as long as a name may be, and like those that there are
        for n in 0..4 {
            let tracker = &tracker;
            let near = [format!("munich-{n:056}"), "munich-0".repeat(16), "m".repeat(512)];
            scope.spawn(move || {
                for name in near {
                    let path = format!("/explain?agent={name}");
                    let (reply, took) = timed(&|| request(tracker.admin, None, &path, ""));
                    assert_eq!(reply.status, 404, "{}", text(&reply));
                    assert!(took < SOON * 5, "{took:?}");
                }
            });
        }
        for _ in 0..10 {
            let (reply, took) = timed(&|| {
                request(
                    tracker.addr,
                    Some([127, 2, 0, 1].into()),
                    &target(&agent("munich-1", 1000)),
                    "",
                )
            });
            accepted(decode(&reply));
            assert!(took < SOON, "{took:?}");
            let (reply, took) = timed(&|| get(tracker.admin, "/healthz"));
            assert!(reply.status == 200 && took < SOON, "{took:?}");
        }
    });
    let explained = json(&get(tracker.admin, "/explain?agent=munich-1"));
    assert_eq!(explained["contents"][0]["role"], "gateway");
}
