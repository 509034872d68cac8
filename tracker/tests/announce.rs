//! Announces and scrapes over HTTP: what peers are answered, and what is refused.

mod support;

use narrows_protocol::{
    AgentReport, AnnounceEvent, AnnounceRequest, InfoHash, PathRate, RetryIn, Role, ScrapeFile,
    ScrapeRequest, ScrapeResponse,
};
use support::*;

#[test]
fn peers_of_a_site_are_told_of_each_other_and_not_of_themselves() {
    let tracker = Running::start("");
    let mut seeder = announce();
    seeder.left = 0;
    assert_eq!(
        addresses(&accepted(say(tracker.addr, "127.1.0.1", &seeder))),
        Vec::<String>::new()
    );
    let response = accepted(say(tracker.addr, "127.1.0.2", &announce()));
    assert_eq!(addresses(&response), ["127.1.0.1:6881"]);
    assert_eq!((response.complete, response.incomplete), (1, 1));
    assert_eq!(response.external_ip, Some("127.1.0.2".parse().unwrap()));
    assert!(response.interval >= 1 && response.min_interval <= response.interval);
}

#[test]
fn a_gateway_is_told_the_remote_seeder_and_other_peers_only_their_own_site() {
    let tracker = Running::start("");
    let mut seeder = announce();
    seeder.left = 0;
    accepted(say(tracker.addr, "127.1.0.1", &seeder));
    let gateway = accepted(say(tracker.addr, "127.2.0.1", &announce()));
    assert_eq!(addresses(&gateway), ["127.1.0.1:6881"]);
    let member = accepted(say(tracker.addr, "127.2.0.2", &announce()));
    assert_eq!(addresses(&member), ["127.2.0.1:6881"]);
    let seeder = accepted(say(tracker.addr, "127.1.0.1", &seeder));
    assert_eq!(
        addresses(&seeder),
        Vec::<String>::new(),
        "a seeder is never told a remote address"
    );
}

#[test]
fn a_stock_gateway_gets_one_list_with_its_own_site_first() {
    let tracker = Running::start("");
    let mut seeder = announce();
    seeder.left = 0;
    accepted(say(tracker.addr, "127.1.0.1", &seeder));
    accepted(say(tracker.addr, "127.2.0.1", &announce()));
    accepted(say(tracker.addr, "127.2.0.2", &announce()));
    let again = accepted(say(tracker.addr, "127.2.0.1", &announce()));
    assert_eq!(addresses(&again), ["127.2.0.2:6881", "127.1.0.1:6881"]);
}

#[test]
fn an_agent_is_told_its_part_apart_from_its_local_peers() {
    let tracker = Running::start("");
    let mut seeder = announce();
    seeder.left = 0;
    accepted(say(tracker.addr, "127.1.0.1", &seeder));
    let mut agent = announce();
    agent.narrows = Some(AgentReport {
        agent: "munich-1".into(),
        ..AgentReport::default()
    });
    let response = accepted(say(tracker.addr, "127.2.0.1", &agent));
    let assignment = response.narrows.clone().expect("a dictionary for agents");
    assert_eq!(
        (assignment.role, assignment.site.as_str()),
        (Role::Gateway, "munich")
    );
    assert_eq!(assignment.upstream, ["127.1.0.1:6881".parse().unwrap()]);
    assert_eq!(assignment.rate, 1_250_000, "the whole link: 10 Mbit/s");
    assert!(assignment.lease > 0);
    assert_eq!(addresses(&response), Vec::<String>::new());
}

#[test]
fn an_agent_that_asks_is_told_the_maps_networks_once_and_its_rates_at_any_time() {
    let tracker = Running::start("");
    let ask = |networks, rates| {
        let mut asking = agent("hq-1", 0);
        asking.narrows = asking.narrows.map(|report| AgentReport {
            networks,
            rates,
            ..report
        });
        let response = accepted(say(tracker.addr, "127.1.0.1", &asking));
        response.narrows.expect("a dictionary for agents").told
    };
    assert_eq!(ask(None, None), None);
    let told = ask(Some(0), Some(0)).expect("told");
    let networks = told.networks.table.expect("the networks");
    let place = |ip: &str| networks.place(ip.parse().expect("an address"));
    let (hq, munich) = (place("127.1.0.1"), place("127.2.0.1").expect("at munich"));
    assert!(hq.is_some() && hq != Some(munich) && place("127.99.0.1").is_none());
    let rates = told.rates.expect("told");
    let to_munich = rates.table.as_ref().map(|table| table.to(munich));
    assert_eq!(to_munich, Some(PathRate::Limited(1_250_000)), "10 Mbit/s");
    let again = ask(Some(networks.version()), Some(rates.version)).expect("told");
    assert!(again.networks.table.is_none() && again.rates.is_some_and(|rates| rates.table.is_none()));
}

