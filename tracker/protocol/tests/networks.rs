//! What agents are told of the site map: read as it was written, small, and nothing in it makes a reader
//! panic.

use std::net::IpAddr;

use ipnet::IpNet;
use narrows_protocol::networks::{MAX_STOPPED, MAX_TABLE};
use narrows_protocol::{AnnounceReply, Networks, NetworksError, PathRate, PathRates, Place};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

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
    // 0.0.0.0/0, once more than may be stopped
    for (count, read) in [(MAX_STOPPED, true), (MAX_STOPPED + 1, false)] {
        let stopped = PathRates::read(&[], PathRate::Stopped, &vec![0; count]);
        assert_eq!(stopped.is_ok(), read, "{count}");
    }
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

/// The bytes of a number as it is written.
fn leb128(mut number: u64) -> usize {
    let mut bytes = 1;
    while number >= 0x80 {
        number >>= 7;
        bytes += 1;
    }
    bytes
}

/// Where an address belongs, by a walk over all networks: to the longest, of equal ones to the last.
fn scan(sites: &[Vec<IpNet>], attach: bool, address: IpAddr) -> Option<Place> {
    let address = address.to_canonical();
    let all =
        (0..).zip(sites).flat_map(|(site, networks)| networks.iter().map(move |network| (site, network)));
    let holding = all.filter(|(_, network)| network.contains(&address));
    let longest = holding.max_by_key(|(_, network)| network.prefix_len());
    let unknown = || {
        let length = if address.is_ipv4() { 24 } else { 56 };
        attach.then(|| Place::Attached(IpNet::new(address, length).expect("a network").trunc()))
    };
    longest.map(|(site, _)| Place::Site(site)).or_else(unknown)
}

/// Addresses and networks crowded into a small space, so that they nest and are equal, or any.
fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        (0u32..=0x1ff).prop_map(|low| IpAddr::from((low << 23 | low).to_be_bytes())),
        (0u128..=0x1ff).prop_map(|low| IpAddr::from((low << 119 | low).to_be_bytes())),
        (0u32..=0x1ff)
            .prop_map(|low| std::net::Ipv4Addr::from(low << 23 | low).to_ipv6_mapped())
            .prop_map(IpAddr::from),
        any::<IpAddr>(),
    ]
}

/// Some with bits behind their length, which a person may write.
fn network() -> impl Strategy<Value = IpNet> {
    (address(), 0u8..=128).prop_map(|(addr, length)| {
        let most = if addr.is_ipv4() { 32 } else { 128 };
        IpNet::new(addr, length.min(most)).expect("a network")
    })
}

fn networks() -> impl Strategy<Value = Vec<Vec<IpNet>>> {
    prop_oneof![
        4 => vec(vec(network(), 0..5), 0..20),
        // numbers of more than one byte
        1 => vec(vec(network(), 100..300), 0..3),
        1 => vec(vec(network(), 0..2), 100..300),
    ]
}

fn path_rate() -> impl Strategy<Value = PathRate> {
    prop_oneof![
        Just(PathRate::Stopped),
        Just(PathRate::Unlimited),
        (1..4u64).prop_map(PathRate::Limited),
        any::<u64>().prop_map(PathRate::Limited),
    ]
}

/// What is read of a rate: as it was, but of none that no link has.
fn as_read(rate: PathRate) -> PathRate {
    match rate {
        PathRate::Limited(0) => PathRate::Limited(1),
        PathRate::Limited(bytes) if bytes > u64::MAX >> 2 => PathRate::Unlimited,
        rate => rate,
    }
}

/// What happens to bytes on their way.
#[derive(Clone, Debug)]
enum Damage {
    Changed(Vec<(Index, u8)>),
    Cut(Index),
    Put(Index, Vec<u8>),
    Taken(Index, usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        vec((any::<Index>(), any::<u8>()), 1..4).prop_map(Damage::Changed),
        any::<Index>().prop_map(Damage::Cut),
        (any::<Index>(), vec(any::<u8>(), 1..20)).prop_map(|(at, bytes)| Damage::Put(at, bytes)),
        (any::<Index>(), 1usize..20).prop_map(|(at, count)| Damage::Taken(at, count)),
    ]
}

fn damaged(bytes: &[u8], damage: &Damage) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let end = bytes.len() + 1;
    match damage {
        Damage::Changed(changes) => {
            for (at, byte) in changes.iter().filter(|_| end > 1) {
                let at = at.index(end - 1);
                bytes[at] = *byte;
            }
        }
        Damage::Cut(at) => bytes.truncate(at.index(end)),
        Damage::Put(at, put) => {
            let at = at.index(end);
            bytes.splice(at..at, put.iter().copied());
        }
        Damage::Taken(at, count) => {
            let at = at.index(end);
            bytes.drain(at..(at + count).min(end - 1));
        }
    }
    bytes
}

/// A reply that says these bytes, whatever they are.
fn reply(table: &[u8], rates: &[u8], stopped: &[u8]) -> Vec<u8> {
    let bytes = |bytes: &[u8]| [bytes.len().to_string().as_bytes(), b":", bytes].concat();
    [
        b"d8:intervali60e7:narrowsd8:networksd6:attachi1e5:table".as_slice(),
        &bytes(table),
        b"7:versioni7ee5:ratesd8:attachedi1e7:stopped",
        &bytes(stopped),
        b"5:table",
        &bytes(rates),
        b"7:versioni8ee4:role6:membere5:peers0:e",
    ]
    .concat()
}

