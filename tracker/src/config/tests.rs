//! tracker.yaml: its keys, defaults and mistakes.

use super::*;
use narrows_config::testing::{self, Planted};
use proptest::prelude::*;

fn parse(text: &str) -> Result<Config, String> {
    parse_text(text).map_err(|mistakes| mistakes.to_string())
}

#[test]
fn a_site_map_is_all_that_a_configuration_must_say() {
    let config = parse("site_map: sites.yaml\n").unwrap();
    assert_eq!(config.site_map, Path::new("/etc/narrows/sites.yaml"));
    assert_eq!(config.listen, ["0.0.0.0:6969".parse().unwrap()]);
    assert_eq!(config.admin, "127.0.0.1:6970".parse().unwrap());
    assert_eq!((config.torrents, config.trusted_proxies), (None, vec![]));
    assert_eq!(
        (config.max_connections_per_address, config.admin_names),
        (4096, vec![])
    );
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
max_connections_per_address: 1000
admin_names: [Tracker.Example.com., monitor]
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
    assert_eq!(config.max_connections_per_address, 1000);
    assert_eq!(config.admin_names, ["tracker.example.com", "monitor"]);
    let seconds = |i: &Intervals| [i.seeder, i.leecher, i.gateway, i.min].map(|d| d.as_secs());
    assert_eq!(seconds(&config.interval), [5400, 120, 20, 5]);
}

#[test]
fn names_of_the_admin_port_are_names_and_the_connections_of_an_address_a_number() {
    for (text, said) in [
        (
            "admin_names: [\"http://tracker\"]",
            "`http://tracker` is no name of a machine",
        ),
        ("admin_names: \"tracker:6970\"", "without a port"),
        ("admin_names: [\"*.example.com\"]", "no name of a machine"),
        ("max_connections_per_address: 0", "from 1 to 8192"),
        ("max_connections_per_address: many", "from 1 to 8192"),
    ] {
        let mistakes = parse(&format!("site_map: sites.yaml\n{text}\n")).unwrap_err().to_string();
        assert!(mistakes.contains(said), "{mistakes}");
    }
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
        "a tracker's configuration has no key `lisen`",
        "tracker.yaml:1:1",
        "1 | lisen: 0.0.0.0:6969",
        "did you mean `listen`?",
        "`localhost` is no address with a port",
        "tracker.yaml:2:8",
        "`15 minutes` is no duration",
        "did you mean `15m`?",
        "tracker.yaml:4:11",
        "`60` is no duration",
        "`interval` has no key `sooner`",
        "tracker.yaml:6:3",
        "known here: seeder, leecher, gateway, min",
        "`10.0.0.0/240` is no network",
        "tracker.yaml:9:5",
        "a tracker's configuration needs `site_map`",
    ] {
        assert!(said.contains(expected), "{expected} is not in\n{said}");
    }
}

fn mistakes(bytes: &[u8]) -> Vec<String> {
    testing::shown_of_file(bytes, Config::load)
}

/// A good file, of which every line may be spoilt.
const GOOD: &str = "\
listen: 127.0.0.1:6969
admin: 127.0.0.1:6970
site_map: sites.yaml
torrents: torrents/
state: state/
trusted_proxies:
  - 10.0.0.0/24
interval:
  seeder: 15m
  leecher: 60s
  gateway: 30s
  min: 10s
";

