//! What agents are told of the site map: read as it was written, small, and nothing in it makes a reader
//! panic.

use std::net::IpAddr;

use ipnet::IpNet;
use narrows_protocol::networks::{MAX_STOPPED, MAX_TABLE};
use narrows_protocol::{Networks, NetworksError, PathRate, PathRates, Place};
use proptest::collection::vec;
use proptest::prelude::*;

fn net(text: &str) -> IpNet {
    text.parse().expect("a network")
}

fn place(networks: &Networks, address: &str) -> Option<Place> {
    networks.place(address.parse().expect("an address"))
}

#[test]
fn the_longest_network_decides_and_an_address_in_none_belongs_to_none() {
    let sites = [
        vec![net("10.0.0.0/8"), net("2001:db8::/32")],
        vec![],
        vec![net("10.2.0.0/16"), net("10.2.3.4/32"), net("2001:db8:2::/48")],
    ];
    let networks = Networks::new(&sites, false).expect("short");
    for (address, site) in [
        ("10.1.0.1", Some(0)),
        ("10.2.0.1", Some(2)),
        ("10.2.3.4", Some(2)),
        ("::ffff:10.2.0.1", Some(2)),
        ("2001:db8:1::1", Some(0)),
        ("2001:db8:2::1", Some(2)),
        ("192.0.2.1", None),
        ("2001:db9::1", None),
    ] {
        assert_eq!(place(&networks, address), site.map(Place::Site), "{address}");
    }
    let attaching = Networks::new(&sites, true).expect("short");
    assert_eq!(
        place(&attaching, "192.0.2.1"),
        Some(Place::Attached(net("192.0.2.0/24")))
    );
    assert_eq!(
        place(&attaching, "2001:db9::1"),
        Some(Place::Attached(net("2001:db9::/56")))
    );
    assert_ne!(networks.version(), attaching.version());
}

#[test]
fn two_thousand_sites_of_two_networks_are_told_in_less_than_forty_kilobytes() {
    let v4 =
        |n: u32| IpNet::new(IpAddr::from((0x0a00_0000 + (n << 8)).to_be_bytes()), 24).expect("a network");
    let v6 = |n: u32| {
        let address = 0x2001_0db8_0000_u128 << 80 | u128::from(n) << 64;
        IpNet::new(IpAddr::from(address.to_be_bytes()), 64).expect("a network")
    };
    let both = Networks::new((0..2000).map(|n| [v4(n), v6(n)]), false).expect("short");
    let of_v4 = Networks::new((0..2000).map(|n| [v4(2 * n), v4(2 * n + 1)]), false).expect("short");
    assert!(both.table().len() < 40_000, "{}", both.table().len());
    assert!(of_v4.table().len() < 20_000, "{}", of_v4.table().len());
    // a star: three runs
    let star = PathRates::new(
        (0..2000).map(|n| {
            if n == 700 {
                PathRate::Unlimited
            } else {
                PathRate::Limited(1_000_000 + n / 1000)
            }
        }),
        PathRate::Stopped,
        Vec::new(),
    );
    assert!(star.table().len() < 40, "{}", star.table().len());
}

#[test]
fn too_many_networks_are_refused_not_cut() {
    let many =
        (0..200_000_u32).map(|n| [IpNet::new(IpAddr::from((n << 8).to_be_bytes()), 24).expect("a network")]);
    assert_eq!(Networks::new(many, false), Err(NetworksError::TooLong));
    assert_eq!(
        Networks::read(&vec![0; MAX_TABLE + 1], false),
        Err(NetworksError::TooLong)
    );
}

#[test]
fn damaged_tables_are_refused() {
    let table = Networks::new([[net("10.2.0.0/16")]], false).expect("short").table().to_vec();
    assert_eq!(table, [1, 16, 10, 2]);
    for (damaged, error) in [
        (&[1, 16, 10][..], NetworksError::Length),
        (&[2, 16, 10, 2], NetworksError::Length),
        (&[0x81, 0, 16, 10, 2], NetworksError::Length),
        (&[1, 15, 10, 3], NetworksError::Network),
        (&[1, 162, 10, 2], NetworksError::Network),
    ] {
        assert_eq!(Networks::read(damaged, false), Err(error), "{damaged:?}");
    }
    assert_eq!(
        PathRates::read(&[0, 1], PathRate::Stopped, &[]),
        Err(NetworksError::Length)
    );
}

#[test]
fn to_a_site_that_the_rates_do_not_know_nothing_is_sent() {
    let rates = PathRates::new(
        [PathRate::Unlimited; 3],
        PathRate::Limited(7),
        vec![net("192.0.2.0/24")],
    );
    assert_eq!(rates.to(Place::Site(2)), PathRate::Unlimited);
    assert_eq!(rates.to(Place::Site(3)), PathRate::Stopped);
    assert_eq!(rates.to(Place::Attached(net("192.0.2.0/24"))), PathRate::Stopped);
    assert_eq!(
        rates.to(Place::Attached(net("198.51.100.0/24"))),
        PathRate::Limited(7)
    );
    let many = (0..=MAX_STOPPED as u32)
        .map(|n| IpNet::new(IpAddr::from((n << 8).to_be_bytes()), 24).expect("a network"));
    let braked = PathRates::new([], PathRate::Unlimited, many.collect());
    assert_eq!(
        braked.to(Place::Attached(net("198.51.100.0/24"))),
        PathRate::Stopped
    );
}

fn networks() -> impl Strategy<Value = Vec<Vec<IpNet>>> {
    let network = (any::<IpAddr>(), 0u8..=128).prop_map(|(addr, length)| {
        let most = if addr.is_ipv4() { 32 } else { 128 };
        IpNet::new(addr, length.min(most)).expect("a network")
    });
    vec(vec(network, 0..5), 0..20)
}

proptest! {
    #[test]
    fn a_table_is_read_as_it_was_written(sites in networks(), attach: bool, address: IpAddr) {
        let written = Networks::new(&sites, attach).expect("short");
        let read = Networks::read(written.table(), attach).expect("a table");
        prop_assert_eq!(&read, &written);
        prop_assert_eq!(read.version(), written.version());
        prop_assert_eq!(read.place(address), written.place(address));
    }

    #[test]
    fn rates_are_read_as_they_were_written(codes in vec(0u64..1 << 62, 0..30), attached in 0u64..1 << 62) {
        let rates = codes.iter().map(|code| PathRate::of_code(code % 5));
        let written = PathRates::new(rates, PathRate::of_code(attached), Vec::new());
        let read = PathRates::read(written.table(), written.attached(), written.stops()).expect("rates");
        prop_assert_eq!(&read, &written);
        for (site, code) in (0..).zip(&codes) {
            prop_assert_eq!(read.to(Place::Site(site)), PathRate::of_code(code % 5));
        }
    }

    #[test]
    fn no_bytes_make_a_reader_panic(table in vec(any::<u8>(), 0..300), stops in vec(any::<u8>(), 0..100), address: IpAddr) {
        if let Ok(networks) = Networks::read(&table, true) {
            networks.place(address);
            prop_assert_eq!(networks.table(), &table[..]);
        }
        if let Ok(rates) = PathRates::read(&table, PathRate::Stopped, &stops) {
            rates.to(Place::Site(7));
        }
    }
}
