//! What the command line says of comparisons and pictures.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use crate::players::contestant::Contestant;

/// Options of comparisons.
#[derive(ClapArgs, Debug, Clone, Default)]
pub struct Comparison {
    /// With --netns: the same run with each of these, one after the other, and one table, as in
    /// narrows,libtorrent+opentracker,http. A `gateway` of an event is client 0 to players that have none, a
    /// `member` client 1
    #[arg(
        long,
        value_name = "PLAYER[+TRACKER],...",
        value_delimiter = ',',
        requires = "netns",
        conflicts_with_all = ["player", "tracker"]
    )]
    pub compare: Vec<Contestant>,
    /// Write an SVG of each client's progress and of what each link carried; with --compare one for each,
    /// FILE-PLAYER.svg
    #[arg(long, value_name = "FILE.svg")]
    pub plot: Option<PathBuf>,
}
