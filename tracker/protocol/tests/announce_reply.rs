//! Replies to announces: what is written, and what of any tracker is read.

mod support;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;
use narrows_protocol::{
    AnnounceReply, AnnounceResponse, Assignment, Failure, Networks, Parent, PathRate, PathRates, Peer,
    PeerId, RetryIn, Role, Told, ToldNetworks, ToldRates,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use support::{addr, role};

fn encoded(response: &AnnounceResponse, compact: bool, no_peer_id: bool) -> Vec<u8> {
    let mut out = Vec::new();
    response.encode(compact, no_peer_id, &mut out);
    out
}

fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
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

fn peer() -> impl Strategy<Value = Peer> {
    let id = option::of(any::<[u8; 20]>().prop_map(PeerId));
    (addr(), id).prop_map(|(addr, peer_id)| Peer { addr, peer_id })
}

prop_compose! {
    fn parent()(
        site in "\\PC{0,40}", rate: u64, paused: bool, stripes in vec(0u8..16, 0..4), upstreams in vec(addr(), 0..4),
    ) -> Parent {
        Parent { site, rate, paused, stripes, upstreams }
    }
}

fn network() -> impl Strategy<Value = IpNet> {
    (any::<IpAddr>(), 0u8..=128).prop_map(|(addr, length)| {
        let most = if addr.is_ipv4() { 32 } else { 128 };
        IpNet::new(addr, length.min(most)).expect("a network").trunc()
    })
}

fn path_rate() -> impl Strategy<Value = PathRate> {
    prop_oneof![
        Just(PathRate::Stopped),
        Just(PathRate::Unlimited),
        (1..u64::MAX >> 2).prop_map(PathRate::Limited),
    ]
}

prop_compose! {
    fn told_networks()(
        version in 1..u64::MAX >> 1, sites in option::of(vec(vec(network(), 0..4), 0..6)), attach: bool,
    ) -> ToldNetworks {
        let table = sites.map(|sites| Arc::new(Networks::new(sites, attach).expect("short")));
        ToldNetworks { version, table }
    }
}

prop_compose! {
    fn told_rates()(
        version in 1..u64::MAX >> 1, change: u32, sites in option::of(vec(path_rate(), 0..8)),
        attached in path_rate(), stopped in vec(network(), 0..3),
    ) -> ToldRates {
        let table = sites.map(|sites| Arc::new(PathRates::new(sites, attached, stopped)));
        ToldRates { version, change, table }
    }
}

prop_compose! {
    fn told()(networks in told_networks(), rates in option::of(told_rates()), braked: bool) -> Told {
        Told { networks, rates, braked }
    }
}

prop_compose! {
    fn assignment()(
        role in role(), site in "\\PC{0,40}", gateways in vec(addr(), 0..4), lease: u32, rate: u64, paused: bool, slow_supply: bool, epoch: u32, watch: u16,
        upstream in vec(addr(), 0..4), dscp in option::of(0u8..64), stripes in select(vec![0u8, 2, 3, 16]),
        parents in vec(parent(), 0..3), again: u32,
        told in option::of(told().boxed()),
    ) -> Assignment {
        Assignment { role, site, gateways, lease, rate, paused, slow_supply, epoch, watch, upstream, again, dscp, stripes, parents, told: told.map(Box::new) }
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
    fn no_body_makes_the_decoder_panic(body in vec(any::<u8>(), 0..300)) {
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
}
