//! The page on the admin port, what it asks, and what keeps others out.

mod support;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;

use narrows_protocol::{Role, SeenOffender};
use serde_json::Value;
use support::*;

const ROUTES: [&str; 15] = [
    "/",
    "/page/main.js",
    "/page/text.js",
    "/page/map.js",
    "/page/rollouts.js",
    "/page/agents.js",
    "/page/check.js",
    "/page/page.css",
    "/page/icon.svg",
    "/map",
    "/status",
    "/brake",
    "/metrics",
    "/sd",
    "/nowhere",
];

fn json(to: SocketAddr, target: &str) -> Value {
    let reply = get(to, target);
    assert_eq!(
        reply.status,
        200,
        "{target}: {}",
        String::from_utf8_lossy(&reply.body)
    );
    serde_json::from_slice(&reply.body).unwrap()
}

fn check(to: SocketAddr, headers: &str, body: &str) -> Reply {
    send(to, "POST", "/check", headers, body)
}

#[test]
fn no_answer_may_be_framed_sniffed_or_run_scripts_from_elsewhere() {
    let tracker = Running::start("");
    for route in ROUTES {
        let head = get(tracker.admin, route).head.to_lowercase();
        for header in [
            "x-frame-options: deny",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "cache-control: no-store",
            "cross-origin-resource-policy: same-origin",
            "default-src 'none'",
            "script-src 'self'",
            "frame-ancestors 'none'",
        ] {
            assert!(head.contains(header), "{route} without {header}: {head}");
        }
        assert!(
            !head.contains("unsafe-inline") && !head.contains("access-control-allow"),
            "{head}"
        );
    }
}

#[test]
fn the_page_is_whole_and_asks_nothing_of_others() {
    let tracker = Running::start("");
    for route in &ROUTES[..9] {
        let reply = get(tracker.admin, route);
        let text = String::from_utf8(reply.body).unwrap();
        assert!(reply.status == 200 && !text.is_empty(), "{route}");
        let foreign = text.replace("http://www.w3.org/", "").contains("://");
        assert!(
            !foreign && !text.contains("innerHTML") && !text.contains(" style="),
            "{route}"
        );
        for named in text.split(['"', '\'']).filter(|part| part.starts_with("/page/")) {
            assert!(ROUTES.contains(&named), "{route} names {named}");
        }
    }
}

/// The status of an answer to a request with this Host.
fn ask(to: SocketAddr, host: &str, path: &str, headers: &str) -> u16 {
    let mut stream = connect(to, None);
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n"
    )
    .unwrap();
    read_reply(&mut stream).status
}

#[test]
fn the_admin_port_answers_no_name_that_a_stranger_could_have_pointed_here() {
    let (folder, token) = (tempfile::tempdir().unwrap(), "a-token-of-many-digits-0123456789");
    let file = folder.path().join("token");
    fs::write(&file, token).unwrap();
    let own = "admin_names: [tracker.example.com, Monitor]";
    let configurations = [
        own.to_owned(),
        format!("{own}\nadmin_token: {}", file.display()),
        // not a loopback address
        format!("{own}\nadmin: 0.0.0.0:0"),
    ];
    for configuration in configurations {
        let tracker = Running::start(&configuration);
        let to = SocketAddr::from(([127, 0, 0, 1], tracker.admin.port()));
        for host in [
            "localhost",
            "LOCALHOST:6970",
            "127.0.0.1:6970",
            "127.0.0.1",
            "[::1]:6970",
            "[::1]",
            "10.9.8.7:6970",
            "tracker.example.com:6970",
            "Tracker.Example.com.",
            "monitor:443",
        ] {
            // as Prometheus asks: by the name or address of its target
            for path in ["/status", "/metrics", "/sd", "/"] {
                assert_eq!(ask(to, host, path, ""), 200, "{host} {path} {configuration}");
            }
        }
        for host in [
            "evil.example",
            "evil.example:6970",
            "localhost.evil.example",
            "127.0.0.1.evil.example:80",
            "tracker.example.com.evil.example",
            "example.com",
            "",
        ] {
            for path in [
                "/",
                "/status",
                "/map",
                "/agents",
                "/explain?agent=a",
                "/events",
                "/brake",
                "/metrics",
                "/sd",
            ] {
                assert_eq!(ask(to, host, path, ""), 421, "{host} {path} {configuration}");
            }
            assert_eq!(ask(to, host, "/healthz", ""), 200, "as load balancers ask");
        }
        let offences = "narrows_tracker_offences_total{offence=\"foreign_host\"}";
        assert_eq!(metric(to, offences), Some(63.0));
    }
}

