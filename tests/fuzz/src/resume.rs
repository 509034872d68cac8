//! Resume data: the record of durable pieces, after a crash, a bad disk or another version.

use narrows_protocol::InfoHash;
use narrows_storage::fuzzing::rewrite_record;
use sha1::{Digest, Sha1};

/// The content that the records in the corpus speak of: 40 times the digit 1.
const INFO_HASH: InfoHash = InfoHash([0x11; 20]);

/// The first byte is the number of pieces, the second that of files, the rest a record below its checksum,
/// which is added: a fuzzer does not guess one. A record that is accepted is the same once written again.
pub fn resume(data: &[u8]) {
    let Some((&[pieces, files], json)) = data.split_first_chunk::<2>() else {
        return;
    };
    let (pieces, files) = (u32::from(pieces), usize::from(files));
    let sum: String = Sha1::digest(json).iter().map(|byte| format!("{byte:02x}")).collect();
    let record = [sum.as_bytes(), b"\n", json, b"\n"].concat();
    if let Some(written) = rewrite_record(&record, INFO_HASH, pieces, files) {
        assert_eq!(
            rewrite_record(&written, INFO_HASH, pieces, files),
            Some(written.clone()),
            "{}",
            written.escape_ascii()
        );
        // the checksum covers every byte
        let mut damaged = written;
        for at in [0, damaged.len() / 2] {
            damaged[at] ^= 1;
            assert_eq!(rewrite_record(&damaged, INFO_HASH, pieces, files), None);
            damaged[at] ^= 1;
        }
    }
    // without a checksum, and cut short
    assert_eq!(rewrite_record(json, INFO_HASH, pieces, files), None);
    assert_eq!(
        rewrite_record(&record[..record.len() - 1], INFO_HASH, pieces, files),
        None
    );
}
