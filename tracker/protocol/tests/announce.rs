//! Announce requests and replies: what is read, what is written, what is refused.

use std::net::{IpAddr, SocketAddr};

use narrows_protocol::{
    AgentReport, AnnounceEvent, AnnounceReply, AnnounceRequest, AnnounceResponse, Assignment, Failure,
    GatewayPreference, InfoHash, Parent, Peer, PeerId, RequestError, RetryIn, Role, Sharing,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

const MINIMAL: &str = "info_hash=aaaaaaaaaaaaaaaaaaaa&peer_id=bbbbbbbbbbbbbbbbbbbb&port=6881";

fn parse_with(more: &str) -> AnnounceRequest {
    AnnounceRequest::parse(&format!("{MINIMAL}{more}")).expect("a valid announce")
}

fn error_of(query: &str) -> RequestError {
    AnnounceRequest::parse(query).expect_err("an invalid announce")
}

fn encoded(response: &AnnounceResponse, compact: bool, no_peer_id: bool) -> Vec<u8> {
    let mut out = Vec::new();
    response.encode(compact, no_peer_id, &mut out);
    out
}

fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

mod a_request {
    use super::*;

    #[test]
    fn needs_a_hash_a_peer_id_and_a_port_and_nothing_else() {
        let request = AnnounceRequest::parse(MINIMAL).unwrap();
        assert_eq!(request.info_hash, InfoHash(*b"aaaaaaaaaaaaaaaaaaaa"));
        assert_eq!(request.peer_id, PeerId(*b"bbbbbbbbbbbbbbbbbbbb"));
        assert_eq!(request.port, 6881);
        assert_eq!(
            (request.uploaded, request.downloaded, request.left),
            (0, 0, u64::MAX)
        );
        assert_eq!(
            (request.compact, request.no_peer_id, request.numwant),
            (true, false, None)
        );
        assert_eq!(request.narrows, None);
        for (key, error) in [
            ("info_hash", RequestError::MissingInfoHash),
            ("peer_id", RequestError::MissingPeerId),
            ("port", RequestError::MissingPort),
        ] {
            let without: Vec<_> = MINIMAL.split('&').filter(|pair| !pair.starts_with(key)).collect();
            assert_eq!(error_of(&without.join("&")), error);
        }
    }

    #[test]
    fn with_two_info_hashes_is_refused() {
        assert_eq!(
            error_of(&format!("{MINIMAL}&info_hash=aaaaaaaaaaaaaaaaaaaa")),
            RequestError::DuplicateInfoHash
        );
    }

    #[test]
    fn with_another_key_twice_means_the_last() {
        assert_eq!(parse_with("&port=1&port=2").port, 2);
        assert_eq!(parse_with("&left=7&left=0").left, 0);
    }

    #[test]
    fn may_hold_keys_nobody_knows_keys_without_value_and_stray_separators() {
        let plain = parse_with("");
        for odd in [
            "&supportcrypto=1",
            "&flag",
            "&a=b=c",
            "&",
            "&&&",
            "&=",
            "&=x",
            "&x=%zz",
            "&corrupt=0&",
        ] {
            assert_eq!(parse_with(odd), plain, "{odd}");
        }
        assert_eq!(AnnounceRequest::parse(&format!("&{MINIMAL}")).unwrap(), plain);
    }

    #[test]
    fn says_its_bytes_in_any_case_of_hex_and_with_plus_for_space() {
        let query = "info_hash=%aa%AA%00%ff%26%3d+++++++++++++1&peer_id=bbbbbbbbbbbbbbbbbbbb&port=1";
        assert_eq!(
            AnnounceRequest::parse(query).unwrap().info_hash.0,
            *b"\xaa\xaa\x00\xff&=             1"
        );
    }

    #[test]
    fn with_a_hash_of_another_length_or_a_broken_escape_is_refused() {
        for hash in [
            "",
            "a",
            "aaaaaaaaaaaaaaaaaaa",
            "aaaaaaaaaaaaaaaaaaaaa",
            "aaaaaaaaaaaaaaaaaaa%4",
            "%zzaaaaaaaaaaaaaaaaaaa",
            "aaaaaaaaaaaaaaaaaaa%",
        ] {
            let query = format!("info_hash={hash}&peer_id=bbbbbbbbbbbbbbbbbbbb&port=1");
            assert_eq!(error_of(&query), RequestError::BadInfoHash, "{hash}");
        }
        let query = "info_hash=aaaaaaaaaaaaaaaaaaaa&peer_id=short&port=1";
        assert_eq!(error_of(query), RequestError::BadPeerId);
    }

    #[test]
    fn with_port_zero_or_no_port_number_is_refused() {
        for port in ["0", "", "65536", "-1", "x", "80x"] {
            let query = MINIMAL.replace("6881", port);
            assert_eq!(error_of(&query), RequestError::BadPort, "{port}");
        }
    }

    #[test]
    fn whose_left_is_missing_or_garbage_comes_from_a_leecher() {
        for left in [
            "",
            "&left",
            "&left=",
            "&left=-1",
            "&left=x",
            "&left=1.5",
            "&left=99999999999999999999999",
        ] {
            assert_eq!(parse_with(left).left, u64::MAX, "{left}");
        }
        assert_eq!(parse_with("&left=0").left, 0);
    }

    #[test]
    fn with_an_unknown_event_is_a_regular_update() {
        for event in ["", "empty", "STARTED", "rebooted"] {
            assert_eq!(
                parse_with(&format!("&event={event}")).event,
                AnnounceEvent::None,
                "{event}"
            );
        }
        assert_eq!(parse_with("&event=paused").event, AnnounceEvent::Paused);
        assert_eq!(parse_with("&event=stopped").event, AnnounceEvent::Stopped);
    }

    #[test]
    fn wants_the_default_number_of_peers_unless_it_says_a_number() {
        for absent in ["", "&numwant=", "&numwant=-1", "&numwant=many"] {
            assert_eq!(parse_with(absent).numwant, None, "{absent}");
        }
        assert_eq!(parse_with("&numwant=0").numwant, Some(0));
        assert_eq!(parse_with("&numwant=200").numwant, Some(200));
        assert_eq!(parse_with("&numwant=9999999999").numwant, Some(u32::MAX));
    }

    #[test]
    fn gets_compact_peers_unless_it_declines_them() {
        assert!(parse_with("").compact && parse_with("&compact=1").compact && parse_with("&compact").compact);
        assert!(!parse_with("&compact=0").compact);
    }

    #[test]
    fn may_name_an_address_of_either_family() {
        assert_eq!(parse_with("&ip=10.2.3.4").ip, "10.2.3.4".parse().ok());
        assert_eq!(parse_with("&ip=2001%3Adb8%3A%3A1").ip, "2001:db8::1".parse().ok());
        assert_eq!(parse_with("&ip=[2001:db8::1]").ip, "2001:db8::1".parse().ok());
        assert_eq!(parse_with("&ip=host.example").ip, None);
    }

    #[test]
    fn longer_than_the_limit_or_with_too_many_keys_is_refused() {
        assert_eq!(
            error_of(&format!("{MINIMAL}&x={}", "y".repeat(8192))),
            RequestError::TooLong
        );
        assert_eq!(
            error_of(&format!("{MINIMAL}{}", "&x=1".repeat(200))),
            RequestError::TooManyKeys
        );
    }

    #[test]
    fn of_an_agent_says_its_part_only_beside_narrows_1() {
        let report = "&agent=munich-017&role=gateway&wan=500&reused=70&wanted=1&stalled=1&restarted=1&gateway=10.2.0.1:6881&lost=%5B2001:db8::1%5D:1&gw=prefer&share=never\
                      &gone=10.1.0.7:6881&gone=10.1.0.8:6881&from=h%C3%BCb:one:400&from=hq:100&metrics=6882";
        assert_eq!(parse_with(report).narrows, None);
        assert_eq!(
            parse_with(&format!("{report}&narrows=1")).narrows,
            Some(AgentReport {
                agent: "munich-017".into(),
                role: Role::Gateway,
                gateway: "10.2.0.1:6881".parse().ok(),
                wan: 500,
                reused: 70,
                wanted: true,
                stalled: true,
                restarted: true,
                lost: "[2001:db8::1]:1".parse().ok(),
                preference: GatewayPreference::Prefer,
                share: Sharing::Never,
                gone: vec!["10.1.0.7:6881".parse().unwrap(), "10.1.0.8:6881".parse().unwrap()],
                sources: vec![("hüb:one".into(), 400), ("hq".into(), 100)],
                metrics: Some(6882),
            })
        );
    }

    #[test]
    fn of_an_agent_that_shares_does_not_speak_of_it() {
        let agent = |more: &str| parse_with(&format!("&narrows=1&agent=a{more}"));
        assert_eq!(agent("").narrows.unwrap().share, Sharing::Always);
        assert_eq!(agent("&share=always"), agent(""));
        assert!(!agent("").to_query().contains("share"));
        assert!(agent("&share=never").to_query().ends_with("&share=never"));
    }

    #[test]
    fn of_an_agent_with_an_impossible_port_for_its_metrics_is_taken_without() {
        for port in ["", "0", "70000", "here"] {
            let agent = parse_with(&format!("&narrows=1&agent=a&metrics={port}"));
            assert_eq!(agent.narrows.unwrap().metrics, None, "{port}");
        }
    }

    #[test]
    fn of_an_agent_with_a_wrong_value_is_refused() {
        let long = format!("&agent={}", "x".repeat(65));
        for (report, error) in [
            ("", RequestError::BadAgent),
            ("&agent=", RequestError::BadAgent),
            ("&agent=a%0Ab", RequestError::BadAgent),
            ("&agent=%ff", RequestError::BadAgent),
            (long.as_str(), RequestError::BadAgent),
            ("&agent=a&role=king", RequestError::BadRole),
            ("&agent=a&gateway=10.0.0.1", RequestError::BadGateway),
            ("&agent=a&lost=x:1", RequestError::BadLost),
            ("&agent=a&gw=perhaps", RequestError::BadPreference),
            ("&agent=a&share=sometimes", RequestError::BadShare),
            ("&agent=a&gone=", RequestError::BadGone),
            ("&agent=a&from=hq", RequestError::BadFrom),
            ("&agent=a&from=hq:many", RequestError::BadFrom),
        ] {
            assert_eq!(
                error_of(&format!("{MINIMAL}&narrows=1{report}")),
                error,
                "{report}"
            );
        }
    }
}

mod a_reply {
    use super::*;

    fn peer(addr: &str) -> Peer {
        Peer {
            addr: addr.parse().unwrap(),
            peer_id: Some(PeerId(*b"-NW0001-abcdefghijkl")),
        }
    }

    #[test]
    fn has_sorted_keys_and_always_peers() {
        let response = AnnounceResponse {
            interval: 60,
            min_interval: 10,
            external_ip: "10.0.0.1".parse().ok(),
            warning: Some("careful".into()),
            ..AnnounceResponse::default()
        };
        assert_eq!(
            text(&encoded(&response, true, false)),
            "d8:completei0e10:downloadedi0e11:external ip4:\\n\\x00\\x00\\x0110:incompletei0e8:intervali60e\
             12:min intervali10e5:peers0:15:warning message7:carefule"
        );
    }

    #[test]
    fn says_ipv4_and_ipv6_peers_under_their_own_keys_when_compact() {
        let response = AnnounceResponse {
            peers: vec![peer("[2001:db8::1]:258"), peer("1.2.3.4:258")],
            ..AnnounceResponse::default()
        };
        let body = text(&encoded(&response, true, false));
        assert!(
            body.contains("5:peers6:\\x01\\x02\\x03\\x04\\x01\\x026:peers618: \\x01\\r\\xb8"),
            "{body}"
        );
    }

    #[test]
    fn names_dictionary_peers_unless_told_not_to() {
        let response = AnnounceResponse {
            peers: vec![peer("1.2.3.4:5"), peer("[::1]:6")],
            ..AnnounceResponse::default()
        };
        let body = text(&encoded(&response, false, false));
        assert!(
            body.contains(
                "5:peersld2:ip7:1.2.3.47:peer id20:-NW0001-abcdefghijkl4:porti5eed2:ip3:::17:peer id20:"
            ),
            "{body}"
        );
        let body = text(&encoded(&response, false, true));
        assert!(
            body.contains("5:peersld2:ip7:1.2.3.44:porti5eed2:ip3:::14:porti6eee"),
            "{body}"
        );
    }

    #[test]
    fn to_an_agent_has_its_assignment_beside_the_standard_keys() {
        let response = AnnounceResponse {
            narrows: Some(Assignment {
                role: Role::Gateway,
                site: "munich".into(),
                gateways: vec!["1.2.3.4:5".parse().unwrap()],
                lease: 90,
                rate: 125_000,
                ..Assignment::default()
            }),
            ..AnnounceResponse::default()
        };
        let body = text(&encoded(&response, true, false));
        let expected = "7:narrowsd8:gateways6:\\x01\\x02\\x03\\x04\\x00\\x055:leasei90e4:ratei125000e4:role7:gateway\
                        4:site6:munich8:upstream0:e5:peers0:e";
        assert!(body.ends_with(expected), "{body}");
    }

    #[test]
    fn to_a_gateway_with_two_parents_says_which_stripes_come_from_where() {
        let parent = |site: &str, stripe, upstream: &str| Parent {
            site: site.into(),
            rate: 9,
            paused: false,
            stripes: vec![stripe],
            upstreams: vec![upstream.parse().unwrap()],
        };
        let response = AnnounceResponse {
            narrows: Some(Assignment {
                dscp: Some(8),
                stripes: 2,
                parents: vec![parent("a", 0, "1.1.1.1:1"), parent("b", 1, "[::1]:1")],
                ..Assignment::default()
            }),
            ..AnnounceResponse::default()
        };
        let body = text(&encoded(&response, true, false));
        let expected = "7:narrowsd4:dscpi8e8:gateways0:5:leasei0e\
                        5:partsld4:ratei9e4:site1:a7:stripes1:\\x008:upstream6:\\x01\\x01\\x01\\x01\\x00\\x01e\
                        d4:ratei9e4:site1:b7:stripes1:\\x018:upstream0:9:upstream618:";
        assert!(body.contains(expected), "{body}");
        assert!(body.contains("4:site0:7:stripesi2e8:upstream0:e"), "{body}");
    }

    #[test]
    fn that_refuses_says_why_and_when_to_come_again() {
        let mut out = Vec::new();
        Failure {
            interval: Some(900),
            retry_in: Some(RetryIn::Never),
            ..Failure::new("no")
        }
        .encode(&mut out);
        assert_eq!(
            text(&out),
            "d14:failure reason2:no8:intervali900e8:retry in5:nevere"
        );
        out.clear();
        Failure {
            retry_in: Some(RetryIn::Minutes(5)),
            ..Failure::new("no")
        }
        .encode(&mut out);
        assert_eq!(text(&out), "d14:failure reason2:no8:retry ini5ee");
    }

    #[test]
    fn of_another_tracker_is_read_too() {
        let body = b"d8:completei1e12:crypto_flags1:\x0010:incompletei2e8:intervali1800e5:peers6:\x01\x02\x03\x04\x00\x05e\r\n";
        let AnnounceReply::Ok(response) = AnnounceReply::decode(body).unwrap() else {
            panic!("a failure")
        };
        assert_eq!(
            (response.complete, response.incomplete, response.interval),
            (1, 2, 1800)
        );
        assert_eq!(
            response.peers,
            [Peer {
                addr: "1.2.3.4:5".parse().unwrap(),
                peer_id: None
            }]
        );
    }

    #[test]
    fn that_is_no_reply_is_an_error() {
        for body in [
            &b""[..],
            b"le",
            b"i1e",
            b"<html>",
            b"de",
            b"d8:intervali-1ee",
            b"d8:interval1:xe",
            b"d8:intervali1e5:peers5:abcdee",
            b"d8:intervali1e5:peersi1ee",
            b"d8:intervali1e7:narrowsle5:peers0:e",
            b"d8:intervali1e",
        ] {
            assert!(AnnounceReply::decode(body).is_err(), "{}", text(body));
        }
        let deep = [b"d1:a".as_slice(), &vec![b'l'; 100_000], &vec![b'e'; 100_001]].concat();
        assert!(AnnounceReply::decode(&deep).is_err());
    }
}

fn addr() -> impl Strategy<Value = SocketAddr> {
    (any::<IpAddr>(), any::<u16>()).prop_map(SocketAddr::from)
}

fn peer() -> impl Strategy<Value = Peer> {
    let id = option::of(any::<[u8; 20]>().prop_map(PeerId));
    (addr(), id).prop_map(|(addr, peer_id)| Peer { addr, peer_id })
}

fn role() -> impl Strategy<Value = Role> {
    select(vec![Role::Gateway, Role::Member])
}

prop_compose! {
    fn report()(
        agent in "\\PC{1,64}", role in role(), gateway in option::of(addr()), bytes: (u64, u64), flags: (bool, bool, bool),
        lost in option::of(addr()),
        preference in select(vec![GatewayPreference::Auto, GatewayPreference::Never, GatewayPreference::Prefer]),
        share in select(vec![Sharing::Always, Sharing::Never]),
        gone in vec(addr(), 0..9), sources in vec(("\\PC{0,20}", any::<u64>()), 0..5), metrics in option::of(1u16..),
    ) -> AgentReport {
        let ((wan, reused), (wanted, stalled, restarted)) = (bytes, flags);
        AgentReport { agent, role, gateway, wan, reused, wanted, stalled, restarted, lost, preference, share, gone, sources, metrics }
    }
}

prop_compose! {
    fn request()(
        info_hash: [u8; 20], peer_id: [u8; 20], port in 1u16.., bytes: (u64, u64, u64),
        event in select(vec![
            AnnounceEvent::None, AnnounceEvent::Started, AnnounceEvent::Stopped,
            AnnounceEvent::Completed, AnnounceEvent::Paused,
        ]),
        compact: bool, no_peer_id: bool, numwant: Option<u32>, key: Option<u32>,
        ip: Option<IpAddr>, narrows in option::of(report().boxed()),
    ) -> AnnounceRequest {
        AnnounceRequest {
            info_hash: InfoHash(info_hash), peer_id: PeerId(peer_id), port,
            uploaded: bytes.0, downloaded: bytes.1, left: bytes.2,
            event, compact, no_peer_id, numwant, key, ip, narrows,
        }
    }
}

prop_compose! {
    fn parent()(
        site in "\\PC{0,40}", rate: u64, paused: bool, stripes in vec(0u8..16, 0..4), upstreams in vec(addr(), 0..4),
    ) -> Parent {
        Parent { site, rate, paused, stripes, upstreams }
    }
}

prop_compose! {
    fn assignment()(
        role in role(), site in "\\PC{0,40}", gateways in vec(addr(), 0..4), lease: u32, rate: u64, paused: bool, slow_supply: bool, epoch: u32, watch: u16,
        upstream in vec(addr(), 0..4), dscp in option::of(0u8..64), stripes in select(vec![0u8, 2, 3, 16]),
        parents in vec(parent(), 0..3), again: u32,
    ) -> Assignment {
        Assignment { role, site, gateways, lease, rate, paused, slow_supply, epoch, watch, upstream, again, dscp, stripes, parents }
    }
}

prop_compose! {
    fn response()(
        numbers: (u32, u32, u32, u32, u32), external_ip: Option<IpAddr>, peers in vec(peer(), 0..60),
        warning in option::of("\\PC{0,40}"), narrows in option::of(assignment().boxed()),
    ) -> AnnounceResponse {
        let (interval, min_interval, complete, incomplete, downloaded) = numbers;
        AnnounceResponse { interval, min_interval, complete, incomplete, downloaded, external_ip, peers, warning, narrows }
    }
}

/// What the compact form can say: no names, IPv4 before IPv6.
fn families_apart(mut response: AnnounceResponse) -> AnnounceResponse {
    response.peers.iter_mut().for_each(|peer| peer.peer_id = None);
    response.peers.sort_by_key(|peer| peer.addr.is_ipv6());
    addresses_apart(response)
}

fn addresses_apart(mut response: AnnounceResponse) -> AnnounceResponse {
    if let Some(assignment) = &mut response.narrows {
        assignment.gateways.sort_by_key(SocketAddr::is_ipv6);
        assignment.upstream.sort_by_key(SocketAddr::is_ipv6);
        for parent in &mut assignment.parents {
            parent.upstreams.sort_by_key(SocketAddr::is_ipv6);
        }
    }
    response
}

proptest! {
    #[test]
    fn a_request_is_read_as_it_was_written(request in request()) {
        prop_assert_eq!(AnnounceRequest::parse(&request.to_query()), Ok(request));
    }

    #[test]
    fn a_compact_reply_is_read_as_it_was_written(response in response()) {
        let body = encoded(&response, true, false);
        prop_assert_eq!(AnnounceReply::decode(&body), Ok(AnnounceReply::Ok(families_apart(response))));
    }

    #[test]
    fn a_dictionary_reply_is_read_as_it_was_written(response in response()) {
        let body = encoded(&response, false, false);
        prop_assert_eq!(AnnounceReply::decode(&body), Ok(AnnounceReply::Ok(addresses_apart(response))));
    }

    #[test]
    fn a_refusal_is_read_as_it_was_written(
        reason in "\\PC{0,80}", interval: Option<u32>,
        retry_in in option::of(prop_oneof![Just(RetryIn::Never), any::<u32>().prop_map(RetryIn::Minutes)]),
        external_ip: Option<IpAddr>,
    ) {
        let failure = Failure { reason: reason.into(), interval, retry_in, external_ip };
        let mut body = Vec::new();
        failure.encode(&mut body);
        prop_assert_eq!(AnnounceReply::decode(&body), Ok(AnnounceReply::Failure(failure)));
    }

    #[test]
    fn no_query_and_no_body_makes_the_parsers_panic(query in "\\PC{0,300}", body in vec(any::<u8>(), 0..300)) {
        let _ = AnnounceRequest::parse(&query);
        let _ = AnnounceReply::decode(&body);
    }

    /// Valid replies with a few bytes changed reach deeper than arbitrary ones.
    #[test]
    fn no_damage_to_a_reply_makes_the_decoder_panic(
        response in response(), compact: bool, damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut body = encoded(&response, compact, false);
        for (at, byte) in damage {
            let at = at.index(body.len());
            body[at] = byte;
        }
        let _ = AnnounceReply::decode(&body);
    }

    #[test]
    fn no_damage_to_a_query_makes_the_parser_panic(
        request in request(), damage in vec((any::<prop::sample::Index>(), 0x21u8..0x7f), 1..8),
    ) {
        let mut query = request.to_query().into_bytes();
        for (at, byte) in damage {
            let at = at.index(query.len());
            query[at] = byte;
        }
        if let Ok(query) = String::from_utf8(query) {
            let _ = AnnounceRequest::parse(&query);
        }
    }
}
