//! Announces: what is read, what is written, what is refused.

mod support;

use std::net::IpAddr;

use narrows_protocol::{
    AgentReport, AnnounceEvent, AnnounceRequest, GatewayPreference, InfoHash, PeerId, RequestError, Role,
    SeenOffender, Sharing, is_printable,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use support::{addr, role};

const MINIMAL: &str = "info_hash=aaaaaaaaaaaaaaaaaaaa&peer_id=bbbbbbbbbbbbbbbbbbbb&port=6881";

fn parse_with(more: &str) -> AnnounceRequest {
    AnnounceRequest::parse(&format!("{MINIMAL}{more}")).expect("a valid announce")
}

fn error_of(query: &str) -> RequestError {
    AnnounceRequest::parse(query).expect_err("an invalid announce")
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
    fn may_hold_unknown_keys_keys_without_value_and_stray_separators() {
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
                      &gone=10.1.0.7:6881&gone=10.1.0.8:6881&from=h%C3%BCb:one:400&from=hq:100&by=10.2.0.1:6881:70&by=%5B2001:db8::1%5D:1:0&metrics=6882&networks=123456789012345&rates=0\
                      &offender=handshake_flood:10.2.0.66&offender=no_delivery:2001:db8::66";
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
                brought: vec![
                    ("10.2.0.1:6881".parse().unwrap(), 70),
                    ("[2001:db8::1]:1".parse().unwrap(), 0)
                ],
                metrics: Some(6882),
                networks: Some(123_456_789_012_345),
                rates: Some(0),
                offenders: vec![
                    SeenOffender::new("handshake_flood", "10.2.0.66".parse().unwrap()).unwrap(),
                    SeenOffender::new("no_delivery", "2001:db8::66".parse().unwrap()).unwrap(),
                ],
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
    fn of_an_agent_names_four_offenders_at_most_and_what_is_odd_is_left_out() {
        let seen = |more: &str| parse_with(&format!("&narrows=1&agent=a{more}")).narrows.unwrap().offenders;
        let long = format!("&offender={}:10.0.0.1", "x".repeat(33));
        for odd in [
            "&offender=",
            "&offender=flood",
            "&offender=:10.0.0.1",
            "&offender=Flood:10.0.0.1",
            "&offender=<b>:10.0.0.1",
            "&offender=flood:here",
            &long,
        ] {
            assert_eq!(seen(odd), [], "{odd}");
        }
        let many: String = (0..9).map(|n| format!("&offender=flood:10.0.0.{n}")).collect();
        assert_eq!(seen(&many).len(), 4);
        assert_eq!(
            seen("&offender=flood:%3A%3Affff%3A10.0.0.1")[0].to_string(),
            "flood:10.0.0.1"
        );
    }

    #[test]
    fn of_an_agent_divides_its_bytes_among_eight_gateways_at_most_and_what_is_odd_is_left_out() {
        let brought = |more: &str| parse_with(&format!("&narrows=1&agent=a{more}")).narrows.unwrap().brought;
        for odd in [
            "&by=",
            "&by=10.0.0.1:1",
            "&by=10.0.0.1:5",
            "&by=here:1:5",
            "&by=10.0.0.1:1:-5",
            "&by=10.0.0.1:70000:5",
        ] {
            assert_eq!(brought(odd), [], "{odd}");
        }
        let many: String = (0..9).map(|n| format!("&by=10.0.0.{n}:6881:{n}")).collect();
        assert_eq!(brought(&many).len(), 8);
    }

    #[test]
    fn of_an_agent_with_a_wrong_value_is_refused() {
        let long = format!("&agent={}", "x".repeat(65));
        for (report, error) in [
            ("", RequestError::BadAgent),
            ("&agent=", RequestError::BadAgent),
            ("&agent=a%0Ab", RequestError::BadAgent),
            ("&agent=a%E2%80%AEb", RequestError::BadAgent),
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

/// What an agent may be called: any text of 1 to 64 characters that a person can read.
fn id() -> impl Strategy<Value = String> {
    let letter = any::<char>().prop_map(|c| if is_printable(c) { c } else { 'x' });
    vec(letter, 1..=64).prop_map(String::from_iter)
}

prop_compose! {
    fn report()(
        agent in id(), role in role(), gateway in option::of(addr()), bytes: (u64, u64), flags: (bool, bool, bool),
        lost in option::of(addr()),
        preference in select(vec![GatewayPreference::Auto, GatewayPreference::Never, GatewayPreference::Prefer]),
        share in select(vec![Sharing::Always, Sharing::Never]),
        gone in vec(addr(), 0..9), sources in vec(("\\PC{0,20}", any::<u64>()), 0..5), metrics in option::of(1u16..),
        brought in vec((addr(), any::<u64>()), 0..9),
        networks: Option<u64>, rates: Option<u64>, offenders in vec(("[a-z_]{1,32}", any::<IpAddr>()), 0..5),
    ) -> AgentReport {
        let ((wan, reused), (wanted, stalled, restarted)) = (bytes, flags);
        let offenders = offenders.into_iter().filter_map(|(kind, ip)| SeenOffender::new(&kind, ip)).collect();
        AgentReport { agent, role, gateway, wan, reused, wanted, stalled, restarted, lost, preference, share, gone, sources, brought, metrics, networks, rates, offenders }
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

proptest! {
    #[test]
    fn a_request_is_read_as_it_was_written(request in request()) {
        prop_assert_eq!(AnnounceRequest::parse(&request.to_query()), Ok(request));
    }

    #[test]
    fn no_query_makes_the_parser_panic(query in "\\PC{0,300}") {
        let _ = AnnounceRequest::parse(&query);
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
