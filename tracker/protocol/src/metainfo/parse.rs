//! From the bytes of a .torrent file to a [`Metainfo`].

use bendy::decoding::{Decoder, DictDecoder, Error as BencodeError, ListDecoder, Object};
use sha1::{Digest, Sha1};

use super::links;
use super::names::{self, NameError, NameFault, Names};
use super::order;
use super::{BLOCK, File, Metainfo, MetainfoError, Pieces};
use crate::ids::InfoHash;

/// Largest .torrent file, in bytes: 1.6 million pieces, more than a peer can announce.
pub const MAX_SIZE: usize = 32 * 1024 * 1024;

/// Largest piece length, in bytes; larger ones do not fit in the memory of a small machine a few times over.
const MAX_PIECE_LENGTH: u32 = 64 * 1024 * 1024;

/// Nesting of lists and dictionaries. BEP 3 needs 5; the file tree of a hybrid one per folder.
const MAX_DEPTH: usize = 64;

pub(super) fn parse(bytes: &[u8], names: Names) -> Result<Metainfo, MetainfoError> {
    if bytes.len() > MAX_SIZE {
        return Err(MetainfoError::TooLarge);
    }
    match parse_sorted(bytes, None, names) {
        Err(MetainfoError::Malformed(why)) => match order::sorted(bytes, MAX_DEPTH)? {
            Some(sorted) => {
                let as_it_stands = bytes.get(sorted.info).unwrap_or_default();
                parse_sorted(
                    &sorted.bytes,
                    Some(InfoHash(Sha1::digest(as_it_stands).into())),
                    names,
                )
            }
            None => Err(MetainfoError::Malformed(why)),
        },
        result => result,
    }
}

/// `info_hash`: that of the original, if keys were put in order.
fn parse_sorted(bytes: &[u8], info_hash: Option<InfoHash>, names: Names) -> Result<Metainfo, MetainfoError> {
    let mut decoder = Decoder::new(bytes).with_max_depth(MAX_DEPTH);
    let mut root = match decoder.next_object().map_err(malformed)? {
        Some(Object::Dict(root)) => root,
        _ => {
            return Err(MetainfoError::Malformed(
                "it does not begin with a dictionary".to_owned(),
            ));
        }
    };
    let (mut announce, mut tiers, mut info) = (None, Vec::new(), None);
    while let Some((key, value)) = root.next_pair().map_err(malformed)? {
        match key {
            b"announce" => announce = Some(text(value, "announce")?),
            b"announce-list" => tiers = announce_list(value)?,
            b"info" => info = Some(dictionary(value, "info")?.into_raw().map_err(malformed)?),
            _ => {} // comment, creation date, ...; what follows the dictionary is of no consequence either
        }
    }
    let info = info.ok_or(MetainfoError::Missing("info"))?;
    if tiers.is_empty() {
        tiers.extend(announce.filter(|url| !url.is_empty()).map(|url| vec![url]));
    }
    let info_hash = info_hash.unwrap_or_else(|| InfoHash(Sha1::digest(info).into()));
    Info::read(info)?.into_metainfo(info_hash, tiers, names)
}

/// The keys of the info dictionary, as they stand there.
#[derive(Default)]
struct Info<'a> {
    name: Option<&'a [u8]>,
    piece_length: Option<u64>,
    pieces: Option<&'a [u8]>,
    private: bool,
    length: Option<u64>,
    files: Option<Vec<File>>, // links as they stand
    v2: bool,
    /// Of a single file.
    attr: Attr,
}

/// What BEP 47 says of a file.
#[derive(Clone, Copy, Default)]
struct Attr {
    padding: bool,
    symlink: bool,
    executable: bool,
}

impl Attr {
    fn read(value: Object<'_, '_>) -> Result<Self, MetainfoError> {
        let letters = bytes(value, "attr")?;
        Ok(Self {
            padding: letters.contains(&b'p'),
            symlink: letters.contains(&b'l'),
            executable: letters.contains(&b'x'),
        })
    }
}

