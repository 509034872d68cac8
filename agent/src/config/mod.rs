//! agent.yaml: the whole truth about what an agent does.
//!
//! ```yaml
//! id: munich-017                   # stable; default the host name
//! listen: 0.0.0.0:6881
//! control: 127.0.0.1:6882
//! control_names: []                # names that `control` answers to beside addresses, localhost and the host name
//! announce_metrics: false          # whether the tracker's /sd names it; default: if control is no loopback
//! data: /var/lib/narrows/data
//! state: /var/lib/narrows/state
//! content:
//!   - torrent: torrents/office.torrent
//!     target: /opt/deploy          # default: data
//! tracker: https://tracker.example.com:6971/announce   # or a list; default: what the .torrent says
//! tracker_pin: sha256/...          # the key of a tracker over https, as `narrows-tracker pin` prints it; two while
//!                                  # it is replaced
//! tracker_ca: ca.pem               # or, or as well: the authorities whose certificate it has to have, in PEM
//! gateway: auto                    # auto | never | prefer
//! share: always                    # always | never: it only fetches, over a metered line for instance
//! serve: mapped                    # mapped | any: peers in networks of the tracker's site map, or any peer
//! names: portable                  # portable | linux: contents may have names that Windows cannot hold
//! limits: {upload: unlimited, download: 10 Mbit/s}
//! scrub: 30d                       # in which time all bytes at their targets are hashed again; off: never
//! ```
//! Relative paths are relative to the file.

mod control_names;
mod trackers;

pub(crate) use trackers::unusable;

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use narrows_config::{Fields, Key, LoadError, Mistakes, Node, Partly, Rate, Report, Subject, Value, values};
use narrows_protocol::metainfo::names::Names;
use narrows_protocol::{AnnounceUrl, GatewayPreference, Sharing};
use narrows_tls::Trust;

use crate::platform;

const CONFIGURATION: Subject = Subject {
    name: "the configuration",
    // every key has a default
    begin: None,
};

const KEYS: &[Key] = &[
    Key::optional("id", (), "The agent's stable name."),
    Key::optional("listen", (), "Where peers connect."),
    Key::optional("control", (), "Where status, metrics and commands are served."),
    Key::optional("control_names", (), "By which names it may be asked."),
    Key::optional(
        "announce_metrics",
        (),
        "Whether Prometheus finds this agent by the tracker.",
    ),
    Key::optional("data", (), "Where content goes that names no target."),
    Key::optional("state", (), "Resume data and the control token."),
    Key::optional("content", (), "What to fetch and seed."),
    Key::optional(
        "tracker",
        (),
        "Where to announce, instead of what the .torrent says: a URL, or a list.",
    ),
    Key::optional(
        "tracker_pin",
        (),
        "The key that a tracker over https has to have, as `narrows-tracker pin` prints it, or a list.",
    ),
    Key::optional(
        "tracker_ca",
        (),
        "A file with the authorities of which a tracker over https has to have its certificate.",
    ),
    Key::optional(
        "gateway",
        (),
        "Whether this agent may fetch across the WAN for its site.",
    ),
    Key::optional("share", (), "Whether this agent serves others what it has."),
    Key::optional("serve", (), "Whether peers outside of the site map are served."),
    Key::optional("names", (), "For which machines the names in contents must do."),
    Key::optional("limits", (), "For all content together."),
    Key::optional(
        "scrub",
        (),
        "In which time all that is at its target is hashed again.",
    ),
];

const ENTRY: &[Key] = &[
    Key::required(
        "torrent",
        (),
        "name the .torrent file, as in `torrent: torrents/office.torrent`",
    ),
    Key::optional("target", (), "The folder that it goes into."),
];

const LIMITS: &[Key] = &[
    Key::optional("upload", (), "To all peers together."),
    Key::optional("download", (), "From all peers together."),
];

