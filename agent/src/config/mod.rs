//! agent.yaml: the whole truth about what an agent does.
//!
//! ```yaml
//! id: munich-017                   # stable; default the host name
//! listen: 0.0.0.0:6881
//! control: 127.0.0.1:6882
//! announce_metrics: false          # whether Prometheus finds this agent by the tracker's /sd; default: if control is no loopback
//! data: /var/lib/narrows/data
//! state: /var/lib/narrows/state
//! content:
//!   - torrent: torrents/office.torrent
//!     target: /opt/deploy          # default: data
//! gateway: auto                    # auto | never | prefer
//! share: always                    # always | never: it only fetches, over a metered line for instance
//! names: portable                  # portable | linux: contents may have names that Windows cannot hold
//! limits: {upload: unlimited, download: 10 Mbit/s}
//! scrub: 30d                       # in which time all bytes at their targets are hashed again; off: never
//! ```
//! Relative paths are relative to the file.

mod mistakes;
mod rate;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use narrows_protocol::Sharing;
use narrows_protocol::metainfo::names::Names;
use narrows_swarm::GatewayMode;
use serde::Deserialize;
use serde_yaml::Spanned;

pub use mistakes::{ConfigError, Mistake};
pub use rate::{Rate, RateError};

use crate::net::Listener;
use crate::platform;
use mistakes::Collector;

/// The longest `id`, in characters: what an announce can carry.
const MAX_ID: usize = 64;

/// See [`Config::scrub`].
const SCRUB: Duration = Duration::from_secs(30 * 86_400);

/// A valid agent.yaml, paths absolute or relative to the working directory.
#[derive(Clone, PartialEq, Debug)]
pub struct Config {
    /// The agent's stable name: 1 to 64 printable characters.
    pub id: String,
    /// Where peers connect; also where dials and announces come from, unless it is a wildcard.
    pub listen: SocketAddr,
    /// Where status, metrics and commands are served.
    pub control: SocketAddr,
    /// Whether the tracker is told the port of `control`, so that Prometheus finds this agent's metrics there. It looks
    /// for them at the address that the agent announces from. The default: unless `control` is a loopback address.
    pub announce_metrics: bool,
    /// Where content goes that names no target.
    pub data: PathBuf,
    /// Resume data and the control token.
    pub state: PathBuf,
    /// What to fetch and seed, in the file's order.
    pub content: Vec<ContentEntry>,
    /// Whether this agent may fetch across the WAN for its site.
    pub gateway: GatewayMode,
    /// Whether this agent serves others what it has.
    pub share: Sharing,
    /// For which machines the names in contents must do.
    pub names: Names,
    /// For all content together.
    pub limits: Limits,
    /// In which time, while it runs, the agent hashes all that is at its target again; none: never.
    pub scrub: Option<Duration>,
}

/// One entry of `content`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ContentEntry {
    /// The .torrent file.
    pub torrent: PathBuf,
    /// The folder that the content's file or folder goes into.
    pub target: PathBuf,
}

/// Payload limits of the whole agent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Limits {
    /// To all peers together.
    pub upload: Rate,
    /// From all peers together.
    pub download: Rate,
}

impl Config {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// That it cannot be read, or all its mistakes with their places.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text, path)
    }

    /// Reads `text`, which stood in the file at `path`.
    ///
    /// # Errors
    /// All mistakes with their places.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let mut mistakes = Collector::new(path, text);
        let raw = if text.trim().is_empty() {
            Ok(Raw::default())
        } else {
            serde_yaml::from_str::<Raw>(text)
        };
        let raw = raw.map_err(|error| mistakes.syntax(&error))?;
        let config = raw.check(path.parent().unwrap_or(Path::new("")), &mut mistakes);
        mistakes.finish(config)
    }

    /// Where the token lies that commands need.
    pub fn token_path(&self) -> PathBuf {
        token_path(&self.state)
    }
}

