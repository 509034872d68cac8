//! The same run with one player after the other, and one table of what each cost.
//!
//! Each run is a lab of its own, a process with `--json`, so that nothing is left over from the one before.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args as ClapArgs, ValueEnum};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

use super::Stop;
use super::args::Args;
use super::player::{PlayerKind, TrackerKind};

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
    /// Write an SVG of everybody's progress and of what each link carried; with --compare one for each, FILE-PLAYER.svg
    #[arg(long, value_name = "FILE.svg")]
    pub plot: Option<PathBuf>,
}

/// Who plays, and who tells the players of each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contestant {
    /// The clients.
    pub player: PlayerKind,
    /// The tracker.
    pub tracker: TrackerKind,
}

impl FromStr for Contestant {
    type Err = String;

    /// `libtorrent+opentracker`; without a tracker it is ours.
    fn from_str(text: &str) -> Result<Contestant, String> {
        let (player, tracker) = text.split_once('+').map_or((text, None), |(a, b)| (a, Some(b)));
        let player = PlayerKind::from_str(player.trim(), false)
            .map_err(|_| format!("no player `{player}`; there are {}", names::<PlayerKind>()))?;
        let tracker = match tracker {
            None => TrackerKind::default(),
            Some(name) => TrackerKind::from_str(name.trim(), false)
                .map_err(|_| format!("no tracker `{name}`; there are {}", names::<TrackerKind>()))?,
        };
        Ok(Contestant { player, tracker })
    }
}

impl fmt::Display for Contestant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let player = name(self.player);
        match self.player {
            // it announces to nobody
            PlayerKind::Http => f.write_str(&player),
            _ => write!(f, "{player}+{}", name(self.tracker)),
        }
    }
}

fn name<V: ValueEnum>(value: V) -> String {
    value
        .to_possible_value()
        .map_or_else(String::new, |value| value.get_name().to_owned())
}

