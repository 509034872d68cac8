//! agent.yaml: what it means, and what is said about mistakes in it.

use std::path::Path;

use narrows_agent::config::Config;
use narrows_config::testing::{self, Planted};
use narrows_config::{LoadError, Mistake, Mistakes, Rate};
use narrows_protocol::{GatewayPreference, Sharing};
use proptest::prelude::*;

fn parse(text: &str) -> Result<Config, Mistakes> {
    Config::parse(text, Path::new("/etc/narrows/agent.yaml"))
}

fn mistakes(text: &str) -> Vec<Mistake> {
    match parse(text) {
        Err(mistakes) => mistakes.list,
        Ok(config) => panic!("no mistakes found: {config:?}"),
    }
}

#[test]
fn the_file_of_the_design_is_understood() {
    let config = parse(
        "id: munich-017\n\
         listen: 0.0.0.0:6881\n\
         control: 127.0.0.1:6882\n\
         data: /var/lib/narrows/data\n\
         state: /var/lib/narrows/state\n\
         content:\n  - torrent: torrents/office.torrent\n    target: /opt/deploy          # default: data\n  - torrent: other.torrent\n\
         gateway: prefer\n\
         share: never\n\
         limits: {upload: unlimited, download: 10 Mbit/s}\n",
    )
    .unwrap();
    assert_eq!(config.id, "munich-017");
    assert_eq!(config.listen, "0.0.0.0:6881".parse().unwrap());
    assert_eq!(
        config.content[0].torrent,
        Path::new("/etc/narrows/torrents/office.torrent")
    );
    assert_eq!(config.content[0].target, Path::new("/opt/deploy"));
    assert_eq!(config.content[1].target, Path::new("/var/lib/narrows/data"));
    assert_eq!(
        (config.gateway, config.share),
        (GatewayPreference::Prefer, Sharing::Never)
    );
    assert_eq!(
        (config.limits.upload, config.limits.download),
        (Rate::UNLIMITED, Rate::from_bytes_per_second(1_250_000))
    );
}

#[test]
fn every_key_has_a_default() {
    for text in ["", "# nothing yet\n", "content: []\n", "content:\n"] {
        let config = parse(text).unwrap();
        assert!(!config.id.is_empty());
        assert_eq!(config.listen.port(), 6881);
        assert!(config.control.ip().is_loopback());
        assert!(config.content.is_empty());
        assert_eq!(
            (config.gateway, config.share),
            (GatewayPreference::Auto, Sharing::Always)
        );
    }
}

