//! What is simulated: sizes and times, and from the seed a map of three levels and the clients of its sites.

use std::fmt::Write as _;
use std::time::Duration;

use super::client::{self, HOSTS, SITES};
use super::rng::SplitMix;

/// The numbers of a simulation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    pub(crate) clients: usize,
    /// Sites with clients: one `hq`, a fiftieth of them regions, the rest branches.
    pub(crate) sites: usize,
    /// Clients at hq that have everything from the start.
    pub(crate) seeders: usize,
    /// The content's size in bytes.
    pub(crate) size: u64,
    /// Clients arrive evenly within this time.
    pub(crate) arrival: Duration,
    /// The part of the clients that vanish once and come back.
    pub(crate) churn: f64,
    /// What a client receives from its site, bytes per second.
    pub(crate) lan: f64,
    /// How long bytes flow between two looks at the flows.
    pub(crate) step: Duration,
    /// How long after its cause a plan of the parents is in force; zero: each announce plans at once.
    pub(crate) planning: Duration,
    /// The simulation ends then, whether all have the content or not.
    pub(crate) limit: Duration,
    pub(crate) seed: u64,
}

impl Default for Setup {
    fn default() -> Setup {
        Setup {
            clients: 1_000_000,
            sites: 2_000,
            seeders: 4,
            size: 1_000_000_000,
            arrival: Duration::from_secs(600),
            churn: 0.05,
            lan: 125e6,
            step: Duration::from_millis(500),
            planning: Duration::from_millis(250),
            limit: Duration::from_secs(24 * 3600),
            seed: 1,
        }
    }
}

impl Setup {
    /// Whether such a thing can be simulated.
    ///
    /// # Errors
    /// What to change.
    pub(crate) fn check(&self) -> Result<(), String> {
        if !(2..=SITES).contains(&self.sites) {
            return Err(format!("{} sites: choose 2 to {SITES}", self.sites));
        }
        let (least, most) = (3 * self.sites, self.sites * HOSTS / 16);
        if !(least..=most).contains(&self.clients) {
            return Err(format!(
                "{} clients at {} sites: choose {least} to {most}",
                self.clients, self.sites
            ));
        }
        if !(1..=HOSTS / 2).contains(&self.seeders) || self.clients <= least + self.seeders {
            return Err(format!("{} seeders: choose 1 or a few", self.seeders));
        }
        if self.size < 1 << 20 || !(0.0..=1.0).contains(&self.churn) {
            return Err("choose a size of at least 1 MB and a churn of 0 % to 100 %".to_owned());
        }
        if self.step.as_millis() == 0 || self.arrival.is_zero() || self.lan < 1e6 {
            return Err("choose a step, an arrival and a LAN rate above zero".to_owned());
        }
        Ok(())
    }

    /// The length of a piece, as `narrows-agent create` would choose it: about 1,500 pieces.
    pub(crate) fn piece(&self) -> f64 {
        let exponent = (self.size as f64 / 1500.0).log2().round();
        exponent.exp2().clamp(262_144.0, 4_194_304.0)
    }

    /// The site map's text and its sites' names; the first is `hq`.
    pub(crate) fn map(&self) -> (String, Vec<String>) {
        let mut rng = SplitMix(self.seed);
        let regions = self.regions();
        let mut names = vec!["hq".to_owned()];
        names.extend((0..regions).map(|n| format!("r{n:02}")));
        let mut links = Vec::new();
        for name in &names[1..] {
            links.push(("hq".to_owned(), name.clone(), rate(&mut rng, 100.0, 1000.0)));
        }
        for n in 0..self.sites - 1 - regions {
            let region = names[1 + rng.below(regions)].clone();
            let name = format!("{region}-b{n:04}");
            links.push((region, name.clone(), rate(&mut rng, 2.0, 50.0)));
            names.push(name);
        }
        let mut text = "version: 1\ndefaults: {max_seeders: 2, gateways: 1}\nsites:\n".to_owned();
        for (n, name) in names.iter().enumerate() {
            let _ = writeln!(
                text,
                "  {name}: {{networks: [{}/{}]}}",
                client::network(n),
                client::PREFIX
            );
        }
        text.push_str("links:\n");
        for (a, b, rate) in links {
            let _ = writeln!(text, "  - {{between: [{a}, {b}], rate: {rate:.1} Mbit/s}}");
        }
        (text, names)
    }

    /// How many sites are regions; they are the first after hq.
    fn regions(&self) -> usize {
        (self.sites / 50).max(1)
    }

    /// How many clients each site has: from 3 to ten times the mean, evenly on a logarithmic scale. Regional
    /// offices are not small: they have the mean or more.
    pub(crate) fn crowds(&self, rng: &mut SplitMix) -> Vec<usize> {
        let mean = self.clients as f64 / self.sites as f64;
        let most = (mean * 10.0).min(HOSTS as f64);
        let weights: Vec<f64> = (0..self.sites).map(|_| 3.0 * (most / 3.0).powf(part(rng))).collect();
        let crowd = |scale: f64| {
            let each = (0..).zip(&weights).map(|(site, weight)| {
                let least = if site <= self.regions() { mean } else { 3.0 };
                (weight * scale).clamp(least, most) as usize
            });
            each.collect::<Vec<usize>>()
        };
        let (mut low, mut high) = (0.0, 1e6);
        for _ in 0..60 {
            let middle = (low + high) / 2.0;
            if crowd(middle).iter().sum::<usize>() <= self.clients {
                low = middle;
            } else {
                high = middle;
            }
        }
        let mut crowds = crowd(low);
        let mut missing = self.clients.saturating_sub(crowds.iter().sum());
        while missing > 0 {
            let site = rng.below(self.sites);
            if crowds[site] < HOSTS {
                crowds[site] += 1;
                missing -= 1;
            }
        }
        // hq has room for its seeders
        while crowds[0] <= self.seeders {
            let largest = (1..self.sites).max_by_key(|site| crowds[*site]).unwrap_or(0);
            crowds[largest] -= 1;
            crowds[0] += 1;
        }
        crowds
    }
}

/// A number from 0 to 1.
pub(crate) fn part(rng: &mut SplitMix) -> f64 {
    (rng.next() >> 11) as f64 / (1u64 << 53) as f64
}

/// Evenly between `low` and `high` on a logarithmic scale.
fn rate(rng: &mut SplitMix, low: f64, high: f64) -> f64 {
    low * (high / low).powf(part(rng))
}
