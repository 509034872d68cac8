//! What the lab is asked to do: the command line, parsed into types that need no second look.

pub mod chaos;
pub mod comparison;
pub mod options;
pub(crate) mod resolve;

use std::path::PathBuf;

use clap::Parser;

use crate::args::chaos::Chaos;
use crate::args::comparison::Comparison;
use crate::args::options::{Factor, Options};
use crate::chaos::{Plan, ROUND};
use crate::deployment::AddressSpace;
use crate::events::kills::Kill;
use crate::values::{Groups, Seconds, Size};

const AFTER: &str = "\
Exit status: 0 all clients complete and identical; 1 some are not, or the time is up;
64 wrong input; 69 something is missing (programs, space, ports); 70 the tracker or an
agent failed; 130 interrupted.";

/// A rollout in small: a real tracker and real agents on this machine, each on a 127.x address of its site,
/// links paced by the tracker. Prints copies per link, time against the bound, and each client's verdict.
#[derive(Parser, Debug, Clone)]
#[command(name = "narrows-lab", version, about, after_help = AFTER)]
pub struct Args {
    /// Site map; networks outside 127.0.0.0/8 are replaced by 127.N.0.0/16. Default: hq, b1, b2 in a star
    #[arg(long, value_name = "FILE")]
    pub sites: Option<PathBuf>,
    /// Seeders per site, as in hq=4
    #[arg(long, value_name = "SITE=N,...")]
    pub seeds: Option<Groups>,
    /// Clients per site, as in b1=4,b2=4. Default: 4 at every other site
    #[arg(long, value_name = "SITE=N,...")]
    pub clients: Option<Groups>,
    /// How much to distribute: 500MB, 1GiB
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "500MB",
        conflicts_with = "content"
    )]
    pub size: Size,
    /// Distribute this file or folder instead of files found on this machine
    #[arg(long, value_name = "PATH")]
    pub content: Option<PathBuf>,
    /// SIGKILL an agent at that progress and start it again 5 s later: b1:0@40%, b1:gateway@30%,
    /// b2:member@60%
    #[arg(
        long,
        value_name = "SITE:WHO@N%,...",
        value_delimiter = ',',
        conflicts_with = "no_kills"
    )]
    pub kill: Vec<Kill>,
    /// Kill no client. Default: three clients are killed and started again, the first of them a gateway
    #[arg(long)]
    pub no_kills: bool,
    /// The result as one JSON object on stdout; everything else goes to stderr
    #[arg(long)]
    pub json: bool,
    /// Work in this folder (new or empty) and keep it: data, logs, configuration
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
    /// When all is done, let everything run until standard input ends: for Prometheus, or for a look at
    /// /status
    #[arg(long, conflicts_with = "compare")]
    pub hold: bool,
    /// Give up after this long. Default: 3 x the bound + 60 s
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<Seconds>,
    /// First of four ports: tracker, its admin page, the agents' peers, their control. Default: 6969, 6970,
    /// 6881, 6882, or others if those are taken
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    /// Where narrows-tracker and narrows-agent are. Default: beside this program, built first under cargo
    #[arg(long, value_name = "DIR")]
    pub bin_dir: Option<PathBuf>,
    /// The network, events, and what plays.
    #[command(flatten)]
    pub options: Options,
    /// Several runs beside each other, and pictures.
    #[command(flatten)]
    pub comparison: Comparison,
    /// A run from a seed.
    #[command(flatten)]
    pub chaos: Chaos,
}

impl Args {
    /// Where the agents' addresses come from.
    pub fn address_space(&self) -> AddressSpace {
        match self.options.netns {
            true => AddressSpace::Namespaces,
            false => AddressSpace::Loopback,
        }
    }

    /// With what `--chaos` makes of its seed; the same without it.
    #[must_use]
    pub fn planned(mut self) -> Args {
        let Some(seed) = self.chaos.chaos else { return self };
        let lasts = self.chaos.lasts.map_or(ROUND, |lasts| lasts.0).min(ROUND);
        let mut plan = Plan::new(seed, lasts);
        if self.chaos.honest {
            plan.liars.clear();
        }
        self.options.netns = true;
        self.no_kills = true;
        (self.seeds, self.clients) = (Some(plan.seeds.clone()), Some(plan.clients.clone()));
        (self.size, self.options.contents) = (plan.size, plan.contents);
        self.options.stagger = (plan.contents > 1).then_some(Seconds(lasts / 5));
        self.options.event = plan.events.clone();
        self.options.links_physical = Factor(if plan.liars.is_empty() { 1.0 } else { plan.room });
        self.chaos.plan = Some(Box::new(plan));
        self
    }

