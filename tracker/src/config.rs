//! tracker.yaml: read, checked, every mistake with its place.

use std::ffi::OsStr;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use narrows_assignment::Intervals;
use narrows_topology::Mistakes;
use serde_yaml::Location;
use thiserror::Error;

use crate::listen;
use crate::yaml::{Node, Report, Value, nearest};

/// What `tracker.yaml` says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// `listen: 0.0.0.0:6969`, or a list: where /announce and /scrape are served.
    pub listen: Vec<SocketAddr>,
    /// `admin: 127.0.0.1:6970`: where /metrics, /healthz and /status are served.
    pub admin: SocketAddr,
    /// `site_map: sites.yaml`: the site map; needed. Relative paths are relative to the configuration file.
    pub site_map: PathBuf,
    /// `torrents: torrents/`: only the .torrent files of this folder are tracked. Omitted: any info hash.
    pub torrents: Option<PathBuf>,
    /// `trusted_proxies: []`: networks whose X-Forwarded-For and `ip=` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// `state: /var/lib/narrows-tracker`: where brakes, and who has what, are kept over a restart. Omitted: systemd's
    /// `$STATE_DIRECTORY`, if the unit has one; else a restart releases brakes, and peers are known again as they announce.
    pub state: Option<PathBuf>,
    /// `admin_token: token`: a file with the token that changes over the admin port need. Omitted: changes are accepted
    /// only if the admin port is bound to a loopback address.
    pub admin_token: Option<PathBuf>,
    /// `interval: {seeder: 15m, leecher: 60s, gateway: 30s, min: 10s}`: times between announces.
    pub interval: Intervals,
}

/// Why a configuration cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error(
        "cannot read the configuration {path}: {source}; check that it exists and may be read by this user"
    )]
    Read {
        /// The file.
        path: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The file was read and is wrong.
    #[error("{0}")]
    Mistakes(#[from] Mistakes),
}

const KEYS: [&str; 8] = [
    "listen",
    "admin",
    "site_map",
    "torrents",
    "trusted_proxies",
    "state",
    "admin_token",
    "interval",
];
const INTERVAL_KEYS: [&str; 4] = ["seeder", "leecher", "gateway", "min"];
const INTERVAL_MAX: Duration = Duration::from_secs(24 * 3600);

impl Config {
    /// Reads and checks a configuration file.
    ///
    /// # Errors
    /// The system's reason why it cannot be read, or all mistakes of the file at once.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: name.clone(),
            source,
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut config = Self::parse(&name, folder, &text)?;
        if config.state.is_none() {
            config.state = std::env::var_os("STATE_DIRECTORY").and_then(|folders| first_folder(&folders));
        }
        Ok(config)
    }

    /// Checks the text of a configuration. `file` is for the messages, `folder` is what relative paths are relative to.
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn parse(file: &str, folder: &Path, text: &str) -> Result<Self, Mistakes> {
        let mut report = Report::new(file.to_owned(), text);
        let config = report
            .parse(text)
            .and_then(|root| read(&mut report, folder, &root));
        report.finish(config)
    }

    /// What works and is seldom meant, each with what to do.
    pub fn warnings(&self) -> Vec<&'static str> {
        let open = "there is no `torrents`: whoever reaches this tracker may have any content distributed; name the folder \
                    of your .torrent files, as `torrents: torrents/`, and only those are tracked";
        self.torrents.is_none().then_some(open).into_iter().collect()
    }
}

/// The first of the folders that systemd made for us (`StateDirectory=`, systemd.exec(5)).
fn first_folder(folders: &OsStr) -> Option<PathBuf> {
    let mut folders = std::env::split_paths(folders);
    folders.next().filter(|folder| folder.is_absolute())
}

fn read(report: &mut Report<'_>, folder: &Path, root: &Node) -> Option<Config> {
    let mut site_map = None;
    // a wrong address is one mistake, not two
    let mut names_none = false;
    let mut admin_at = root.referenced;
    let mut config = Config {
        listen: vec![SocketAddr::from(([0, 0, 0, 0], 6969))],
        admin: SocketAddr::from(([127, 0, 0, 1], 6970)),
        site_map: PathBuf::new(),
        torrents: None,
        trusted_proxies: Vec::new(),
        state: None,
        admin_token: None,
        interval: Intervals::default(),
    };
    for (key, place, value) in entries(report, root, &KEYS) {
        match key {
            "listen" => {
                names_none = items(value).next().is_none();
                config.listen = items(value).filter_map(|item| address(report, item)).collect();
            }
            "admin" => {
                admin_at = value.referenced;
                config.admin = address(report, value).unwrap_or(config.admin);
            }
            "site_map" => site_map = path(report, folder, value),
            "torrents" => config.torrents = path(report, folder, value),
            "trusted_proxies" => {
                config.trusted_proxies = items(value).filter_map(|item| network(report, item)).collect();
            }
            "state" => config.state = path(report, folder, value),
            "admin_token" => config.admin_token = path(report, folder, value),
            "interval" => config.interval = intervals(report, place, value),
            _ => {}
        }
    }
    if let Some(taken) = listen::in_the_way_of_admin(&config) {
        report.mistake(
            admin_at,
            format!("`admin` and `listen` cannot both have {taken}"),
            format!("give `admin` another port than {}, such as 6970", taken.port()),
        );
    }
    if names_none {
        report.mistake(
            root.referenced,
            "`listen` names no address",
            "write an address, as `listen: 0.0.0.0:6969`",
        );
    }
    if site_map.is_none() {
        report.mistake(
            root.referenced,
            "`site_map` is missing",
            "add the path of the site map: `site_map: sites.yaml`",
        );
    }
    config.site_map = site_map?;
    Some(config)
}