impl<'a> Info<'a> {
    fn read(raw: &'a [u8]) -> Result<Self, MetainfoError> {
        let mut decoder = Decoder::new(raw).with_max_depth(MAX_DEPTH);
        let Some(object) = decoder.next_object().map_err(malformed)? else {
            return Err(MetainfoError::Missing("info"));
        };
        let mut dict = dictionary(object, "info")?;
        let mut info = Self::default();
        while let Some((key, value)) = dict.next_pair().map_err(malformed)? {
            match key {
                b"name" => info.name = Some(bytes(value, "name")?),
                b"piece length" => info.piece_length = Some(number(value, "piece length")?),
                b"pieces" => info.pieces = Some(bytes(value, "pieces")?),
                b"private" => info.private = matches!(value, Object::Integer("1")),
                b"length" => info.length = Some(number(value, "length")?),
                b"files" => info.files = Some(files(list(value, "files")?)?),
                b"meta version" => info.v2 = matches!(value, Object::Integer("2")),
                b"attr" => info.attr = Attr::read(value)?,
                _ => {}
            }
        }
        Ok(info)
    }

    fn into_metainfo(
        self,
        info_hash: InfoHash,
        announce: Vec<Vec<String>>,
        names: Names,
    ) -> Result<Metainfo, MetainfoError> {
        if self.v2 && self.pieces.is_none() {
            return Err(MetainfoError::V2Only);
        }
        let name = utf8(self.name.ok_or(MetainfoError::Missing("name"))?)?;
        let multi_file = self.files.is_some();
        let mut files = match (self.length, self.files) {
            (Some(length), None) => vec![File {
                path: Vec::new(),
                length,
                offset: 0,
                padding: false,
                executable: self.attr.executable,
                link: None,
            }],
            (None, Some(files)) => files,
            (None, None) => return Err(MetainfoError::Missing("length")),
            (Some(_), Some(_)) => return Err(MetainfoError::LengthAndFiles),
        };
        if self.attr.symlink && !multi_file {
            return Err(MetainfoError::Symlink { name });
        }
        check_names(&name, &files, names)?;
        resolve_links(&name, &mut files)?;
        let total = lay_out(&mut files).ok_or(MetainfoError::TooLong)?;
        if total == 0 || files.iter().all(|file| file.padding) {
            return Err(MetainfoError::Empty);
        }
        let piece_length = piece_length(self.piece_length.ok_or(MetainfoError::Missing("piece length"))?)?;
        let pieces = pieces(
            self.pieces.ok_or(MetainfoError::Missing("pieces"))?,
            total,
            piece_length,
        )?;
        let private = self.private;
        Ok(Metainfo {
            info_hash,
            announce,
            name,
            piece_length,
            pieces,
            files,
            multi_file,
            private,
            total,
        })
    }
}

fn files(mut list: ListDecoder<'_, '_>) -> Result<Vec<File>, MetainfoError> {
    let mut files = Vec::new();
    while let Some(object) = list.next_object().map_err(malformed)? {
        files.push(file(dictionary(object, "files")?)?);
    }
    Ok(files)
}

fn file(mut dict: DictDecoder<'_, '_>) -> Result<File, MetainfoError> {
    let (mut path, mut length, mut attr, mut link) = (Vec::new(), None, Attr::default(), None);
    while let Some((key, value)) = dict.next_pair().map_err(malformed)? {
        match key {
            b"length" => length = Some(number(value, "length")?),
            b"path" => path = components(value, "path")?,
            b"symlink path" => link = Some(components(value, "symlink path")?),
            b"attr" => attr = Attr::read(value)?,
            _ => {}
        }
    }
    if path.is_empty() {
        return Err(MetainfoError::Missing("path"));
    }
    let (length, link) = match attr.symlink {
        // whatever it says: it has no bytes
        true => (0, Some(link.ok_or(MetainfoError::Missing("symlink path"))?)),
        false => (length.ok_or(MetainfoError::Missing("length"))?, None),
    };
    Ok(File {
        path,
        length,
        offset: 0,
        padding: attr.padding && !attr.symlink,
        executable: attr.executable && !attr.symlink,
        link,
    })
}

fn components(value: Object<'_, '_>, key: &'static str) -> Result<Vec<String>, MetainfoError> {
    let (mut all, mut out) = (list(value, key)?, Vec::new());
    while let Some(component) = all.next_object().map_err(malformed)? {
        out.push(utf8(bytes(component, key)?)?);
    }
    Ok(out)
}

/// Puts in place of what each link says where it leads.
fn resolve_links(name: &str, files: &mut [File]) -> Result<(), MetainfoError> {
    if files.iter().all(|file| file.link.is_none()) {
        return Ok(());
    }
    let real = files.iter().enumerate().filter(|(_, file)| !file.padding);
    let (indices, entries): (Vec<usize>, Vec<_>) =
        real.map(|(index, file)| (index, (file.path.as_slice(), file.link.as_deref()))).unzip();
    for (entry, target) in links::resolve(name, &entries)? {
        files[indices[entry]].link = Some(target);
    }
    Ok(())
}