#[test]
fn an_unknown_key_is_reported_with_its_place_and_what_was_meant() {
    for (text, line, meant) in [
        (
            "id: a\nlisten: 1.2.3.4:1\ngatewy: auto\n",
            3,
            "did you mean `gateway`?",
        ),
        ("content:\n  - torent: x.torrent\n", 2, "did you mean `torrent`?"),
        ("limits:\n  uplaod: unlimited\n", 2, "did you mean `upload`?"),
        (
            "colour: blue\n",
            1,
            "known here: id, listen, control, control_names, announce_metrics, data, state, content, tracker, tracker_pin, tracker_ca, gateway, share, serve, names, limits, scrub",
        ),
    ] {
        let found = mistakes(text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(
            (found[0].line, found[0].help.as_deref()),
            (line, Some(meant)),
            "{found:?}"
        );
        let shown = parse(text).unwrap_err().to_string();
        assert!(
            shown.contains(&format!("--> /etc/narrows/agent.yaml:{line}:")),
            "{shown}"
        );
        assert!(shown.contains(text.lines().nth(line - 1).unwrap()), "{shown}");
    }
}

#[test]
fn all_wrong_values_are_reported_at_once() {
    let found = mistakes(
        "id: \"\"\nlisten: nowhere\ngateway: sometimes\nlimits: {upload: fast, download: 0 Mbit/s}\n\
         content:\n  - torrent: a.torrent\n  - torrent: a.torrent\nshare: sometimes\n",
    );
    let lines: Vec<usize> = found.iter().map(|mistake| mistake.line).collect();
    assert_eq!(found.len(), 7, "{found:?}");
    for line in [1, 2, 3, 4, 7, 8] {
        assert!(lines.contains(&line), "{line} of {lines:?}");
    }
    assert!(found.iter().all(|mistake| mistake.help.is_some()));
}

fn told(bytes: &[u8]) -> Vec<String> {
    testing::shown_of_file(bytes, Config::load)
}

/// A good file, of which every line may be spoilt.
const GOOD: &str = "\
id: munich-017
listen: 127.0.0.1:6881
control: 127.0.0.1:6882
control_names: [munich-017.example.com]
announce_metrics: false
data: data
state: state
content:
  - torrent: a.torrent
    target: /opt/a
  - torrent: b.torrent
gateway: auto
share: always
limits:
  upload: unlimited
  download: 10 Mbit/s
scrub: 30d
";

const MISTAKES: &[Planted] = &[
    Planted {
        good: "id: munich-017",
        bad: "id: \"\"",
        shown: "5 \"\" | not a usable id | 1 to 64 bytes of text without control characters",
    },
    Planted {
        good: "listen: 127.0.0.1:6881",
        bad: "listen: nowhere",
        shown: "9 nowhere | `nowhere` is no address with a port | write it as in 10.2.0.17:6881 or \"[2001:db8::17]:6881\"",
    },
    Planted {
        good: "control: 127.0.0.1:6882",
        bad: "contrl: 127.0.0.1:6882",
        shown: "1 contrl | an agent's configuration has no key `contrl` | did you mean `control`?",
    },
    Planted {
        good: "control_names: [munich-017.example.com]",
        bad: "control_names: [http://munich-017]",
        shown: "17 http://munich-017 | `http://munich-017` is no name of a machine | write it as in munich-017.example.com, without http:// and without a port",
    },
    Planted {
        good: "announce_metrics: false",
        bad: "announce_metrics: off",
        shown: "19 off | `announce_metrics` must be true or false, not `off` | write `false`",
    },
    Planted {
        good: "data: data",
        bad: "data: {a: b}",
        shown: "7 {a: b} | `data` cannot be a mapping | write it as in `data: /a/path`",
    },
    Planted {
        good: "data: data",
        bad: "data: \"a\\u202egpj.exe\"",
        shown: "7 \"a\\u202egpj.exe\" | `data` has the character U+202E, which shows a path other than it is | write the path without it",
    },
    Planted {
        good: "state: state",
        bad: "id: twice",
        shown: "1 id | `id` is here twice | keep one; the first is in line 1",
    },
    Planted {
        good: "    target: /opt/a",
        bad: "    taget: /opt/a",
        shown: "5 taget | an entry of `content` has no key `taget` | did you mean `target`?",
    },
    Planted {
        good: "  - torrent: b.torrent",
        bad: "  - torrent: a.torrent",
        shown: "14 a.torrent | a.torrent stands here twice | remove one of the two entries; the first is in line 9",
    },
    Planted {
        good: "gateway: auto",
        bad: "gateway: nevr",
        shown: "10 nevr | `gateway` cannot be `nevr` | did you mean `never`?",
    },
    Planted {
        good: "share: always",
        bad: "share: sometimes",
        shown: "8 sometimes | `share` cannot be `sometimes` | write one of always, never",
    },
    Planted {
        good: "  upload: unlimited",
        bad: "  upload: 0",
        shown: "11 0 | a limit of 0 lets nothing through | write `unlimited` for no limit; `narrows-agent pause` stops all transfers",
    },
    Planted {
        good: "  download: 10 Mbit/s",
        bad: "  download: 5 MB/s",
        shown: "13 5 MB/s | `MB/s` is no unit of a rate | did you mean `40 Mbit/s`?",
    },
    Planted {
        good: "scrub: 30d",
        bad: "scrub: 30 days",
        shown: "8 30 days | `30 days` is no duration | did you mean `30d`?",
    },
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_mistakes_together_are_each_told_at_their_line_and_nothing_else(chosen: u64) {
        testing::assert_all_shown(GOOD, MISTAKES, chosen, parse);
    }
}

#[test]
fn each_mistake_has_its_place_and_what_to_do_and_hides_no_other() {
    const LISTEN: &str = "2:9 here | `here` is no address with a port | write it as in 10.2.0.17:6881 or \"[2001:db8::17]:6881\"";
    for (what, text, expected) in [
        (
            "typo",
            "id: a\nlisten: here\ngatewy: auto\n",
            [
                LISTEN,
                "3:1 gatewy | an agent's configuration has no key `gatewy` | did you mean `gateway`?",
            ]
            .as_slice(),
        ),
        (
            "wrong type",
            "announce_metrics: yes\nlisten: here\ncontent: {torrent: a}\n",
            &[
                "1:19 yes | `announce_metrics` must be true or false, not `yes` | write `true`",
                LISTEN,
                "3:10 {torrent: a} | `content` is a list | begin each entry with a dash: `- torrent: torrents/office.torrent`",
            ],
        ),
        (
            "key twice",
            "id: a\nlisten: here\nid: b\n",
            &[
                LISTEN,
                "3:1 id | `id` is here twice | keep one; the first is in line 1",
            ],
        ),
        (
            "tab",
            "id: a\nlisten: here\nlimits:\n\tupload: 0\n",
            &[
                LISTEN,
                "4:1 \t | a tab indents this line, which YAML does not allow | indent it with spaces",
                "4:10 0 | a limit of 0 lets nothing through | write `unlimited` for no limit; `narrows-agent pause` stops all transfers",
            ],
        ),
        (
            "no-break space",
            "id:\u{a0}a\nlisten: here\n",
            &[
                "1:4 \u{a0} | a no-break space (U+00A0) is here, which is no space to YAML | write an ordinary space; if it is meant, put the text in quotes",
                LISTEN,
            ],
        ),
        (
            "missing key",
            "id: a\nlisten: here\ncontent:\n  - target: /opt\n",
            &[
                LISTEN,
                "4:5 t | an entry of `content` needs `torrent` | name the .torrent file, as in `torrent: torrents/office.torrent`",
            ],
        ),
        (
            "no such word, no such rate, no such time",
            "gateway: nevr\nlisten: here\nlimits: {upload: 5 MB/s}\nscrub: 30 days\n",
            &[
                "1:10 nevr | `gateway` cannot be `nevr` | did you mean `never`?",
                LISTEN,
                "3:18 5 MB/s | `MB/s` is no unit of a rate | did you mean `40 Mbit/s`?",
                "4:8 30 days | `30 days` is no duration | did you mean `30d`?",
            ],
        ),
    ] {
        assert_eq!(told(text.as_bytes()), expected, "{what}");
    }
    let utf16: Vec<u8> = "id: a\r\nlisten: here\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let found = told(&utf16);
    assert!(
        found[0].starts_with("1:1 id: a | this file is UTF-16"),
        "{found:?}"
    );
    assert_eq!(found[1..], [LISTEN]);
    let found = told(b"id: M\xfcnchen\nlisten: here\n");
    assert!(
        found[0].starts_with("1:6 \u{fc} | the byte 0xFC is not UTF-8"),
        "{found:?}"
    );
    assert_eq!(found[1..], [LISTEN]);
}

#[test]
fn a_key_without_a_value_is_as_if_it_were_left_out() {
    let config = parse("id:\ndata: ~\nlimits:\nscrub: null\n").unwrap();
    assert_eq!(config, parse("").unwrap());
}

#[test]
fn wrong_yaml_is_reported_with_its_place() {
    for text in ["id: [a\n", "content: 5\n", "- a\n- b\n"] {
        let found = mistakes(text);
        assert!(found[0].line > 0, "{found:?}");
    }
    assert!(matches!(
        Config::load(Path::new("/nonexistent/agent.yaml")),
        Err(LoadError::Read { .. })
    ));
}

#[test]
fn an_agent_whose_control_port_others_can_reach_lets_prometheus_find_it_unless_told_otherwise() {
    for (text, announced) in [
        ("", false),
        ("control: 127.0.0.2:6882", false),
        ("control: \"[::1]:6882\"", false),
        ("control: 10.2.0.10:6882", true),
        ("control: 0.0.0.0:6882", true),
        ("control: 10.2.0.10:6882\nannounce_metrics: false", false),
        ("announce_metrics: true", true),
    ] {
        let config = Config::parse(text, Path::new("/etc/narrows/agent.yaml")).unwrap();
        assert_eq!(config.announce_metrics, announced, "{text}");
    }
}

#[test]
fn the_time_of_a_scrub_is_days_hours_or_minutes_or_off() {
    let scrub =
        |text: &str| parse(&format!("scrub: {text}\n")).map(|config| config.scrub.map(|time| time.as_secs()));
    assert_eq!(
        parse("").unwrap().scrub.map(|time| time.as_secs()),
        Some(30 * 86_400)
    );
    for (text, seconds) in [
        ("7d", Some(604_800)),
        ("12h", Some(43_200)),
        ("90 m", Some(5400)),
        ("off", None),
    ] {
        assert_eq!(scrub(text).unwrap(), seconds, "{text}");
    }
    for wrong in ["0d", "30", "often", "1s", "9999999999999999999d", "-1d", "\"\""] {
        let text = scrub(wrong).unwrap_err().to_string();
        assert!(
            text.contains("= help: ") && text.contains("agent.yaml:1:8"),
            "{wrong}: {text}"
        );
    }
}

#[test]
fn a_port_that_peers_and_control_both_want_is_a_mistake() {
    for text in [
        "listen: 0.0.0.0:6882\n",
        "listen: 0.0.0.0:7000\ncontrol: 127.0.0.1:7000\n",
        "listen: 10.2.0.17:7000\ncontrol: 0.0.0.0:7000\n",
        "listen: 0.0.0.0:7000\ncontrol: \"[::1]:7000\"\n",
        "control: 127.0.0.1:6881\n",
        "listen: 10.2.0.17:7000\ncontrol: \"[::]:7000\"\n",
    ] {
        let found = mistakes(text);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(found[0].problem.contains("cannot both have port") && found[0].line > 0);
    }
    for text in [
        "",
        "listen: 127.0.0.1:0\ncontrol: 127.0.0.1:0\n",
        "listen: 10.2.0.17:7000\ncontrol: 127.0.0.1:7000\n",
        "listen: \"[2001:db8::1]:7000\"\ncontrol: 0.0.0.0:7000\n",
    ] {
        assert!(parse(text).is_ok(), "{text}");
    }
}

#[test]
fn check_tells_the_mistakes_of_the_file_and_of_the_torrents_that_it_names_at_once() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("broken.torrent"), "d4:info").unwrap();
    let check = |head: &str| {
        let config = dir.path().join("agent.yaml");
        let content = "content:\n  - torrent: broken.torrent\n  - torrent: missing.torrent\n";
        std::fs::write(&config, format!("{head}{content}")).unwrap();
        let checked = std::process::Command::new(env!("CARGO_BIN_EXE_narrows-agent"))
            .args(["check", "--config"])
            .arg(&config)
            .output()
            .unwrap();
        (
            checked.status.code(),
            String::from_utf8_lossy(&checked.stderr).into_owned(),
        )
    };
    let torrents = ["broken.torrent: ", "missing.torrent: "];
    for (head, code, mistakes) in [
        ("", 1, [].as_slice()),
        (
            "gatewy: never\nlimits: {upload: 5}\n",
            64,
            &["agent.yaml:1:1", "agent.yaml:2:18"],
        ),
    ] {
        let (ended, said) = check(head);
        assert_eq!(ended, Some(code), "{said}");
        assert_eq!(
            said.matches("error: ").count(),
            torrents.len() + mistakes.len(),
            "{said}"
        );
        for part in torrents.iter().chain(mistakes) {
            assert!(said.contains(part), "{part} is not in\n{said}");
        }
    }
}

