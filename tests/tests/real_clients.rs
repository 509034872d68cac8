//! libtorrent, aria2 and Transmission, as Debian ships them, beside our tracker and agents.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use narrows_tests::real::fleet::{Fleet, site, wait_for};
use narrows_tests::real::network;
use narrows_tests::real::stock::{Kind, Stock};

const CONTENT: u64 = 12_000_000;
const LIMIT: Duration = Duration::from_secs(150);
/// The site map's default.
const MAX_SEEDERS: usize = 2;

fn ip(site: u8, host: u8) -> IpAddr {
    IpAddr::from([10, site, 0, host])
}

fn fleet() -> Result<Fleet> {
    Fleet::start(&narrows_lab::testing::programs()?, CONTENT)
}

fn start(fleet: &Fleet, kind: Kind, at: IpAddr) -> Result<Stock> {
    let home = fleet.home(at);
    Stock::start(
        kind,
        at,
        &fleet.torrent(),
        &home.join("data"),
        &home.join("client"),
    )
}

fn wait_complete(stock: &Stock) -> Result<()> {
    let complete = || Ok(stock.state().ok().filter(|state| state.complete).map(|_| ()));
    wait_for(&format!("{} to be complete", stock.address()), LIMIT, complete)
        .map_err(|error| error.context(format!("{:?}", stock.state())))
}

/// At b1 an agent comes first and `kind` second, at b2 `kind` comes first: it is that site's gateway.
fn leeches_from_our_seeder_and_feeds_our_agent(kind: Kind) -> Result<()> {
    let fleet = fleet()?;
    let result = (|| {
        let seeder = ip(1, 10);
        fleet.stock_up(seeder)?;
        let _seeder = fleet.agent(seeder)?;
        fleet.wait_seeding(seeder, LIMIT)?;

        let stock_gateway = start(&fleet, kind, ip(3, 20))?;
        wait_for("b2 to have its gateway", LIMIT, || {
            Ok((!fleet.gateways(3).is_empty()).then_some(()))
        })?;
        let _fed_by_stock = fleet.agent(ip(3, 10))?;
        let _gateway = fleet.agent(ip(2, 10))?;
        wait_for("b1 to have its gateway", LIMIT, || {
            Ok((!fleet.gateways(2).is_empty()).then_some(()))
        })?;
        let stock_member = start(&fleet, kind, ip(2, 20))?;

        wait_complete(&stock_gateway)?;
        wait_complete(&stock_member)?;
        for agent in [ip(2, 10), ip(3, 10)] {
            fleet.wait_seeding(agent, LIMIT)?;
        }
        for peer in [ip(2, 10), ip(2, 20), ip(3, 10), ip(3, 20)] {
            fleet.assert_identical(peer)?;
        }
        fleet.assert_handouts(MAX_SEEDERS)?;
        ensure!(
            fleet.gateways(2) == [ip(2, 10)].into(),
            "b1's gateways: {:?}",
            fleet.gateways(2)
        );
        let fed = fleet.content_of(ip(3, 10))?;
        let gateways = fleet.gateways(3);
        ensure!(gateways.contains(&ip(3, 20)), "b2's gateways: {gateways:?}");
        if gateways.contains(&ip(3, 10)) {
            // a stock client may choke for a minute; then rule 8, nobody starves, helps, or once it is
            // complete rule 2, supply, but not before
            ensure!(
                fleet.starved_first(ip(3, 10)) || fleet.was_supplied_slowly(ip(3, 10)),
                "a member that neither starved nor had a slow seeder was handed a remote address"
            );
        } else {
            ensure!(
                fed["bytes_wan"] == 0,
                "the agent behind a stock gateway fetched across the WAN: {fed}"
            );
        }
        let met = stock_member.state()?;
        ensure!(
            met.peers.iter().all(|&peer| site(peer) == 2),
            "a member met remote peers: {met:?}"
        );
        Ok(())
    })();
    fleet.keep_logs();
    result
}

/// `kind` holds the only copy, at hq; two agents at b1 want it.
fn seeds_across_the_link_to_our_gateway(kind: Kind) -> Result<()> {
    let fleet = fleet()?;
    let result = (|| {
        let source = ip(1, 20);
        fleet.stock_up(source)?;
        let stock = start(&fleet, kind, source)?;
        wait_complete(&stock)?;
        let agents = [ip(2, 10), ip(2, 11)];
        let _first = fleet.agent(agents[0])?;
        let _second = fleet.agent(agents[1])?;
        for agent in agents {
            fleet.wait_seeding(agent, LIMIT)?;
            fleet.assert_identical(agent)?;
        }
        fleet.assert_handouts(MAX_SEEDERS)?;
        ensure!(
            fleet.gateways(2).len() == 1,
            "b1's gateways: {:?}",
            fleet.gateways(2)
        );
        let mut wan = 0;
        for agent in agents {
            wan += fleet.content_of(agent)?["bytes_wan"].as_u64().unwrap_or_default();
        }
        let size = fleet.content_of(agents[0])?["bytes"].as_u64().unwrap_or_default();
        ensure!(
            size > 0 && wan >= size && wan * 100 <= size * 105,
            "{wan} bytes crossed for {size}"
        );
        Ok(())
    })();
    fleet.keep_logs();
    result
}

