//! What a sites.yaml says, checked: what the map is compiled from.

use ipnet::IpNet;
use jiff::tz::TimeZone;

use crate::schedule::Rule;
use crate::{Rate, dscp};

/// What a file says, checked: every index is in range, names and networks are unique.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SiteFile {
    pub(crate) sites: Vec<Site>,
    pub(crate) links: Vec<Link>,
    pub(crate) attach: Option<Attach>,
    pub(crate) timezone: TimeZone,
    pub(crate) defaults: Defaults,
}

/// `defaults:` of the file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Defaults {
    pub(crate) max_seeders: u32,
    pub(crate) gateways: u32,
    /// `None`: packets are not marked.
    pub(crate) dscp: Option<u8>,
}

impl Default for Defaults {
    fn default() -> Self {
        Defaults {
            max_seeders: 2,
            gateways: 1,
            dscp: dscp::DEFAULT,
        }
    }
}

/// A site of the file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Site {
    pub(crate) name: String,
    pub(crate) networks: Vec<IpNet>,
    pub(crate) sharing: bool,
    pub(crate) gateways: Option<u32>,
}

/// A link of the file; its ends are positions in the list of sites.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Link {
    pub(crate) between: (u32, u32),
    pub(crate) rate: Rate,
    pub(crate) max_seeders: Option<u32>,
    pub(crate) cost: Option<u64>,
    /// If given: a code point, or that packets are not marked.
    pub(crate) dscp: Option<Option<u8>>,
    pub(crate) schedule: Vec<Rule>,
}

/// `unknown: {attach: …}`; the hub is a position in the list of sites.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Attach {
    pub(crate) hub: u32,
    pub(crate) rate: Rate,
    pub(crate) max_seeders: Option<u32>,
    pub(crate) cost: Option<u64>,
}
