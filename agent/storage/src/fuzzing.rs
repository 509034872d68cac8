//! What fuzzers need of the crate's inside; see `tests/fuzz`. Nothing else uses it.

use narrows_protocol::InfoHash;

use crate::records::resume::Record;

/// What a record of resume data says, written again; `None` if it is refused. Of a content of so many pieces
/// and files.
pub fn rewrite_record(record: &[u8], info_hash: InfoHash, pieces: u32, files: usize) -> Option<Vec<u8>> {
    let (record, place) = Record::decode(record, info_hash, pieces, files).ok()?;
    record.encode(info_hash, place.as_ref()).ok()
}
