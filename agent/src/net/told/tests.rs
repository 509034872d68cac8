use narrows_protocol::{Assignment, Networks, PathRates, ToldNetworks, ToldRates};

use super::*;

const CONTENT: InfoHash = InfoHash([1; 20]);
const OTHER: InfoHash = InfoHash([2; 20]);

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// b1 is 127.2.0.0/16, hq, where we are, 127.1.0.0/16.
fn networks() -> Arc<Networks> {
    let nets = ["127.2.0.0/16", "127.1.0.0/16"].map(|net| [net.parse().expect("a network")]);
    Arc::new(Networks::new(nets, false).expect("short"))
}

fn rates(to_b1: PathRate) -> Arc<PathRates> {
    Arc::new(PathRates::new(
        [to_b1, PathRate::Unlimited],
        PathRate::Stopped,
        Vec::new(),
    ))
}

fn reply(networks: Option<Arc<Networks>>, rates: Option<Arc<PathRates>>) -> AnnounceResponse {
    let told = narrows_protocol::Told {
        networks: ToldNetworks {
            version: self::networks().version(),
            table: networks,
        },
        rates: rates.map(|table| ToldRates {
            version: 1,
            change: 0,
            table: Some(table),
        }),
        braked: false,
    };
    AnnounceResponse {
        external_ip: Some(ip("127.1.0.7")),
        narrows: Some(Assignment {
            told: Some(Box::new(told)),
            ..Assignment::default()
        }),
        ..AnnounceResponse::default()
    }
}

fn told(folder: &Path) -> Told {
    Told::load(Serve::Mapped, folder, Clock::start())
}

#[tokio::test(start_paused = true)]
async fn until_a_tracker_tells_no_peer_is_served_and_one_that_waits_is_then() {
    let folder = tempfile::tempdir().expect("a folder");
    let told = Arc::new(told(folder.path()));
    assert!(!told.admits(CONTENT, ip("127.1.0.8")).await);
    let waiting = tokio::spawn({
        let told = told.clone();
        async move { told.admits(CONTENT, ip("127.1.0.8")).await }
    });
    tokio::task::yield_now().await;
    told.heard(CONTENT, &reply(Some(networks()), None));
    assert!(waiting.await.expect("no panic"));
    assert!(told.admits(OTHER, ip("127.2.0.8")).await, "of any content");
    assert!(!told.admits(CONTENT, ip("127.9.9.9")).await);
}

#[tokio::test]
async fn a_tracker_that_tells_nothing_leaves_everything_as_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let told = told(folder.path());
    told.heard(CONTENT, &reply(Some(networks()), None));
    told.heard(OTHER, &AnnounceResponse::default());
    assert!(told.admits(OTHER, ip("127.9.9.9")).await && !told.admits(CONTENT, ip("127.9.9.9")).await);
    assert!(told.sites(OTHER).is_none() && told.sites(CONTENT).is_some());
    told.pass(OTHER, ip("127.2.0.8"), u32::MAX).await;
    let any = Told::load(Serve::Any, folder.path(), Clock::start());
    assert!(any.admits(CONTENT, ip("127.9.9.9")).await && any.held().is_none());
}

#[tokio::test(start_paused = true)]
async fn nothing_goes_to_another_site_before_its_rate_is_told_nor_while_it_is_stopped() {
    let folder = tempfile::tempdir().expect("a folder");
    let told = Arc::new(told(folder.path()));
    told.heard(CONTENT, &reply(Some(networks()), None));
    let sending = tokio::spawn({
        let told = told.clone();
        async move { told.pass(CONTENT, ip("127.2.0.8"), 16384).await }
    });
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(!sending.is_finished());
    told.heard(CONTENT, &reply(None, Some(rates(PathRate::Stopped))));
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(!sending.is_finished());
    told.heard(CONTENT, &reply(None, Some(rates(PathRate::Limited(100_000)))));
    sending.await.expect("no panic");
    // a neighbour waits for nothing
    told.pass(CONTENT, ip("127.1.0.8"), u32::MAX).await;
    told.pass(CONTENT, ip("127.1.0.8"), u32::MAX).await;
}

