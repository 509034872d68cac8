//! What the command line says of the network, of events, and of what plays.

use std::str::FromStr;

use clap::Args as ClapArgs;
use jiff::Timestamp;
use narrows_topology::{Hop, LinkId, Rate, SiteMap};

use crate::deployment::Deployment;
use crate::events::{Event, What};
use crate::players::player::{PlayerKind, TrackerKind};
use crate::values::Seconds;

/// Options of `--netns`, of events, and for comparisons.
#[derive(ClapArgs, Debug, Clone)]
pub struct Options {
    /// Every agent a host in a network namespace, links shaped and counted by the kernel (root, or where
    /// users may make namespaces)
    #[arg(long)]
    pub netns: bool,
    /// With --netns: what each host's network card carries. Default: unlimited
    #[arg(long, value_name = "RATE", requires = "netns")]
    pub lan: Option<Rate>,
    /// With --netns: TCP's congestion control between sites. Default: cubic, as on Linux and Windows
    #[arg(long, value_name = "NAME", requires = "netns")]
    pub congestion: Option<String>,
    /// With --netns: what a link itself carries, where the map's rate is but a budget: hq-b1=40 Mbit/s
    #[arg(long, value_name = "LINK=RATE", requires = "netns")]
    pub link_rate: Vec<LinkRate>,
    /// With --netns: every link itself carries so many times the map's rate, as in 2x
    #[arg(long, value_name = "FACTOR", requires = "netns", default_value = "1x")]
    pub links_physical: Factor,
    /// Something that happens: 'kill b1:gateway @30%', 'cut hq-b1 @50% for 20s'. See tests/README.md
    #[arg(long, value_name = "EVENT", value_delimiter = ';')]
    pub event: Vec<Event>,
    /// Distribute so many contents of --size each
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=20))]
    pub contents: u32,
    /// Each content begins so long after the one before. Default: all at once
    #[arg(long, value_name = "SECONDS", requires = "contents")]
    pub stagger: Option<Seconds>,
    /// With --netns: a TCP stream between two sites, measured while the rollout goes on: hq:b1@10s
    #[arg(long, value_name = "FROM:TO@SECONDS", requires = "netns")]
    pub probe: Vec<Probe>,
    /// Who plays the clients and seeders
    #[arg(long, value_enum, default_value_t)]
    pub player: PlayerKind,
    /// Who tells them of each other
    #[arg(long, value_enum, default_value_t)]
    pub tracker: TrackerKind,
}

/// Whether all that is named is there.
///
/// # Errors
/// A message that names the option that is wrong.
pub fn check(options: &Options, deployment: &Deployment) -> Result<(), String> {
    let map = &deployment.map;
    let links: Vec<String> = map.links().map(|link| map.link_name(link)).collect();
    let link = |option: &str, name: &str| match links.iter().any(|link| link == name) {
        true => Ok(()),
        false => Err(format!(
            "{option}: no link `{name}`; there are {}",
            links.join(", ")
        )),
    };
    let peopled = |option: &str, name: &str| {
        let there = deployment.agents.iter().any(|place| map.name(place.site) == name);
        match there {
            true => Ok(()),
            false => Err(format!("{option}: nobody is at `{name}`")),
        }
    };
    for asked in &options.link_rate {
        link("--link-rate", &asked.link)?;
    }
    for probe in &options.probe {
        for site in [&probe.from, &probe.to] {
            if map.site_named(site).and_then(|site| deployment.network(site)).is_none() {
                return Err(format!("--probe: no site `{site}` with a network"));
            }
        }
    }
    if options.probe.len() > 2 {
        return Err("--probe: two at most".to_owned());
    }
    for event in &options.event {
        if event.what.needs_netns() && !options.netns {
            return Err(format!("--event {event}: that needs --netns"));
        }
        match &event.what {
            What::Cut(name) | What::Restore(name) | What::Slow(name, _) => {
                link(&format!("--event {event}"), name)?;
            }
            What::Agents(_, who) => {
                if let Some(site) = who.site() {
                    peopled(&format!("--event {event}"), site)?;
                }
            }
            What::RestartTracker(Some(file)) | What::Map(file) if !file.is_file() => {
                return Err(format!("--event {event}: no file {}", file.display()));
            }
            What::RestartTracker(_) | What::Map(_) | What::Http(..)
                if options.tracker != TrackerKind::Narrows =>
            {
                return Err(format!("--event {event}: that needs --tracker narrows"));
            }
            _ => {}
        }
    }
    if options.stagger.is_some() && options.player != PlayerKind::Narrows {
        return Err("--stagger: contents can be added later with --player narrows only".to_owned());
    }
    if options.player == PlayerKind::Http && options.contents > 1 {
        return Err("--contents: one at a time with --player http".to_owned());
    }
    Ok(())
}