#[test]
fn a_peer_that_stops_is_forgotten_and_gets_no_peers() {
    let tracker = Running::start("");
    accepted(say(tracker.addr, "127.1.0.1", &announce()));
    accepted(say(tracker.addr, "127.1.0.2", &announce()));
    let mut stop = announce();
    stop.event = AnnounceEvent::Stopped;
    let response = accepted(say(tracker.addr, "127.1.0.1", &stop));
    assert_eq!(addresses(&response), Vec::<String>::new());
    let response = accepted(say(tracker.addr, "127.1.0.2", &announce()));
    assert_eq!((response.complete, response.incomplete), (0, 1));
}

/// One machine at another site knows the ids and addresses of all others, and no key.
#[test]
fn no_machine_stops_another_or_takes_its_lease_by_saying_its_id() {
    let tracker = Running::start("");
    let own = |name: &str, left, key| AnnounceRequest {
        key: Some(key),
        ..agent(name, left)
    };
    accepted(say(tracker.addr, "127.1.0.1", &own("hq-1", 0, 11)));
    let gateway = own("munich-1", 1000, 12);
    accepted(say(tracker.addr, "127.2.0.1", &gateway));
    for (name, left) in [("hq-1", 0), ("munich-1", 1000)] {
        for (from, key) in [
            ("127.1.0.66", None),
            ("127.1.0.66", Some(98)),
            ("127.2.0.66", None),
            ("127.2.0.66", Some(99)),
        ] {
            for event in [
                AnnounceEvent::Started,
                AnnounceEvent::None,
                AnnounceEvent::Stopped,
            ] {
                let lie = AnnounceRequest {
                    event,
                    key,
                    ..agent(name, left)
                };
                accepted(say(tracker.addr, from, &lie));
            }
        }
    }
    let mut later = gateway;
    later.event = AnnounceEvent::None;
    let reply = accepted(say(tracker.addr, "127.2.0.1", &later));
    let assignment = reply.narrows.clone().unwrap();
    assert_eq!(
        (assignment.role, assignment.upstream),
        (Role::Gateway, vec!["127.1.0.1:6881".parse().unwrap()])
    );
    assert_eq!((reply.complete, reply.incomplete), (1, 1));
    assert_eq!(tracker.metric("narrows_tracker_moved_agents_total"), Some(0.0));
    let named = tracker.metric("narrows_tracker_offences_total{offence=\"id_taken\"}");
    assert!(named >= Some(8.0), "{named:?}");
    let offenders = tracker.status()["offenders"].to_string();
    for from in ["127.1.0.66", "127.2.0.66"] {
        assert!(offenders.contains(from), "{offenders}");
    }
}

#[test]
fn peers_come_as_dictionaries_where_compact_is_declined() {
    let tracker = Running::start("");
    accepted(say(tracker.addr, "127.1.0.1", &announce()));
    let mut plain = announce();
    plain.compact = false;
    let response = accepted(say(tracker.addr, "127.1.0.2", &plain));
    assert_eq!(response.peers[0].peer_id, Some(announce().peer_id));
    plain.no_peer_id = true;
    let response = accepted(say(tracker.addr, "127.1.0.2", &plain));
    assert_eq!((response.peers.len(), response.peers[0].peer_id), (1, None));
}

#[test]
fn ipv6_peers_are_served_over_ipv6_and_told_in_peers6() {
    let tracker = Running::start("listen: [\"[::1]:0\", \"127.0.0.1:0\"]");
    accepted(say(tracker.addrs[0], "::1", &announce()));
    let reply = request(
        tracker.addrs[1],
        Some([127, 1, 0, 2].into()),
        &target(&announce()),
        "",
    );
    assert!(
        reply.body.windows(10).any(|window| window == b"6:peers618"),
        "{:?}",
        reply.body.escape_ascii()
    );
    assert_eq!(addresses(&accepted(decode(&reply))), ["[::1]:6881"]);
}

