//! Which client is killed when: decided from what the agents say of themselves.

use std::fmt;
use std::str::FromStr;

/// One agent of a site is to be killed at a progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kill {
    /// The site's name.
    pub site: String,
    /// Which of its clients.
    pub who: Who,
    /// At this progress of that client, in per cent, 1 to 99.
    pub percent: u8,
}

/// Which client of a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// That one, from 0.
    Number(usize),
    /// The gateway at the time when the progress is reached.
    Gateway,
    /// The first that is no gateway then and has not been killed.
    Member,
}

impl FromStr for Kill {
    type Err = String;

    /// `b1:0@40%`, `b1:gateway@30%`, `b1:member@30`.
    fn from_str(text: &str) -> Result<Kill, String> {
        let wrong = || format!("`{text}` is not SITE:WHO@N%, as in b1:0@40% or b1:gateway@30%");
        let (site, rest) = text.trim().split_once(':').ok_or_else(wrong)?;
        let (who, percent) = rest.split_once('@').ok_or_else(wrong)?;
        let who = match who {
            "gateway" => Who::Gateway,
            "member" => Who::Member,
            number => Who::Number(number.parse().map_err(|_| wrong())?),
        };
        let percent: u8 = percent.strip_suffix('%').unwrap_or(percent).parse().map_err(|_| wrong())?;
        if site.is_empty() {
            return Err(wrong());
        }
        if !(1..=99).contains(&percent) {
            return Err(format!("`{text}`: the progress is from 1% to 99%"));
        }
        Ok(Kill {
            site: site.to_owned(),
            who,
            percent,
        })
    }
}

impl fmt::Display for Kill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Kill { site, who, percent } = self;
        match who {
            Who::Number(number) => write!(f, "{site}:{number}@{percent}%"),
            Who::Gateway => write!(f, "{site}:gateway@{percent}%"),
            Who::Member => write!(f, "{site}:member@{percent}%"),
        }
    }
}

/// The talk's demo: three clients, the first of them a gateway, the others at the other sites in turn.
///
/// `sites` are the sites that wait for the content and how many clients each has; no client is killed twice.
pub fn default_kills(sites: &[(String, usize)]) -> Vec<Kill> {
    let mut left: Vec<(&str, usize, bool)> =
        sites.iter().map(|(name, count)| (name.as_str(), *count, true)).collect();
    let total: usize = left.iter().map(|(_, count, _)| *count).sum();
    let mut plan = Vec::new();
    let mut turn = 0;
    while plan.len() < total.min(3) {
        let sites = left.len();
        let (site, count, fresh) = &mut left[turn % sites];
        turn += 1;
        if *count == 0 {
            continue;
        }
        // one that is alone at its site is always the gateway
        let who = match (plan.is_empty(), *count, *fresh) {
            (true, _, _) | (_, 1, true) => Who::Gateway,
            _ => Who::Member,
        };
        *count -= 1;
        *fresh = false;
        plan.push(Kill {
            site: (*site).to_owned(),
            who,
            percent: 30 + 15 * plan.len() as u8,
        });
    }
    plan
}

/// What has to be known of a client now to decide whether it is killed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seen<'a> {
    /// The site's name.
    pub site: &'a str,
    /// Its number among the site's clients, from 0.
    pub number: usize,
    /// 0 to 1.
    pub progress: f64,
    /// Whether it says that it is its site's gateway.
    pub gateway: bool,
    /// Whether its process runs.
    pub running: bool,
    /// How often it has been killed.
    pub kills: u32,
}

/// The kills that have not happened yet.
#[derive(Debug, Clone, Default)]
pub struct PendingKills {
    open: Vec<Kill>,
}

impl PendingKills {
    /// Of these, none has happened.
    pub fn new(kills: Vec<Kill>) -> PendingKills {
        PendingKills { open: kills }
    }

