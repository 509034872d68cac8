//! What is wrong with a file is told all at once, with its place and what to do.

use narrows_config::testing::{self, Planted};
use narrows_topology::{LoadError, Mistakes, SiteMap};
use proptest::prelude::*;

const EXAMPLE: &str = include_str!("../sites.example.yaml");

/// A small map into which a mistake is put: `{}` of each template is replaced.
const SMALL: &str = "\
version: 1
sites:
  hq: {networks: [10.1.0.0/16]}
  munich: {networks: [10.2.0.0/16]}
links:
  - between: [hq, munich]
    rate: 10 Mbit/s
";

fn mistakes(text: &str) -> Mistakes {
    match SiteMap::parse("sites.yaml", text) {
        Ok(_) => panic!("no mistake in:\n{text}"),
        Err(mistakes) => mistakes,
    }
}

/// The only mistake after a replacement in the small map: `line:column what is underlined | problem | help`.
fn only(from: &str, to: &str) -> String {
    assert!(SMALL.contains(from), "{from}");
    let all = mistakes(&SMALL.replacen(from, to, 1));
    assert_eq!(all.list.len(), 1, "{all}");
    testing::shown(&all).remove(0)
}

/// A good map, of which every line may be spoilt.
const GOOD: &str = "\
version: 1
timezone: Europe/Berlin
defaults:
  max_seeders: 2
  gateways: 1
sites:
  hq: {networks: [10.1.0.0/16]}
  munich: {networks: [10.2.0.0/16]}
  vpn:
    networks: [10.99.0.0/16]
    sharing: false
links:
  - between: [hq, munich]
    rate: 10 Mbit/s
    cost: 100
    schedule:
      - {days: mon-fri, hours: 08:00-18:00, rate: 2 Mbit/s}
  - {between: [vpn, hq], rate: 20 Mbit/s}
unknown: deny
";

const MISTAKES: &[Planted] = &[
    Planted {
        good: "version: 1",
        bad: "version: 2",
        shown: "10 2 | this version of Narrows reads site maps of version 1 | write `version: 1`",
    },
    Planted {
        good: "timezone: Europe/Berlin",
        bad: "timezone: Europe/Berln",
        shown: "11 Europe/Berln | no timezone `Europe/Berln` | did you mean `Europe/Berlin`?",
    },
    Planted {
        good: "  max_seeders: 2",
        bad: "  max_seders: 2",
        shown: "3 max_seders | `defaults` has no key `max_seders` | did you mean `max_seeders`?",
    },
    Planted {
        good: "  gateways: 1",
        bad: "  gateways: 0",
        shown: "13 0 | `0` cannot be `gateways` | write a whole number from 1 to 1000",
    },
    Planted {
        good: "  munich: {networks: [10.2.0.0/16]}",
        bad: "  munich: {networks: [10.2.3.0/16]}",
        shown: "23 10.2.3.0/16 | 10.2.3.0/16 has bits set outside its prefix | did you mean 10.2.0.0/16?",
    },
    Planted {
        good: "    networks: [10.99.0.0/16]",
        bad: "    networks: 10.99.0.0/16",
        shown: "15 10.99.0.0/16 | `networks` is a list | write `networks: [10.99.0.0/16]`",
    },
    Planted {
        good: "    sharing: false",
        bad: "    sharing: maybe",
        shown: "14 maybe | `sharing` must be true or false, not `maybe` | write `true` or `false`",
    },
    Planted {
        good: "  - between: [hq, munich]",
        bad: "  - between: [hq, munch]",
        shown: "19 munch | no site \"munch\" | did you mean \"munich\"?",
    },
    Planted {
        good: "    rate: 10 Mbit/s",
        bad: "    rate: 0",
        shown: "11 0 | a link of rate 0 never carries anything | leave the link out, or pause it for some hours with `schedule`",
    },
    Planted {
        good: "    cost: 100",
        bad: "    between: [hq, vpn]",
        shown: "5 between | `between` is here twice | keep one; the first is in line 13",
    },
    Planted {
        good: "      - {days: mon-fri, hours: 08:00-18:00, rate: 2 Mbit/s}",
        bad: "      - {days: mon-fri, hours: 8-18, rate: 2 Mbit/s}",
        shown: "32 8-18 | `8-18` are no hours | did you mean `08:00-18:00`?",
    },
    Planted {
        good: "  - {between: [vpn, hq], rate: 20 Mbit/s}",
        bad: "  - {between: [vpn, hq], rate: 20 mbps}",
        shown: "32 20 mbps | `mbps` is no unit of a rate | did you mean `20 Mbit/s`?",
    },
    Planted {
        good: "unknown: deny",
        bad: "unknown: allow",
        shown: "10 allow | `unknown` cannot be `allow` | write `deny`, or `{attach: hq, rate: 2 Mbit/s}`",
    },
];

