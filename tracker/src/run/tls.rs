//! The files that say who the tracker is over https: read at the start, and again when one changes or the operator says
//! so.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use gethostname::gethostname;
use narrows_tls::{FileError, Identity, Pin, read_key};
use rustls::ServerConfig;
use thiserror::Error;
use tracing::{error, info};

use crate::config::{Config, Tls};
use crate::metrics::Metrics;

/// Why there is no https.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file is missing or wrong.
    #[error("`tls`: {0}")]
    File(#[from] FileError),
    /// There is no folder for a key.
    #[error(
        "the tracker's own key for https needs a folder that outlives a restart: set `state` in tracker.yaml, as in \
         `state: /var/lib/narrows-tracker`, or name a certificate, as in `tls: {{certificate: FILE, key: FILE}}`"
    )]
    NoState,
    /// It has not been made.
    #[error("there is no key at {} yet: the tracker makes it when it first starts with `listen_tls` or `admin_tls`", .0.display())]
    NoKey(PathBuf),
    /// It was there when the tracker started.
    #[error("the tracker's own key at {} is gone: put it back from a backup; a restart without it makes a new one, which agents \
             do not know", .0.display())]
    Gone(PathBuf),
    /// The library's reason.
    #[error("TLS cannot be set up: {0}")]
    Library(#[from] rustls::Error),
}

/// Which files they are.
#[derive(Clone, Debug)]
pub(crate) enum TlsFiles {
    /// The tracker's own key, in its state folder.
    Own {
        state: PathBuf,
        /// For which names its certificate is.
        names: Vec<String>,
    },
    /// A company's.
    Given { certificate: PathBuf, key: PathBuf },
}

impl TlsFiles {
    /// Those that a configuration means.
    ///
    /// # Errors
    /// That there is no folder for a key.
    pub(crate) fn of(config: &Config) -> Result<Self, TlsError> {
        match &config.tls {
            Tls::Given { certificate, key } => Ok(Self::Given {
                certificate: certificate.clone(),
                key: key.clone(),
            }),
            Tls::Own { names } => Ok(Self::Own {
                state: config.state.clone().ok_or(TlsError::NoState)?,
                names: all_names(config, names),
            }),
        }
    }

    /// Reads what is there, and makes nothing: who checks may be another user than the tracker's.
    ///
    /// # Errors
    /// What is wrong with a file. That the own key is not made yet is not.
    pub(crate) fn look(&self) -> Result<(), TlsError> {
        match self {
            Self::Given { certificate, key } => Identity::given(certificate, key).map(|_| ())?,
            Self::Own { state, .. } => {
                let path = Identity::key_path(state);
                if path.exists() {
                    read_key(&path)?;
                }
            }
        }
        Ok(())
    }

    /// What agents know the tracker by. Makes nothing.
    ///
    /// # Errors
    /// What is wrong with a file, or that there is no key yet.
    pub(crate) fn pin(&self) -> Result<Pin, TlsError> {
        match self {
            Self::Given { certificate, key } => Ok(*Identity::given(certificate, key)?.pin()),
            Self::Own { state, .. } => {
                let path = Identity::key_path(state);
                match path.exists() {
                    true => Ok(read_key(&path)?),
                    false => Err(TlsError::NoKey(path)),
                }
            }
        }
    }

    /// Reads them, and makes the tracker's own at the first start.
    fn load(&self) -> Result<Identity, FileError> {
        match self {
            Self::Given { certificate, key } => Identity::given(certificate, key),
            Self::Own { state, names } => Identity::own(state, names),
        }
    }

    /// Reads them, and makes no key: agents would not know it.
    fn load_again(&self) -> Result<Identity, TlsError> {
        if let Self::Own { state, .. } = self
            && !Identity::key_path(state).exists()
        {
            return Err(TlsError::Gone(Identity::key_path(state)));
        }
        Ok(self.load()?)
    }

    fn paths(&self) -> [PathBuf; 2] {
        match self {
            Self::Given { certificate, key } => [certificate.clone(), key.clone()],
            Self::Own { state, .. } => [Identity::certificate_path(state), Identity::key_path(state)],
        }
    }

    /// The folders to watch.
    pub(crate) fn folders(&self) -> BTreeSet<PathBuf> {
        self.paths().iter().map(|path| path.parent().unwrap_or(Path::new("")).to_owned()).collect()
    }
}

/// What the tracker is called over https by clients that ask: as configured, as the machine calls itself, and as is listened
/// on.
fn all_names(config: &Config, names: &[String]) -> Vec<String> {
    let machine = gethostname().into_string().ok().filter(|name| !name.is_empty());
    let addresses = config.listen_tls.iter().chain(&config.admin_tls).map(|address| address.ip());
    let addresses = addresses.filter(|ip| !ip.is_unspecified()).map(|ip| ip.to_string());
    let mut all: Vec<String> = Vec::new();
    let fixed = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    for name in names.iter().chain(&config.admin_names).cloned().chain(machine).chain(fixed).chain(addresses)
    {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    all
}

/// What each of the files held.
type Seen = [Result<Vec<u8>, io::ErrorKind>; 2];

/// The files that are in use.
pub(crate) struct InUse {
    files: TlsFiles,
    seen: Seen,
    identity: Identity,
    current: Arc<ArcSwap<ServerConfig>>,
}

impl InUse {
    /// Takes the files into use, and says so.
    ///
    /// # Errors
    /// What is wrong with one.
    pub(crate) fn begin(files: TlsFiles) -> Result<Self, TlsError> {
        // the own ones are made at the first start
        files.load()?;
        let seen = seen(&files);
        // not before it is noted what they held: what changes in between is then seen as a change
        let identity = files.load_again()?;
        let current = Arc::new(ArcSwap::new(identity.server()?));
        let this = Self {
            files,
            seen,
            identity,
            current,
        };
        this.tell("https is served");
        Ok(this)
    }

    /// What connections are opened with.
    pub(crate) fn current(&self) -> Arc<ArcSwap<ServerConfig>> {
        Arc::clone(&self.current)
    }

    pub(crate) fn folders(&self) -> BTreeSet<PathBuf> {
        self.files.folders()
    }

    /// Looks at the files and takes them over if one has changed, or in any case if `asked` by the operator.
    /// Wrong ones are refused: those in use stay. Connections go on.
    pub(crate) fn reload(&mut self, metrics: &Metrics, asked: bool) {
        let now = seen(&self.files);
        if now == self.seen && !asked {
            return;
        }
        self.seen = now;
        let loaded = self.files.load_again();
        match loaded.and_then(|identity| Ok((identity.server()?, identity))) {
            Ok((server, identity)) => {
                self.current.store(server);
                self.identity = identity;
                metrics.tls_valid.set(1);
                self.tell("certificate and key for https are taken over");
            }
            Err(error) => {
                metrics.tls_valid.set(0);
                error!("{error}; the ones in use for https stay");
            }
        }
    }

    fn tell(&self, what: &'static str) {
        let pin = self.identity.pin();
        let [certificate, _] = self.files.paths();
        info!(%pin, certificate = %certificate.display(), "{what}; agents know it by `tracker_pin` in agent.yaml");
    }
}

fn seen(files: &TlsFiles) -> Seen {
    files.paths().map(|path| std::fs::read(path).map_err(|error| error.kind()))
}