#[tokio::test(start_paused = true)]
async fn all_contents_and_connections_to_a_site_share_its_rate() {
    let folder = tempfile::tempdir().expect("a folder");
    let told = Arc::new(told(folder.path()));
    told.heard(
        CONTENT,
        &reply(Some(networks()), Some(rates(PathRate::Limited(100_000)))),
    );
    let start = tokio::time::Instant::now();
    let senders = (0..4_u8).map(|n| {
        let told = told.clone();
        let content = if n % 2 == 0 { CONTENT } else { OTHER };
        tokio::spawn(async move {
            for _ in 0..20 {
                let ip = IpAddr::from([127, 2, 0, n]);
                told.pass(content, ip, 16384).await;
            }
        })
    });
    for sender in senders.collect::<Vec<_>>() {
        sender.await.expect("no panic");
    }
    // 1.3 MB at 125 kB/s
    let seconds = start.elapsed().as_secs_f64();
    assert!((10.0..12.0).contains(&seconds), "{seconds}");
    assert_eq!(told.step(CONTENT, ip("127.2.0.8"), 1 << 20), 16384);
    assert_eq!(told.step(CONTENT, ip("127.1.0.8"), 1 << 20), 1 << 20);
}

#[tokio::test]
async fn what_was_told_is_there_again_after_a_restart_and_rubbish_is_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let before = told(folder.path());
    before.heard(
        CONTENT,
        &reply(Some(networks()), Some(rates(PathRate::Limited(100_000)))),
    );
    let file = folder.path().join("sites");
    while !file.exists() {
        tokio::task::yield_now().await;
    }
    let after = told(folder.path());
    assert_eq!(after.held(), before.held());
    assert_eq!(after.sites(CONTENT), before.sites(CONTENT));
    assert!(!after.admits(CONTENT, ip("127.9.9.9")).await);
    let whole = std::fs::read_to_string(&file).expect("the file");
    for broken in [
        whole.replace("10", "11"),
        whole[..whole.len() / 2].to_owned(),
        String::new(),
        "{}".to_owned(),
    ] {
        std::fs::write(&file, broken).expect("written");
        assert_eq!(told(folder.path()).held(), Some((0, 0)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_says_nothing_new_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let told = told(folder.path());
    let reply = |change| {
        let mut reply = reply(None, Some(rates(PathRate::Unlimited)));
        let said = reply.narrows.as_mut().and_then(|narrows| narrows.told.as_mut()).expect("told");
        said.networks.table = Some(networks());
        said.rates.as_mut().expect("rates").change = change;
        reply
    };
    told.heard(CONTENT, &reply(100));
    let mut state = told.state.subscribe();
    state.mark_unchanged();
    told.heard(CONTENT, &reply(99));
    told.heard(OTHER, &reply(100));
    assert!(!state.has_changed().expect("open"));
    told.heard(CONTENT, &reply(50));
    assert!(state.has_changed().expect("open"));
}

#[tokio::test]
async fn other_networks_end_what_was_told_of_rates() {
    let folder = tempfile::tempdir().expect("a folder");
    let told = told(folder.path());
    told.heard(
        CONTENT,
        &reply(Some(networks()), Some(rates(PathRate::Unlimited))),
    );
    let other = Networks::new([["127.1.0.0/16".parse().expect("a network")]], false).expect("short");
    told.heard(CONTENT, &reply(Some(Arc::new(other)), None));
    let sites = told.sites(CONTENT).expect("told");
    assert!(sites.rates.is_none() && !told.admits(CONTENT, ip("127.2.0.8")).await);
    assert_eq!(told.held().map(|(_, rates)| rates), Some(0));
}
