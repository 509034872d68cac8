//! The site map file: loaded at the start, and again when it changes or the operator says so.

use std::io;
use std::path::{Path, PathBuf};

use narrows_topology::SiteMap;
use tracing::{error, info};

use crate::state::tracker::Tracker;

/// The file and what it held when it was last looked at.
pub(crate) struct MapFile {
    path: PathBuf,
    last: Result<String, io::ErrorKind>,
}

impl MapFile {
    /// The file, of which the map in force was just loaded.
    pub(crate) fn new(path: PathBuf) -> Self {
        let last = std::fs::read_to_string(&path).map_err(|error| error.kind());
        Self { path, last }
    }

    /// The folder to watch.
    pub(crate) fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// Looks at the file and takes it over if it has changed, or in any case if `asked` by the operator.
    /// A bad file is refused: the map in force stays.
    pub(crate) fn reload(&mut self, tracker: &Tracker, asked: bool) {
        let read = std::fs::read_to_string(&self.path);
        let seen = match &read {
            Ok(text) => Ok(text.clone()),
            Err(error) => Err(error.kind()),
        };
        if seen == self.last && !asked {
            return;
        }
        self.last = seen;
        let file = self.path.display().to_string();
        let parsed = match read {
            Ok(text) => SiteMap::parse(&file, &text).map_err(|mistakes| mistakes.to_string()),
            Err(error) => Err(format!("cannot read {file}: {error}")),
        };
        match parsed {
            Ok(map) => {
                let (sites, links) = (map.sites().count(), map.links().count());
                tracker.store.conditions().replace_map(map);
                tracker.store.follow();
                tracker.metrics.map_loaded(sites, links);
                info!(%file, sites, links, "site map loaded");
            }
            Err(reason) => {
                tracker.store.conditions().refuse_map();
                tracker.metrics.map_refused();
                error!("site map refused, the one in force stays:\n{reason}");
            }
        }
    }
}
