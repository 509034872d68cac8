//! Series made from what swarms say of themselves.

use narrows_assignment::{GatewayStatus, Ledger, Policy, SiteStatus, SwarmStatus};
use narrows_topology::SiteMap;

use super::*;

fn map(sites: usize) -> SiteMap {
    let mut text = "version: 1\nsites:\n  hq: {networks: [10.0.0.0/24]}\n".to_owned();
    let names: Vec<String> = (1..sites).map(|n| format!("s{n:03}")).collect();
    for (n, name) in names.iter().enumerate() {
        let n = n + 1;
        text.push_str(&format!(
            "  {name}: {{networks: [10.{}.{}.0/24]}}\n",
            1 + n / 256,
            n % 256
        ));
    }
    text.push_str("links:\n");
    for name in &names {
        text.push_str(&format!("  - {{between: [hq, {name}], rate: 8 Mbit/s}}\n"));
    }
    SiteMap::parse("sites.yaml", &text).unwrap()
}

fn site(name: &str, peers: u32, seeders: u32, wan_bytes: u64) -> SiteStatus {
    SiteStatus {
        site: name.to_owned(),
        peers,
        seeders,
        leechers: peers - seeders,
        progress: Some(0.5),
        progress_mean: Some(0.25),
        wanted: peers,
        wanted_complete: seeders,
        waiting: seeders == 0,
        each_alone: false,
        starving: 0,
        bound_seconds: (seeders == 0).then_some(7.0),
        parent: Some("hq".to_owned()),
        route: Vec::new(),
        sources: Vec::new(),
        gateways: vec![GatewayStatus {
            agent: None,
            address: "10.1.0.1:1".parse().unwrap(),
            since_seconds: 30,
            upstream: Vec::new(),
        }],
        rate: None,
        wan_bytes,
        reused_bytes: 0,
        lacked: None,
    }
}

fn label(name: &str) -> ContentLabel {
    ContentLabel {
        name: name.to_owned(),
        info_hash: format!("hash of {name}"),
    }
}

fn content(name: String, sites: Vec<SiteStatus>) -> Described {
    let status = SwarmStatus {
        doubles: Vec::new(),
        shared: Vec::new(),
        info_hash: String::new(),
        peers: 0,
        seeders: 0,
        leechers: 0,
        downloaded: 0,
        sites,
    };
    Described {
        label: label(&name),
        name,
        size: Some(1000),
        status,
    }
}

fn gathered(map: &SiteMap, contents: &[Described], links: &[(Labels, u64)]) -> Vec<MetricFamily> {
    let (policy, ledger) = (Policy::default(), Ledger::new());
    let wall = jiff::Timestamp::UNIX_EPOCH;
    let cx = Context {
        map,
        policy: &policy,
        ledger: &ledger,
        wall,
    };
    let used = BTreeMap::from([(("hq-s001".to_owned(), "s001".to_owned()), 900_000.0)]);
    gather(&cx, contents, links, &used).unwrap()
}

/// (labels but for the info hash, in the order of their names; value) of each series of a family.
fn values(families: &[MetricFamily], name: &str) -> Vec<(Vec<String>, f64)> {
    let family = families.iter().find(|family| family.name() == format!("narrows_tracker_{name}"));
    let metrics = family.map_or(&[][..], |family| family.get_metric());
    let labels = |metric: &prometheus::proto::Metric| {
        metric
            .get_label()
            .iter()
            .filter(|label| label.name() != "info_hash")
            .map(|label| label.value().to_owned())
            .collect()
    };
    metrics.iter().map(|metric| (labels(metric), metric.get_gauge().get_value())).collect()
}

fn value(families: &[MetricFamily], name: &str, labels: &[&str]) -> f64 {
    let all = values(families, name);
    let found = all.iter().find(|(these, _)| these == labels);
    found.unwrap_or_else(|| panic!("no {name} {labels:?} in {all:?}")).1
}

#[test]
fn a_rollout_is_as_far_as_its_peers_are_on_average_and_as_late_as_its_slowest_site() {
    let map = map(3);
    let mut slow = site("s002", 4, 0, 900);
    slow.bound_seconds = Some(90.0);
    let office = content(
        "office".into(),
        vec![site("hq", 2, 2, 0), site("s001", 10, 0, 600), slow],
    );
    let found = gathered(&map, &[office], &[]);
    assert_eq!(value(&found, "rollout_progress_ratio", &["office", "s001"]), 0.25);
    assert_eq!(value(&found, "rollout_complete_ratio", &["office", "hq"]), 1.0);
    assert_eq!(value(&found, "rollout_bound_seconds", &["office"]), 90.0);
    assert_eq!(value(&found, "rollout_waiting_sites", &["office"]), 2.0);
    assert_eq!(value(&found, "gateway_held_seconds", &["office", "s002"]), 30.0);
    // half of it had to come to each of the two
    assert_eq!(value(&found, "rollout_wan_bytes_least", &["office"]), 1000.0);
    assert_eq!(value(&found, "rollout_wan_bytes", &["office"]), 1500.0);
    assert_eq!(
        value(&found, "rollout_wan_efficiency", &["office"]),
        1000.0 / 1500.0
    );
}

#[test]
fn where_no_peer_serves_others_each_has_to_fetch_what_it_has() {
    let map = map(2);
    let mut alone = site("s001", 8, 0, 2000);
    alone.each_alone = true;
    let found = gathered(&map, &[content("office".into(), vec![alone])], &[]);
    assert_eq!(value(&found, "rollout_wan_efficiency", &["office"]), 1.0);
}

