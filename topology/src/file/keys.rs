//! Every key of the file, once: the parser accepts these, and the schema is made of them.

use narrows_config::Key as OfFile;

/// A key of a mapping, and what stands at it.
pub(super) type Key = OfFile<Shape>;

/// The keys of one mapping.
pub(super) type Fields<'n> = narrows_config::Fields<'n, Shape>;

/// What stands at a key.
pub(super) enum Shape {
    /// The format's version: 1.
    Version,
    /// An IANA timezone.
    Timezone,
    /// A rate; whether 0 is allowed.
    Rate { zero: bool },
    /// A whole number from 1 to this.
    Count(u64),
    /// `true` or `false`.
    Bool,
    /// A mark of packets: a code point or `none`.
    Dscp,
    /// The name of a site.
    SiteName,
    /// Two names of sites.
    Between,
    /// Networks in CIDR notation.
    Networks,
    /// Days of the week.
    Days,
    /// A span of hours.
    Hours,
    /// A mapping with these keys.
    Mapping(&'static [Key]),
    /// A mapping from names to mappings with these keys, or nothing.
    ByName(&'static [Key]),
    /// A list of mappings with these keys.
    ListOf(&'static [Key]),
    /// The word `deny`, or a mapping with these keys.
    DenyOr(&'static [Key]),
}

const fn required(name: &'static str, shape: Shape, about: &'static str) -> Key {
    Key::required(name, shape, about)
}

const fn optional(name: &'static str, shape: Shape, about: &'static str) -> Key {
    Key::optional(name, shape, about)
}

/// The most gateways or seeders that make sense: beyond it a key has been confused with another.
pub(super) const MAX_PEERS: u64 = 1_000;
/// As OSPF and IS-IS wide metrics: a path of 2,000 links stays far below overflow.
pub(super) const MAX_COST: u64 = 0xffff_ffff;

pub(super) const FILE: &[Key] = &[
    required("version", Shape::Version, "The version of this format: 1."),
    optional(
        "timezone",
        Shape::Timezone,
        "For the hours of schedules, such as Europe/Berlin. Default: UTC.",
    ),
    optional(
        "defaults",
        Shape::Mapping(DEFAULTS),
        "What stands where a site or link says nothing.",
    ),
    required("sites", Shape::ByName(SITE), "The sites by name."),
    optional(
        "links",
        Shape::ListOf(LINK),
        "What joins the sites: slow, shared, rated.",
    ),
    optional(
        "unknown",
        Shape::DenyOr(UNKNOWN),
        "An address in no network: `deny` (default), or behind a link to a hub, each /24 (IPv6: /56) as a site of its own.",
    ),
];

pub(super) const DEFAULTS: &[Key] = &[
    optional(
        "max_seeders",
        Shape::Count(MAX_PEERS),
        "Seeders across a link that a site may be handed, per swarm. Default: 2.",
    ),
    optional(
        "gateways",
        Shape::Count(MAX_PEERS),
        "Peers of a site that fetch across the WAN, per swarm. Default: 1.",
    ),
    optional(
        "dscp",
        Shape::Dscp,
        "How transfers across links are marked, so that other traffic goes first: cs1, le, af11, 0 to 63, or none. Default: cs1.",
    ),
];

pub(super) const SITE: &[Key] = &[
    optional(
        "networks",
        Shape::Networks,
        "Its networks; nested ones are fine, the longest prefix wins. Without any it is a transit site.",
    ),
    optional(
        "sharing",
        Shape::Bool,
        "false: its peers only fetch; they never serve and are nobody's gateway. Default: true.",
    ),
    optional(
        "gateways",
        Shape::Count(MAX_PEERS),
        "Peers of this site that fetch across the WAN, per swarm. Default: defaults.gateways.",
    ),
];

pub(super) const LINK: &[Key] = &[
    required("between", Shape::Between, "The two sites that it joins."),
    required(
        "rate",
        Shape::Rate { zero: false },
        "What all rollouts together may use, each way: kbit/s, Mbit/s, Gbit/s, or unlimited.",
    ),
    optional(
        "max_seeders",
        Shape::Count(MAX_PEERS),
        "Seeders across this link that a site may be handed, per swarm. Default: defaults.max_seeders.",
    ),
    optional(
        "cost",
        Shape::Count(MAX_COST),
        "For choosing paths, as the routers do. Default: 1 Gbit/s over the rate.",
    ),
    optional(
        "dscp",
        Shape::Dscp,
        "How transfers across this link are marked; of several links on a path the lowest priority. Default: defaults.dscp.",
    ),
    optional(
        "schedule",
        Shape::ListOf(SCHEDULE),
        "While a line matches, its rate stands instead; the first that matches counts.",
    ),
];

pub(super) const SCHEDULE: &[Key] = &[
    optional(
        "days",
        Shape::Days,
        "Such as mon-fri or sat,sun. Default: every day.",
    ),
    optional(
        "hours",
        Shape::Hours,
        "Such as 08:00-18:00; 22:00-06:00 ends on the next day. Default: all day.",
    ),
    required(
        "rate",
        Shape::Rate { zero: true },
        "The rate while it matches; 0 pauses.",
    ),
];

pub(super) const UNKNOWN: &[Key] = &[
    required(
        "attach",
        Shape::SiteName,
        "The site behind which unknown networks are.",
    ),
    required(
        "rate",
        Shape::Rate { zero: false },
        "The rate of the link of each unknown network.",
    ),
    optional(
        "max_seeders",
        Shape::Count(MAX_PEERS),
        "Seeders across that link, per swarm. Default: defaults.max_seeders.",
    ),
    optional(
        "cost",
        Shape::Count(MAX_COST),
        "The cost of that link. Default: 1 Gbit/s over the rate.",
    ),
];
