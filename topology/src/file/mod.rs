//! sites.yaml: from its text to what it says, checked. Knows of no map.

mod check;
mod dscp;
mod keys;
mod links;
mod schema;
mod site_file;
mod values;

use std::path::Path;

use narrows_config::{LoadError, Mistakes, Subject};

pub use schema::schema;
pub(crate) use site_file::{Attach, Defaults, Link, Site, SiteFile};

const SITE_MAP: Subject = Subject {
    name: "the site map",
    begin: Some("begin with `version: 1` and `sites:`"),
};

/// Reads and checks a file.
pub(crate) fn load(path: &Path) -> Result<SiteFile, LoadError> {
    narrows_config::load(path, SITE_MAP, check::site_file)
}

/// Checks a text.
pub(crate) fn parse(file: &str, text: &str) -> Result<SiteFile, Mistakes> {
    narrows_config::parse(file, text.as_bytes(), SITE_MAP, check::site_file)
}
