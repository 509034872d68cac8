//! What outlives a restart of the tracker: the peers and leases of all swarms, in one file of the state
//! folder.
//!
//! The file is written whole beside the old one, synced and renamed over it, when the tracker stops, each
//! minute, and within seconds when leases change. Swarms are locked one at a time while they are copied, so that no announce waits longer than one
//! swarm takes. A file that is old, torn, changed or of another version is set aside: no peer
//! is handed others by guesswork.

use std::fs::{self, File};
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use narrows_host::durable;
use narrows_protocol::InfoHash;
use sha1::{Digest as _, Sha1};
use thiserror::Error;
use tracing::{info, warn};

use crate::state::store::{Kept, Store};
use crate::state::tracker::Listing;

const FILE: &str = "swarms";
/// The version is part of it: another layout is another file.
const MAGIC: &[u8; 16] = b"narrows swarms 3";
/// Hearsay that is older says too little: most addresses may be others' by then.
const MAX_AGE: Duration = Duration::from_secs(3600);
/// A clock that was put back may make a file seem to come from so far in the future.
const MAX_AHEAD: Duration = Duration::from_secs(300);
const DIGEST: usize = 20;
const HEADER: usize = MAGIC.len() + 8;

/// Why a file is not used.
#[derive(Debug, Error)]
enum Unusable {
    #[error("it is not a snapshot of this version")]
    Foreign,
    #[error("it is torn or was changed")]
    Torn,
    #[error("it is {} minutes old", .0.as_secs() / 60)]
    Old(Duration),
    #[error("it comes from the future: was the clock put back?")]
    Future,
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] io::Error),
}

/// The snapshot of a state folder; without a folder there is none.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    folder: Option<PathBuf>,
}

impl Snapshot {
    pub(crate) fn new(folder: Option<PathBuf>) -> Self {
        Self { folder }
    }

    /// Whether there is a folder to keep it in.
    pub(crate) fn is_kept(&self) -> bool {
        self.folder.is_some()
    }

    /// Writes down what the store holds at `now`.
    ///
    /// # Errors
    /// If the file cannot be written; the one before stays.
    pub(crate) fn save(&self, store: &Store, now: Timestamp) -> io::Result<()> {
        let Some(folder) = &self.folder else {
            return Ok(());
        };
        fs::create_dir_all(folder)?;
        durable::replace(&folder.join(FILE), |file| write(file, store, now))
    }

    /// Takes over into the store what was written down: swarms that are listed. What cannot be used is set
    /// aside as `swarms.bad`, and the log says why. Returns how many peers came back.
    pub(crate) fn load(
        &self,
        store: &Store,
        listing: impl Fn(&InfoHash) -> Listing,
        now: Timestamp,
    ) -> usize {
        let Some(folder) = &self.folder else { return 0 };
        let file = folder.join(FILE);
        let mut peers = 0;
        let restored = read(&file, now, |hash, kept, age| {
            peers += match listing(&hash) {
                Listing::Open => store.restore(hash, None, kept, age),
                Listing::Listed(size) => store.restore(hash, Some(size), kept, age),
                Listing::Unlisted => 0,
            };
        });
        match restored {
            Ok(Some(age)) => {
                info!(
                    peers,
                    seconds = age.as_secs(),
                    "peers are known from before the restart"
                );
                peers
            }
            Ok(None) => 0,
            Err(reason) => {
                let aside = folder.join("swarms.bad");
                let moved = fs::rename(&file, &aside);
                warn!(
                    file = %file.display(), %reason, set_aside = moved.is_ok(),
                    "what was known before the restart is not used; peers are known again as they announce"
                );
                0
            }
        }
    }
}

fn write(file: &mut dyn Write, store: &Store, now: Timestamp) -> io::Result<()> {
    let mut digest = Sha1::new();
    let mut put = |bytes: &[u8]| {
        digest.update(bytes);
        file.write_all(bytes)
    };
    put(MAGIC)?;
    put(&now.as_second().to_be_bytes())?;
    for hash in store.hashes() {
        let Some(kept) = store.record(hash) else {
            continue;
        };
        let bytes = postcard::to_allocvec(&(hash.0, kept)).map_err(io::Error::other)?;
        put(&(bytes.len() as u64).to_be_bytes())?;
        put(&bytes)?;
    }
    file.write_all(&digest.finalize())
}