#[test]
fn a_rollout_of_which_a_site_is_paused_ends_never_and_the_other_sites_have_their_own_time() {
    let map = map(3);
    let (mut paused, mut open) = (site("s001", 8, 0, 0), site("s002", 8, 0, 0));
    (paused.bound_seconds, paused.starving) = (Some(f64::INFINITY), 0);
    (open.bound_seconds, open.starving) = (Some(90.0), 1);
    let sites = vec![site("hq", 2, 2, 0), paused, open];
    let found = gathered(&map, &[content("office".into(), sites)], &[]);
    assert_eq!(value(&found, "rollout_bound_seconds", &["office"]), f64::INFINITY);
    let bound = |site| value(&found, "site_bound_seconds", &["office", site]);
    assert_eq!(["hq", "s001", "s002"].map(bound), [0.0, f64::INFINITY, 90.0]);
    assert_eq!(value(&found, "starved_leechers", &["office"]), 1.0);
}

#[test]
fn copies_and_rates_of_links_are_those_of_this_moment() {
    let map = map(2);
    let labels = Labels {
        content: label("office"),
        link: "hq-s001".into(),
        site: "s001".into(),
    };
    let found = gathered(&map, &[content("office".into(), Vec::new())], &[(labels, 1500)]);
    assert_eq!(value(&found, "link_rate_bytes_per_second", &["hq-s001"]), 1e6);
    assert_eq!(
        value(&found, "link_used_bytes_per_second", &["hq-s001", "s001"]),
        9e5
    );
    assert_eq!(value(&found, "link_copies", &["office", "hq-s001", "s001"]), 1.5);
}

#[test]
fn with_a_hundred_contents_at_two_hundred_sites_there_are_fewer_than_20000_series_and_no_peer_is_missing() {
    let map = map(200);
    let sites = |waits: bool| -> Vec<SiteStatus> {
        let names = map.sites().map(|id| map.name(id).into_owned());
        names.map(|name| site(&name, 50, if waits { 0 } else { 50 }, 0)).collect()
    };
    // the last one is the only one that is under way
    let contents: Vec<Described> =
        (0..100).map(|n| content(format!("content-{n:02}"), sites(n == 99))).collect();
    let mut links = Vec::new();
    for n in 0..2500 {
        let site = format!("s{:03}", n % 199 + 1);
        links.push((
            Labels {
                content: label(&format!("content-{:02}", n / 199)),
                link: format!("hq-{site}"),
                site,
            },
            10,
        ));
    }
    let found = gathered(&map, &contents, &links);
    let series: usize = found.iter().map(|family| family.get_metric().len()).sum();
    // the counters of these links, and all others of a tracker
    assert!(series + links.len() + 100 < 20_000, "{series}");
    let peers: f64 = values(&found, "peers").iter().map(|(_, count)| count).sum();
    assert_eq!(peers, 100.0 * 200.0 * 50.0);
    assert_eq!(value(&found, "peers", &["content-99", "leecher", "s123"]), 50.0);
    assert_eq!(
        value(&found, "peers", &["content-98", "seeder", "other"]),
        200.0 * 50.0
    );
}

#[test]
fn a_series_has_the_same_labels_whether_or_not_another_content_has_its_name() {
    let map = map(2);
    let version = |hash: &str, name: &str, waiting: bool| {
        let mut described = content(
            name.to_owned(),
            vec![site("s001", 4, if waiting { 0 } else { 4 }, 0)],
        );
        described.label = ContentLabel {
            name: "office".to_owned(),
            info_hash: hash.to_owned(),
        };
        described
    };
    let series = |contents: &[Described]| -> Vec<String> {
        let found = gathered(&map, contents, &[]);
        let mut out = Vec::new();
        prometheus::Encoder::encode(&prometheus::TextEncoder::new(), &found, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        text.lines().filter(|line| line.contains("info_hash=\"aa\"")).map(str::to_owned).collect()
    };
    let alone = series(&[version("aa", "office", true)]);
    let beside = series(&[
        version("aa", "office (aa)", true),
        version("bb", "office (bb)", false),
    ]);
    assert!(alone.len() > 10, "{alone:?}");
    assert!(
        alone.iter().all(|line| line.contains("content=\"office\"")),
        "{alone:?}"
    );
    assert_eq!(alone, beside);
}

#[test]
fn a_site_that_had_most_of_it_and_fetched_the_rest_twice_is_half_as_efficient_as_it_could_be() {
    let map = map(3);
    let mut reuses = site("s001", 3, 1, 600);
    (reuses.progress, reuses.lacked, reuses.reused_bytes) = (Some(1.0), Some(300), 2100);
    let found = gathered(&map, &[content("office".into(), vec![reuses.clone()])], &[]);
    assert_eq!(value(&found, "rollout_wan_efficiency", &["office"]), 0.5);
    assert_eq!(value(&found, "site_copies", &["office", "s001"]), 2.0);
    assert_eq!(value(&found, "reused_bytes", &["office", "s001"]), 2100.0);
    // beside one that had nothing and fetched all of it once
    let mut plain = site("s002", 3, 1, 1000);
    (plain.progress, plain.lacked) = (Some(1.0), Some(1000));
    let found = gathered(&map, &[content("office".into(), vec![reuses, plain])], &[]);
    assert_eq!(
        value(&found, "rollout_wan_efficiency", &["office"]),
        1300.0 / 1600.0
    );
    assert_eq!(value(&found, "site_copies", &["office", "s002"]), 1.0);
    // one that had everything and fetched some of it all the same
    let mut whole = site("s001", 3, 3, 500);
    whole.lacked = Some(0);
    let found = gathered(&map, &[content("office".into(), vec![whole])], &[]);
    assert_eq!(value(&found, "site_copies", &["office", "s001"]), 0.5);
}
