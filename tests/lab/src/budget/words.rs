//! The budgets for people: a table, and a line for each change and each set of contents.

use narrows_topology::Rate;

use super::rates::Why;
use super::{Budget, Change};
use crate::values::Size;

/// Nothing where there is one content and no rate changed.
pub fn lines(budgets: &[Budget], contents: usize) -> Vec<String> {
    if contents < 2 && budgets.iter().all(|budget| budget.changes.is_empty()) {
        return Vec::new();
    }
    let mut lines = vec![format!(
        "{:<28}  {:>12} {:>12} {:>12} {:>10}",
        "load over budget", "budget", "most in 10 s", "most in 5 s", ">= 95 %"
    )];
    for budget in budgets.iter().filter(|budget| budget.wanted_seconds > 0.0) {
        let ratio = |ratio: Option<f64>| ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.3}"));
        lines.push(format!(
            "{:<28}  {:>12} {:>12} {:>12} {:>10}",
            format!("{} → {}", budget.from, budget.to),
            rate(budget.rate),
            ratio(budget.over_10s),
            ratio(budget.over_5s),
            budget.full.map_or("-".to_owned(), |full| format!("{:.0} %", 100.0 * full)),
        ));
    }
    for budget in budgets {
        for change in &budget.changes {
            lines.push(format!("{} → {}: {}", budget.from, budget.to, said(change)));
        }
        for share in budget.shares.iter().filter(|_| contents > 1) {
            let each: Vec<String> = (share.contents.iter().zip(&share.shares))
                .map(|(name, share)| format!("{name} {:.1} %", 100.0 * share))
                .collect();
            lines.push(format!(
                "{} → {}: {} active for {:.0} s: {}, together {:.1} % on the wire",
                budget.from,
                budget.to,
                share.contents.len(),
                share.seconds,
                each.join(", "),
                100.0 * share.all
            ));
        }
    }
    lines.push(String::new());
    lines
}

fn rate(bytes: Option<u64>) -> String {
    if bytes == Some(0) {
        return "0".to_owned();
    }
    bytes.map_or(Rate::UNLIMITED, Rate::from_bytes_per_second).to_string()
}

/// One change, with what the wire did.
fn said(change: &Change) -> String {
    let why = match (change.why, change.rate) {
        (Why::Brake, Some(0)) => "braked",
        (Why::Brake, _) => "brake released",
        (Why::Schedule, _) => "schedule",
        (Why::Map, _) => "site map",
        (Why::Line, _) => "line",
        (Why::Start, _) => "start",
    };
    let what = format!("budget {} from {:.1} s on ({why})", rate(change.rate), change.at);
    let fell = change.rate.is_some_and(|rate| change.before.is_none_or(|before| rate < before));
    match (change.rate, change.seconds) {
        _ if !change.wanted => format!("{what}; nothing was wanted over it then"),
        (Some(0), Some(seconds)) => format!(
            "{what}; nothing crossed any more after {seconds:.1} s ({})",
            Size(change.bytes.max(1))
        ),
        (Some(0), None) => format!(
            "{what}; THE WIRE DID NOT FALL SILENT ({})",
            Size(change.bytes.max(1))
        ),
        (None, _) => what,
        (_, Some(seconds)) => format!("{what}; the wire followed after {seconds:.1} s"),
        (_, None) if fell => format!("{what}; THE WIRE DID NOT FOLLOW"),
        (_, None) => format!("{what}; the wire did not reach 90 % of it"),
    }
}