/// What a line itself carries: as asked for it, else its rate now (that outside its schedule while that is a
/// pause) times the factor.
pub fn physical(options: &Options, map: &SiteMap, link: LinkId, now: Timestamp) -> Rate {
    let name = map.link_name(link);
    if let Some(asked) = options.link_rate.iter().find(|asked| asked.link == name) {
        return asked.rate;
    }
    let hop = Hop { link, forward: true };
    let rate = Some(map.rate(hop, now)).filter(|rate| *rate != Rate::ZERO);
    options.links_physical.of(rate.unwrap_or_else(|| map.base_rate(link)))
}

/// `hq-b1=40 Mbit/s`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkRate {
    /// As the map names it.
    pub link: String,
    /// Of the line.
    pub rate: Rate,
}

impl FromStr for LinkRate {
    type Err = String;

    fn from_str(text: &str) -> Result<LinkRate, String> {
        let (link, rate) = text
            .split_once('=')
            .ok_or_else(|| format!("`{text}` is not LINK=RATE, as in hq-b1=40 Mbit/s"))?;
        let rate: Rate = rate.trim().parse().map_err(|error| format!("`{text}`: {error}"))?;
        if rate == Rate::ZERO {
            return Err(format!("`{text}`: a line that carries nothing is none"));
        }
        Ok(LinkRate {
            link: link.trim().to_owned(),
            rate,
        })
    }
}

/// How many times: `2x`, `1.5`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Factor(pub f64);

impl FromStr for Factor {
    type Err = String;

    fn from_str(text: &str) -> Result<Factor, String> {
        let number = text.trim().strip_suffix('x').unwrap_or(text.trim());
        let factor = number.parse().ok().filter(|factor| (0.01..=1000.0).contains(factor));
        factor.map(Factor).ok_or_else(|| format!("`{text}` is no factor from 0.01x to 1000x, as in 2x"))
    }
}

impl Factor {
    /// So many times a rate.
    pub fn of(self, rate: Rate) -> Rate {
        match rate.bytes_per_second() {
            Some(bytes) => Rate::from_bytes_per_second((bytes as f64 * self.0) as u64),
            None => rate,
        }
    }
}

/// A TCP stream beside the rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The sender's site.
    pub from: String,
    /// The receiver's.
    pub to: String,
    /// When it begins, in seconds since the clients' start; it ends with the rollout.
    pub at: u32,
}

impl FromStr for Probe {
    type Err = String;

    fn from_str(text: &str) -> Result<Probe, String> {
        let wrong = || format!("`{text}` is not FROM:TO@SECONDS, as in hq:b1@10s");
        let (sites, at) = text.split_once('@').ok_or_else(wrong)?;
        let (from, to) = sites.split_once(':').ok_or_else(wrong)?;
        let at = at.trim().strip_suffix('s').unwrap_or(at.trim());
        let at = at.parse().ok().filter(|at| *at <= 86_400).ok_or_else(wrong)?;
        let (from, to) = (from.trim().to_owned(), to.trim().to_owned());
        if from.is_empty() || to.is_empty() || from == to {
            return Err(wrong());
        }
        Ok(Probe { from, to, at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rates_factors_and_probes_are_read_as_people_write_them() {
        let rate: LinkRate = "hq-b1=40 Mbit/s".parse().unwrap();
        assert_eq!(
            (rate.link.as_str(), rate.rate),
            ("hq-b1", "40 Mbit/s".parse().unwrap())
        );
        assert_eq!(
            "2x".parse::<Factor>().unwrap().of(rate.rate),
            "80 Mbit/s".parse().unwrap()
        );
        assert_eq!(Factor(2.0).of(Rate::UNLIMITED), Rate::UNLIMITED);
        let probe: Probe = "hq:b1@10s".parse().unwrap();
        assert_eq!(
            (probe.from.as_str(), probe.to.as_str(), probe.at),
            ("hq", "b1", 10)
        );
        for wrong in ["hq:hq@1", "hq@1", "hq:b1", "hq:b1@soon"] {
            assert!(wrong.parse::<Probe>().unwrap_err().contains("hq:b1@10s"));
        }
        assert!("hq-b1=0 Mbit/s".parse::<LinkRate>().is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_a_value_or_an_error(text in "\\PC{0,20}") {
            let _ = (text.parse::<LinkRate>(), text.parse::<Factor>(), text.parse::<Probe>());
        }
    }
}