fn names<V: ValueEnum>() -> String {
    let all = V::value_variants().iter().filter_map(V::to_possible_value);
    let all: Vec<String> = all.map(|value| value.get_name().to_owned()).collect();
    all.join(", ")
}

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
fn line_of(line: &[OsString], args: &Args, contestant: Contestant) -> Vec<OsString> {
    let mut out: Vec<OsString> = Vec::new();
    let mut words = line.iter().skip(1);
    while let Some(word) = words.next() {
        let text = word.to_string_lossy();
        let own = OWN.iter().find(|(option, _)| {
            text.strip_prefix(option)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
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

/// Runs all; `true` if every client of every run is complete and identical. The table goes to standard output, with
/// `--json` one object instead.
///
/// # Errors
/// Why there is no comparison.
pub async fn run(args: &Args, line: &[OsString]) -> Result<bool, Stop> {
    let own = std::env::current_exe()
        .map_err(|error| Stop::Missing(format!("cannot tell where this program is: {error}")))?;
    let failed = |error: std::io::Error| Stop::Missing(format!("cannot run the lab again: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut results = Vec::new();
    for contestant in &args.comparison.compare {
        eprintln!("\n== {contestant}");
        let child = Command::new(&own)
            .args(line_of(line, args, *contestant))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let output = tokio::select! {
            output = child.wait_with_output() => output.map_err(failed)?,
            // Ctrl-C reaches the run too; dropping it kills it, and what it started ends with it
            _ = interrupt.recv() => return Err(Stop::Interrupted),
            _ = terminate.recv() => return Err(Stop::Interrupted),
        };
        let report = serde_json::from_slice(&output.stdout).ok();
        // one that is wrongly asked for would be so again
        if report.is_none() && output.status.code() == Some(64) {
            return Err(Stop::Wrong(format!(
                "{contestant} cannot be asked for that: see above"
            )));
        }
        results.push(Outcome {
            contestant: *contestant,
            status: output.status.code(),
            report,
        });
        // sockets and disks come to rest
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    if args.json {
        println!(
            "{}",
            Value::from(results.iter().map(Outcome::json).collect::<Vec<_>>())
        );
    } else {
        println!();
        for line in table(&results) {
            println!("{line}");
        }
    }
    Ok(results.iter().all(Outcome::ok))
}

/// What came of one run.
#[derive(Debug)]
struct Outcome {
    contestant: Contestant,
    /// Of its process.
    status: Option<i32>,
    /// Its `--json`, if it came to that.
    report: Option<Value>,
}

impl Outcome {
    fn ok(&self) -> bool {
        self.report.as_ref().is_some_and(|report| report["ok"] == true)
    }

    /// Processor seconds of seeders, clients, and the tracker.
    fn cpu(&self) -> [f64; 3] {
        let Some(report) = &self.report else {
            return [0.0; 3];
        };
        let agents = report["agents"].as_array().map_or(&[][..], Vec::as_slice);
        let of = |seeder: bool| -> f64 {
            let those = agents.iter().filter(|agent| agent["seeder"] == seeder);
            those.filter_map(|agent| agent["cpu_seconds"].as_f64()).sum()
        };
        [
            of(true),
            of(false),
            report["tracker_cpu_seconds"].as_f64().unwrap_or(0.0),
        ]
    }

    /// Clients that have everything, and all.
    fn complete(&self) -> (usize, usize) {
        let agents = self
            .report
            .as_ref()
            .and_then(|report| report["agents"].as_array());
        let clients = agents
            .into_iter()
            .flatten()
            .filter(|agent| agent["seeder"] == false);
        let good = clients
            .clone()
            .filter(|agent| agent["complete"] == true && agent["identical"] == true);
        (good.count(), clients.count())
    }

    fn json(&self) -> Value {
        let [seeders, clients, tracker] = self.cpu();
        json!({
            "player": name(self.contestant.player),
            "tracker": name(self.contestant.tracker),
            "ok": self.ok(),
            "exit": self.status,
            "cpu_seconds": {"seeders": round(seeders), "clients": round(clients), "tracker": round(tracker)},
            "report": self.report,
        })
    }
}

fn round(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

/// For people: a line per run, then what each link carried.
fn table(results: &[Outcome]) -> Vec<String> {
    let mut lines = vec![format!(
        "{:<25} {:>9} {:>9} {:>7} {:>11} {:>10} {:>13} {:>13}",
        "player+tracker",
        "complete",
        "time",
        "/bound",
        "worst link",
        "all links",
        "CPU clients",
        "CPU seeders"
    )];
    for outcome in results {
        let Some(report) = &outcome.report else {
            let status = outcome
                .status
                .map_or("a signal".to_owned(), |status| format!("exit {status}"));
            lines.push(format!(
                "{:<25} no result ({status})",
                outcome.contestant.to_string()
            ));
            continue;
        };
        let number = |key: &str, digits: usize, unit: &str| {
            let value = report[key].as_f64();
            value.map_or("-".to_owned(), |value| format!("{value:.digits$}{unit}"))
        };
        let ((good, all), [seeders, clients, _]) = (outcome.complete(), outcome.cpu());
        lines.push(format!(
            "{:<25} {:>9} {:>9} {:>7} {:>11} {:>10} {:>13} {:>13}",
            outcome.contestant.to_string(),
            format!("{good}/{all}"),
            number("seconds", 1, " s"),
            number("time_over_bound", 2, "x"),
            number("wire_over_minimum_max", 3, "x"),
            number("wire_over_minimum", 3, "x"),
            format!("{clients:.1} s"),
            format!("{seeders:.1} s"),
        ));
    }
    lines.push(String::new());
    lines.extend(links(results));
    lines.push(String::new());
    lines.push(
        "worst link, all links: bytes of frames as the kernel counted them over the fewest (planned copies x size x 1.045)."
            .to_owned(),
    );
    lines
}

/// Megabytes on the wire, a column per run.
fn links(results: &[Outcome]) -> Vec<String> {
    let of = |outcome: &Outcome| -> Vec<(String, f64)> {
        let links = outcome
            .report
            .as_ref()
            .and_then(|report| report["links"].as_array());
        let one = |link: &Value| {
            let name = format!("{} → {}", link["from"].as_str()?, link["to"].as_str()?);
            Some((name, link["wire_bytes"].as_f64()? / 1e6))
        };
        links.into_iter().flatten().filter_map(one).collect()
    };
    let columns: Vec<Vec<(String, f64)>> = results.iter().map(of).collect();
    let mut names: Vec<&String> = Vec::new();
    for (name, _) in columns.iter().flatten() {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let mut head = format!("{:<25}", "MB on the wire");
    for outcome in results {
        head.push_str(&format!(" {:>25}", outcome.contestant.to_string()));
    }
    let row = |name: &String| {
        let mut row = format!("{name:<25}");
        for column in &columns {
            let found = column.iter().find(|(other, _)| other == name);
            let text = found.map_or("-".to_owned(), |(_, megabytes)| format!("{megabytes:.1}"));
            row.push_str(&format!(" {text:>25}"));
        }
        row
    };
    std::iter::once(head)
        .chain(names.iter().map(|name| row(name)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split('|').map(OsString::from).collect()
    }

    fn child(line: &str, contestant: &str) -> String {
        let line = words(line);
        let args = Args::parse_from_line(line.iter().cloned()).unwrap();
        let out = line_of(&line, &args, contestant.parse().unwrap());
        let again = std::iter::once(OsString::from("narrows-lab")).chain(out.iter().cloned());
        Args::parse_from_line(again).unwrap();
        let out: Vec<_> = out.iter().map(|word| word.to_string_lossy()).collect();
        out.join("|")
    }

    #[test]
    fn each_run_is_asked_for_the_same_but_with_its_own_player_and_files() {
        let line = "narrows-lab|--netns|--compare|narrows,http|--size=50MB|--json|--plot=a/run.svg|--keep|k|--no-kills";
        assert_eq!(
            child(line, "aria2+opentracker"),
            "--size=50MB|--no-kills|--netns|--json|--player|aria2|--tracker|opentracker|--timeout|30m|--plot|\
             a/run-aria2+opentracker.svg|--keep|k/aria2+opentracker"
        );
    }

    #[test]
    fn nobody_is_killed_by_default_and_gateways_are_clients_to_players_that_have_none() {
        let line = "narrows-lab|--netns|--compare|narrows,libtorrent|--timeout|90";
        assert!(child(line, "narrows").contains("--no-kills"));
        let line = "narrows-lab|--netns|--compare|narrows,libtorrent|--kill|b1:gateway@50%,b2:member@50%";
        assert!(child(line, "narrows").starts_with("--kill|b1:gateway@50%,b2:member@50%|"));
        let other = child(line, "libtorrent");
        assert!(other.starts_with("--kill|b1:0@50%,b2:1@50%|") && !other.contains("--no-kills"));
    }

    #[test]
    fn contestants_are_read_as_they_are_shown_and_a_typo_is_answered_with_the_names() {
        for text in ["narrows+narrows", "libtorrent+opentracker", "http"] {
            let contestant: Contestant = text.parse().unwrap();
            assert_eq!(contestant.to_string(), text);
        }
        let error = "libtorent".parse::<Contestant>().unwrap_err();
        assert!(error.contains("libtorrent, aria2, transmission, http"), "{error}");
        let error = "aria2+open".parse::<Contestant>().unwrap_err();
        assert!(error.contains("opentracker"), "{error}");
    }

    #[test]
    fn the_table_has_a_line_for_each_run_even_if_it_failed() {
        let report = json!({
            "ok": true, "seconds": 21.31, "time_over_bound": 1.0655, "wire_over_minimum_max": 1.0412,
            "wire_over_minimum": 1.055, "tracker_cpu_seconds": 0.1,
            "agents": [
                {"seeder": true, "cpu_seconds": 0.5, "complete": true, "identical": true},
                {"seeder": false, "cpu_seconds": 1.25, "complete": true, "identical": true},
                {"seeder": false, "cpu_seconds": 1.0, "complete": true, "identical": false},
            ],
            "links": [{"from": "hq", "to": "b1", "wire_bytes": 52_250_000}],
        });
        let outcome = |name: &str, report: Option<Value>| Outcome {
            contestant: name.parse().unwrap(),
            status: Some(70),
            report,
        };
        let results = [
            outcome("narrows", Some(report)),
            outcome("aria2+opentracker", None),
        ];
        let lines = table(&results);
        for part in [
            "narrows+narrows",
            "1/2",
            "21.3 s",
            "1.07x",
            "1.041x",
            "1.055x",
            "2.2 s",
            "0.5 s",
        ] {
            assert!(lines[1].contains(part), "{part}: {}", lines[1]);
        }
        assert!(lines[2].contains("aria2+opentracker") && lines[2].contains("exit 70"));
        assert!(
            lines
                .iter()
                .any(|line| line.starts_with("hq → b1") && line.contains("52.2"))
        );
        assert_eq!(results[0].json()["cpu_seconds"]["clients"], 2.25);
        assert!(!results[1].ok());
    }
}
