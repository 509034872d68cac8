//! From a configuration to all that it names, read and checked: what is left to go wrong is the network.

use std::io;
use std::path::{Path, PathBuf};

use narrows_assignment::Brakes;
use narrows_host::Bearer;
use narrows_topology::{LoadError, SiteMap};
use thiserror::Error;

use crate::admin::brake::file::BrakeFile;
use crate::config::Config;
use crate::run::maps::MapFile;
use crate::state::torrents::Folder;

/// A configuration of which every file has been read: what is left to go wrong is the network.
pub struct Prepared {
    pub(super) config: Config,
    pub(super) map: SiteMap,
    pub(super) map_file: MapFile,
    pub(super) folder: Option<Folder>,
    pub(super) brakes: Brakes,
    pub(super) token: Option<Bearer>,
}

/// Why a configuration that is itself well-formed cannot be used.
#[derive(Debug, Error)]
pub enum PrepareError {
    /// The site map is missing or wrong.
    #[error("{0}")]
    SiteMap(#[from] LoadError),
    /// The folder of torrents is not there.
    #[error("cannot list the folder of torrents {path}: {source}; create it, or correct `torrents`", path = .path.display())]
    Torrents {
        /// The folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The brakes that were on cannot be read.
    #[error(
        "cannot read {file}: {source}; what was braked is not known: mend the file, or delete it to release every brake"
    )]
    Brakes {
        /// The file.
        file: String,
        /// The system's reason, or the file's mistake.
        source: io::Error,
    },
    /// There is no token in the file that should hold it.
    #[error(
        "cannot use the token in {file}: {reason}; write 16 characters or more into it, or drop `admin_token`"
    )]
    Token {
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl Prepared {
    /// Reads what the configuration names. Binds nothing.
    ///
    /// # Errors
    /// If the site map is missing or wrong, or the folder of torrents cannot be listed.
    pub fn new(config: Config) -> Result<Self, PrepareError> {
        // read before it is loaded: a change in between is then seen as one
        let map_file = MapFile::new(config.site_map.clone());
        let map = SiteMap::load(&config.site_map)?;
        let folder = config.torrents.clone().map(Folder::new);
        if let Some(folder) = &folder {
            std::fs::read_dir(folder.path()).map_err(|source| PrepareError::Torrents {
                path: folder.path().to_owned(),
                source,
            })?;
        }
        let brakes = match &config.state {
            Some(folder) => BrakeFile::load(folder).map_err(|source| PrepareError::Brakes {
                file: BrakeFile::path_in(folder).display().to_string(),
                source,
            })?,
            None => Brakes::default(),
        };
        let token = config.admin_token.as_deref().map(read_token).transpose()?;
        Ok(Self {
            config,
            map,
            map_file,
            folder,
            brakes,
            token,
        })
    }

    /// The site map.
    pub fn site_map(&self) -> &SiteMap {
        &self.map
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }
}

fn read_token(file: &Path) -> Result<Bearer, PrepareError> {
    let refuse = |reason: String| PrepareError::Token {
        file: file.display().to_string(),
        reason,
    };
    let text = std::fs::read_to_string(file).map_err(|error| refuse(error.to_string()))?;
    let token = text.trim();
    if token.len() < 16 || token.contains(char::is_whitespace) {
        return Err(refuse("it is too short, or several words".to_owned()));
    }
    Ok(Bearer::new(token))
}
