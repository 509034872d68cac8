//! `tls`: who the tracker is over https, and where that is served.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use narrows_config::{Fields, Key, Node, Report, values};

use super::host_name;

/// Who the tracker is over https.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Tls {
    /// It has a key of its own, made at the first start in `state`, and a certificate for it.
    Own {
        /// For which names that is, beside the machine's own name, `admin_names` and the addresses that are listened on:
        /// those that stock clients and Prometheus call it by. Agents do not ask.
        names: Vec<String>,
    },
    /// It has a company's certificate.
    Given {
        /// The tracker's certificate, then those between it and the root, in PEM.
        certificate: PathBuf,
        /// Its key, in PEM.
        key: PathBuf,
    },
}

impl Default for Tls {
    fn default() -> Self {
        Self::Own { names: Vec::new() }
    }
}

const KEYS: &[Key] = &[
    Key::optional("names", (), "For which names the tracker's own certificate is."),
    Key::optional(
        "certificate",
        (),
        "The company's certificate for the tracker, in PEM.",
    ),
    Key::optional("key", (), "The key of that certificate, in PEM."),
];

/// Addresses that https is served on.
pub(super) fn addresses(node: &Node, key: &str, port: u16, report: &mut Report<'_>) -> Vec<SocketAddr> {
    let items = values::items(node).iter();
    items.filter_map(|item| values::socket_address(item, key, port, report)).collect()
}

pub(super) fn read(node: &Node, folder: &Path, report: &mut Report<'_>) -> Option<Tls> {
    if node.text() == Some("own") {
        return Some(Tls::default());
    }
    if let Some(written) = node.text() {
        report.add(
            node.at,
            format!("`tls` cannot be `{written}`"),
            "write `own` for a key of the tracker's own, or `{certificate: FILE, key: FILE}`",
        );
        return None;
    }
    let fields = Fields::of(node, KEYS, "`tls`", report)?;
    let mut path = |key| values::path(fields.given(key)?, key, folder, report);
    let (certificate, key) = (path("certificate"), path("key"));
    let names: Option<Vec<String>> = fields.given("names").map(|node| {
        let items = values::items(node).iter();
        items.filter_map(|item| host_name(item, "names", report)).collect()
    });
    let (has_certificate, has_key) = (fields.given("certificate"), fields.given("key"));
    match (has_certificate, has_key) {
        (Some(_), Some(_)) => {
            if let Some(node) = names.and(fields.given("names")) {
                report.add(
                    node.at,
                    "`names` is for the tracker's own certificate, and `certificate` names another one",
                    "remove `names`; a certificate says itself which names it is for",
                );
            }
            Some(Tls::Given {
                certificate: certificate?,
                key: key?,
            })
        }
        (None, None) => Some(Tls::Own {
            names: names.unwrap_or_default(),
        }),
        (Some(alone), None) => {
            report.add(
                alone.at,
                "`certificate` is here without `key`",
                "add the file with its key: `key: FILE`",
            );
            None
        }
        (None, Some(alone)) => {
            report.add(
                alone.at,
                "`key` is here without `certificate`",
                "add the file with its certificate: `certificate: FILE`; without both the tracker makes a key of its own",
            );
            None
        }
    }
}
