//! `check`: all mistakes of a configuration and of the .torrent files that it names, at once.

use std::path::Path;

use narrows_config::Partly;
use narrows_host::say;
use narrows_protocol::AnnounceUrl;
use narrows_protocol::metainfo::Metainfo;
use narrows_protocol::metainfo::names::Names;

use super::failure::{Failure, Wrong};
use crate::config::{Config, unusable};
use crate::supervisor::{mistakes, read_torrent};

pub(super) fn check(path: &Path) -> Result<(), Failure> {
    let (mistakes, contents) = match Config::load_partly(path)? {
        Partly::Wrong(mistakes, config) => (Some(mistakes), config.as_ref().map_or_else(Vec::new, partly)),
        Partly::Whole(config) => match whole(&config) {
            contents if contents.is_empty() => {
                let (count, listen) = (config.content.len(), config.listen);
                say!("{}: {count} content, listens on {listen}", path.display());
                return Ok(());
            }
            contents => (None, contents),
        },
    };
    Err(Failure::Wrong(Wrong { mistakes, contents }))
}

/// What is wrong with the contents of a good configuration.
fn whole(config: &Config) -> Vec<String> {
    let mut wrong = mistakes(config);
    if !config.trust.is_empty()
        && let Err(error) = config.trust.client()
    {
        wrong.push(format!("`tracker_ca`: {error}"));
    }
    for entry in &config.content {
        if let Ok(meta) = read_torrent(&entry.torrent, config.names) {
            if config.tracker.is_empty() {
                let without = meta.without_tracker().or_else(|| not_allowed(&meta, config));
                wrong.extend(without.map(|why| format!("{}: {why}", entry.torrent.display())));
            }
            let place = narrows_storage::check_place(&meta, &entry.target, &config.state);
            wrong.extend(place.err().map(|error| format!("{}: {error}", entry.torrent.display())));
        }
    }
    wrong
}

/// Why none of a torrent's trackers may be announced to as the configuration stands; `None`: one may.
fn not_allowed(meta: &Metainfo, config: &Config) -> Option<String> {
    let urls = meta.announce.iter().flatten().filter_map(|url| url.parse::<AnnounceUrl>().ok());
    let why = urls.map(|url| Some(format!("its tracker {url}: {}", unusable(&url, &config.trust)?)));
    why.collect::<Option<Vec<String>>>().map(|all| all.join("; "))
}

/// What is wrong with the .torrent files of a configuration that has mistakes: whatever its other keys were
/// meant to say.
fn partly(config: &Config) -> Vec<String> {
    let wrong = |torrent: &Path| match read_torrent(torrent, Names::Linux) {
        Ok(meta) => meta.without_tracker().map(|why| format!("{}: {why}", torrent.display())),
        Err(error) => Some(error.to_string()),
    };
    config.content.iter().filter_map(|entry| wrong(&entry.torrent)).collect()
}
