//! Files with keys and certificates: what is wrong with one, and what to do.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;

/// A file of keys or certificates is not longer than this, in bytes: a machine's list of all authorities has 0.25 MiB.
const MAX_FILE: u64 = 4 << 20;

/// Why a file with a key or with certificates cannot be used.
#[derive(Debug, Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The key that is made at the first start cannot be kept.
    #[error("cannot write {}: {source}; see to the folder", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// It is no such file.
    #[error("{} is longer than 4 MiB, so it holds something else than {wanted}; name another file", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        wanted: &'static str,
    },
    /// Nothing of the kind is in it.
    #[error("{} holds no {wanted} in PEM (`-----BEGIN {label}-----`); {help}", path.display())]
    Nothing {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        wanted: &'static str,
        /// As PEM calls it.
        label: &'static str,
        /// What to do.
        help: &'static str,
    },
    /// What is in it is broken, or of a kind that is not known.
    #[error("{} cannot be used: {reason}; {help}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
        /// What to do.
        help: &'static str,
    },
    /// The program's own key could have been read or put there by others.
    #[error(
        "{} is not for its owner alone, so others may have read the key or put it there: if none has, `chmod 600` it and \
         make the user that this program runs as its owner; else remove the file, start again, and give the agents the new pin",
        path.display()
    )]
    NotPrivate {
        /// The file.
        path: PathBuf,
    },
    /// The company's key can be read by any user.
    #[error(
        "{} is open to other users; `chmod 640` it, with a group that the user of this program is in: a key may not be more \
         open than that",
        path.display()
    )]
    Open {
        /// The file.
        path: PathBuf,
    },
    /// The key is not that of the certificate.
    #[error(
        "the key in {} is not that of the first certificate in {}: name files that belong together; the tracker's own \
         certificate comes first, then those of authorities between it and the root",
        key.display(), certificate.display()
    )]
    Mismatch {
        /// The certificates.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
    },
}

/// All of a file.
pub(crate) fn read(path: &Path, wanted: &'static str) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    std::fs::File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes)).map_err(
        |source| FileError::Unreadable {
            path: path.to_owned(),
            source,
        },
    )?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(FileError::TooLong {
            path: path.to_owned(),
            wanted,
        });
    }
    Ok(bytes)
}

/// A value in PEM (RFC 7468).
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    // base64 is ASCII
    let lines: Vec<&str> = text.as_bytes().chunks(64).filter_map(|line| str::from_utf8(line).ok()).collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}