#[test]
fn a_page_of_another_site_cannot_ask_anything_but_lead_people_here() {
    let tracker = Running::start("");
    for site in ["cross-site", "same-site"] {
        let header = format!("Sec-Fetch-Site: {site}\r\n");
        assert_eq!(check(tracker.admin, &header, "version: 1\n").status, 403);
        for path in ["/status", "/map", "/metrics", "/events", "/page/main.js"] {
            assert_eq!(
                ask(tracker.admin, "localhost", path, &header),
                403,
                "{path} {site}"
            );
        }
        assert_eq!(
            ask(tracker.admin, "localhost", "/", &header),
            200,
            "a link leads to the page"
        );
    }
    for site in ["same-origin", "none"] {
        let header = format!("Sec-Fetch-Site: {site}\r\n");
        assert_eq!(ask(tracker.admin, "localhost", "/status", &header), 200);
    }
    assert_eq!(
        check(tracker.admin, "Sec-Fetch-Site: same-origin\r\n", "version: 1\n").status,
        200
    );
}

#[test]
fn the_token_is_in_nothing_that_is_served() {
    let token = "a-token-of-many-digits-0123456789";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, token).unwrap();
    let tracker = Running::start(&format!("admin_token: {}", file.display()));
    accepted(say(tracker.addr, "127.1.0.1", &agent("hq-1", 0)));
    for route in ROUTES {
        assert!(
            !String::from_utf8_lossy(&get(tracker.admin, route).body).contains(token),
            "{route}"
        );
    }
}

#[test]
fn the_map_has_every_site_apart_from_the_others_and_every_link_with_its_rate() {
    let tracker = Running::start("");
    let map = json(tracker.admin, "/map");
    let sites = map["sites"].as_array().unwrap();
    assert_eq!(
        sites.iter().filter(|site| site["name"] == "hq" || site["name"] == "munich").count(),
        2
    );
    for (n, site) in sites.iter().enumerate() {
        assert!(sites[..n].iter().all(|other| (&other["x"], &other["y"]) != (&site["x"], &site["y"])));
    }
    let link = &map["links"].as_array().unwrap().iter().find(|link| link["name"] == "hq-munich").unwrap();
    assert_eq!(link["rate"], 1_250_000);
}

#[test]
fn agents_of_a_site_come_in_pages_gateways_first_each_with_its_role_and_why() {
    let tracker = Running::start("");
    accepted(say(tracker.addr, "127.1.0.1", &agent("hq-1", 0)));
    for n in 1..=7 {
        accepted(say(
            tracker.addr,
            &format!("127.2.0.{n}"),
            &agent(&format!("munich-{n}"), 1000),
        ));
    }
    let content = "07".repeat(20);
    let page = |more: &str| {
        json(
            tracker.admin,
            &format!("/agents?site=munich&content={content}{more}"),
        )
    };
    let all = page("");
    assert_eq!(
        (all["total"].as_u64(), all["agents"].as_array().unwrap().len()),
        (Some(7), 7)
    );
    assert_eq!(
        (&all["agents"][0]["id"], &all["agents"][0]["role"]),
        (&"munich-1".into(), &"gateway".into())
    );
    assert!(
        all["agents"].as_array().unwrap().iter().all(|agent| !agent["because"].as_str().unwrap().is_empty())
    );
    let mut seen = Vec::new();
    for offset in [0, 3, 6, 9] {
        let part = page(&format!("&offset={offset}&limit=3"));
        assert_eq!(part["total"], 7);
        seen.extend(part["agents"].as_array().unwrap().clone());
    }
    assert_eq!(&seen, all["agents"].as_array().unwrap());
    assert_eq!(page("&filter=munich-3")["total"], 1);
    assert_eq!(page("&filter=127.2.0.4")["agents"][0]["id"], "munich-4");
    for (query, status, said) in [
        ("site=munich", 400, "write /agents"),
        ("site=munch&content=x", 404, "no site `munch`"),
        ("site=munich&content=x", 404, "no content `x`"),
        ("site=munich&content=x&offset=-1", 400, "no number"),
        ("site=munich&sort=1", 400, "unknown key `sort`"),
    ] {
        let reply = get(tracker.admin, &format!("/agents?{query}"));
        assert_eq!(reply.status, status, "{query}");
        assert!(String::from_utf8_lossy(&reply.body).contains(said), "{query}");
    }
}

