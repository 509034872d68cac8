//! From the text of sites.yaml to a checked plan.

mod check;
mod fields;
mod keys;
mod links;
mod mark;
mod report;
mod schema;
mod tree;
mod values;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::map::Plan;
use crate::mistakes::{LoadError, Mistakes};
use report::{Place, Report};

pub(crate) use report::did_you_mean;
pub use schema::schema;

/// The largest file that is read: 100 times what 2,000 sites take.
const MOST_BYTES: usize = 16 << 20;

/// Reads and parses a file.
pub(crate) fn load(path: &Path) -> Result<Plan, LoadError> {
    let name = path.display().to_string();
    let unreadable = |reason| LoadError::Read {
        path: name.clone(),
        reason,
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MOST_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let good = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let before = String::from_utf8_lossy(&error.as_bytes()[..good]).into_owned();
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            return Err(single(
                &name,
                &text,
                Place {
                    line,
                    column,
                    width: 1,
                },
                "this is not UTF-8",
                "save the file as UTF-8",
            )
            .into());
        }
    };
    Ok(parse(&name, &text)?)
}

/// Parses and checks a text.
pub(crate) fn parse(file: &str, text: &str) -> Result<Plan, Mistakes> {
    let start = Place {
        line: 1,
        column: 1,
        width: 1,
    };
    if text.len() > MOST_BYTES {
        let text = &text[..text.floor_char_boundary(200)];
        return Err(single(
            file,
            text,
            start,
            "the file is larger than 16 MiB",
            "is this the site map?",
        ));
    }
    let mut report = Report::new(text);
    let root = tree::read(text, &mut report);
    let plan = match &root {
        Some(root) => check::plan(root, &mut report),
        None => {
            if report.count() == 0 {
                report.add(start, "the file is empty", "begin with `version: 1` and `sites:`");
            }
            None
        }
    };
    match (report.finish(file), plan) {
        (Some(mistakes), _) => Err(mistakes),
        (None, Some(plan)) => Ok(plan),
        (None, None) => Err(single(
            file,
            text,
            start,
            "this is no site map",
            "begin with `version: 1` and `sites:`",
        )),
    }
}

/// The one mistake that a text is not looked at any further for.
fn single(file: &str, text: &str, at: Place, problem: &str, help: &str) -> Mistakes {
    let mut report = Report::new(text);
    report.add(at, problem, help);
    report.finish(file).unwrap_or_else(|| Mistakes {
        file: file.to_owned(),
        list: Vec::new(),
    })
}
