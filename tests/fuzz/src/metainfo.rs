//! Metainfo: a .torrent file of any maker.

use narrows_protocol::metainfo::create::{self, Draft, DraftFile, DraftFiles};
use narrows_protocol::metainfo::names::Names;
use narrows_protocol::metainfo::{File, Metainfo};

/// A .torrent that is accepted adds up, and describes the same content once written and read again.
pub fn metainfo(data: &[u8]) {
    // that for one kind of machine an accepted one has names that must do there
    for names in [Names::Portable, Names::Linux] {
        match Metainfo::parse_for(data, names) {
            Ok(metainfo) => {
                adds_up(&metainfo);
                assert!(metainfo.unusable_trackers().all(|(_, why)| !why.to_string().is_empty()));
                if metainfo.files.iter().all(|file| !file.padding) {
                    is_the_same_again(metainfo, names);
                }
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

fn adds_up(metainfo: &Metainfo) {
    let mut offset = 0;
    for file in &metainfo.files {
        assert_eq!(file.offset, offset, "{file:?}");
        offset += file.length;
        assert_eq!(file.path.is_empty(), !metainfo.multi_file, "{file:?}");
        for component in file.path.iter().chain(file.link.iter().flatten()) {
            assert!(
                !component.is_empty() && component != "." && component != "..",
                "{file:?}"
            );
            assert!(!component.contains(['/', '\0']), "{file:?}");
        }
    }
    assert_eq!(offset, metainfo.total);
    assert!(metainfo.total > 0);
    assert_eq!(metainfo.piece_count() as usize, metainfo.pieces.len());
    let sizes = (0..metainfo.piece_count()).map(|piece| u64::from(metainfo.piece_size(piece)));
    assert_eq!(sizes.sum::<u64>(), metainfo.total);
}

/// Padding cannot be written; it is left to other tools.
fn is_the_same_again(metainfo: Metainfo, names: Names) {
    let draft = Draft {
        announce: metainfo.announce.clone(),
        created_by: "narrows".to_owned(),
        created: None,
        name: metainfo.name.clone(),
        files: match &metainfo.files[..] {
            [file] if !metainfo.multi_file => DraftFiles::Single(draft_file(file)),
            files => DraftFiles::Multi(files.iter().map(draft_file).collect()),
        },
        names,
        piece_length: metainfo.piece_length,
        pieces: metainfo.pieces.clone(),
    };
    let written = create::encode(&draft).expect("what was read can be written");
    let again = Metainfo::parse_for(&written, names).expect("what was written can be read");
    // ours are private, and have a hash of their own
    let expected = Metainfo {
        info_hash: again.info_hash,
        private: true,
        ..metainfo
    };
    assert_eq!(again, expected);
}

fn draft_file(file: &File) -> DraftFile {
    DraftFile {
        path: file.path.clone(),
        length: file.length,
        executable: file.executable,
        link: file.link.clone(),
    }
}