#[test]
fn a_rollout_is_shown_by_site_with_where_each_fetches_from() {
    let tracker = Running::start("");
    accepted(say(tracker.addr, "127.1.0.1", &agent("hq-1", 0)));
    accepted(say(tracker.addr, "127.2.0.1", &agent("munich-1", 1000)));
    let munich = || {
        let rollout = json(tracker.admin, &format!("/rollout?content={}", "07".repeat(20)));
        let sites = rollout["sites"].as_array().unwrap().iter();
        sites.clone().find(|site| site["site"] == "munich").unwrap().clone()
    };
    let shown = |keys: [&str; 3]| Value::from(keys.map(|key| munich()[key].clone()).to_vec());
    assert_eq!(
        shown(["waiting", "gateways", "paused"]),
        serde_json::json!([true, 1, false])
    );
    assert_eq!(
        munich()["sources"],
        serde_json::json!([{"site": "hq", "route": ["hq-munich"]}])
    );
    assert_eq!(
        send(tracker.admin, "POST", "/brake?site=munich", "", "").status,
        200
    );
    assert_eq!(
        shown(["waiting", "starving", "paused"]),
        serde_json::json!([true, 0, true])
    );
    assert_eq!(get(tracker.admin, "/rollout?content=none").status, 404);
    assert_eq!(get(tracker.admin, "/rollout").status, 400);
}

#[test]
fn a_site_map_that_is_not_in_force_is_checked_and_laid_out_and_changes_nothing() {
    let tracker = Running::start("");
    let before = json(tracker.admin, "/map");
    let right = "version: 1\nsites:\n  a: {networks: [10.1.0.0/16]}\n  b: {networks: [10.2.0.0/16]}\nlinks:\n  - {between: [a, b], rate: 10 Mbit/s}\n";
    let checked: Value = serde_json::from_slice(&check(tracker.admin, "", right).body).unwrap();
    assert_eq!(checked["map"]["sites"].as_array().unwrap().len(), 2);
    let wrong = right.replace("[a, b]", "[a, c]").replace("10 Mbit/s", "10 Mbit");
    let checked: Value = serde_json::from_slice(&check(tracker.admin, "", &wrong).body).unwrap();
    let mistakes = checked["mistakes"].as_array().unwrap();
    assert!(
        mistakes.len() >= 2 && mistakes.iter().all(|mistake| mistake["line"] == 6),
        "{mistakes:?}"
    );
    assert!(mistakes.iter().any(|mistake| mistake["problem"].as_str().unwrap().contains("no site")));
    assert_eq!(check(tracker.admin, "", &"#".repeat((1 << 20) + 1)).status, 413);
    // one that is still being sent when it is known to be too long is told so all the same
    assert_eq!(check(tracker.admin, "", &"#".repeat(2 << 20)).status, 413);
    assert_eq!(json(tracker.admin, "/map"), before);
}

/// The first events of a stream, as JSON; and whether it has ended after them.
struct Stream(BufReader<std::net::TcpStream>);