const MISTAKES: &[Planted] = &[
    Planted {
        good: "listen: 127.0.0.1:6969",
        bad: "lisen: 127.0.0.1:6969",
        shown: "1 lisen | a tracker's configuration has no key `lisen` | did you mean `listen`?",
    },
    Planted {
        good: "listen: 127.0.0.1:6969",
        bad: "listen: [nowhere]",
        shown: "10 nowhere | `nowhere` is no address with a port | write it as in 10.2.0.17:6969 or \"[2001:db8::17]:6969\"",
    },
    Planted {
        good: "admin: 127.0.0.1:6970",
        bad: "admin: localhost",
        shown: "8 localhost | `localhost` is no address with a port | write it as in 10.2.0.17:6970 or \"[2001:db8::17]:6970\"",
    },
    Planted {
        good: "site_map: sites.yaml",
        bad: "site_map: [a, b]",
        shown: "11 [a, b] | `site_map` cannot be a list | write it as in `site_map: /a/path`",
    },
    Planted {
        good: "torrents: torrents/",
        bad: "torrents: \"\"",
        shown: "11 \"\" | `torrents` is empty | write a path; a relative one is relative to this file",
    },
    Planted {
        good: "state: state/",
        bad: "site_map: twice.yaml",
        shown: "1 site_map | `site_map` is here twice | keep one; the first is in line 3",
    },
    Planted {
        good: "  - 10.0.0.0/24",
        bad: "  - 10.0.0.0/240",
        shown: "5 10.0.0.0/240 | `10.0.0.0/240` is no network | write a network or an address, as 10.0.0.0/24 or 10.0.0.7",
    },
    Planted {
        good: "  seeder: 15m",
        bad: "  seeder: 15 minutes",
        shown: "11 15 minutes | `15 minutes` is no duration | did you mean `15m`?",
    },
    Planted {
        good: "  leecher: 60s",
        bad: "  leecher: 48h",
        shown: "12 48h | `48h` is out of range | from 1s to 1d",
    },
    Planted {
        good: "  gateway: 30s",
        bad: "  gatewy: 30s",
        shown: "3 gatewy | `interval` has no key `gatewy` | did you mean `gateway`?",
    },
    Planted {
        good: "  min: 10s",
        bad: "\tmin: 10s",
        shown: "1 \t | a tab indents this line, which YAML does not allow | indent it with spaces",
    },
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_mistakes_together_are_each_told_at_their_line_and_nothing_else(chosen: u64) {
        testing::assert_all_shown(GOOD, MISTAKES, chosen, parse_text);
    }
}

fn parse_text(text: &str) -> Result<Config, Mistakes> {
    Config::parse("tracker.yaml", Path::new("/etc/narrows"), text)
}