    /// The kills that are due, each with the position of its victim in `clients`; they count as done.
    pub fn due(&mut self, clients: &[Seen<'_>]) -> Vec<(Kill, usize)> {
        let mut due: Vec<(Kill, usize)> = Vec::new();
        self.open.retain(|kill| {
            let free = |i: &usize| due.iter().all(|(_, victim)| victim != i);
            match (0..clients.len()).filter(free).find(|i| kill.meets(&clients[*i])) {
                Some(victim) => {
                    due.push((kill.clone(), victim));
                    false
                }
                None => true,
            }
        });
        due
    }

    /// What has not happened yet.
    pub fn open(&self) -> &[Kill] {
        &self.open
    }
}

impl Kill {
    fn meets(&self, client: &Seen<'_>) -> bool {
        let chosen = match self.who {
            Who::Number(number) => client.number == number,
            Who::Gateway => client.gateway,
            Who::Member => !client.gateway && client.kills == 0,
        };
        chosen
            && client.site == self.site
            && client.running
            && client.progress * 100.0 >= f64::from(self.percent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seen(site: &str, number: usize, progress: f64, gateway: bool) -> Seen<'_> {
        Seen {
            site,
            number,
            progress,
            gateway,
            running: true,
            kills: 0,
        }
    }

    #[test]
    fn the_default_plan_kills_three_of_eight_and_one_is_a_gateway() {
        let plan = default_kills(&[("b1".into(), 4), ("b2".into(), 4)]);
        let texts: Vec<_> = plan.iter().map(Kill::to_string).collect();
        assert_eq!(texts, ["b1:gateway@30%", "b2:member@45%", "b1:member@60%"]);
    }

    #[test]
    fn the_gateway_at_that_progress_is_killed_once() {
        let mut plan = PendingKills::new(vec!["b1:gateway@30%".parse().unwrap()]);
        let early = [seen("b1", 0, 0.2, true), seen("b1", 1, 0.5, false)];
        assert!(plan.due(&early).is_empty());
        let later = [
            seen("b1", 0, 0.4, false),
            seen("b1", 1, 0.5, true),
            seen("b2", 0, 0.9, true),
        ];
        assert_eq!(plan.due(&later).iter().map(|(_, i)| *i).collect::<Vec<_>>(), [1]);
        assert!(plan.due(&later).is_empty());
        assert!(plan.open().is_empty());
    }

    #[test]
    fn a_process_that_is_down_waits_for_its_next_kill() {
        let mut plan = PendingKills::new(vec!["b1:0@10%".parse().unwrap()]);
        let mut client = seen("b1", 0, 0.5, false);
        client.running = false;
        assert!(plan.due(&[client]).is_empty());
        client.running = true;
        assert_eq!(plan.due(&[client]).len(), 1);
    }

    proptest! {
        #[test]
        fn the_default_plan_never_asks_for_more_than_a_site_has(counts in proptest::collection::vec(1usize..6, 1..6)) {
            let sites: Vec<_> = counts.iter().enumerate().map(|(i, n)| (format!("s{i}"), *n)).collect();
            let plan = default_kills(&sites);
            prop_assert_eq!(plan.len(), counts.iter().sum::<usize>().min(3));
            for (site, count) in &sites {
                prop_assert!(plan.iter().filter(|kill| kill.site == *site).count() <= *count);
            }
        }

        #[test]
        fn no_client_is_killed_twice_in_one_step(percents in proptest::collection::vec(1u8..=99, 1..8)) {
            let kills = percents.iter().map(|p| Kill { site: "b1".into(), who: Who::Member, percent: *p }).collect();
            let clients = [seen("b1", 0, 1.0, true), seen("b1", 1, 1.0, false), seen("b1", 2, 1.0, false)];
            let mut victims: Vec<_> = PendingKills::new(kills).due(&clients).into_iter().map(|(_, i)| i).collect();
            prop_assert_eq!(victims.len(), percents.len().min(2));
            victims.dedup();
            prop_assert_eq!(victims.len(), percents.len().min(2));
        }
    }
}