/// The known entries of a map; notes unknown and repeated keys.
fn entries<'n>(
    report: &mut Report<'_>,
    node: &'n Node,
    known: &[&'static str],
) -> Vec<(&'static str, Location, &'n Node)> {
    let Value::Map(map) = &node.value else {
        report.mistake(
            node.referenced,
            "keys with values are expected here",
            format!("known keys: {}", known.join(", ")),
        );
        return Vec::new();
    };
    let mut found: Vec<(&'static str, Location, &Node)> = Vec::new();
    for (key, value) in map {
        match known.iter().find(|known| **known == key.value) {
            Some(name) if found.iter().any(|(seen, ..)| seen == name) => {
                report.mistake(
                    key.referenced,
                    format!("`{name}` is given twice"),
                    "keep one of them",
                );
            }
            Some(name) => found.push((name, key.referenced, value)),
            None => {
                let help = match nearest(&key.value, known) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("known keys: {}", known.join(", ")),
                };
                report.mistake(key.referenced, format!("unknown key `{}`", key.value), help);
            }
        }
    }
    found
}

/// A list's items, or the one value that stands for a list of one.
fn items(node: &Node) -> impl Iterator<Item = &Node> {
    match &node.value {
        Value::List(list) => list.iter(),
        _ => std::slice::from_ref(node).iter(),
    }
}

fn scalar<'n>(report: &mut Report<'_>, node: &'n Node, help: &str) -> Option<&'n str> {
    if let Value::Scalar(text) = &node.value {
        return Some(text);
    }
    report.mistake(node.referenced, "one value is expected here", help);
    None
}

fn address(report: &mut Report<'_>, node: &Node) -> Option<SocketAddr> {
    let help = "write an address and a port, as 0.0.0.0:6969 or \"[::]:6969\"";
    let text = scalar(report, node, help)?;
    let address = text.parse().ok();
    if address.is_none() {
        report.wrong(node, format!("`{text}` is no address with a port"), help);
    }
    address
}

fn path(report: &mut Report<'_>, folder: &Path, node: &Node) -> Option<PathBuf> {
    let text = scalar(
        report,
        node,
        "write a path; a relative one is relative to this file",
    )?;
    Some(folder.join(text))
}

fn network(report: &mut Report<'_>, node: &Node) -> Option<IpNet> {
    let help = "write a network or an address, as 10.0.0.0/24 or 10.0.0.7";
    let text = scalar(report, node, help)?;
    let network = text
        .parse()
        .ok()
        .or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    if network.is_none() {
        report.wrong(node, format!("`{text}` is no network"), help);
    }
    network.map(|network| network.trunc())
}

fn intervals(report: &mut Report<'_>, place: Location, node: &Node) -> Intervals {
    let mut intervals = Intervals::default();
    let mut places = Vec::new();
    for (key, _, value) in entries(report, node, &INTERVAL_KEYS) {
        let Some(duration) = duration(report, value) else {
            continue;
        };
        places.push(value.referenced);
        match key {
            "seeder" => intervals.seeder = duration,
            "leecher" => intervals.leecher = duration,
            "gateway" => intervals.gateway = duration,
            _ => intervals.min = duration,
        }
    }
    let Intervals {
        seeder,
        leecher,
        gateway,
        min,
    } = intervals;
    if min > seeder.min(leecher).min(gateway) {
        let at = places.first().copied().unwrap_or(place);
        report.mistake(
            at,
            "`min` is longer than another interval",
            "make `min` the shortest of the four",
        );
    }
    intervals
}

fn duration(report: &mut Report<'_>, node: &Node) -> Option<Duration> {
    let help = "write a number and a unit, as 30s, 15m or 1h";
    let text = scalar(report, node, help)?;
    let parsed = parse_duration(text);
    match parsed {
        None => report.wrong(node, format!("`{text}` is no duration"), help),
        Some(duration) if duration < Duration::from_secs(1) || duration > INTERVAL_MAX => {
            report.wrong(node, format!("`{text}` is out of range"), "from 1s to 24h");
        }
        Some(_) => {}
    }
    parsed
}

/// Whole numbers with units, `1h30m`.
fn parse_duration(text: &str) -> Option<Duration> {
    let mut total = 0u64;
    let mut rest = text.trim();
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let number: u64 = rest[..digits].parse().ok()?;
        let unit = rest[digits..].trim_start();
        let letters = unit.len() - unit.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let seconds = match &unit[..letters] {
            "s" => 1,
            "m" | "min" => 60,
            "h" => 3600,
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(seconds)?)?;
        rest = unit[letters..].trim_start();
    }
    (total > 0).then(|| Duration::from_secs(total))
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
