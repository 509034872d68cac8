//! What was told, over a restart: the file `sites` in the state folder. It matters until a tracker answers; a
//! file that cannot be read, or holds anything else, is as good as none.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use narrows_host::durable;
use narrows_protocol::{Networks, PathRate, PathRates};
use narrows_swarm::policy::sites::Sites;
use serde::{Deserialize, Serialize};

/// The longest file that is read: the longest tables in hexadecimal digits.
const MAX_FILE: u64 = 3 << 20;

/// The file.
#[derive(Debug)]
pub(super) struct Kept {
    path: PathBuf,
    /// Held while it is written.
    writing: Arc<Mutex<()>>,
}

/// What it held.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) networks: Arc<Networks>,
    pub(super) rates: Option<Arc<PathRates>>,
    pub(super) addresses: Vec<IpAddr>,
}

#[derive(Serialize, Deserialize)]
struct File {
    /// Of the networks: shows that the table is whole.
    version: u64,
    attach: bool,
    networks: String,
    /// Of this machine, as trackers saw it.
    addresses: Vec<IpAddr>,
    rates: Option<RatesFile>,
}

#[derive(Serialize, Deserialize)]
struct RatesFile {
    table: String,
    attached: u64,
    stopped: String,
}

impl Kept {
    pub(super) fn in_folder(folder: &Path) -> Self {
        Self {
            path: folder.join("sites"),
            writing: Arc::default(),
        }
    }

    pub(super) fn load(&self) -> Option<Read> {
        match read(&self.path) {
            Ok(read) => Some(read),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(file = %self.path.display(), %error, "what the tracker told of its map cannot be read; it will be told again");
                None
            }
        }
    }

    /// Writes it down, beside everything else: without it a restart waits for the tracker.
    pub(super) fn save(&self, sites: &Sites, addresses: Vec<IpAddr>) {
        let file = File {
            version: sites.networks.version(),
            attach: sites.networks.attaches(),
            networks: hex(sites.networks.table()),
            addresses,
            rates: sites.rates.as_ref().map(|rates| RatesFile {
                table: hex(rates.table()),
                attached: rates.attached().code(),
                stopped: hex(rates.stops()),
            }),
        };
        let (path, writing) = (self.path.clone(), self.writing.clone());
        tokio::task::spawn_blocking(move || {
            let _one = writing.lock().unwrap_or_else(PoisonError::into_inner);
            let text = serde_json::to_string(&file).map_err(io::Error::other);
            let written = text.and_then(|text| durable::replace(&path, |out| writeln!(out, "{text}")));
            if let Err(error) = written {
                tracing::debug!(file = %path.display(), %error, "what the tracker told of its map is not kept over a restart");
            }
        });
    }
}

fn read(path: &Path) -> io::Result<Read> {
    let length = std::fs::metadata(path)?.len();
    let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    if length > MAX_FILE {
        return Err(invalid("it is too long"));
    }
    let file: File = serde_json::from_str(&std::fs::read_to_string(path)?)?;
    let bytes = |text: &str| unhex(text).ok_or_else(|| invalid("it holds something else than digits"));
    let networks = Networks::read(&bytes(&file.networks)?, file.attach).map_err(io::Error::other)?;
    if networks.version() != file.version {
        return Err(invalid("its networks are not those of its version"));
    }
    let rates = file.rates.map(|rates| {
        let attached = PathRate::of_code(rates.attached);
        let read = PathRates::read(&bytes(&rates.table)?, attached, &bytes(&rates.stopped)?);
        read.map(Arc::new).map_err(io::Error::other)
    });
    Ok(Read {
        networks: Arc::new(networks),
        rates: rates.transpose()?,
        addresses: file.addresses,
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    rest.is_empty().then(|| pairs.iter().map(byte).collect())?
}
