//! From a configuration to all that it names, read and checked: what is left to go wrong is the network.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use narrows_assignment::Brakes;
use narrows_config::{LoadError, Mistakes, Partly};
use narrows_host::Bearer;
use narrows_tls::Pin;
use narrows_topology::SiteMap;
use thiserror::Error;

use crate::admin::brake::file::BrakeFile;
use crate::config::Config;
use crate::run::maps::MapFile;
use crate::run::tls::{TlsError, TlsFiles};
use crate::state::torrents::Folder;

/// A configuration of which every file has been read: what is left to go wrong is the network.
pub struct Prepared {
    pub(super) config: Config,
    pub(super) map: SiteMap,
    pub(super) map_file: MapFile,
    pub(super) folder: Option<Folder>,
    pub(super) brakes: Brakes,
    pub(super) token: Option<Bearer>,
    /// Where it serves https, with what.
    pub(super) tls: Option<TlsFiles>,
}

/// All that is wrong with a configuration and with the files that it names; never empty.
#[derive(Debug)]
pub struct PrepareErrors(Vec<PrepareError>);

impl fmt::Display for PrepareErrors {
    /// As a compiler shows it, each beginning with `error:`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.iter().map(|error| match error {
            PrepareError::Configuration(error) | PrepareError::SiteMap(error) => error.shown(),
            other => format!("error: {other}\n"),
        });
        f.write_str(shown.collect::<Vec<_>>().join("\n").trim_end())
    }
}

impl std::error::Error for PrepareErrors {}

/// Why a configuration cannot be used.
#[derive(Debug, Error)]
pub enum PrepareError {
    /// The configuration is missing or wrong.
    #[error(transparent)]
    Configuration(LoadError),
    /// The site map is missing or wrong.
    #[error(transparent)]
    SiteMap(LoadError),
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
    /// https cannot be served.
    #[error(transparent)]
    Tls(#[from] TlsError),
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
    /// Reads a configuration and what it names. Binds nothing.
    ///
    /// # Errors
    /// All that is wrong with any of these files.
    pub fn load(path: &Path) -> Result<Self, PrepareErrors> {
        match load(path)? {
            Partly::Whole(config) => Self::new(config),
            Partly::Wrong(mistakes, config) => Err(all_wrong(mistakes, config)),
        }
    }

    /// As [`Prepared::load`], and beside it what works and is seldom meant, each with what to do: also in the
    /// .torrent files.
    pub fn check(path: &Path) -> (Result<Self, PrepareErrors>, Vec<String>) {
        match load(path) {
            Err(error) => (Err(error), Vec::new()),
            Ok(Partly::Whole(config)) => {
                let own = config.warnings().into_iter();
                let own = own.map(|warning| format!("{}: {warning}", path.display()));
                let warnings = own.chain(warnings_of_torrents(&config)).collect();
                (Self::new(config), warnings)
            }
            // of the file itself nothing: with a mistake it may say what was not understood
            Ok(Partly::Wrong(mistakes, config)) => {
                let warnings = config.as_ref().map_or_else(Vec::new, warnings_of_torrents);
                (Err(all_wrong(mistakes, config)), warnings)
            }
        }
    }

    /// What agents know the tracker of this configuration by over https. Makes nothing.
    ///
    /// # Errors
    /// That the configuration is wrong, or that there is no key yet.
    pub fn pin(path: &Path) -> Result<Pin, PrepareErrors> {
        match load(path)? {
            Partly::Whole(config) => TlsFiles::of(&config)
                .and_then(|files| files.pin())
                .map_err(|error| PrepareErrors(vec![error.into()])),
            Partly::Wrong(mistakes, config) => Err(all_wrong(mistakes, config)),
        }
    }

    /// Reads what the configuration names. Binds nothing.
    ///
    /// # Errors
    /// All of these files that are missing or wrong.
    pub fn new(config: Config) -> Result<Self, PrepareErrors> {
        let mut errors = Vec::new();
        // read before it is loaded: a change in between is then seen as one
        let map_file = MapFile::new(config.site_map.clone());
        // that none is named has been told
        let is_named = !config.site_map.as_os_str().is_empty();
        let map = is_named.then(|| SiteMap::load(&config.site_map).map_err(PrepareError::SiteMap));
        let map = map.and_then(|map| noted(map, &mut errors));
        let folder = config.torrents.clone().map(Folder::new);
        if let Some(folder) = &folder {
            let listed = std::fs::read_dir(folder.path()).map_err(|source| PrepareError::Torrents {
                path: folder.path().to_owned(),
                source,
            });
            noted(listed, &mut errors);
        }
        let brakes = config.state.as_deref().and_then(|folder| {
            let loaded = BrakeFile::load(folder).map_err(|source| PrepareError::Brakes {
                file: BrakeFile::path_in(folder).display().to_string(),
                source,
            });
            noted(loaded, &mut errors)
        });
        let token = config.admin_token.as_deref().and_then(|file| noted(read_token(file), &mut errors));
        let tls = config.serves_tls().then(|| {
            let files = TlsFiles::of(&config)?;
            files.look()?;
            Ok(files)
        });
        let tls = tls.and_then(|files| noted(files.map_err(PrepareError::Tls), &mut errors));
        match map {
            Some(map) if errors.is_empty() => Ok(Self {
                config,
                map,
                map_file,
                folder,
                brakes: brakes.unwrap_or_default(),
                token,
                tls,
            }),
            _ => Err(PrepareErrors(errors)),
        }
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

fn load(path: &Path) -> Result<Partly<Config>, PrepareErrors> {
    Config::load_partly(path).map_err(|error| PrepareErrors(vec![PrepareError::Configuration(error)]))
}

/// What is wrong with the .torrent files; that their folder cannot be listed is an error of its own.
fn warnings_of_torrents(config: &Config) -> Vec<String> {
    let folder = config.torrents.clone().map(Folder::new);
    folder.and_then(|folder| folder.faults().ok()).unwrap_or_default()
}

/// The mistakes of a configuration, and what is wrong with the files that it names all the same.
fn all_wrong(mistakes: Mistakes, config: Option<Config>) -> PrepareErrors {
    let mut all = vec![PrepareError::Configuration(mistakes.into())];
    all.extend(config.and_then(|config| Prepared::new(config).err()).into_iter().flat_map(|errors| errors.0));
    PrepareErrors(all)
}

/// What went well; what did not is put to the others.
fn noted<T>(outcome: Result<T, PrepareError>, errors: &mut Vec<PrepareError>) -> Option<T> {
    outcome.map_err(|error| errors.push(error)).ok()
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
