//! The scrape (BEP 48): counts of several swarms at once.

use bendy::decoding::{Decoder, DictDecoder, Object};

use crate::announce::ReplyError;
use crate::bencode;
use crate::ids::InfoHash;
use crate::query::{self, Pairs, RequestError};

/// How deep a reply may be nested; BEP 48 needs 3.
const MAX_DEPTH: usize = 8;

/// A valid scrape.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ScrapeRequest {
    /// The swarms asked about: at least one, in the order of the query, possibly repeated.
    pub info_hashes: Vec<InfoHash>,
}

/// The counts of one swarm.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ScrapeFile {
    /// Peers that have all of the content.
    pub complete: u32,
    /// How often a peer became complete.
    pub downloaded: u32,
    /// Peers that do not have all of it.
    pub incomplete: u32,
}

/// The answer to a scrape. Swarms that are not tracked are left out.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ScrapeResponse {
    /// Counts per swarm, each swarm once, ordered by its hash.
    files: Vec<(InfoHash, ScrapeFile)>,
}

impl ScrapeRequest {
    /// Reads the part of a scrape URL after the `?`.
    ///
    /// # Errors
    /// If a hash is not 20 bytes, or none is given: a list of all swarms is not offered.
    pub fn parse(query: &str) -> Result<Self, RequestError> {
        let mut info_hashes = Vec::new();
        for pair in Pairs::new(query)? {
            let (key, value) = pair?;
            if key == "info_hash" {
                info_hashes.push(InfoHash(query::decode20(value).ok_or(RequestError::BadInfoHash)?));
            }
        }
        if info_hashes.is_empty() {
            return Err(RequestError::FullScrape);
        }
        Ok(Self { info_hashes })
    }

    /// Writes the query that [`ScrapeRequest::parse`] reads.
    pub fn to_query(&self) -> String {
        let mut out = String::new();
        for hash in &self.info_hashes {
            out.push_str(if out.is_empty() {
                "info_hash="
            } else {
                "&info_hash="
            });
            query::encode(&hash.0, &mut out);
        }
        out
    }
}

impl ScrapeResponse {
    /// The counts per swarm, ordered by hash.
    pub fn files(&self) -> &[(InfoHash, ScrapeFile)] {
        &self.files
    }

    /// Appends the bencoded reply to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"d5:filesd");
        for (hash, file) in &self.files {
            bencode::bytes(out, &hash.0);
            out.extend_from_slice(b"d8:complete");
            bencode::integer(out, file.complete.into());
            out.extend_from_slice(b"10:downloaded");
            bencode::integer(out, file.downloaded.into());
            out.extend_from_slice(b"10:incomplete");
            bencode::integer(out, file.incomplete.into());
            out.push(b'e');
        }
        out.extend_from_slice(b"ee");
    }

    /// Reads the body of a scrape reply.
    ///
    /// # Errors
    /// If it is no bencoded dictionary of bounded depth with `files`, or a value has another type.
    pub fn decode(body: &[u8]) -> Result<Self, ReplyError> {
        let mut decoder = Decoder::new(body).with_max_depth(MAX_DEPTH);
        let Some(Object::Dict(mut dict)) = decoder.next_object()? else {
            return Err(ReplyError::NotADictionary);
        };
        let mut files = None;
        while let Some((key, value)) = dict.next_pair()? {
            if key == b"files" {
                let Object::Dict(mut list) = value else {
                    return Err(ReplyError::Wrong("files"));
                };
                let files = files.get_or_insert_with(Vec::new);
                while let Some((hash, value)) = list.next_pair()? {
                    let hash = hash.try_into().map_err(|_| ReplyError::Wrong("files"))?;
                    let Object::Dict(dict) = value else {
                        return Err(ReplyError::Wrong("files"));
                    };
                    files.push((InfoHash(hash), file(dict)?));
                }
            }
        }
        Ok(files.ok_or(ReplyError::Missing("files"))?.into_iter().collect())
    }
}

impl FromIterator<(InfoHash, ScrapeFile)> for ScrapeResponse {
    fn from_iter<I: IntoIterator<Item = (InfoHash, ScrapeFile)>>(files: I) -> Self {
        let mut files: Vec<_> = files.into_iter().collect();
        files.sort_by_key(|(hash, _)| *hash);
        files.dedup_by_key(|(hash, _)| *hash);
        Self { files }
    }
}

fn file(mut dict: DictDecoder<'_, '_>) -> Result<ScrapeFile, ReplyError> {
    let mut file = ScrapeFile::default();
    while let Some((key, value)) = dict.next_pair()? {
        let Object::Integer(digits) = value else { continue };
        let count = || digits.parse().map_err(|_| ReplyError::Wrong("files"));
        match key {
            b"complete" => file.complete = count()?,
            b"downloaded" => file.downloaded = count()?,
            b"incomplete" => file.incomplete = count()?,
            _ => {}
        }
    }
    Ok(file)
}
