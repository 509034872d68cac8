//! `tracker`, `tracker_pin` and `tracker_ca`: where to announce, and which machine that has to be.

use std::path::{Path, PathBuf};

use narrows_config::{Fields, Node, Report, values};
use narrows_protocol::AnnounceUrl;
use narrows_tls::{Pin, Trust};

/// Pins at a time: one, and two while a tracker's key is replaced; some for several trackers.
const MAX_PINS: usize = 16;

/// Where to announce, whatever the .torrent says; empty: where it says.
pub(super) fn urls(fields: &Fields<'_>, trust: &Trust, report: &mut Report<'_>) -> Vec<AnnounceUrl> {
    let Some(node) = fields.given("tracker") else {
        return Vec::new();
    };
    // a wrong pin is one mistake, not two
    let is_known =
        !trust.is_empty() || ["tracker_pin", "tracker_ca"].iter().all(|key| fields.given(key).is_none());
    let trust = is_known.then_some(trust);
    values::items(node).iter().filter_map(|item| url(item, trust, report)).collect()
}

fn url(node: &Node, trust: Option<&Trust>, report: &mut Report<'_>) -> Option<AnnounceUrl> {
    let example = "tracker: https://tracker.example.com:6971/announce";
    let text = values::text(node, "`tracker`", example, report)?;
    match text.parse::<AnnounceUrl>() {
        Ok(url) => {
            if let Some(problem) = trust.and_then(|trust| unusable(&url, trust)) {
                report.add(node.at, format!("`{text}` cannot be announced to"), problem);
            }
            Some(url)
        }
        Err(error) => {
            report.add(node.at, format!("`{text}` is no announce URL"), error.to_string());
            None
        }
    }
}

/// Why a URL cannot be announced to by an agent that trusts these, and what to write.
pub(crate) fn unusable(url: &AnnounceUrl, trust: &Trust) -> Option<&'static str> {
    match (url.is_https, trust.is_empty()) {
        (true, true) => Some(
            "https needs to know which machine is the tracker: set `tracker_pin` in agent.yaml to what `narrows-tracker pin` \
             prints, or `tracker_ca` to a file with the certificate of your authority",
        ),
        (false, false) => Some(
            "agent.yaml has `tracker_pin` or `tracker_ca`, so announces go over https alone: write https:// and the port for \
             it, as in `tracker: https://tracker.example.com:6971/announce`, which counts instead of what the .torrent says",
        ),
        (true, false) | (false, true) => None,
    }
}

/// Which machine a tracker over https has to be.
pub(super) fn trust(fields: &Fields<'_>, folder: &Path, report: &mut Report<'_>) -> Trust {
    let pins = fields.given("tracker_pin").map(|node| pins(node, report)).unwrap_or_default();
    let authorities: Option<PathBuf> =
        fields.given("tracker_ca").and_then(|node| values::path(node, "tracker_ca", folder, report));
    Trust { pins, authorities }
}

fn pins(node: &Node, report: &mut Report<'_>) -> Vec<Pin> {
    let items = values::items(node);
    if items.is_empty() || items.len() > MAX_PINS {
        report.add(
            node.at,
            format!("`tracker_pin` has {} pins", items.len()),
            format!("write one, two while the tracker's key is replaced, and {MAX_PINS} at most"),
        );
    }
    items.iter().filter_map(|item| pin(item, report)).collect()
}

fn pin(node: &Node, report: &mut Report<'_>) -> Option<Pin> {
    let text = values::text(node, "a pin", "tracker_pin: sha256/...", report)?;
    match text.parse() {
        Ok(pin) => Some(pin),
        Err(error) => {
            report.add(node.at, format!("`{text}` is no pin"), error.to_string());
            None
        }
    }
}
