//! Single values of any file: what each must look like, and what was probably meant.

use crate::{Node, Rate, Report, Value};

/// A text; `what` names it in the message.
pub fn text<'n>(node: &'n Node, what: &str, example: &str, report: &mut Report<'_>) -> Option<&'n str> {
    let text = node.text();
    if text.is_none() {
        let help = format!("write it as in `{example}`");
        report.add(node.at, format!("{what} cannot be {}", node.kind()), help);
    }
    text
}

/// A whole number from 1 to `max`.
pub fn count(node: &Node, key: &str, max: u64, report: &mut Report<'_>) -> Option<u64> {
    let number = text(node, &format!("`{key}`"), &format!("{key}: 1"), report)?;
    match number.parse::<u64>() {
        Ok(number) if (1..=max).contains(&number) => Some(number),
        _ => {
            let help = format!("write a whole number from 1 to {max}");
            report.add(node.at, format!("`{number}` cannot be `{key}`"), help);
            None
        }
    }
}

/// `true` or `false`, without quotes.
pub fn boolean(node: &Node, key: &str, report: &mut Report<'_>) -> Option<bool> {
    let written = text(node, &format!("`{key}`"), &format!("{key}: false"), report)?;
    let help = match (written, &*node.value) {
        ("true", Value::Scalar(_, true)) => return Some(true),
        ("false", Value::Scalar(_, true)) => return Some(false),
        (word, _) => match word.to_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => "write `true`",
            "false" | "no" | "off" | "0" => "write `false`",
            _ => "write `true` or `false`",
        },
    };
    let problem = format!("`{key}` must be true or false, not `{written}`");
    report.add(node.at, problem, help);
    None
}

/// A rate, which may be zero.
pub fn rate(node: &Node, key: &str, report: &mut Report<'_>) -> Option<Rate> {
    match text(node, &format!("`{key}`"), &format!("{key}: 10 Mbit/s"), report)?.parse() {
        Ok(rate) => Some(rate),
        Err(error) => {
            let crate::RateError { problem, help } = error;
            report.add(node.at, problem, help);
            None
        }
    }
}
