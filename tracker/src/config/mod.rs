//! tracker.yaml: read, checked, every mistake with its place.

mod tls;

pub use tls::Tls;

use std::ffi::OsStr;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use narrows_assignment::Intervals;
use narrows_config::{Fields, Key, LoadError, Mistakes, Node, Partly, Report, Subject, values};

use crate::net::listen;

/// What `tracker.yaml` says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// `listen: 0.0.0.0:6969`, or a list: where /announce and /scrape are served. `off`: over https alone.
    pub listen: Vec<SocketAddr>,
    /// `listen_tls: 0.0.0.0:6971`, or a list: where they are served over https. Omitted: nowhere.
    pub listen_tls: Vec<SocketAddr>,
    /// `admin: 127.0.0.1:6970`: where /metrics, /healthz and /status are served.
    pub admin: SocketAddr,
    /// `admin_tls: 0.0.0.0:6972`, or a list: where they are served over https. Omitted: nowhere.
    pub admin_tls: Vec<SocketAddr>,
    /// `tls: own`: who the tracker is over https. A key of its own is made in `state` at the first start, and agents
    /// know it by its pin, which `narrows-tracker pin` prints; `tls: {names: [tracker.example.com]}` adds names to the
    /// certificate for clients that ask for one, `STATE/tls.crt`. `tls: {certificate: FILE, key: FILE}`: a company's.
    /// Files that change are taken over; those that are wrong are not, and the ones in use stay.
    pub tls: Tls,
    /// `site_map: sites.yaml`: the site map; needed. Relative paths are relative to the configuration file.
    pub site_map: PathBuf,
    /// `torrents: torrents/`: only the .torrent files of this folder are tracked. Omitted: any info hash.
    pub torrents: Option<PathBuf>,
    /// `trusted_proxies: []`: networks whose X-Forwarded-For and `ip=` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// `max_connections_per_address: 4096`: connections at a time from one address, or from one IPv6 network of
    /// 64 bits, a quarter of all places; one more ends the one that is idle for longest, and so does any newcomer
    /// when all places are held by few addresses. A site of thousands behind one NAT fits. Not for `trusted_proxies`.
    pub max_connections_per_address: usize,
    /// `admin_names: []`: names that the admin port answers to, beside addresses, `localhost` and the
    /// machine's own name: those that people and Prometheus call it by.
    pub admin_names: Vec<String>,
    /// `state: /var/lib/narrows-tracker`: where brakes, and who has what, are kept over a restart. Omitted:
    /// systemd's `$STATE_DIRECTORY`, if the unit has one; else a restart releases brakes, and peers are known
    /// again as they announce.
    pub state: Option<PathBuf>,
    /// `admin_token: token`: a file with the token that changes over the admin port need. Omitted: changes
    /// are accepted only if the admin port is bound to a loopback address.
    pub admin_token: Option<PathBuf>,
    /// `interval: {seeder: 15m, leecher: 60s, gateway: 30s, min: 10s}`: times between announces.
    pub interval: Intervals,
}

const CONFIGURATION: Subject = Subject {
    name: "the configuration",
    begin: Some("begin with `site_map: sites.yaml`"),
};

const KEYS: &[Key] = &[
    Key::optional(
        "listen",
        (),
        "Where /announce and /scrape are served: an address, a list, or off.",
    ),
    Key::optional(
        "listen_tls",
        (),
        "Where they are served over https: an address, or a list.",
    ),
    Key::optional("admin", (), "Where /metrics, /healthz and /status are served."),
    Key::optional(
        "admin_tls",
        (),
        "Where they are served over https: an address, or a list.",
    ),
    Key::optional(
        "tls",
        (),
        "Who the tracker is over https: own, or a certificate and its key.",
    ),
    Key::required(
        "site_map",
        (),
        "add the path of the site map: `site_map: sites.yaml`",
    ),
    Key::optional(
        "torrents",
        (),
        "The folder of the .torrent files that are tracked.",
    ),
    Key::optional(
        "trusted_proxies",
        (),
        "Networks whose X-Forwarded-For and `ip=` are believed.",
    ),
    Key::optional(
        "max_connections_per_address",
        (),
        "Connections at a time from one address.",
    ),
    Key::optional(
        "admin_names",
        (),
        "Names that the admin port answers to, beside addresses and the machine's own name.",
    ),
    Key::optional("state", (), "The folder of what outlives a restart."),
    Key::optional(
        "admin_token",
        (),
        "The file with the token for changes over the admin port.",
    ),
    Key::optional("interval", (), "Times between announces."),
];