#[test]
fn an_ipv4_client_of_a_dual_stack_socket_is_an_ipv4_peer() {
    let tracker = Running::start("listen: \"[::]:0\"");
    let to = ([127, 0, 0, 1], tracker.addr.port()).into();
    let response = accepted(say(to, "127.2.0.9", &announce()));
    assert_eq!(response.external_ip, Some([127, 2, 0, 9].into()));
    assert_eq!(tracker.status()["contents"][0]["sites"][0]["site"], "munich");
}

#[test]
fn an_address_in_no_network_is_refused_with_a_reason_and_leaves_nothing() {
    let tracker = Running::start("");
    let failure = refused(say(tracker.addr, "127.9.0.1", &announce()));
    assert!(
        failure.reason.contains("your address 127.9.0.1 belongs to no site"),
        "{}",
        failure.reason
    );
    assert_eq!(failure.external_ip, Some([127, 9, 0, 1].into()));
    assert!(failure.interval.is_some() && failure.retry_in.is_some());
    assert_eq!(
        tracker.metric("narrows_tracker_unmapped_addresses_total{network=\"127.9.0.0/24\"}"),
        Some(1.0)
    );
    assert_eq!(tracker.status()["contents"], serde_json::json!([]));
}

#[test]
fn an_invalid_announce_is_refused_with_status_200_and_leaves_nothing() {
    let tracker = Running::start("");
    let valid = announce().to_query();
    for query in [
        String::new(),
        valid.replace("port=6881", "port=0"),
        valid.replace("port=6881", "port=x"),
        valid.replace("&peer_id=", "&peer="),
        format!("{valid}&info_hash=aaaaaaaaaaaaaaaaaaaa"),
        format!("{valid}&narrows=1"),
    ] {
        let failure = refused(decode(&get(tracker.addr, &format!("/announce?{query}"))));
        assert!(
            !failure.reason.is_empty() && !failure.reason.contains("src/"),
            "{}",
            failure.reason
        );
    }
    assert_eq!(
        tracker.metric("narrows_tracker_announces_total{outcome=\"invalid\"}"),
        Some(6.0)
    );
    assert_eq!(tracker.status()["contents"], serde_json::json!([]));
}

#[test]
fn a_trusted_proxy_alone_says_which_its_client_is() {
    let tracker = Running::start("trusted_proxies: [127.1.0.100]");
    let said = |source: [u8; 4], headers: &str, query: &str| {
        let target = format!("{}{query}", target(&announce()));
        decode(&request(tracker.addr, Some(source.into()), &target, headers))
    };
    let forwarded = "X-Forwarded-For: 6.6.6.6, 127.2.0.7\r\n";
    let response = accepted(said([127, 1, 0, 100], forwarded, ""));
    assert_eq!(response.external_ip, Some([127, 2, 0, 7].into()));
    let response = accepted(said([127, 1, 0, 100], "", "&ip=127.2.0.8"));
    assert_eq!(response.external_ip, Some([127, 2, 0, 8].into()));
    let response = accepted(said([127, 1, 0, 5], forwarded, "&ip=127.2.0.8"));
    assert_eq!(response.external_ip, Some([127, 1, 0, 5].into()));
    assert!(refused(said([127, 1, 0, 100], "", "")).reason.contains("X-Forwarded-For"));
    assert!(
        refused(said([127, 1, 0, 100], "X-Forwarded-For: unknown\r\n", ""))
            .reason
            .contains("X-Forwarded-For")
    );
}