/// Hands the swarms of a file to `restore`, with the file's age, one after the other, once its digest is
/// known to be right; that age, or nothing if there is no file. Memory is needed for one swarm at a time.
fn read(
    path: &Path,
    now: Timestamp,
    mut restore: impl FnMut(InfoHash, Kept, Duration),
) -> Result<Option<Duration>, Unusable> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let length = file.metadata()?.len();
    let Some(body) = length.checked_sub((HEADER + DIGEST) as u64) else {
        return Err(Unusable::Foreign);
    };
    let mut header = [0; HEADER];
    file.read_exact(&mut header)?;
    let Some(made) = header.strip_prefix(MAGIC).and_then(|time| time.try_into().ok()) else {
        return Err(Unusable::Foreign);
    };
    check_digest(&mut file, &header, body)?;
    let made = Timestamp::from_second(i64::from_be_bytes(made)).map_err(|_| Unusable::Foreign)?;
    let age = age(made, now)?;
    file.seek(SeekFrom::Start(HEADER as u64))?;
    let mut rest = BufReader::with_capacity(1 << 18, file).take(body);
    while rest.limit() > 0 {
        let mut length = [0; 8];
        rest.read_exact(&mut length)?;
        let length = u64::from_be_bytes(length);
        if length > rest.limit() {
            return Err(Unusable::Torn);
        }
        let mut one = Vec::new();
        rest.by_ref().take(length).read_to_end(&mut one)?;
        let (hash, kept) = postcard::from_bytes(&one).map_err(|_| Unusable::Foreign)?;
        restore(InfoHash(hash), kept, age);
    }
    Ok(Some(age))
}

/// Reads the `body` bytes that follow the header, and the digest behind them.
fn check_digest(file: &mut File, header: &[u8], body: u64) -> Result<(), Unusable> {
    let mut digest = Sha1::new_with_prefix(header);
    let (mut left, mut buf) = (body, vec![0; 1 << 18]);
    while left > 0 {
        let part = usize::try_from(left).map_or(buf.len(), |left| left.min(buf.len()));
        file.read_exact(&mut buf[..part])?;
        digest.update(&buf[..part]);
        left -= part as u64;
    }
    let mut written = [0; DIGEST];
    file.read_exact(&mut written)?;
    match digest.finalize()[..] == written {
        true => Ok(()),
        false => Err(Unusable::Torn),
    }
}

/// How old a file is that was `made` then.
fn age(made: Timestamp, now: Timestamp) -> Result<Duration, Unusable> {
    let age = now.duration_since(made);
    if age < -jiff::SignedDuration::try_from(MAX_AHEAD).unwrap_or_default() {
        return Err(Unusable::Future);
    }
    let age = Duration::try_from(age).unwrap_or_default();
    if age > MAX_AGE {
        return Err(Unusable::Old(age));
    }
    Ok(age)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).unwrap()
    }

    fn file(swarms: &[([u8; 20], Kept)]) -> Vec<u8> {
        let mut bytes = [&MAGIC[..], &at(0).as_second().to_be_bytes()].concat();
        for swarm in swarms {
            let one = postcard::to_allocvec(swarm).unwrap();
            bytes.extend((one.len() as u64).to_be_bytes());
            bytes.extend(one);
        }
        let digest = Sha1::digest(&bytes);
        bytes.extend_from_slice(&digest);
        bytes
    }

    /// How many swarms came back, and the age of the file.
    fn read_back(bytes: &[u8], now: Timestamp) -> Result<Option<(usize, Duration)>, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        fs::write(&path, bytes).unwrap();
        let mut swarms = 0;
        let age = read(&path, now, |_, _, _| swarms += 1);
        let restored = age.map_err(|reason| {
            assert_eq!(swarms, 0, "nothing is taken over from a file that is not whole");
            reason.to_string()
        })?;
        Ok(restored.map(|age| (swarms, age)))
    }

    #[test]
    fn a_whole_file_of_the_last_hour_is_read_with_its_age() {
        let bytes = file(&[([1; 20], Kept::default()), ([2; 20], Kept::default())]);
        assert_eq!(
            read_back(&bytes, at(90)).unwrap(),
            Some((2, Duration::from_secs(90)))
        );
        // the clock was put back a little
        assert_eq!(read_back(&bytes, at(-90)).unwrap().unwrap().1, Duration::ZERO);
    }

    #[test]
    fn a_file_that_is_torn_anywhere_or_changed_in_any_byte_is_refused() {
        let bytes = file(&[([1; 20], Kept::default())]);
        for length in 0..bytes.len() {
            assert!(read_back(&bytes[..length], at(0)).is_err(), "{length} bytes");
        }
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 1;
            assert!(read_back(&changed, at(0)).is_err(), "byte {place}");
        }
    }

    #[test]
    fn a_file_that_is_old_or_from_the_future_is_refused_in_words() {
        let bytes = file(&[]);
        assert_eq!(read_back(&bytes, at(7200)).unwrap_err(), "it is 120 minutes old");
        assert!(read_back(&bytes, at(-7200)).unwrap_err().contains("future"));
        assert!(read_back(b"{}", at(0)).unwrap_err().contains("not a snapshot"));
    }
}