/// What the links of [`is_paced_by_our_seeder`] carry, in bytes per second.
const PACED: u64 = 1_000_000;

/// `kind` alone at b1 takes what it can get from our seeder at hq, which alone keeps to the rate of the link: nothing
/// else slows them down here.
fn is_paced_by_our_seeder(kind: Kind) -> Result<()> {
    let rate = format!("{} Mbit/s", PACED * 8 / 1_000_000);
    let fleet = Fleet::start_with(&narrows_lab::testing::programs()?, CONTENT, &rate)?;
    let result = (|| {
        let (seeder, at) = (ip(1, 10), ip(2, 20));
        fleet.stock_up(seeder)?;
        let _seeder = fleet.agent(seeder)?;
        fleet.wait_seeding(seeder, LIMIT)?;
        let stock = start(&fleet, kind, at)?;
        let sent =
            || Ok::<_, anyhow::Error>(fleet.content_of(seeder)?["uploaded_wan"].as_u64().unwrap_or_default());
        wait_for("the first blocks", LIMIT, || Ok((sent()? > 0).then_some(())))?;
        let (began, before) = (Instant::now(), sent()?);
        let mut most_peers = 0;
        wait_for(&format!("{kind:?} to be complete"), LIMIT, || {
            most_peers = most_peers.max(fleet.content_of(seeder)?["peers"].as_u64().unwrap_or_default());
            Ok(stock.state().ok().filter(|state| state.complete).map(|_| ()))
        })
        .map_err(|error| error.context(format!("{:?}", stock.state())))?;
        let seconds = began.elapsed().as_secs_f64();
        fleet.assert_identical(at)?;

        let size = fleet.content_of(seeder)?["bytes"].as_u64().unwrap_or_default();
        let all = sent()?;
        ensure!(
            all >= size && all * 100 <= size * 103,
            "{all} bytes were sent for {size}"
        );
        let ratio = (all - before) as f64 / seconds / PACED as f64;
        println!("{kind:?}: {ratio:.2} times the rate of the link in {seconds:.1} s");
        // 1.25 of it, with what headers take, and what a client makes of the end
        ensure!(
            (0.6..1.35).contains(&ratio),
            "{ratio} times the rate of the link, in {seconds} s"
        );
        ensure!(most_peers == 1, "{most_peers} connections at a time");
        for (whose, status) in [
            ("the seeder's", fleet.status_of(seeder)?),
            ("the tracker's", fleet.tracker_status()?),
        ] {
            for list in ["offenders", "reported_offenders"] {
                let named = status[list].as_array().map_or(0, Vec::len);
                ensure!(named == 0, "{whose} {list}: {}", status[list]);
            }
        }
        Ok(())
    })();
    fleet.keep_logs();
    result
}

macro_rules! client {
    ($kind:expr, $leeches:ident, $seeds:ident, $is_paced:ident) => {
        #[test]
        fn $leeches() -> Result<()> {
            network::inside(stringify!($leeches), || {
                leeches_from_our_seeder_and_feeds_our_agent($kind)
            })
        }

        #[test]
        fn $seeds() -> Result<()> {
            network::inside(stringify!($seeds), || {
                seeds_across_the_link_to_our_gateway($kind)
            })
        }

        #[test]
        fn $is_paced() -> Result<()> {
            network::inside(stringify!($is_paced), || is_paced_by_our_seeder($kind))
        }
    };
}

client!(
    Kind::Libtorrent,
    libtorrent_fetches_as_gateway_and_as_member_and_feeds_an_agent,
    libtorrent_seeds_across_a_link_to_the_gateway_alone,
    libtorrent_gets_everything_at_the_rate_that_our_seeder_keeps_to
);
client!(
    Kind::Aria2,
    aria2_fetches_as_gateway_and_as_member_and_feeds_an_agent,
    aria2_seeds_across_a_link_to_the_gateway_alone,
    aria2_gets_everything_at_the_rate_that_our_seeder_keeps_to
);
client!(
    Kind::Transmission,
    transmission_fetches_as_gateway_and_as_member_and_feeds_an_agent,
    transmission_seeds_across_a_link_to_the_gateway_alone,
    transmission_gets_everything_at_the_rate_that_our_seeder_keeps_to
);