    /// Parses the command line (program name first). The error is the help or version text, or one line
    /// that names the option.
    pub fn parse_from_line<I, T>(line: I) -> Result<Args, Refused>
    where
        I: IntoIterator<Item = T>,
        T: Into<std::ffi::OsString> + Clone,
    {
        Args::try_parse_from(line).map_err(|error| match error.use_stderr() {
            false => Refused::Shown(error.to_string()),
            true => Refused::Wrong(one_line(&error.to_string())),
        })
    }
}

/// Why there is nothing to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// Help or version was asked for: the text.
    Shown(String),
    /// The input is wrong: one line.
    Wrong(String),
}

/// clap's message without its usage: the first paragraph and the tips, on one line.
fn one_line(text: &str) -> String {
    let mut words: Vec<&str> = Vec::new();
    for (i, paragraph) in text.split("\n\n").enumerate() {
        let lines = paragraph.lines().map(str::trim);
        words.extend(lines.filter(|line| i == 0 || line.starts_with("tip:")));
    }
    words.join(" ").trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wrong(line: &[&str]) -> String {
        let line = std::iter::once("narrows-lab").chain(line.iter().copied());
        match Args::parse_from_line(line) {
            Err(Refused::Wrong(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn wrong_input_is_one_line_that_names_the_option() {
        for (line, option, what) in [
            (vec!["--size", "lots"], "--size", "500MB"),
            (vec!["--size", "0"], "--size", "1 byte"),
            (vec!["--seeds", "hq"], "--seeds", "SITE=N"),
            (vec!["--seeds", "hq=0"], "--seeds", "`0`"),
            (vec!["--clients", "b1=1,b1=2"], "--clients", "twice"),
            (vec!["--kill", "b1:0"], "--kill", "b1:0@40%"),
            (vec!["--kill", "b1:0@40%", "--no-kills"], "--kill", "--no-kills"),
            (vec!["--timeout", "soon"], "--timeout", "5m"),
            (vec!["--port", "70000"], "--port", "65535"),
            (vec!["--sizes", "5MB"], "--sizes", "--size"),
            (vec!["--size", "5MB", "--content", "x"], "--size", "--content"),
        ] {
            let text = wrong(&line);
            assert!(text.contains(option) && text.contains(what), "{line:?}: {text}");
            assert!(!text.contains('\n'), "{text:?}");
        }
    }

    #[test]
    fn units_are_decimal_unless_they_have_an_i() {
        assert_eq!("500MB".parse(), Ok(Size(500_000_000)));
        assert_eq!("500 mb".parse(), Ok(Size(500_000_000)));
        assert_eq!("1.5GiB".parse(), Ok(Size(3 << 29)));
        assert_eq!("1024".parse(), Ok(Size(1024)));
        assert_eq!(Size(500_000_000).to_string(), "500 MB");
        assert_eq!(Size(1 << 30).to_string(), "1.1 GB");
    }

    #[test]
    fn kills_come_in_a_comma_list_or_repeated() {
        let line = [
            "narrows-lab",
            "--kill",
            "b1:0@40%,b2:1@50",
            "--kill",
            "b1:gateway@30%",
        ];
        assert_eq!(Args::parse_from_line(line).unwrap().kill.len(), 3);
    }

    proptest! {
        #[test]
        fn any_text_is_a_value_or_an_error(text in "\\PC{0,20}") {
            let _ = (text.parse::<Size>(), text.parse::<Groups>(), text.parse::<Seconds>(), text.parse::<Kill>());
        }

        #[test]
        fn a_size_is_displayed_within_a_twentieth_and_parses_again(bytes in 1u64..100_000_000_000_000) {
            let again: Size = Size(bytes).to_string().parse().unwrap();
            prop_assert!((again.0 as f64 - bytes as f64).abs() <= bytes as f64 / 19.0, "{bytes} {again}");
        }
    }
}