#[test]
fn torrents_are_tracked_as_they_come_and_go_in_their_folder() {
    let tracker = Running::start("torrents: torrents/");
    let mut request = announce();
    let failure = refused(say(tracker.addr, "127.1.0.1", &request));
    assert!(failure.reason.contains("not tracked here"));
    assert_ne!(
        failure.retry_in,
        Some(RetryIn::Never),
        "it may be published at any moment"
    );

    std::fs::write(tracker.path("torrents/broken.torrent"), "d4:infode").unwrap();
    request.info_hash = write_torrent(&tracker.path("torrents/office.torrent"), "office");
    until("the torrent is tracked", || {
        tracker.metric("narrows_tracker_torrents") == Some(1.0)
            && tracker.metric("narrows_tracker_torrents_broken") == Some(1.0)
    });
    accepted(say(tracker.addr, "127.1.0.1", &request));
    let series = format!(
        "narrows_tracker_peers{{content=\"office\",info_hash=\"{}\",role=\"leecher\",site=\"hq\"}}",
        request.info_hash
    );
    let status = tracker.status();
    assert_eq!(status["contents"][0]["name"], "office");
    assert_eq!(status["contents"][0]["size"], 5000);
    assert_eq!(tracker.metric(&series), Some(1.0));

    std::fs::remove_file(tracker.path("torrents/office.torrent")).unwrap();
    until("the swarm is gone", || {
        tracker.status()["contents"] == serde_json::json!([])
    });
    refused(say(tracker.addr, "127.1.0.1", &request));
    assert_eq!(tracker.metric(&series), None);
}

#[test]
fn a_scrape_counts_the_tracked_and_leaves_out_the_others() {
    let tracker = Running::start("torrents: torrents/");
    let hash = write_torrent(&tracker.path("torrents/a.torrent"), "a");
    until("the torrent is tracked", || {
        tracker.metric("narrows_tracker_torrents") == Some(1.0)
    });
    let scraped = |hashes: &[InfoHash]| {
        let request = ScrapeRequest {
            info_hashes: hashes.to_vec(),
        };
        let reply = get(tracker.addr, &format!("/scrape?{}", request.to_query()));
        assert_eq!(reply.status, 200);
        ScrapeResponse::decode(&reply.body).unwrap()
    };
    let unknown = InfoHash([1; 20]);
    assert_eq!(scraped(&[unknown, hash]).files(), [(hash, ScrapeFile::default())]);
    let mut request = announce();
    request.info_hash = hash;
    accepted(say(tracker.addr, "127.1.0.1", &request));
    request.port = 2;
    accepted(say(tracker.addr, "127.1.0.1", &request));
    (request.left, request.event) = (0, AnnounceEvent::Completed);
    accepted(say(tracker.addr, "127.1.0.1", &request));
    let expected = ScrapeFile {
        complete: 1,
        downloaded: 1,
        incomplete: 1,
    };
    assert_eq!(scraped(&[hash, hash]).files(), [(hash, expected)]);
    for query in ["", "?", "?info_hash=short"] {
        refused(decode(&get(tracker.addr, &format!("/scrape{query}"))));
    }
}

#[test]
fn on_a_large_map_parents_are_planned_beside_the_announces() {
    let dir = files("");
    let mut map = "version: 1\nsites:\n".to_owned();
    (0..20).for_each(|n| map.push_str(&format!("  s{n:02}: {{networks: [127.{n}.0.0/16]}}\n")));
    map.push_str(
        "links:\n  - {between: [s01, s02], rate: 10 Mbit/s}\n  - {between: [s02, s03], rate: 10 Mbit/s}\n",
    );
    (4..20)
        .chain([0])
        .for_each(|n| map.push_str(&format!("  - {{between: [s01, s{n:02}], rate: 10 Mbit/s}}\n")));
    std::fs::write(dir.path().join("sites.yaml"), map).unwrap();
    let tracker = Running::start_in(dir);
    let mut seeder = announce();
    seeder.left = 0;
    accepted(say(tracker.addr, "127.1.0.1", &seeder));
    // it has a peer at once
    let behind = accepted(say(tracker.addr, "127.3.0.1", &announce()));
    assert_eq!(addresses(&behind), ["127.1.0.1:6881"]);
    // and another parent as soon as a site in between has joined, though no peer announces
    accepted(say(tracker.addr, "127.2.0.1", &announce()));
    until("the site behind is fed from the one before it", || {
        let status = tracker.status();
        let sites = status["contents"][0]["sites"].as_array().unwrap();
        sites.iter().any(|site| site["site"] == "s03" && site["parent"] == "s02")
    });
}
