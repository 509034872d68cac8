//! The comparison for people. Pure.

use serde_json::{Value, json};

use crate::players::contestant::{Contestant, name};
use crate::values::round;

/// What came of one run.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) contestant: Contestant,
    /// Of its process.
    pub(super) status: Option<i32>,
    /// Its `--json`, if it came to that.
    pub(super) report: Option<Value>,
}

impl Outcome {
    pub(super) fn ok(&self) -> bool {
        self.report.as_ref().is_some_and(|report| report["ok"] == true)
    }

    /// Processor seconds of seeders, clients, and the tracker.
    pub(super) fn cpu(&self) -> [f64; 3] {
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
    pub(super) fn complete(&self) -> (usize, usize) {
        let agents = self.report.as_ref().and_then(|report| report["agents"].as_array());
        let clients = agents.into_iter().flatten().filter(|agent| agent["seeder"] == false);
        let good = clients.clone().filter(|agent| agent["complete"] == true && agent["identical"] == true);
        (good.count(), clients.count())
    }

    pub(super) fn json(&self) -> Value {
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

/// For people: a line per run, then what each link carried.
pub(super) fn table(results: &[Outcome]) -> Vec<String> {
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
            let status = outcome.status.map_or("a signal".to_owned(), |status| format!("exit {status}"));
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
        let links = outcome.report.as_ref().and_then(|report| report["links"].as_array());
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
    std::iter::once(head).chain(names.iter().map(|name| row(name))).collect()
}