const INTERVALS: &[Key] = &[
    Key::optional("seeder", (), "Of a seeder."),
    Key::optional("leecher", (), "Of a leecher."),
    Key::optional("gateway", (), "Of a gateway."),
    Key::optional("min", (), "What no client may fall below."),
];

/// What `max_connections_per_address` may be: half of all places, so that one address never has them alone.
const MAX_CONNECTIONS_PER_ADDRESS: u64 = 8 * 1024;

/// What an interval may be.
const INTERVAL: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(24 * 3600);

impl Config {
    /// Reads and checks a configuration file.
    ///
    /// # Errors
    /// The system's reason why it cannot be read, or all mistakes of the file at once.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        Ok(Self::load_partly(path)?.whole()?)
    }

    /// Reads and checks a configuration file, also if it has mistakes: for looking into what it names. Its
    /// `site_map` is empty then if it names none.
    ///
    /// # Errors
    /// The system's reason why it cannot be read.
    pub fn load_partly(path: &Path) -> Result<Partly<Self>, LoadError> {
        let folder = path.parent().unwrap_or(Path::new(""));
        narrows_config::load_partly(path, CONFIGURATION, |root, report| {
            let mut config = read(root, folder, report)?;
            if config.state.is_none() {
                config.state = std::env::var_os("STATE_DIRECTORY").and_then(|folders| first_folder(&folders));
            }
            Some(config)
        })
    }

    /// Checks the text of a configuration. `file` is for the messages, `folder` is what relative paths are
    /// relative to.
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn parse(file: &str, folder: &Path, text: &str) -> Result<Self, Mistakes> {
        narrows_config::parse(file, text.as_bytes(), CONFIGURATION, |root, report| {
            read(root, folder, report)
        })
    }

    /// What works and is seldom meant, each with what to do.
    pub fn warnings(&self) -> Vec<&'static str> {
        let open = "there is no `torrents`: any client that reaches this tracker may have any content distributed; name the folder \
                    of your .torrent files, as `torrents: torrents/`, and only those are tracked";
        let unused = "`tls` says who the tracker is over https, and nothing is served over https: name an address, as \
                      `listen_tls: 0.0.0.0:6971`";
        let is_unused = self.tls != Tls::default() && !self.serves_tls();
        [(self.torrents.is_none(), open), (is_unused, unused)]
            .into_iter()
            .filter_map(|(is_so, warning)| is_so.then_some(warning))
            .collect()
    }

    /// Whether anything is served over https.
    pub fn serves_tls(&self) -> bool {
        !self.listen_tls.is_empty() || !self.admin_tls.is_empty()
    }
}

/// The first of the folders that systemd made for us (`StateDirectory=`, systemd.exec(5)).
fn first_folder(folders: &OsStr) -> Option<PathBuf> {
    let mut folders = std::env::split_paths(folders);
    folders.next().filter(|folder| folder.is_absolute())
}

