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

/// The mistakes of a file with these bytes: `line:column what is underlined | problem | help`.
fn mistakes(bytes: &[u8]) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tracker.yaml");
    std::fs::write(&path, bytes).unwrap();
    let Err(LoadError::Mistakes(mistakes)) = Config::load(&path) else {
        panic!("no mistake in {:?}", String::from_utf8_lossy(bytes))
    };
    let line = |mistake: &narrows_config::Mistake| {
        let chars = mistake.source.chars().skip(mistake.column - 1);
        let marked: String = chars.take(mistake.width).collect();
        let help = mistake.help.as_deref().unwrap_or_default();
        format!(
            "{}:{} {marked} | {} | {help}",
            mistake.line, mistake.column, mistake.problem
        )
    };
    mistakes.list.iter().map(line).collect()
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