/// Where the token of an agent with this state folder lies.
pub fn token_path(state: &Path) -> PathBuf {
    state.join("control.token")
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Raw {
    id: Option<Spanned<String>>,
    listen: Option<Spanned<String>>,
    control: Option<Spanned<String>>,
    announce_metrics: Option<bool>,
    data: Option<PathBuf>,
    state: Option<PathBuf>,
    #[serde(default)]
    content: Option<Vec<RawEntry>>,
    gateway: Option<Spanned<String>>,
    share: Option<Spanned<String>>,
    limits: Option<RawLimits>,
    names: Option<Spanned<String>>,
    scrub: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    torrent: Spanned<PathBuf>,
    target: Option<PathBuf>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct RawLimits {
    upload: Option<Spanned<String>>,
    download: Option<Spanned<String>>,
}

impl Raw {
    /// Reads the values; what is wrong goes to `mistakes` and reads as the default.
    fn check(self, base: &Path, mistakes: &mut Collector) -> Config {
        let data = base.join(self.data.unwrap_or_else(|| platform::default_data().into()));
        let state = base.join(self.state.unwrap_or_else(|| platform::default_state().into()));
        let content = entries(self.content.unwrap_or_default(), base, &data, mistakes);
        let limits = self.limits.unwrap_or_default();
        let control_at = self
            .control
            .as_ref()
            .or(self.listen.as_ref())
            .map(|raw| raw.referenced);
        let control = address(self.control, ([127, 0, 0, 1], 6882).into(), mistakes);
        let listen = address(self.listen, ([0, 0, 0, 0], 6881).into(), mistakes);
        if let Some(at) = control_at
            && Listener::is_in_the_way(listen, control)
        {
            let problem = format!("`listen` and `control` cannot both have port {}", control.port());
            mistakes.add(at, &problem, "give one of them another port");
        }
        Config {
            id: agent_id(self.id, mistakes),
            listen,
            control,
            announce_metrics: self.announce_metrics.unwrap_or(!control.ip().is_loopback()),
            data,
            state,
            content,
            gateway: gateway(self.gateway, mistakes),
            share: share(self.share, mistakes),
            names: names(self.names, cfg!(windows), mistakes),
            limits: Limits {
                upload: rate(limits.upload, mistakes),
                download: rate(limits.download, mistakes),
            },
            scrub: scrub(self.scrub, mistakes),
        }
    }
}

fn entries(raw: Vec<RawEntry>, base: &Path, data: &Path, mistakes: &mut Collector) -> Vec<ContentEntry> {
    let mut out: Vec<ContentEntry> = Vec::new();
    for entry in raw {
        let torrent = base.join(&entry.torrent.value);
        if entry.torrent.value.as_os_str().is_empty() {
            mistakes.add(
                entry.torrent.referenced,
                "`torrent` is empty",
                "name a .torrent file",
            );
        } else if out.iter().any(|other| other.torrent == torrent) {
            let problem = format!("{} stands here twice", entry.torrent.value.display());
            mistakes.add(
                entry.torrent.referenced,
                &problem,
                "remove one of the two entries",
            );
        } else {
            let target = entry
                .target
                .map_or_else(|| data.to_owned(), |target| base.join(target));
            out.push(ContentEntry { torrent, target });
        }
    }
    out
}

fn agent_id(raw: Option<Spanned<String>>, mistakes: &mut Collector) -> String {
    let Some(raw) = raw else { return host_name() };
    let id = raw.value;
    if id.is_empty() || id.chars().count() > MAX_ID || id.len() > MAX_ID || id.chars().any(char::is_control) {
        mistakes.add(
            raw.referenced,
            "not a usable id",
            "1 to 64 bytes of text without control characters",
        );
    }
    id
}

/// The host's name, cut to what an id may be.
pub(crate) fn host_name() -> String {
    let name = gethostname::gethostname().to_string_lossy().into_owned();
    let name: String = name
        .chars()
        .filter(|c| c.is_ascii_graphic())
        .take(MAX_ID)
        .collect();
    if name.is_empty() { "agent".to_owned() } else { name }
}

fn address(raw: Option<Spanned<String>>, default: SocketAddr, mistakes: &mut Collector) -> SocketAddr {
    let Some(raw) = raw else { return default };
    raw.value.parse().unwrap_or_else(|_| {
        let problem = format!("`{}` is not an address and a port", raw.value);
        mistakes.add(
            raw.referenced,
            &problem,
            "write it like 10.2.0.17:6881 or \"[2001:db8::17]:6881\"",
        );
        default
    })
}

fn gateway(raw: Option<Spanned<String>>, mistakes: &mut Collector) -> GatewayMode {
    let Some(raw) = raw else { return GatewayMode::Auto };
    match raw.value.as_str() {
        "auto" => GatewayMode::Auto,
        "never" => GatewayMode::Never,
        "prefer" => GatewayMode::Prefer,
        other => {
            let problem = format!("`{other}` is not a gateway mode");
            mistakes.add(raw.referenced, &problem, "one of auto, never, prefer");
            GatewayMode::Auto
        }
    }
}

fn share(raw: Option<Spanned<String>>, mistakes: &mut Collector) -> Sharing {
    let Some(raw) = raw else { return Sharing::Always };
    match raw.value.as_str() {
        "always" => Sharing::Always,
        "never" => Sharing::Never,
        other => {
            let problem = format!("`{other}` does not say whether to share");
            mistakes.add(raw.referenced, &problem, "one of always, never");
            Sharing::Always
        }
    }
}

fn names(raw: Option<Spanned<String>>, on_windows: bool, mistakes: &mut Collector) -> Names {
    let Some(raw) = raw else { return Names::Portable };
    match raw.value.parse() {
        Ok(Names::Linux) if on_windows => {
            let problem = "`names: linux` cannot be on Windows, which cannot hold such names";
            mistakes.add(raw.referenced, problem, "remove it here");
            Names::Portable
        }
        Ok(names) => names,
        Err(_) => {
            let problem = format!("`{}` does not say for which machines names must do", raw.value);
            mistakes.add(raw.referenced, &problem, "one of portable, linux");
            Names::Portable
        }
    }
}

fn scrub(raw: Option<Spanned<String>>, mistakes: &mut Collector) -> Option<Duration> {
    let Some(raw) = raw else { return Some(SCRUB) };
    let period = period(&raw.value);
    if period.is_none() && raw.value != "off" {
        let problem = format!("`{}` is not a time from 1m to 3650d", raw.value);
        mistakes.add(raw.referenced, &problem, "write it like `30d` or `12h`, or `off`");
    }
    period
}

/// A whole number of days, hours or minutes.
fn period(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "d" => 86_400,
        "h" => 3600,
        "m" | "min" => 60,
        _ => return None,
    };
    let seconds = digits.trim_end().parse::<u64>().ok()?.checked_mul(unit)?;
    (60..=3650 * 86_400)
        .contains(&seconds)
        .then(|| Duration::from_secs(seconds))
}

fn rate(raw: Option<Spanned<String>>, mistakes: &mut Collector) -> Rate {
    let Some(raw) = raw else { return Rate::UNLIMITED };
    raw.value.parse().unwrap_or_else(|error: RateError| {
        mistakes.add(
            raw.referenced,
            &error.to_string(),
            "write `unlimited`, or a rate like `10 Mbit/s`",
        );
        Rate::UNLIMITED
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_refuses_names_that_it_cannot_hold_in_words() {
        let ask = |text: &str, on_windows| {
            let raw: Raw = serde_yaml::from_str(text).expect("yaml");
            let mut mistakes = Collector::new(Path::new("agent.yaml"), text);
            let found = names(raw.names, on_windows, &mut mistakes);
            mistakes.finish(found).map_err(|error| error.to_string())
        };
        assert_eq!(ask("id: a\n", false), Ok(Names::Portable));
        for on_windows in [false, true] {
            assert_eq!(ask("names: portable\n", on_windows), Ok(Names::Portable));
            let unknown = ask("names: all\n", on_windows).expect_err("unknown");
            assert!(unknown.contains("one of portable, linux"), "{unknown}");
        }
        assert_eq!(ask("names: linux\n", false), Ok(Names::Linux));
        let refused = ask("names: linux\n", true).expect_err("Windows");
        assert!(
            refused.contains("agent.yaml:1:") && refused.contains("Windows, which cannot hold"),
            "{refused}"
        );
    }
}