#[test]
fn each_mistake_has_its_place_and_what_to_do_and_hides_no_other() {
    const ADMIN: &str = "2:8 here | `here` is no address with a port | write it as in 10.2.0.17:6970 or \"[2001:db8::17]:6970\"";
    let typo = "3:1 lisen | a tracker's configuration has no key `lisen` | did you mean `listen`?";
    for (what, text, expected) in [
        (
            "typo",
            "site_map: s\nadmin: here\nlisen: x\n",
            [ADMIN, typo].as_slice(),
        ),
        (
            "wrong type",
            "site_map: [s, t]\nadmin: here\n",
            &[
                "1:11 [s, t] | `site_map` cannot be a list | write it as in `site_map: /a/path`",
                ADMIN,
            ],
        ),
        (
            "key twice",
            "site_map: s\nadmin: here\nsite_map: t\n",
            &[
                ADMIN,
                "3:1 site_map | `site_map` is here twice | keep one; the first is in line 1",
            ],
        ),
        (
            "tab",
            "site_map: s\nadmin: here\ninterval:\n\tmin: 5s\n",
            &[
                ADMIN,
                "4:1 \t | a tab indents this line, which YAML does not allow | indent it with spaces",
            ],
        ),
        (
            "no-break space",
            "site_map:\u{a0}s\nadmin: here\n",
            &[
                "1:10 \u{a0} | a no-break space (U+00A0) is here, which is no space to YAML | write an ordinary space; if it is meant, put the text in quotes",
                ADMIN,
            ],
        ),
        (
            "missing key",
            "torrents: t\nadmin: here\n",
            &[
                "1:1 t | a tracker's configuration needs `site_map` | add the path of the site map: `site_map: sites.yaml`",
                ADMIN,
            ],
        ),
        (
            "nothing",
            "# later\n",
            &["1:1 # | the file is empty | begin with `site_map: sites.yaml`"],
        ),
    ] {
        assert_eq!(mistakes(text.as_bytes()), expected, "{what}");
    }
    let utf16: Vec<u8> = "site_map: s\r\nadmin: here\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let found = mistakes(&utf16);
    assert!(
        found[0].starts_with("1:1 site_map: s | this file is UTF-16"),
        "{found:?}"
    );
    assert_eq!(found[1..], [ADMIN]);
    let found = mistakes(b"site_map: M\xfcnchen.yaml\nadmin: here\n");
    assert!(
        found[0].starts_with("1:12 \u{fc} | the byte 0xFC is not UTF-8"),
        "{found:?}"
    );
    assert_eq!(found[1..], [ADMIN]);
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
    assert!(parse("site_map: s\ninterval: {min: 31s}").unwrap_err().contains("make `min` the shortest"));
    assert!(parse("site_map: s\ninterval: {min: 0s}").is_err());
    assert!(parse("site_map: s\ninterval: {seeder: 25h}").unwrap_err().contains("out of range"));
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

#[test]
fn https_is_served_where_it_is_asked_for_by_the_trackers_own_key_or_a_companys() {
    let config = parse("site_map: s\ntorrents: t\n").unwrap();
    assert!(!config.serves_tls() && config.tls == Tls::default());
    let config = parse(
        "site_map: s\ntorrents: t\nlisten: off\nlisten_tls: [0.0.0.0:6971, \"[::1]:6971\"]\ntls: own\n",
    )
    .unwrap();
    assert!(config.listen.is_empty() && config.listen_tls.len() == 2 && config.serves_tls());
    let config =
        parse("site_map: s\nadmin_tls: 0.0.0.0:6972\ntls: {certificate: c.pem, key: k.pem}\n").unwrap();
    let Tls::Given { certificate, key } = config.tls else {
        panic!("{config:?}");
    };
    assert!(certificate.ends_with("c.pem") && key.ends_with("k.pem"));
    let config = parse("site_map: s\nadmin_tls: 0.0.0.0:6972\ntls: {names: Tracker.example.com.}\n").unwrap();
    assert_eq!(
        config.tls,
        Tls::Own {
            names: vec!["tracker.example.com".to_owned()]
        }
    );
    let unused = parse("site_map: s\ntorrents: t\ntls: {names: [a]}\n").unwrap().warnings();
    assert!(
        unused.len() == 1 && unused[0].contains("listen_tls"),
        "{unused:?}"
    );
}

#[test]
fn https_that_cannot_be_says_what_to_write() {
    for (text, says) in [
        ("listen: off", "`listen` is off"),
        (
            "listen_tls: 0.0.0.0:6969",
            "`listen_tls` and `listen` cannot both have",
        ),
        (
            "listen_tls: 0.0.0.0:6972\nadmin_tls: 127.0.0.1:6972",
            "`admin_tls` and `listen_tls` cannot both have",
        ),
        (
            "admin_tls: 127.0.0.1:6970",
            "`admin_tls` and `admin` cannot both have",
        ),
        ("listen_tls: here", "`here` is no address with a port"),
        ("tls: mine", "write `own`"),
        ("tls: {certificate: c}", "`certificate` is here without `key`"),
        ("tls: {key: c}", "`key` is here without `certificate`"),
        ("tls: {certificate: c, key: k, names: [a]}", "remove `names`"),
        ("tls: {names: [\"https://t\"]}", "no name of a machine"),
        ("tls: {cert: c}", "known here: names, certificate, key"),
    ] {
        let said = parse(&format!("site_map: s\n{text}\n")).unwrap_err();
        assert!(
            said.contains(says) && said.matches("error:").count() == 1,
            "{text}: {said}"
        );
    }
}
