//! Writing .torrent files: piece lengths and bencoding. Hashing is done where the files are.

use super::names::Names;
use super::{Metainfo, MetainfoError, Pieces};

/// Piece lengths that [`piece_length_for`] chooses while the content is of a usual size, in bytes.
const USUAL: std::ops::RangeInclusive<u32> = 256 * 1024..=4 * 1024 * 1024;

/// About how many pieces a content of a usual size gets.
const PIECES_WANTED: u64 = 1500;

/// Beyond that many pieces their bitfield no longer fits the 8 KiB or so that peers send gladly.
const PIECES_MOST: u64 = 60_000;

/// The largest piece length that peers know to handle, in bytes.
const LARGEST: u32 = 64 * 1024 * 1024;

/// The piece length for a content of `total` bytes: the power of two that makes about 1500 pieces, of 256 KiB
/// to 4 MiB, or up to 64 MiB where more than 60 000 pieces would be needed. Small pieces travel from peer to
/// peer sooner; many pieces cost memory and messages.
#[must_use]
pub fn piece_length_for(total: u64) -> u32 {
    let wanted = (total / PIECES_WANTED).max(1);
    let below = 1_u64 << wanted.ilog2();
    // round on the logarithmic scale: up from sqrt(2) times the power of two below
    let up = u128::from(wanted).pow(2) >= 2 * u128::from(below).pow(2);
    let nearest = if up { below.saturating_mul(2) } else { below };
    let mut length = u32::try_from(nearest).unwrap_or(LARGEST).clamp(*USUAL.start(), *USUAL.end());
    while length < LARGEST && total.div_ceil(u64::from(length)) > PIECES_MOST {
        length *= 2;
    }
    length
}

/// What a new torrent says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Draft {
    /// Tracker URLs in tiers (BEP 12); may be empty.
    pub announce: Vec<Vec<String>>,
    /// Who made it, e.g. `narrows 0.1.0`.
    pub created_by: String,
    /// Seconds since 1970.
    pub created: Option<u64>,
    /// Name of the file, or of the folder.
    pub name: String,
    /// The files.
    pub files: DraftFiles,
    /// For which machines the names must do.
    pub names: Names,
    /// Bytes.
    pub piece_length: u32,
    /// Their SHA-1.
    pub pieces: Pieces,
}

/// The files of a [`Draft`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DraftFiles {
    /// One file, which has the content's name and no path.
    Single(DraftFile),
    /// Files below a folder of the content's name, in the order of their bytes.
    Multi(Vec<DraftFile>),
}

/// A file of a [`Draft`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DraftFile {
    /// Components below the content's name.
    pub path: Vec<String>,
    /// Bytes.
    pub length: u64,
    /// BEP 47 `x`: its owner may execute it.
    pub executable: bool,
    /// BEP 47 `l`: where a symbolic link leads, below the content's name; its length is 0.
    pub link: Option<Vec<String>>,
}

impl DraftFile {
    /// A file of so many bytes that is not executable.
    #[must_use]
    pub fn plain(path: Vec<String>, length: u64) -> Self {
        Self {
            path,
            length,
            ..Self::default()
        }
    }
}

/// The .torrent file: private (BEP 27), keys sorted.
///
/// # Errors
/// Whatever [`Metainfo::parse`] would refuse: nothing is written that cannot be read.
pub fn encode(draft: &Draft) -> Result<Vec<u8>, MetainfoError> {
    let mut out = Vec::with_capacity(draft.pieces.len() * 20 + 1024);
    out.push(b'd');
    if let Some(first) = draft.announce.iter().flatten().next() {
        pair(&mut out, "announce", first);
        if draft.announce.iter().flatten().count() > 1 {
            string(&mut out, b"announce-list");
            list(&mut out, &draft.announce, |out, tier| {
                list(out, tier, |out, url| string(out, url.as_bytes()))
            });
        }
    }
    pair(&mut out, "created by", &draft.created_by);
    if let Some(created) = draft.created {
        string(&mut out, b"creation date");
        integer(&mut out, created);
    }
    string(&mut out, b"info");
    info(&mut out, draft);
    out.push(b'e');
    Metainfo::parse_for(&out, draft.names)?;
    Ok(out)
}

fn info(out: &mut Vec<u8>, draft: &Draft) {
    out.push(b'd');
    match &draft.files {
        DraftFiles::Single(file) => attr_and_length(out, file),
        DraftFiles::Multi(files) => {
            string(out, b"files");
            list(out, files, |out, file| {
                out.push(b'd');
                attr_and_length(out, file);
                string(out, b"path");
                components(out, &file.path);
                if let Some(link) = &file.link {
                    string(out, b"symlink path");
                    components(out, link);
                }
                out.push(b'e');
            });
        }
    }
    pair(out, "name", &draft.name);
    string(out, b"piece length");
    integer(out, u64::from(draft.piece_length));
    string(out, b"pieces");
    out.extend_from_slice(format!("{}:", draft.pieces.len() * 20).as_bytes());
    draft.pieces.iter().for_each(|hash| out.extend_from_slice(hash));
    string(out, b"private");
    integer(out, 1);
    out.push(b'e');
}

/// Without attributes there is no `attr`, so that the torrent is that of tools that know none.
fn attr_and_length(out: &mut Vec<u8>, file: &DraftFile) {
    match (&file.link, file.executable) {
        (Some(_), _) => pair(out, "attr", "l"),
        (None, true) => pair(out, "attr", "x"),
        (None, false) => {}
    }
    string(out, b"length");
    integer(out, file.length);
}

fn components(out: &mut Vec<u8>, path: &[String]) {
    list(out, path, |out, component| string(out, component.as_bytes()));
}

fn pair(out: &mut Vec<u8>, key: &str, value: &str) {
    string(out, key.as_bytes());
    string(out, value.as_bytes());
}

fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(format!("{}:", bytes.len()).as_bytes());
    out.extend_from_slice(bytes);
}

fn integer(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(format!("i{number}e").as_bytes());
}

fn list<T>(out: &mut Vec<u8>, items: &[T], each: impl Fn(&mut Vec<u8>, &T)) {
    out.push(b'l');
    items.iter().for_each(|item| each(out, item));
    out.push(b'e');
}
