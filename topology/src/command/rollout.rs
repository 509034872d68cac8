//! A rollout as it is given on the command line.

use std::collections::BTreeMap;

use anyhow::{anyhow, bail};
use jiff::Timestamp;
use jiff::civil::{DateTime, Time};
use narrows_topology::{SiteId, SiteMap, plan};

/// What is to be distributed, from where and to whom.
#[derive(clap::Args, Debug)]
pub(crate) struct Asked {
    /// Bytes of content, as in 2GB, 500MB or 1.5GiB
    #[arg(long, value_parser = size)]
    size: u64,
    /// Who has it: a site and how many peers, as in hq=4,munich=1
    #[arg(long, value_name = "SITE=COUNT", value_delimiter = ',', value_parser = peers, required = true)]
    seeds: Vec<Peers>,
    /// Who wants it: a site and how many clients, as in munich=20,vpn=5
    #[arg(long, value_name = "SITE=COUNT", value_delimiter = ',', value_parser = peers, required = true)]
    clients: Vec<Peers>,
}

/// Peers of a site.
#[derive(Clone, Debug)]
struct Peers {
    site: String,
    count: u32,
}

/// The same, where it may be left out.
#[derive(clap::Args, Debug)]
pub(crate) struct MayBeAsked {
    /// Bytes of content, to draw a rollout too
    #[arg(long, value_parser = size, requires = "seeds", requires = "clients")]
    size: Option<u64>,
    /// Who has it, as in hq=4,munich=1
    #[arg(long, value_name = "SITE=COUNT", value_delimiter = ',', value_parser = peers, requires = "size")]
    seeds: Vec<Peers>,
    /// Who wants it, as in munich=20,vpn=5
    #[arg(long, value_name = "SITE=COUNT", value_delimiter = ',', value_parser = peers, requires = "size")]
    clients: Vec<Peers>,
}

impl MayBeAsked {
    /// The rollout, if one was given.
    pub(crate) fn asked(self) -> Option<Asked> {
        let MayBeAsked { size, seeds, clients } = self;
        size.map(|size| Asked { size, seeds, clients })
    }
}

impl Asked {
    /// The rollout in terms of a map.
    pub(crate) fn resolve(&self, map: &SiteMap, at: Timestamp) -> anyhow::Result<plan::Rollout> {
        Ok(plan::Rollout {
            size: self.size,
            seeds: sites(map, &self.seeds)?,
            clients: sites(map, &self.clients)?,
            at,
        })
    }
}

fn sites(map: &SiteMap, peers: &[Peers]) -> anyhow::Result<BTreeMap<SiteId, u32>> {
    let mut sites = BTreeMap::new();
    for Peers { site: name, count } in peers {
        let Some(site) = map.site_named(name) else {
            match map.site_meant(name) {
                Some(near) => bail!("no site {name:?}; did you mean {:?}?", map.name(near)),
                None => bail!("no site {name:?} in the map; `narrows-topology draw` shows the sites"),
            }
        };
        if sites.insert(site, *count).is_some() {
            bail!("{name} is here twice: give its number once");
        }
    }
    Ok(sites)
}

/// A moment in the map's timezone; an hour without a date is the next one after `since`.
pub(crate) fn time(map: &SiteMap, text: &str, since: Timestamp) -> anyhow::Result<Timestamp> {
    let text = text.trim();
    let zone = map.timezone();
    let wrong =
        || anyhow!("`{text}` is no time: write 06:00, `2026-11-24 06:00` or 2026-11-24T06:00:00+01:00");
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant);
    }
    if text.contains('-') {
        let local: DateTime = text.parse().map_err(|_| wrong())?;
        return Ok(zone.to_timestamp(local)?);
    }
    let (hour, minute) = text.split_once(':').ok_or_else(wrong)?;
    let (hour, minute) = (
        hour.parse().map_err(|_| wrong())?,
        minute.parse().map_err(|_| wrong())?,
    );
    let time = Time::new(hour, minute, 0, 0).map_err(|_| wrong())?;
    let today = zone.to_datetime(since).date();
    for date in [today, today.tomorrow()?] {
        let instant = zone.to_timestamp(date.to_datetime(time))?;
        if instant >= since {
            return Ok(instant);
        }
    }
    Err(wrong())
}

fn peers(text: &str) -> Result<Peers, String> {
    let wrong = || format!("`{text}` says no site and count: write as in munich=20");
    // a site's name may hold anything, an attached network's a slash
    let (site, count) = text.rsplit_once('=').ok_or_else(wrong)?;
    let count = count.trim().parse().map_err(|_| wrong())?;
    Ok(Peers {
        site: site.trim().to_owned(),
        count,
    })
}

/// Bytes: a number and B, kB, MB, GB, TB, or KiB, MiB, GiB, TiB.
fn size(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no size: write a number and MB, GB, MiB or GiB, as in 500MB");
    let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let number: f64 = text[..split].parse().map_err(|_| wrong())?;
    let unit = match text[split..].trim().to_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "t" | "tb" => 1e12,
        "kib" => 1024.0,
        "mib" => 1024.0 * 1024.0,
        "gib" => 1024.0 * 1024.0 * 1024.0,
        "tib" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return Err(wrong()),
    };
    let bytes = (number * unit).round();
    if bytes < 1.0 {
        return Err("there is nothing to distribute: the size is 0".to_owned());
    }
    if bytes > 1e17 {
        return Err(format!("`{text}` is more than 100,000 TB"));
    }
    Ok(bytes as u64)
}
