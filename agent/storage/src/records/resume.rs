//! What is remembered between runs: a record of durable pieces, and a journal of those stored since.
//!
//! The record `<info hash>.resume` is replaced as a whole, after the data it speaks of is durable. The
//! journal `<info hash>.journal` grows by 8 bytes per stored piece and is only a hint: what it names is
//! hashed again. Either may be lost or damaged: then more is checked, nothing worse.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use narrows_host::durable;
use narrows_protocol::InfoHash;
use narrows_wire::Bitfield;
use serde::{Deserialize, Serialize};
use sha1::{Digest, Sha1};

use crate::StorageError;
use crate::platform::{self, Stat};
use crate::records::place::Place;

/// A file as it was when we knew its bytes: size, modification time in ns, inode (0 where there is none).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub(crate) struct Stamp(u64, i64, u64);

impl From<Stat> for Stamp {
    fn from(stat: Stat) -> Self {
        Self(stat.size, stat.modified, stat.id)
    }
}

/// How far the content had come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Phase {
    /// It is in staging; `have` are the durable pieces.
    Fetching,
    /// It was being moved to its target: which tree is where is not known.
    Publishing,
    /// It is whole and at its target.
    Complete,
    /// It is at its target and some of it is wrong, or may be; the rest is fetched in place. `have` are the
    /// right pieces, of files that are still as their stamps say.
    Repairing,
}

/// The record.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Record {
    pub(crate) phase: Phase,
    pub(crate) have: Bitfield,
    /// One per file after a clean stop, and at the target; else none. Then only the sizes of staged files can
    /// be compared, and nothing at the target is trusted.
    pub(crate) stamps: Option<Vec<Option<Stamp>>>,
}

/// The record as it is written, below a line with its SHA-1.
#[derive(Serialize, Deserialize)]
struct Written {
    version: u32,
    info_hash: String,
    phase: Phase,
    pieces: u32,
    have: String,
    stamps: Option<Vec<Option<Stamp>>>,
    /// Older versions neither write nor heed it.
    #[serde(default)]
    place: Option<Place>,
}

const VERSION: u32 = 1;

impl Record {
    /// Whether the content was at its target.
    pub(crate) fn at_target(&self) -> bool {
        matches!(self.phase, Phase::Complete | Phase::Repairing)
    }

    pub(crate) fn encode(&self, info_hash: InfoHash, place: Option<&Place>) -> io::Result<Vec<u8>> {
        let json = serde_json::to_string(&Written {
            version: VERSION,
            info_hash: info_hash.to_string(),
            phase: self.phase,
            pieces: self.have.len(),
            have: hex(self.have.as_bytes()),
            stamps: self.stamps.clone(),
            place: place.cloned(),
        })?;
        Ok(format!("{}\n{json}\n", hex(&Sha1::digest(&json))).into_bytes())
    }

    /// The reason if it is not a record of this content.
    pub(crate) fn decode(
        bytes: &[u8],
        info_hash: InfoHash,
        pieces: u32,
        files: usize,
    ) -> Result<(Self, Option<Place>), &'static str> {
        let text = std::str::from_utf8(bytes).map_err(|_| "it is not text")?;
        let (sum, json) = text.split_once('\n').ok_or("it is cut short")?;
        let json = json.strip_suffix('\n').ok_or("it is cut short")?;
        if sum != hex(&Sha1::digest(json)) {
            return Err("its checksum is wrong");
        }
        let written: Written = serde_json::from_str(json).map_err(|_| "it is of another format")?;
        if written.version != VERSION {
            return Err("it is of another version");
        }
        if written.info_hash != info_hash.to_string() || written.pieces != pieces {
            return Err("it is of another content");
        }
        if written.stamps.as_ref().is_some_and(|stamps| stamps.len() != files) {
            return Err("it is of another content");
        }
        let have = unhex(&written.have).and_then(|bits| Bitfield::from_wire(&bits, pieces).ok());
        let have = have.ok_or("its pieces are not readable")?;
        let record = Self {
            phase: written.phase,
            have,
            stamps: written.stamps,
        };
        Ok((record, written.place))
    }
}

/// Where record and journal of one content are kept.
#[derive(Debug)]
pub(crate) struct Resume {
    folder: PathBuf,
    info_hash: InfoHash,
    pieces: u32,
    files: usize,
    /// Goes into each record.
    place: Option<Place>,
}

impl Resume {
    pub(crate) fn new(folder: &Path, info_hash: InfoHash, pieces: u32, files: usize) -> Self {
        Self {
            folder: folder.to_owned(),
            info_hash,
            pieces,
            files,
            place: None,
        }
    }

    /// The content is put here from now on.
    pub(crate) fn set_place(&mut self, place: Place) {
        self.place = Some(place);
    }

    pub(crate) fn record_path(&self) -> PathBuf {
        self.folder.join(format!("{}.resume", self.info_hash))
    }