#[test]
fn a_mistake_shows_file_line_column_source_and_what_to_do() {
    let text = mistakes(&SMALL.replace("[hq, munich]", "[hq, munch]")).to_string();
    assert_eq!(
        text,
        r#"error: no site "munch"
 --> sites.yaml:6:19
  |
6 |   - between: [hq, munch]
  |                   ^^^^^
  = help: did you mean "munich"?
"#
    );
}

#[test]
fn every_mistake_of_a_file_is_reported_at_once() {
    let text = "\
version: 2
timezone: Berlin
defaults: {max_seders: 2, gateways: 0}
sites:
  hq: {networks: [10.1.0.0/16, \"2001:db8:1::1/48\"]}
  munich: {networks: [10.2.0.0/16, 10.1.0.0/16], sharing: maybe}
  vpn: {networks: 10.99.0.0/16}
  vpn: {}
  \"\": {}
links:
  - {between: [hq, munch], rate: 10MB/s}
  - between: [munich, munich]
    rate: 10
    schedule: [{days: monday, hours: 8-18, rate: 0, cost: 1}]
  - {between: [hq, munich], rate: 0, cost: 0}
  - {between: [munich, hq], rate: 10 mbps, rate: 1 Mbit/s}
  - {between: [hq]}
unknown: allow
";
    let lines: Vec<usize> = mistakes(text).list.iter().map(|mistake| mistake.line).collect();
    assert_eq!(
        lines,
        [
            1, 2, 3, 3, 5, 6, 6, 7, 8, 9, 11, 11, 12, 13, 14, 14, 14, 15, 15, 16, 16, 16, 17, 17, 18
        ]
    );
}

#[test]
fn each_mistake_says_what_to_do() {
    let net = "10.2.0.0/16";
    let rate = "10 Mbit/s";
    for (from, to, expected) in [
        (
            "version: 1",
            "version: 3",
            "1:10 3 | this version of Narrows reads site maps of version 1 | write `version: 1`",
        ),
        (
            "version: 1\n",
            "",
            "1:1 s | a site map needs `version` | The version of this format: 1.",
        ),
        (
            "links:",
            "lnks: 1\nlinks:",
            "5:1 lnks | a site map has no key `lnks` | did you mean `links`?",
        ),
        (
            net,
            "10.2.3.0/16",
            "4:23 10.2.3.0/16 | 10.2.3.0/16 has bits set outside its prefix | did you mean 10.2.0.0/16?",
        ),
        (
            net,
            "10.1.0.0/16",
            "4:23 10.1.0.0/16 | 10.1.0.0/16 is already a network of site \"hq\", in line 3 | keep it at one of them",
        ),
        (
            net,
            "10.2.0.1",
            "4:23 10.2.0.1 | 10.2.0.1 is an address, not a network | for this one host write 10.2.0.1/32",
        ),
        (
            net,
            "\"::ffff:10.2.0.0/112\"",
            "4:23 \"::ffff:10.2.0.0/112\" | ::ffff:10.2.0.0/112 is an IPv4 network written as IPv6 | write 10.2.0.0/16",
        ),
        (
            net,
            "here",
            "4:23 here | `here` is no network | write it as in 10.2.0.0/16 or \"2001:db8::/48\"",
        ),
        (
            "munich: {",
            "a: {}\n  munich: {",
            "4:3 a | site \"a\" has no link: nobody can reach it | add a link under `links`, as in `- {between: [hq, a], rate: 10 Mbit/s}`",
        ),
        (
            "munich]",
            "munich, hq]",
            "6:14 [hq, munich, hq] | a link is between two sites, not 3 | name two sites: `between: [hq, munich]`",
        ),
        (
            "munich]",
            "hq]",
            "6:19 hq | a link from hq to itself | name the site at its other end",
        ),
        (
            rate,
            "10 mbps",
            "7:11 10 mbps | `mbps` is no unit of a rate | did you mean `10 Mbit/s`?",
        ),
        (
            rate,
            "0",
            "7:11 0 | a link of rate 0 never carries anything | leave the link out, or pause it for some hours with `schedule`",
        ),
        (
            rate,
            "1 Mbit/s\n    max_seeders: 0",
            "8:18 0 | `0` cannot be `max_seeders` | write a whole number from 1 to 1000",
        ),
        (
            rate,
            "1 Mbit/s\n    dscp: cs9",
            "8:11 cs9 | `cs9` is no code point | did you mean `cs1`?",
        ),
        (
            rate,
            "1 Mbit/s\n    dscp: 184",
            "8:11 184 | `184` is no code point | a code point is 0 to 63; of the TOS byte 184 it is 46",
        ),
        (
            rate,
            "1 Mbit/s\n    dscp: [le]",
            "8:11 [le] | `dscp` cannot be a list | write it as in `dscp: cs1`; `none` leaves packets unmarked",
        ),
        (
            rate,
            "1 Mbit/s\n    schedule: {rate: 0}",
            "8:15 {rate: 0} | `schedule` is a list | begin each line with a dash: `- {days: mon-fri, hours: 08:00-18:00, rate: 2 Mbit/s}`",
        ),
        (
            rate,
            "1 Mbit/s\n    schedule: [{hours: 9-17, rate: 0}]",
            "8:24 9-17 | `9-17` are no hours | did you mean `09:00-17:00`?",
        ),
        (
            rate,
            "1 Mbit/s\n    schedule: [{hours: 09:00-09:00, rate: 0}]",
            "8:24 09:00-09:00 | `09:00-09:00` lasts no time | for the whole day leave `hours` out",
        ),
        (
            rate,
            "1 Mbit/s\n    schedule: [{days: mon-freitag, rate: 0}]",
            "8:23 mon-freitag | no day `freitag` | did you mean `fri`?",
        ),
        (
            rate,
            "1 Mbit/s\nunknown: {attach: hq}",
            "8:10 {attach: hq} | `unknown` needs `rate` | The rate of the link of each unknown network.",
        ),
        (
            rate,
            "1 Mbit/s\nunknown: {attach: qh, rate: 1 Mbit/s}",
            "8:19 qh | no site \"qh\" | did you mean \"hq\"?",
        ),
        (
            rate,
            "1 Mbit/s\ntimezone: Europe/Berln",
            "8:11 Europe/Berln | no timezone `Europe/Berln` | did you mean `Europe/Berlin`?",
        ),
        (
            rate,
            "1 Mbit/s\n---\nversion: 1",
            "8:1 --- | a second document begins here | keep the whole file in one document",
        ),
        (
            rate,
            "!fast 1 Mbit/s",
            "7:17 1 Mbit/s | tags (`!…`) have no meaning here | leave the tag out",
        ),
    ] {
        assert_eq!(only(from, to), expected, "{to}");
    }
}

#[test]
fn parts_of_the_network_that_cannot_reach_each_other_are_a_mistake() {
    let text = SMALL.replace("links:", "  a: {}\n  b: {}\n  c: {}\nlinks:\n  - {between: [a, b], rate: unlimited}\n  - {between: [c, hq], rate: unlimited}");
    let all = mistakes(&text);
    assert_eq!(all.list.len(), 1, "{all}");
    assert_eq!(
        all.list[0].problem,
        "site \"a\" and 1 more are linked to each other but not to the rest"
    );
}

/// The page's example leaves the link of `vpn` out; all else of it is in order.
#[test]
fn the_example_of_the_design_lacks_the_link_of_vpn_only() {
    let text = "\
version: 1
timezone: Europe/Berlin          # for schedules; default UTC
defaults: {max_seeders: 2, gateways: 1}
sites:
  hq:     {networks: [10.1.0.0/16, \"2001:db8:1::/48\"]}
  munich: {networks: [10.2.0.0/16]}
  vpn:
    networks: [10.99.0.0/16]
    sharing: false               # its peers only fetch; they never serve and are nobody's gateway
  backbone: {}                   # transit site
links:
  - between: [hq, backbone]
    rate: 100 Mbit/s
  - between: [munich, backbone]
    rate: 10 Mbit/s
    max_seeders: 1
    cost: 100
    schedule:
      - {days: mon-fri, hours: 08:00-18:00, rate: 2 Mbit/s}
unknown: deny
";
    let all = mistakes(text);
    assert_eq!(all.list.len(), 1, "{all}");
    assert_eq!(
        all.list[0].problem,
        "site \"vpn\" has no link: nobody can reach it"
    );
}

#[test]
fn anchors_may_be_used_for_what_repeats_but_not_to_blow_a_file_up() {
    let text = SMALL.replace(
        "munich]\n",
        "munich]\n    schedule: &office [{days: mon-fri, rate: 1 Mbit/s}]\n",
    );
    let text = text.replace("links:", "  b: {}\nlinks:")
        + "  - {between: [b, hq], rate: 1 Mbit/s, schedule: *office}\n";
    assert!(SiteMap::parse("sites.yaml", &text).is_ok());
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..30 {
        let aliases = vec![format!("*a{}", i - 1); 10].join(", ");
        bomb.push_str(&format!("a{i}: &a{i} [{aliases}]\n"));
    }
    assert_eq!(mistakes(&bomb).list[0].problem, "aliases make this far too large");
    assert!(mistakes("a: &a [*a]").list[0].help.is_some());
}

#[test]
fn what_is_no_site_map_at_all_is_said_so() {
    assert_eq!(mistakes("").list[0].problem, "the file is empty");
    assert_eq!(mistakes("# nothing\n").list[0].problem, "the file is empty");
    assert_eq!(mistakes("hello").list[0].problem, "a site map cannot be a text");
    assert!(mistakes("sites: [").list[0].problem.starts_with("this is not YAML: "));
    assert!(mistakes(&"[".repeat(100_000)).list[0].problem.starts_with("this is not YAML: "));
}

#[test]
fn a_file_that_cannot_be_read_or_is_not_utf_8_is_named() {
    let folder = std::env::temp_dir().join(format!("narrows-topology-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let missing = SiteMap::load(&folder.join("none.yaml")).unwrap_err();
    assert!(
        matches!(missing, LoadError::Read { .. }) && missing.to_string().contains("none.yaml"),
        "{missing}"
    );
    let latin1 = folder.join("latin1.yaml");
    std::fs::write(&latin1, b"version: 1\n# M\xfcnchen\n").unwrap();
    let Err(LoadError::Mistakes(mistakes)) = SiteMap::load(&latin1) else {
        panic!("was loaded")
    };
    let found: Vec<(usize, usize, &str)> = mistakes
        .list
        .iter()
        .map(|mistake| (mistake.line, mistake.column, mistake.problem.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            (1, 1, "a site map needs `sites`"),
            (2, 4, "the byte 0xFC is not UTF-8")
        ]
    );
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn what_an_editor_did_to_the_file_is_named_and_hides_no_other_mistake() {
    let text = SMALL.replace("munich]", "munch]");
    let wide = text.replace('\n', "\r\n");
    let utf16 = wide.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut latin1 = text.replace("sites:", "sites: # M").into_bytes();
    latin1.insert(text.find("sites:").unwrap() + "sites: # M".len(), 0xfc);
    let folder = std::env::temp_dir().join(format!("narrows-topology-editor-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for (bytes, place, part) in [
        (utf16, (1, 1), "UTF-16"),
        (latin1, (2, 11), "the byte 0xFC is not UTF-8"),
        (
            text.replace("rate: ", "rate:\u{a0}").into_bytes(),
            (7, 10),
            "no-break space (U+00A0)",
        ),
        (text.replace("  hq:", "\thq:").into_bytes(), (3, 1), "a tab"),
        (format!("{text}\0").into_bytes(), (8, 1), "a NUL character"),
        (
            text.replace("10 Mbit/s", "10 Mbit/s\n    rate: 5 Mbit/s").into_bytes(),
            (8, 5),
            "twice",
        ),
    ] {
        let file = folder.join("sites.yaml");
        std::fs::write(&file, bytes).unwrap();
        let Err(LoadError::Mistakes(mistakes)) = SiteMap::load(&file) else {
            panic!("{part}: was loaded")
        };
        let told = mistakes.list.iter().any(|mistake| {
            (mistake.line, mistake.column) == place
                && mistake.problem.contains(part)
                && mistake.help.is_some()
        });
        assert!(told, "{part}:\n{mistakes}");
        if part != "a tab" {
            assert!(
                mistakes.to_string().contains("did you mean \"munich\"?"),
                "{part}:\n{mistakes}"
            );
            assert_eq!(mistakes.list.len(), 2, "{part}:\n{mistakes}");
        }
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

/// Every place is in the text, and the message can be printed.
fn assert_inside(text: &str) {
    let Err(mistakes) = SiteMap::parse("sites.yaml", text) else {
        return;
    };
    let lines: Vec<&str> = text.split(['\n', '\r']).collect();
    assert!(!mistakes.list.is_empty() && !mistakes.to_string().is_empty());
    for mistake in &mistakes.list {
        assert!((1..=lines.len()).contains(&mistake.line), "{mistakes}");
        let length = mistake.source.chars().count();
        assert!((1..=length + 1).contains(&mistake.column), "{mistakes}");
        assert!(
            mistake.width >= 1 && mistake.column - 1 + mistake.width <= length.max(mistake.column),
            "{mistakes}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_mistakes_together_are_each_told_at_their_line_and_nothing_else(chosen: u64) {
        testing::assert_all_shown(GOOD, MISTAKES, chosen, |text| SiteMap::parse("sites.yaml", text));
    }

    #[test]
    fn any_text_is_a_map_or_has_mistakes_inside_it(text in any::<String>()) {
        assert_inside(&text);
    }

    #[test]
    fn text_that_looks_like_yaml_is_a_map_or_has_mistakes_inside_it(
        text in "([a-z]{1,3}: |- |\\[|\\]|\\{|\\}|, |\n|\n  |\t|\r|\"|'|&a |\\*a|!t |#|\\||>|\\?|---|é|1 Mbit/s|version: 1\n|sites:|links:){0,30}",
    ) {
        assert_inside(&text);
    }

    #[test]
    fn a_single_wrong_character_never_costs_more_than_a_message(
        at in any::<prop::sample::Index>(), with in prop_oneof![any::<char>(), "[ -~\n\t]".prop_map(|s| s.chars().next().unwrap())], how in 0..3,
    ) {
        let mut chars: Vec<char> = EXAMPLE.chars().collect();
        let at = at.index(chars.len());
        match how {
            0 => chars[at] = with,
            1 => chars.insert(at, with),
            _ => { chars.remove(at); }
        }
        assert_inside(&chars.into_iter().collect::<String>());
    }
}
