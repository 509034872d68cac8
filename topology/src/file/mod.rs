//! From the text of sites.yaml to a checked plan.

mod check;
mod keys;
mod links;
mod mark;
mod schema;
mod values;

use std::path::Path;

use narrows_config::{LoadError, Mistakes, Subject};

use crate::map::Plan;

pub use schema::schema;

const SITE_MAP: Subject = Subject {
    name: "the site map",
    begin: Some("begin with `version: 1` and `sites:`"),
};

/// Reads and checks a file.
pub(crate) fn load(path: &Path) -> Result<Plan, LoadError> {
    narrows_config::load(path, SITE_MAP, check::plan)
}

/// Checks a text.
pub(crate) fn parse(file: &str, text: &str) -> Result<Plan, Mistakes> {
    narrows_config::parse(file, text.as_bytes(), SITE_MAP, check::plan)
}