/// Padding is never stored and may have the same name many times, so only its characters count.
fn check_names(name: &str, files: &[File], names: Names) -> Result<(), MetainfoError> {
    let stored = files.iter().filter(|file| !file.padding);
    names::check_tree(name, stored.map(|file| file.path.as_slice()), names)?;
    for file in files.iter().filter(|file| file.padding) {
        names::check_path(name, &file.path, names).map_err(|why| NameError {
            path: names::joined(name, &file.path),
            why,
        })?;
    }
    Ok(())
}

/// Gives every file its offset; the sum of all lengths, if it is one that a file system could hold.
fn lay_out(files: &mut [File]) -> Option<u64> {
    let mut total = 0_u64;
    for file in files {
        file.offset = total;
        total = total.checked_add(file.length).filter(|total| i64::try_from(*total).is_ok())?;
    }
    Some(total)
}

fn piece_length(bytes: u64) -> Result<u32, MetainfoError> {
    u32::try_from(bytes)
        .ok()
        .filter(|length| (BLOCK..=MAX_PIECE_LENGTH).contains(length) && length % BLOCK == 0)
        .ok_or(MetainfoError::PieceLength(bytes))
}

fn pieces(hashes: &[u8], total: u64, piece_length: u32) -> Result<Pieces, MetainfoError> {
    let (hashes, rest) = hashes.as_chunks::<20>();
    let expected = total.div_ceil(u64::from(piece_length));
    if !rest.is_empty() || hashes.len() as u64 != expected {
        return Err(MetainfoError::PieceCount {
            bytes: hashes.len() * 20 + rest.len(),
            expected,
        });
    }
    Ok(Pieces::new(hashes.to_vec()))
}

fn announce_list(value: Object<'_, '_>) -> Result<Vec<Vec<String>>, MetainfoError> {
    let mut tiers = Vec::new();
    let mut all = list(value, "announce-list")?;
    while let Some(tier) = all.next_object().map_err(malformed)? {
        let mut urls = Vec::new();
        let mut tier = list(tier, "announce-list")?;
        while let Some(url) = tier.next_object().map_err(malformed)? {
            urls.push(text(url, "announce-list")?);
        }
        urls.retain(|url| !url.is_empty());
        if !urls.is_empty() {
            tiers.push(urls);
        }
    }
    Ok(tiers)
}

fn list<'o, 's>(value: Object<'o, 's>, key: &'static str) -> Result<ListDecoder<'o, 's>, MetainfoError> {
    value.list_or(Err(MetainfoError::WrongType {
        key,
        expected: "a list",
    }))
}

fn dictionary<'o, 's>(
    value: Object<'o, 's>,
    key: &'static str,
) -> Result<DictDecoder<'o, 's>, MetainfoError> {
    value.dictionary_or(Err(MetainfoError::WrongType {
        key,
        expected: "a dictionary",
    }))
}

fn bytes<'s>(value: Object<'_, 's>, key: &'static str) -> Result<&'s [u8], MetainfoError> {
    value.bytes_or(Err(MetainfoError::WrongType {
        key,
        expected: "a string",
    }))
}

fn text(value: Object<'_, '_>, key: &'static str) -> Result<String, MetainfoError> {
    let expected = "a string in UTF-8";
    let bytes = bytes(value, key)?;
    String::from_utf8(bytes.to_vec()).map_err(|_| MetainfoError::WrongType { key, expected })
}

fn number(value: Object<'_, '_>, key: &'static str) -> Result<u64, MetainfoError> {
    let error = MetainfoError::WrongType {
        key,
        expected: "a number from 0 to 2^63 - 1",
    };
    let digits = value.integer_or_else(|_| Err(error.clone()))?;
    digits.parse::<u64>().ok().filter(|n| i64::try_from(*n).is_ok()).ok_or(error)
}

fn utf8(name: &[u8]) -> Result<String, MetainfoError> {
    String::from_utf8(name.to_vec()).map_err(|_| {
        let path = String::from_utf8_lossy(name).into_owned();
        MetainfoError::Name(NameError {
            path,
            why: NameFault::NotUtf8,
        })
    })
}

/// bendy refuses unsorted keys, which [`order`] puts in order, and repeated ones, which stay refused.
fn malformed(error: BencodeError) -> MetainfoError {
    MetainfoError::Malformed(error.to_string())
}
