//! The command line of each run. Pure.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::args::Args;
use crate::players::contestant::{Contestant, name};
use crate::players::player::PlayerKind;

/// Players that are slow have so long; the lab's own patience is made for ours.
const PATIENCE: &str = "30m";

/// Options of the whole comparison, which its runs are not given as they are: whether a value follows.
const OWN: [(&str, bool); 7] = [
    ("--compare", true),
    ("--plot", true),
    ("--keep", true),
    ("--player", true),
    ("--tracker", true),
    ("--json", false),
    ("--netns", false),
];

/// The command line of one run, without the program's name, from that of the comparison.
pub(super) fn line_of(line: &[OsString], args: &Args, contestant: Contestant) -> Vec<OsString> {
    let mut out: Vec<OsString> = Vec::new();
    let mut words = line.iter().skip(1);
    while let Some(word) = words.next() {
        let text = word.to_string_lossy();
        let own = OWN.iter().find(|(option, _)| {
            text.strip_prefix(option).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
        });
        match own {
            Some((_, true)) if !text.contains('=') => {
                words.next();
            }
            Some(_) => {}
            // names and rates have no such parts
            None if contestant.player == PlayerKind::Narrows => out.push(word.clone()),
            None if text.contains(":gateway") || text.contains(":member") => {
                out.push(text.replace(":gateway", ":0").replace(":member", ":1").into());
            }
            None => out.push(word.clone()),
        }
    }
    let mut add = |words: &[&OsStr]| out.extend(words.iter().map(|word| (*word).to_owned()));
    add(&["--netns".as_ref(), "--json".as_ref()]);
    add(&["--player".as_ref(), name(contestant.player).as_ref()]);
    add(&["--tracker".as_ref(), name(contestant.tracker).as_ref()]);
    if args.timeout.is_none() {
        add(&["--timeout".as_ref(), PATIENCE.as_ref()]);
    }
    if args.kill.is_empty() && args.options.event.is_empty() && !args.no_kills {
        add(&["--no-kills".as_ref()]);
    }
    if let Some(plot) = &args.comparison.plot {
        add(&["--plot".as_ref(), plot_of(plot, contestant).as_os_str()]);
    }
    if let Some(keep) = &args.keep {
        add(&["--keep".as_ref(), keep.join(contestant.to_string()).as_os_str()]);
    }
    out
}

/// `run-aria2+opentracker.svg` of `run.svg`
fn plot_of(plot: &Path, contestant: Contestant) -> PathBuf {
    let stem = plot.file_stem().unwrap_or_default().to_string_lossy();
    let extension = plot.extension().unwrap_or(OsStr::new("svg")).to_string_lossy();
    plot.with_file_name(format!("{stem}-{contestant}.{extension}"))
}
