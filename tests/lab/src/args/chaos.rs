//! What the command line says of `--chaos`, and the run that its seed makes.

use std::time::Duration;

use clap::Args as ClapArgs;

use crate::chaos::{Plan, ROUND};
use crate::values::Seconds;

/// Options of `--chaos`.
#[derive(ClapArgs, Debug, Clone, Default)]
pub struct Chaos {
    /// A rollout with faults of all kinds and with liars, all made from this number, in a network of its own;
    /// at the end every client has every byte, no user's file is gone, no link carried more than 1.15 copies,
    /// and each liar was named
    #[arg(
        long,
        value_name = "SEED",
        conflicts_with_all = ["sites", "seeds", "clients", "content", "kill", "event", "compare", "player", "tracker"]
    )]
    pub chaos: Option<u64>,
    /// With --chaos: for so long; above a minute as rounds with one seed after the other. Default: 60s
    #[arg(long = "for", value_name = "TIME", requires = "chaos")]
    pub lasts: Option<Seconds>,
    /// With --chaos: the faults alone, without liars
    #[arg(long, requires = "chaos")]
    pub honest: bool,
    /// What the seed makes.
    #[arg(skip)]
    pub plan: Option<Box<Plan>>,
}

impl Chaos {
    /// The seed and the time, if one round is not enough for it.
    pub fn rounds(&self) -> Option<(u64, Duration)> {
        let lasts = self.lasts.map(|lasts| lasts.0)?;
        self.chaos.zip(Some(lasts)).filter(|_| lasts > ROUND)
    }
}