    pub(crate) fn journal_path(&self) -> PathBuf {
        self.folder.join(format!("{}.journal", self.info_hash))
    }

    /// The record, if there is a readable one.
    pub(crate) fn load(&self) -> Option<Record> {
        self.load_with_place().map(|(record, _)| record)
    }

    /// The record, and where the content was put, which older records do not say.
    pub(crate) fn load_with_place(&self) -> Option<(Record, Option<Place>)> {
        let path = self.record_path();
        let ignored = |reason: &dyn std::fmt::Display| {
            tracing::warn!(path = %path.display(), %reason, "resume data is not usable; everything is checked");
        };
        match fs::read(&path) {
            Ok(bytes) => Record::decode(&bytes, self.info_hash, self.pieces, self.files)
                .inspect_err(|reason| ignored(reason))
                .ok(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                ignored(&error);
                None
            }
        }
    }

    /// Replaces the record; durable on return.
    pub(crate) fn save(&self, record: &Record) -> io::Result<()> {
        let path = self.record_path();
        let bytes = record.encode(self.info_hash, self.place.as_ref())?;
        durable::replace(&path, |out| out.write_all(&bytes))
    }

    /// Makes sure that nothing is trusted at the next start, whatever was known: durable on return.
    /// `at_target`: the content was published, and is to be mended where it stands.
    pub(crate) fn distrust(&self, at_target: bool) -> Result<(), StorageError> {
        let mark = Record {
            phase: Phase::Repairing,
            have: Bitfield::new(self.pieces),
            stamps: None,
        };
        if at_target && self.save(&mark).is_ok() {
            return Ok(());
        }
        // with no record everything is hashed; to remove one takes no space
        self.remove()
            .and_then(|()| platform::sync_folder_at(&self.folder))
            .map_err(StorageError::io("remove", &self.record_path()))
    }

    /// The pieces in the journal, as far as it is readable.
    pub(crate) fn load_journal(&self) -> Vec<u32> {
        let path = self.journal_path();
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "the journal is not readable; its pieces count as missing");
                return Vec::new();
            }
        };
        let (entries, _torn) = bytes.as_chunks::<8>();
        let pieces: Vec<u32> = entries.iter().map_while(|entry| self.journaled(entry)).collect();
        if pieces.len() < entries.len() {
            tracing::warn!(path = %path.display(), "the journal is damaged; some of its pieces count as missing");
        }
        pieces
    }

    /// Opens the journal for [`append`](Self::append).
    pub(crate) fn open_journal(&self) -> io::Result<File> {
        let journal = OpenOptions::new().create(true).append(true).open(self.journal_path())?;
        // a torn last entry would garble those to come
        let len = journal.metadata()?.len();
        if len % 8 != 0 {
            journal.set_len(len - len % 8)?;
        }
        Ok(journal)
    }

    pub(crate) fn append(&self, mut journal: &File, piece: u32) -> io::Result<()> {
        journal.write_all(&self.entry(piece))
    }

    /// Removes the journal; there need not be one.
    pub(crate) fn remove_journal(&self) -> io::Result<()> {
        absent_is_fine(fs::remove_file(self.journal_path()))
    }

    fn scrub_path(&self) -> PathBuf {
        self.folder.join(format!("{}.scrub", self.info_hash))
    }

    /// The piece that a slow look at everything comes to next; the first if that is not known.
    pub(crate) fn load_scrub(&self) -> u32 {
        let text = fs::read_to_string(self.scrub_path()).unwrap_or_default();
        text.trim().parse().unwrap_or(0)
    }

    /// Only a hint, so neither atomic nor durable.
    pub(crate) fn save_scrub(&self, next: u32) -> io::Result<()> {
        fs::write(self.scrub_path(), format!("{next}\n"))
    }

    /// There need not be one.
    pub(crate) fn remove_scrub(&self) -> io::Result<()> {
        absent_is_fine(fs::remove_file(self.scrub_path()))
    }

    /// Removes what is remembered of pieces.
    pub(crate) fn remove(&self) -> io::Result<()> {
        self.remove_journal()?;
        absent_is_fine(fs::remove_file(self.record_path()))
    }

    fn entry(&self, piece: u32) -> [u8; 8] {
        let mut hash = Sha1::new();
        hash.update(self.info_hash.0);
        hash.update(piece.to_le_bytes());
        let sum = hash.finalize();
        let mut entry = [0; 8];
        entry[..4].copy_from_slice(&piece.to_le_bytes());
        entry[4..].copy_from_slice(&sum[..4]);
        entry
    }

    fn journaled(&self, entry: &[u8; 8]) -> Option<u32> {
        let [a, b, c, d, ..] = *entry;
        let piece = u32::from_le_bytes([a, b, c, d]);
        (piece < self.pieces && self.entry(piece) == *entry).then_some(piece)
    }
}

pub(crate) fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
    ];
    let digit = |nibble: u8| DIGITS[usize::from(nibble & 15)];
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    pairs.iter().map(|[high, low]| u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()).collect()
}