impl Stream {
    fn open(to: SocketAddr) -> (u16, Self) {
        let mut stream = connect(to, None);
        write!(stream, "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        (line.split(' ').nth(1).unwrap().parse().unwrap(), Self(reader))
    }

    fn event(&mut self) -> Value {
        loop {
            let mut line = String::new();
            assert_ne!(self.0.read_line(&mut line).unwrap(), 0, "the stream has ended");
            if let Some(data) = line.strip_prefix("data: ") {
                return serde_json::from_str(data).unwrap();
            }
        }
    }
}

#[test]
fn events_say_how_things_are_to_every_listener_until_the_tracker_stops() {
    let mut tracker = Running::start("");
    let (status, mut first) = Stream::open(tracker.admin);
    assert_eq!(status, 200);
    let event = first.event();
    assert_eq!(event["rollouts"], serde_json::json!([]));
    assert_eq!(
        event["links"].as_array().unwrap().iter().filter(|link| link["link"] == "hq-munich").count(),
        2
    );
    accepted(say(tracker.addr, "127.1.0.1", &agent("hq-1", 0)));
    accepted(say(tracker.addr, "127.2.0.1", &agent("munich-1", 1000)));
    let (_, mut second) = Stream::open(tracker.admin);
    for stream in [&mut first, &mut second] {
        let event =
            std::iter::repeat_with(|| stream.event()).find(|event| event["rollouts"][0]["peers"] == 2);
        let rollout = &event.unwrap()["rollouts"][0];
        assert_eq!(
            (&rollout["complete"], &rollout["waiting_sites"]),
            (&1.into(), &1.into())
        );
    }
    tracker.stop();
    let mut rest = Vec::new();
    first.0.read_to_end(&mut rest).unwrap();
    assert!(
        rest.ends_with(b"0\r\n\r\n"),
        "the stream was cut off: {:?}",
        String::from_utf8_lossy(&rest)
    );
}

#[test]
fn status_and_events_name_who_floods_or_lies_with_address_site_and_what_to_do() {
    let tracker = Running::start("");
    assert_eq!(tracker.status()["offenders"], serde_json::json!([]));
    let mut stream = connect(tracker.admin, Some("127.2.0.9".parse().unwrap()));
    write!(
        stream,
        "GET /map HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    assert_eq!(read_reply(&mut stream).status, 421);
    let (_, mut events) = Stream::open(tracker.admin);
    for offenders in [&tracker.status()["offenders"], &events.event()["offenders"]] {
        let offender = &offenders[0];
        assert_eq!(
            (&offender["offence"], &offender["ip"], &offender["site"]),
            (&"foreign_host".into(), &"127.2.0.9".into(), &"munich".into())
        );
        assert!(offender["means"].as_str().unwrap().contains("admin_names"));
    }
}

#[test]
fn what_agents_say_of_peers_is_shown_with_how_many_say_it_and_changes_nothing() {
    let tracker = Running::start("");
    let accused = SeenOffender::new("handshake_flood", "127.2.0.66".parse().unwrap()).unwrap();
    let mut liar = agent("hq-1", 0);
    liar.narrows.as_mut().unwrap().offenders = vec![accused];
    for _ in 0..3 {
        accepted(say(tracker.addr, "127.1.0.1", &liar));
    }
    let found = accepted(say(tracker.addr, "127.2.0.66", &agent("munich-1", 1000)));
    assert_eq!(
        found.narrows.unwrap().role,
        Role::Gateway,
        "it is served as before"
    );
    let status = tracker.status();
    assert_eq!(status["offenders"], serde_json::json!([]));
    let reported = &status["reported_offenders"];
    assert_eq!(reported.as_array().unwrap().len(), 1);
    let reported = &reported[0];
    assert_eq!(
        (
            &reported["offence"],
            &reported["ip"],
            &reported["site"],
            &reported["reporters"]
        ),
        (
            &"handshake_flood".into(),
            &"127.2.0.66".into(),
            &"munich".into(),
            &1.into()
        )
    );
}

#[test]
fn more_pages_than_can_be_served_are_told_so_and_one_that_closes_makes_room() {
    let tracker = Running::start("");
    let mut open = Vec::new();
    for _ in 0..64 {
        let (status, mut stream) = Stream::open(tracker.admin);
        assert_eq!(status, 200);
        stream.event();
        open.push(stream);
    }
    assert_eq!(Stream::open(tracker.admin).0, 503);
    assert_eq!(get(tracker.admin, "/healthz").status, 200);
    open.pop();
    until("a place is free", || Stream::open(tracker.admin).0 == 200);
}