proptest! {
    #[test]
    fn a_table_is_read_as_it_was_written(sites in networks(), attach: bool, addresses in vec(address(), 8)) {
        let written = Networks::new(&sites, attach).expect("short");
        let read = Networks::read(written.table(), attach).expect("a table");
        prop_assert_eq!(&read, &written);
        prop_assert_eq!((read.version(), read.attaches()), (written.version(), attach));
        // at the edges of networks, too
        let edges = sites.iter().flatten().take(20).flat_map(|net| [net.network(), net.broadcast(), net.addr()]);
        for address in edges.chain(addresses) {
            prop_assert_eq!(read.place(address), scan(&sites, attach, address), "{}", address);
        }
    }

    #[test]
    fn a_table_has_a_byte_for_each_network_its_used_bytes_and_a_number_for_each_site(sites in networks()) {
        let of_network = |net: &IpNet| 1 + usize::from(net.prefix_len()).div_ceil(8);
        let of_site = |nets: &Vec<IpNet>| leb128(nets.len() as u64) + nets.iter().map(of_network).sum::<usize>();
        let table = Networks::new(&sites, false).expect("short").table().len();
        prop_assert_eq!(table, sites.iter().map(of_site).sum::<usize>());
    }

    #[test]
    fn rates_are_read_as_they_were_written(
        rates in vec((path_rate(), 1usize..200), 0..30), attached in path_rate(), stopped in vec(network(), 0..40), other in network(),
    ) {
        let sites: Vec<PathRate> = rates.iter().flat_map(|(rate, run)| vec![*rate; *run]).collect();
        let stopped: Vec<IpNet> = stopped.iter().map(IpNet::trunc).collect();
        let written = PathRates::new(sites.iter().copied(), attached, stopped.clone());
        let read = PathRates::read(written.table(), written.attached(), written.stops()).expect("rates");
        prop_assert_eq!(&read, &written);
        for (site, rate) in (0..).zip(&sites) {
            prop_assert_eq!(read.to(Place::Site(site)), as_read(*rate));
        }
        prop_assert_eq!(read.to(Place::Site(sites.len() as u32)), PathRate::Stopped);
        for network in stopped.iter().chain([&other.trunc()]) {
            let expected = if stopped.contains(network) { PathRate::Stopped } else { as_read(attached) };
            prop_assert_eq!(read.to(Place::Attached(*network)), expected);
        }
        // a run has a number of at most two bytes here, or three, and a rate of nine
        prop_assert!(read.table().len() <= rates.len() * (3 + 9));
        prop_assert!(read.stops().len() <= stopped.len() * 17);
        prop_assert_ne!(read.version(7), 0);
        prop_assert_ne!(read.version(7), read.version(8));
    }

    #[test]
    fn more_stopped_networks_than_can_be_told_stop_all_that_are_attached(count in 0u32..600, attached in path_rate()) {
        let stopped = (0..count).map(|n| IpNet::new(IpAddr::from((n << 8).to_be_bytes()), 24).expect("a network"));
        let written = PathRates::new([], attached, stopped.collect());
        let read = PathRates::read(written.table(), written.attached(), written.stops()).expect("rates");
        prop_assert!(read.stops().len() <= 17 * MAX_STOPPED);
        let expected = if count as usize > MAX_STOPPED { PathRate::Stopped } else { as_read(attached) };
        prop_assert_eq!(read.to(Place::Attached(net("198.51.100.0/24"))), expected);
        prop_assert_eq!(&read, &written);
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

    /// Damaged tables reach deeper than arbitrary bytes. What is taken is what it says: told on, it is the same.
    #[test]
    fn no_damage_makes_a_reader_panic_or_take_what_it_would_tell_otherwise(
        sites in networks(), rates in vec(path_rate(), 0..30), stopped in vec(network(), 0..10), damage in vec(damage(), 1..3), address in address(),
    ) {
        let networks = Networks::new(&sites, true).expect("short");
        let rates = PathRates::new(rates, PathRate::Unlimited, stopped);
        let damaged = |bytes: &[u8]| damage.iter().fold(bytes.to_vec(), |bytes, damage| damaged(&bytes, damage));
        let (table, runs, stops) = (damaged(networks.table()), damaged(rates.table()), damaged(rates.stops()));
        let read = Networks::read(&table, true);
        if let Ok(read) = &read {
            prop_assert_eq!(read.table(), &table[..]);
            prop_assert!(read.place(address).is_some(), "unknown ones are attached");
        }
        let rates = PathRates::read(&runs, PathRate::Unlimited, &stops);
        if let Ok(rates) = &rates {
            prop_assert_eq!((rates.table(), rates.stops()), (&runs[..], &stops[..]));
            rates.to(Place::Site(u32::MAX));
        }
        // and so in a reply: all of it, or nothing
        match AnnounceReply::decode(&reply(&table, &runs, &stops)) {
            Ok(AnnounceReply::Ok(reply)) => {
                let told = reply.narrows.and_then(|narrows| narrows.told).expect("as it says");
                prop_assert_eq!(told.networks.table.as_deref().ok_or(NetworksError::Length), read.as_ref().map_err(|error| *error));
                let told = told.rates.and_then(|told| told.table);
                prop_assert_eq!(told.as_deref(), rates.as_ref().ok());
            }
            Ok(AnnounceReply::Failure(_)) => prop_assert!(false, "it is no refusal"),
            Err(_) => prop_assert!(read.is_err() || rates.is_err()),
        }
    }
}