const GATEWAY: &[(&str, GatewayPreference)] = &[
    ("auto", GatewayPreference::Auto),
    ("never", GatewayPreference::Never),
    ("prefer", GatewayPreference::Prefer),
];
const SHARE: &[(&str, Sharing)] = &[("always", Sharing::Always), ("never", Sharing::Never)];
const SERVE: &[(&str, Serve)] = &[("mapped", Serve::Mapped), ("any", Serve::Any)];
const NAMES: &[(&str, Names)] = &[("portable", Names::Portable), ("linux", Names::Linux)];

/// What `scrub` may be.
const PERIOD: RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(3650 * 86_400);

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
    /// The names that `control` answers to, in lower case, beside addresses, `localhost` and the host name. A
    /// name of which any page could be is refused (DNS rebinding).
    pub control_names: Vec<String>,
    /// Whether the tracker is told the port of `control`, so that Prometheus finds this agent's metrics
    /// there. It looks for them at the address that the agent announces from. The default: unless `control`
    /// is a loopback address.
    pub announce_metrics: bool,
    /// Where content goes that names no target.
    pub data: PathBuf,
    /// Resume data and the control token.
    pub state: PathBuf,
    /// What to fetch and seed, in the file's order.
    pub content: Vec<ContentEntry>,
    /// Where to announce, in this order, whatever a .torrent says; empty: where it says.
    pub tracker: Vec<AnnounceUrl>,
    /// Which machine a tracker over https has to be: one with a key of `tracker_pin`, one with a certificate of an
    /// authority in `tracker_ca`, or both. With neither none is announced to over https, with one of them none over http.
    pub trust: Trust,
    /// Whether this agent may fetch across the WAN for its site.
    pub gateway: GatewayPreference,
    /// Whether this agent serves others what it has.
    pub share: Sharing,
    /// Which peers this agent serves and dials.
    pub serve: Serve,
    /// For which machines the names in contents must do.
    pub names: Names,
    /// For all content together.
    pub limits: Limits,
    /// In which time, while it runs, the agent hashes all that is at its target again; none: never.
    pub scrub: Option<Duration>,
}

/// Which peers an agent serves and dials.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Serve {
    /// Those whose address is in a network of the tracker's site map, and other sites at the rate of the path
    /// there. Of a tracker that tells no networks any peer.
    #[default]
    Mapped,
    /// Any peer, at any rate; of which site it is, it says itself. For sites where peers see each other at
    /// other addresses than the tracker does.
    Any,
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
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// To all peers together; never zero.
    pub upload: Rate,
    /// From all peers together; never zero.
    pub download: Rate,
}

/// What is wrong with a limit of 0, which elsewhere [pauses](Rate::ZERO) a link.
pub(crate) struct ZeroLimit;

impl ZeroLimit {
    pub(crate) const PROBLEM: &str = "a limit of 0 lets nothing through";
    pub(crate) const HELP: &str = "write `unlimited` for no limit";
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            upload: Rate::UNLIMITED,
            download: Rate::UNLIMITED,
        }
    }
}

