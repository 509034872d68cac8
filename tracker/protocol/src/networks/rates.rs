//! What a peer of one site may send to each other one.

use std::collections::BTreeMap;
use std::sync::Arc;

use ipnet::IpNet;

use super::bytes::{self, MAX_TABLE, NetworksError, Reader, version};
use super::table::Place;

/// The most attached networks that a brake can be told of; with more, none of them is sent anything.
pub const MAX_STOPPED: usize = 256;

/// What may be sent along a path.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum PathRate {
    /// Nothing: there is no path, or a schedule or a brake stops it.
    #[default]
    Stopped,
    /// Bytes per second, at least 1.
    Limited(u64),
    /// What the network takes.
    Unlimited,
}

impl PathRate {
    /// The number on the wire: 0, 1 without a limit, else one more than the bytes per second.
    pub const fn code(self) -> u64 {
        match self {
            Self::Stopped => 0,
            Self::Unlimited => 1,
            Self::Limited(0) => 2,
            // what 63 bits cannot say is no limit that a link could have
            Self::Limited(bytes) if bytes > u64::MAX >> 2 => 1,
            Self::Limited(bytes) => bytes + 1,
        }
    }

    /// What a number on the wire means.
    pub const fn of_code(code: u64) -> Self {
        match code {
            0 => Self::Stopped,
            1 => Self::Unlimited,
            code => Self::Limited(code - 1),
        }
    }
}

/// What may be sent from one site to each other one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PathRates {
    /// By the number of the last site of a run of equal ones.
    runs: BTreeMap<u32, PathRate>,
    attached: PathRate,
    stopped: Vec<IpNet>,
    table: Arc<[u8]>,
    stops: Arc<[u8]>,
}

impl PathRates {
    /// Of the rate to each site, in the sites' order; `attached`: to an unknown network, but to those
    /// `stopped`, of which there are at most [`MAX_STOPPED`].
    pub fn new(
        sites: impl IntoIterator<Item = PathRate>,
        attached: PathRate,
        mut stopped: Vec<IpNet>,
    ) -> Self {
        stopped.sort_unstable();
        stopped.dedup();
        let attached = if stopped.len() > MAX_STOPPED {
            stopped.clear();
            PathRate::Stopped
        } else {
            attached
        };
        let mut runs: Vec<(u64, PathRate)> = Vec::new();
        for rate in sites {
            match runs.last_mut() {
                Some((run, last)) if *last == rate => *run += 1,
                _ => runs.push((1, rate)),
            }
        }
        let (mut table, mut stops, mut by_last, mut end) = (Vec::new(), Vec::new(), BTreeMap::new(), 0_u32);
        for (run, rate) in runs {
            bytes::number(&mut table, run);
            bytes::number(&mut table, rate.code());
            end = end.saturating_add(u32::try_from(run).unwrap_or(u32::MAX));
            by_last.insert(end.saturating_sub(1), PathRate::of_code(rate.code()));
        }
        stopped.iter().for_each(|network| bytes::network(&mut stops, *network));
        Self {
            runs: by_last,
            attached: PathRate::of_code(attached.code()),
            stopped,
            table: table.into(),
            stops: stops.into(),
        }
    }

    /// Reads a [`table`](Self::table) and [`stops`](Self::stops).
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn read(table: &[u8], attached: PathRate, stops: &[u8]) -> Result<Self, NetworksError> {
        if table.len() > MAX_TABLE || stops.len() > 17 * MAX_STOPPED {
            return Err(NetworksError::TooLong);
        }
        let (mut reader, mut runs, mut end) = (Reader::new(table), BTreeMap::new(), 0_u32);
        while !reader.is_empty() {
            let run = u32::try_from(reader.number()?).map_err(|_| NetworksError::TooLong)?;
            let run = (run > 0).then_some(run).ok_or(NetworksError::Length)?;
            end = end.checked_add(run).ok_or(NetworksError::TooLong)?;
            runs.insert(end.saturating_sub(1), PathRate::of_code(reader.number()?));
        }
        let (mut reader, mut stopped) = (Reader::new(stops), Vec::new());
        while !reader.is_empty() {
            if stopped.len() >= MAX_STOPPED {
                return Err(NetworksError::TooLong);
            }
            stopped.push(reader.network()?);
        }
        Ok(Self {
            runs,
            attached,
            stopped,
            table: table.into(),
            stops: stops.into(),
        })
    }

    /// What may be sent to a peer there.
    pub fn to(&self, place: Place) -> PathRate {
        match place {
            Place::Site(site) => self.runs.range(site..).next().map_or(PathRate::Stopped, |(_, rate)| *rate),
            Place::Attached(network) if self.stopped.contains(&network) => PathRate::Stopped,
            Place::Attached(_) => self.attached,
        }
    }

    /// As it is sent: for each run of sites with one rate its length and the rate's
    /// [code](PathRate::code), both LEB128.
    pub fn table(&self) -> &[u8] {
        &self.table
    }

    /// What may be sent to an unknown network.
    pub fn attached(&self) -> PathRate {
        self.attached
    }

    /// The unknown networks to which nothing may be sent, written as in a table of networks.
    pub fn stops(&self) -> &[u8] {
        &self.stops
    }

    /// A number that only these rates have beside the networks of this version. Never 0.
    pub fn version(&self, networks: u64) -> u64 {
        let (networks, attached) = (networks.to_be_bytes(), self.attached.code().to_be_bytes());
        version(&[&networks, &attached, &self.stops, &self.table])
    }
}