fn read(root: &Node, folder: &Path, report: &mut Report<'_>) -> Option<Config> {
    let fields = Fields::of(root, KEYS, "a tracker's configuration", report)?;
    let mut path = |key| {
        let node = fields.take(key)?;
        values::path(node, key, folder, report)
    };
    let site_map = path("site_map");
    let mut config = Config {
        listen: vec![SocketAddr::from(([0, 0, 0, 0], 6969))],
        listen_tls: Vec::new(),
        admin: SocketAddr::from(([127, 0, 0, 1], 6970)),
        admin_tls: Vec::new(),
        tls: Tls::default(),
        site_map: PathBuf::new(),
        torrents: path("torrents"),
        trusted_proxies: Vec::new(),
        max_connections_per_address: 4096,
        admin_names: Vec::new(),
        state: path("state"),
        admin_token: path("admin_token"),
        interval: Intervals::default(),
    };
    for (key, port, addresses) in [
        ("listen_tls", 6971, &mut config.listen_tls),
        ("admin_tls", 6972, &mut config.admin_tls),
    ] {
        if let Some(node) = fields.given(key) {
            *addresses = tls::addresses(node, key, port, report);
        }
    }
    if let Some(read) = fields.given("tls").and_then(|node| tls::read(node, folder, report)) {
        config.tls = read;
    }
    if let Some(node) = fields.take("listen") {
        config.listen = listen(node, fields.given("listen_tls").is_some(), report);
    }
    let admin = fields.take("admin");
    if let Some(address) = admin.and_then(|node| values::socket_address(node, "admin", 6970, report)) {
        config.admin = address;
    }
    if let Some(node) = fields.take("trusted_proxies") {
        let items = values::items(node).iter();
        config.trusted_proxies = items.filter_map(|item| network(item, report)).collect();
    }
    if let Some(number) = fields.take("max_connections_per_address").and_then(|node| {
        values::count(
            node,
            "max_connections_per_address",
            MAX_CONNECTIONS_PER_ADDRESS,
            report,
        )
    }) {
        config.max_connections_per_address = usize::try_from(number).unwrap_or(usize::MAX);
    }
    if let Some(node) = fields.take("admin_names") {
        let items = values::items(node).iter();
        config.admin_names = items.filter_map(|item| host_name(item, "admin_names", report)).collect();
    }
    if let Some(node) = fields.take("interval") {
        config.interval = intervals(node, report);
    }
    let ports: [(&str, &[SocketAddr], u16); 4] = [
        ("listen", &config.listen, 6969),
        ("admin", &[config.admin], 6970),
        ("listen_tls", &config.listen_tls, 6971),
        ("admin_tls", &config.admin_tls, 6972),
    ];
    for (nth, (key, addresses, usual)) in ports.iter().enumerate() {
        let before = ports.iter().take(nth);
        let taken = before.flat_map(|(other, held, _)| {
            addresses.iter().filter_map(move |address| Some((other, listen::in_the_way_of(held, *address)?)))
        });
        for (other, taken) in taken {
            report.add(
                fields.take(key).or(fields.take(other)).unwrap_or(root).at,
                format!("`{key}` and `{other}` cannot both have {taken}"),
                format!("give `{key}` another port than {}, such as {usual}", taken.port()),
            );
        }
    }
    config.site_map = site_map.unwrap_or_default();
    Some(config)
}

/// Where the peers' port listens in the clear.
fn listen(node: &Node, has_tls: bool, report: &mut Report<'_>) -> Vec<SocketAddr> {
    if node.text() == Some("off") {
        if !has_tls {
            report.add(
                node.at,
                "`listen` is off, and no client could announce",
                "name an address for https, as `listen_tls: 0.0.0.0:6971`, or one here",
            );
        }
        return Vec::new();
    }
    let items = values::items(node);
    // a wrong address is one mistake, not two
    if items.is_empty() {
        report.add(
            node.at,
            "`listen` names no address",
            "write an address, as `listen: 0.0.0.0:6969`",
        );
    }
    items.iter().filter_map(|item| values::socket_address(item, "listen", 6969, report)).collect()
}

fn network(node: &Node, report: &mut Report<'_>) -> Option<IpNet> {
    let text = values::text(node, "a network", "trusted_proxies: [10.0.0.0/24]", report)?;
    let network = text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    if network.is_none() {
        let help = "write a network or an address, as 10.0.0.0/24 or 10.0.0.7";
        report.add(node.at, format!("`{text}` is no network"), help);
    }
    network.map(|network| network.trunc())
}

/// A name as browsers write it into `Host`: without a port, in lower case.
fn host_name(node: &Node, key: &str, report: &mut Report<'_>) -> Option<String> {
    let text = values::text(node, "a name", &format!("{key}: [tracker.example.com]"), report)?;
    // RFC 1123, 2.1, and RFC 1035, 2.3.4; an underscore is no host's and yet met with
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let name = text.strip_suffix('.').unwrap_or(text);
    if name.len() > 253 || !name.split('.').all(is_label) {
        let help = "write it as in tracker.example.com, without http:// and without a port";
        report.add(node.at, format!("`{text}` is no name of a machine"), help);
        return None;
    }
    Some(name.to_ascii_lowercase())
}

fn intervals(node: &Node, report: &mut Report<'_>) -> Intervals {
    let mut intervals = Intervals::default();
    let Some(fields) = Fields::of(node, INTERVALS, "`interval`", report) else {
        return intervals;
    };
    let Intervals {
        seeder,
        leecher,
        gateway,
        min,
    } = &mut intervals;
    for (key, interval) in [
        ("seeder", seeder),
        ("leecher", leecher),
        ("gateway", gateway),
        ("min", min),
    ] {
        let given = fields.take(key);
        if let Some(duration) = given.and_then(|node| values::duration(node, key, INTERVAL, report)) {
            *interval = duration;
        }
    }
    let shortest = intervals.seeder.min(intervals.leecher).min(intervals.gateway);
    if intervals.min > shortest {
        report.add(
            fields.take("min").unwrap_or(node).at,
            "`min` is longer than another interval",
            "make `min` the shortest of the four",
        );
    }
    intervals
}

#[cfg(test)]
mod tests;