impl Config {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// That it cannot be read, or all its mistakes with their places.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let folder = path.parent().unwrap_or(Path::new(""));
        narrows_config::load(path, CONFIGURATION, |root, report| read(root, folder, report))
    }

    /// Reads the file at `path`, also if it has mistakes: for looking into what it names.
    ///
    /// # Errors
    /// That it cannot be read.
    pub fn load_partly(path: &Path) -> Result<Partly<Self>, LoadError> {
        let folder = path.parent().unwrap_or(Path::new(""));
        narrows_config::load_partly(path, CONFIGURATION, |root, report| read(root, folder, report))
    }

    /// Reads `text`, which stood in the file at `path`.
    ///
    /// # Errors
    /// All mistakes with their places.
    pub fn parse(text: &str, path: &Path) -> Result<Self, Mistakes> {
        let folder = path.parent().unwrap_or(Path::new(""));
        let name = path.display().to_string();
        narrows_config::parse(&name, text.as_bytes(), CONFIGURATION, |root, report| {
            read(root, folder, report)
        })
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

/// Reads the values; what is wrong is reported and reads as the default.
fn read(root: &Node, folder: &Path, report: &mut Report<'_>) -> Option<Config> {
    if matches!(*root.value, Value::Null) {
        return Some(defaults(folder));
    }
    let fields = Fields::of(root, KEYS, "an agent's configuration", report)?;
    let defaults = defaults(folder);
    let mut path = |key| values::path(fields.given(key)?, key, folder, report);
    let data = path("data").unwrap_or(defaults.data);
    let state = path("state").unwrap_or(defaults.state);
    let mut address = |key, port| values::socket_address(fields.given(key)?, key, port, report);
    let listen = address("listen", 6881).unwrap_or(defaults.listen);
    let control = address("control", 6882).unwrap_or(defaults.control);
    if let Some(node) = fields.given("control").or(fields.given("listen"))
        && is_in_the_way(listen, control)
    {
        let problem = format!("`listen` and `control` cannot both have port {}", control.port());
        report.add(node.at, problem, "give one of them another port");
    }
    let names_of_control = fields.given("control_names").map(|node| control_names::read(node, report));
    let announce_metrics =
        fields.given("announce_metrics").and_then(|node| values::boolean(node, "announce_metrics", report));
    let id = fields.given("id").and_then(|node| agent_id(node, report));
    let content = fields.given("content").map_or_else(Vec::new, |node| entries(node, folder, &data, report));
    let limits = fields.given("limits").and_then(|node| {
        let fields = Fields::of(node, LIMITS, "`limits`", report)?;
        let mut rate = |key| limit(fields.given(key)?, key, report);
        Some(Limits {
            upload: rate("upload").unwrap_or(Rate::UNLIMITED),
            download: rate("download").unwrap_or(Rate::UNLIMITED),
        })
    });
    let trust = trackers::trust(&fields, folder, report);
    let tracker = trackers::urls(&fields, &trust, report);
    let gateway = fields.given("gateway").and_then(|node| values::one_of(node, "gateway", GATEWAY, report));
    let share = fields.given("share").and_then(|node| values::one_of(node, "share", SHARE, report));
    let serve = fields.given("serve").and_then(|node| values::one_of(node, "serve", SERVE, report));
    let names = fields.given("names").map(|node| names_of(node, cfg!(windows), report));
    let scrub = fields.given("scrub").map(|node| period(node, report));
    Some(Config {
        id: id.unwrap_or(defaults.id),
        listen,
        control,
        control_names: names_of_control.unwrap_or_default(),
        announce_metrics: announce_metrics.unwrap_or(!control.ip().is_loopback()),
        data,
        state,
        content,
        tracker,
        trust,
        gateway: gateway.unwrap_or(defaults.gateway),
        share: share.unwrap_or(defaults.share),
        serve: serve.unwrap_or_default(),
        names: names.unwrap_or(defaults.names),
        limits: limits.unwrap_or_default(),
        scrub: scrub.unwrap_or(defaults.scrub),
    })
}

/// Whether a peer listener at `listen` and the control port at `control` want one port; 0 is a free one.
fn is_in_the_way(listen: SocketAddr, control: SocketAddr) -> bool {
    let (peers, other) = (listen.ip(), control.ip());
    // a wildcard for peers is both families; for control that of IPv6 is, where the system has it so
    let overlap = peers == other
        || peers.is_unspecified()
        || other.is_unspecified() && (other.is_ipv6() || peers.is_ipv4());
    listen.port() != 0 && listen.port() == control.port() && overlap
}

/// What an empty file means.
fn defaults(folder: &Path) -> Config {
    Config {
        id: host_name(),
        listen: ([0, 0, 0, 0], 6881).into(),
        control: ([127, 0, 0, 1], 6882).into(),
        control_names: Vec::new(),
        announce_metrics: false,
        data: folder.join(platform::default_data()),
        state: folder.join(platform::default_state()),
        content: Vec::new(),
        tracker: Vec::new(),
        trust: Trust::default(),
        gateway: GatewayPreference::Auto,
        share: Sharing::Always,
        serve: Serve::default(),
        names: Names::default(),
        limits: Limits::default(),
        scrub: Some(SCRUB),
    }
}

fn entries(node: &Node, folder: &Path, data: &Path, report: &mut Report<'_>) -> Vec<ContentEntry> {
    let Value::List(list) = &*node.value else {
        let help = "begin each entry with a dash: `- torrent: torrents/office.torrent`";
        report.add(node.at, "`content` is a list", help);
        return Vec::new();
    };
    let mut out: Vec<(usize, ContentEntry)> = Vec::new();
    for node in list {
        let Some(fields) = Fields::of(node, ENTRY, "an entry of `content`", report) else {
            continue;
        };
        let target = fields
            .given("target")
            .and_then(|node| values::path(node, "target", folder, report))
            .unwrap_or_else(|| data.to_owned());
        let Some(node) = fields.take("torrent") else {
            continue;
        };
        let Some(torrent) = values::path(node, "torrent", folder, report) else {
            continue;
        };
        if let Some((line, _)) = out.iter().find(|(_, other)| other.torrent == torrent) {
            let problem = format!("{} stands here twice", node.text().unwrap_or_default());
            let help = format!("remove one of the two entries; the first is in line {line}");
            report.add(node.at, problem, help);
        } else {
            out.push((node.at.line, ContentEntry { torrent, target }));
        }
    }
    out.into_iter().map(|(_, entry)| entry).collect()
}

fn agent_id(node: &Node, report: &mut Report<'_>) -> Option<String> {
    let id = values::text(node, "`id`", "id: munich-017", report)?;
    if id.is_empty() || id.len() > MAX_ID || !id.chars().all(narrows_protocol::is_printable) {
        let help = "1 to 64 bytes of text without control characters";
        report.add(node.at, "not a usable id", help);
        return None;
    }
    Some(id.to_owned())
}

/// The host's name, cut to what an id may be.
pub(crate) fn host_name() -> String {
    let name = gethostname::gethostname().to_string_lossy().into_owned();
    let name: String = name.chars().filter(|c| c.is_ascii_graphic()).take(MAX_ID).collect();
    if name.is_empty() { "agent".to_owned() } else { name }
}

fn names_of(node: &Node, on_windows: bool, report: &mut Report<'_>) -> Names {
    match values::one_of(node, "names", NAMES, report) {
        Some(Names::Linux) if on_windows => {
            let problem = "`names: linux` cannot be on Windows, which cannot hold such names";
            report.add(node.at, problem, "remove it here");
            Names::Portable
        }
        names => names.unwrap_or_default(),
    }
}

/// A time, or `off`.
fn period(node: &Node, report: &mut Report<'_>) -> Option<Duration> {
    match node.text() {
        Some("off") => None,
        Some(written) if ["no", "never", "none", "false", "0"].contains(&written) => {
            report.add(
                node.at,
                format!("`scrub` cannot be `{written}`"),
                "did you mean `off`?",
            );
            None
        }
        _ => values::duration(node, "scrub", PERIOD, report),
    }
}

fn limit(node: &Node, key: &str, report: &mut Report<'_>) -> Option<Rate> {
    match values::rate(node, key, report)? {
        Rate::ZERO => {
            let help = format!("{}; `narrows-agent pause` stops all transfers", ZeroLimit::HELP);
            report.add(node.at, ZeroLimit::PROBLEM, help);
            None
        }
        rate => Some(rate),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_refuses_names_that_it_cannot_hold_in_words() {
        let ask = |text: &str, on_windows| {
            narrows_config::parse("agent.yaml", text.as_bytes(), CONFIGURATION, |root, report| {
                let fields = Fields::of(root, KEYS, "a file", report)?;
                Some(fields.given("names").map(|node| names_of(node, on_windows, report)))
            })
            .map_err(|mistakes| mistakes.to_string())
        };
        for on_windows in [false, true] {
            assert_eq!(ask("names: portable\n", on_windows), Ok(Some(Names::Portable)));
            let unknown = ask("names: all\n", on_windows).expect_err("unknown");
            assert!(unknown.contains("one of portable, linux"), "{unknown}");
        }
        assert_eq!(ask("names: linux\n", false), Ok(Some(Names::Linux)));
        let refused = ask("names: linux\n", true).expect_err("Windows");
        assert!(
            refused.contains("agent.yaml:1:") && refused.contains("Windows, which cannot hold"),
            "{refused}"
        );
    }
}