const PIN: &str = "sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

#[test]
fn a_tracker_has_a_url_or_several_and_over_https_a_pin_or_two_or_an_authority() {
    let url = "https://tracker.example.com:6971/announce";
    let config = parse(&format!("tracker: {url}\ntracker_pin: {PIN}\n")).unwrap();
    assert_eq!(config.tracker[0].to_string(), url);
    assert_eq!(config.trust.pins, [PIN.parse().unwrap()]);
    let both = format!(
        "tracker: [{url}, {url}2]\ntracker_pin: [{PIN}, {}]\n",
        PIN.replacen('/', "//", 1)
    );
    let config = parse(&both).unwrap();
    assert_eq!((config.tracker.len(), config.trust.pins.len()), (2, 2));
    let config = parse(&format!("tracker: {url}\ntracker_ca: ca.pem\n")).unwrap();
    assert_eq!(
        config.trust.authorities.as_deref(),
        Some(Path::new("/etc/narrows/ca.pem"))
    );
    assert!(parse("tracker: http://10.1.0.2:6969/announce\n").unwrap().trust.is_empty());
}

#[test]
fn a_tracker_that_may_not_be_announced_to_is_one_mistake_that_says_what_to_write() {
    for (text, problem, help) in [
        (
            "tracker: https://t/announce\n",
            "`https://t/announce` cannot be announced to",
            "`tracker_pin`",
        ),
        (
            &format!("tracker: http://t/announce\ntracker_pin: {PIN}\n"),
            "`http://t/announce` cannot be announced to",
            "https alone",
        ),
        (
            "tracker: udp://t/announce\n",
            "is no announce URL",
            "http:// or https://",
        ),
        (
            "tracker: https://t/announce\ntracker_pin: sha256/abc\n",
            "`sha256/abc` is no pin",
            "`narrows-tracker pin`",
        ),
        ("tracker_pin: []\n", "`tracker_pin` has 0 pins", "write one"),
        ("tracker_ca: \"\"\n", "`tracker_ca` is empty", "path"),
    ] {
        let found = mistakes(text);
        let [mistake] = found.as_slice() else {
            panic!("{text}: {found:?}");
        };
        assert!(
            mistake.problem.contains(problem)
                && mistake.help.as_deref().is_some_and(|said| said.contains(help)),
            "{mistake:?}"
        );
    }
}
