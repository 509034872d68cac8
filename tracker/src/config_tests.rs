use super::*;

fn parse(text: &str) -> Result<Config, String> {
    Config::parse("tracker.yaml", Path::new("/etc/narrows"), text).map_err(|mistakes| mistakes.to_string())
}

#[test]
fn a_site_map_is_all_that_a_configuration_must_say() {
    let config = parse("site_map: sites.yaml\n").unwrap();
    assert_eq!(config.site_map, Path::new("/etc/narrows/sites.yaml"));
    assert_eq!(config.listen, ["0.0.0.0:6969".parse().unwrap()]);
    assert_eq!(config.admin, "127.0.0.1:6970".parse().unwrap());
    assert_eq!((config.torrents, config.trusted_proxies), (None, vec![]));
    assert_eq!(config.interval, Intervals::default());
}

#[test]
fn every_key_of_the_design_is_read() {
    let text = "
listen: [0.0.0.0:6969, \"[::]:6969\"]
admin: 127.0.0.1:7000
site_map: /srv/sites.yaml
torrents: torrents/
trusted_proxies: [10.0.0.0/24, 10.1.0.7, \"2001:db8::/32\"]
interval: {seeder: 1h30m, leecher: 2m, gateway: 20s, min: 5s}
";
    let config = parse(text).unwrap();
    assert_eq!(
        config.listen,
        ["0.0.0.0:6969".parse().unwrap(), "[::]:6969".parse().unwrap()]
    );
    assert_eq!(config.site_map, Path::new("/srv/sites.yaml"));
    assert_eq!(
        config.torrents.as_deref(),
        Some(Path::new("/etc/narrows/torrents/"))
    );
    assert_eq!(config.trusted_proxies[1], "10.1.0.7/32".parse().unwrap());
    let seconds = |i: &Intervals| [i.seeder, i.leecher, i.gateway, i.min].map(|d| d.as_secs());
    assert_eq!(seconds(&config.interval), [5400, 120, 20, 5]);
}

#[test]
fn all_mistakes_are_reported_at_once_with_their_places_and_what_to_do() {
    let text = "lisen: 0.0.0.0:6969
admin: localhost
interval:
  seeder: 15 minutes
  leecher: 60
  sooner: 3s
trusted_proxies:
  - 10.0.0.0/24
  - 10.0.0.0/240
";
    let said = parse(text).unwrap_err();
    for expected in [
        "unknown key `lisen`",
        "tracker.yaml:1:1",
        "1 | lisen: 0.0.0.0:6969",
        "did you mean `listen`?",
        "`localhost` is no address with a port",
        "tracker.yaml:2:8",
        "`15 minutes` is no duration",
        "tracker.yaml:4:11",
        "`60` is no duration",
        "unknown key `sooner`",
        "tracker.yaml:6:3",
        "known keys: seeder, leecher, gateway, min",
        "`10.0.0.0/240` is no network",
        "tracker.yaml:9:5",
        "`site_map` is missing",
    ] {
        assert!(said.contains(expected), "{expected} is not in\n{said}");
    }
}

#[test]
fn what_is_no_yaml_or_no_map_is_a_mistake_with_a_place() {
    for text in [
        "a: [1\nb: 2",
        "- a",
        "",
        "just text",
        "site_map: {a: b}",
        "site_map: a\nsite_map: b",
    ] {
        let said = parse(text).unwrap_err();
        assert!(said.contains("--> tracker.yaml:"), "{text:?}: {said}");
    }
}

#[test]
fn min_may_not_exceed_an_interval_and_none_may_be_zero() {
    assert!(
        parse("site_map: s\ninterval: {min: 31s}")
            .unwrap_err()
            .contains("make `min` the shortest")
    );
    assert!(parse("site_map: s\ninterval: {min: 0s}").is_err());
    assert!(
        parse("site_map: s\ninterval: {seeder: 25h}")
            .unwrap_err()
            .contains("out of range")
    );
}

#[test]
fn a_wrong_address_is_one_mistake_and_all_of_it_is_underlined() {
    let said = parse("site_map: s\nlisten: 0.0.0.0:69690\n").unwrap_err();
    assert_eq!(said.matches("error:").count(), 1, "{said}");
    assert!(
        said.contains(&format!("| {}{}\n", " ".repeat(8), "^".repeat(13))),
        "{said}"
    );
    let said = parse("site_map: s\nadmin: \"[::]:x\"\n").unwrap_err();
    assert!(
        said.contains(&format!("| {}{}\n", " ".repeat(7), "^".repeat(8))),
        "{said}"
    );
    let said = parse("site_map: s\nlisten: []\n").unwrap_err();
    assert!(said.contains("`listen` names no address"), "{said}");
}

#[test]
fn a_port_that_listen_and_admin_both_want_is_a_mistake() {
    for (listen, admin) in [
        ("0.0.0.0:6969", "127.0.0.1:6969"),
        ("127.0.0.1:7000", "127.0.0.1:7000"),
        ("127.0.0.1:7000", "0.0.0.0:7000"),
        ("\"[::]:7000\"", "127.0.0.1:7000"),
        ("\"[::]:7000\"", "\"[::1]:7000\""),
    ] {
        let said = parse(&format!("site_map: s\nlisten: {listen}\nadmin: {admin}\n")).unwrap_err();
        assert!(
            said.contains("tracker.yaml:3:8") && said.contains("cannot both have"),
            "{said}"
        );
    }
    for (listen, admin) in [
        ("127.0.0.1:7000", "127.0.0.2:7000"),
        ("0.0.0.0:7000", "127.0.0.1:7001"),
        ("0.0.0.0:7000", "\"[::1]:7000\""),
        ("127.0.0.1:0", "127.0.0.1:0"),
    ] {
        let read = parse(&format!("site_map: s\nlisten: {listen}\nadmin: {admin}\n"));
        assert!(read.is_ok(), "{read:?}");
    }
}

#[test]
fn a_tracker_that_is_open_to_any_content_is_warned_of() {
    assert_eq!(parse("site_map: s\n").unwrap().warnings().len(), 1);
    assert!(parse("site_map: s\ntorrents: t\n").unwrap().warnings().is_empty());
}
