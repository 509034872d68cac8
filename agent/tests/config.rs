//! agent.yaml: what it means, and what is said about mistakes in it.

use std::path::Path;

use narrows_agent::config::{Config, ConfigError, Mistake, Rate};
use narrows_protocol::Sharing;
use narrows_swarm::GatewayMode;

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("/etc/narrows/agent.yaml"))
}

fn mistakes(text: &str) -> Vec<Mistake> {
    match parse(text) {
        Err(ConfigError::Mistakes(mistakes)) => mistakes,
        other => panic!("no mistakes found: {other:?}"),
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
        (GatewayMode::Prefer, Sharing::Never)
    );
    assert_eq!(
        (config.limits.upload, config.limits.download),
        (Rate::UNLIMITED, Rate::bytes_per_second(1_250_000))
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
            (GatewayMode::Auto, Sharing::Always)
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
            "known keys are id, listen, control, announce_metrics, data, state, content, gateway, share, limits, names, scrub",
        ),
    ] {
        let found = mistakes(text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(
            (found[0].line, found[0].help.as_str()),
            (line, meant),
            "{found:?}"
        );
        assert!(
            found[0]
                .to_string()
                .starts_with(&format!("/etc/narrows/agent.yaml:{line}:")),
            "{}",
            found[0]
        );
        assert!(
            found[0]
                .to_string()
                .contains(text.lines().nth(line as usize - 1).unwrap())
        );
    }
}

#[test]
fn all_wrong_values_are_reported_at_once() {
    let found = mistakes(
        "id: \"\"\nlisten: nowhere\ngateway: sometimes\nlimits: {upload: fast, download: 0 Mbit/s}\n\
         content:\n  - torrent: a.torrent\n  - torrent: a.torrent\nshare: sometimes\n",
    );
    let lines: Vec<u64> = found.iter().map(|mistake| mistake.line).collect();
    assert_eq!(found.len(), 7, "{found:?}");
    for line in [1, 2, 3, 4, 7, 8] {
        assert!(lines.contains(&line), "{line} of {lines:?}");
    }
    assert!(found.iter().all(|mistake| !mistake.help.is_empty()));
}

#[test]
fn wrong_yaml_is_reported_with_its_place() {
    for text in ["id: [a\n", "content: 5\n", "- a\n- b\n"] {
        let found = mistakes(text);
        assert!(found[0].line > 0, "{found:?}");
    }
    assert!(matches!(
        Config::load(Path::new("/nonexistent/agent.yaml")),
        Err(ConfigError::Unreadable { .. })
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
        let said = scrub(wrong).unwrap_err().to_string();
        assert!(
            said.contains("`30d`") && said.contains("agent.yaml"),
            "{wrong}: {said}"
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
