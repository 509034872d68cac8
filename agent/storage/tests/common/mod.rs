//! Contents made of random bytes, and what to do with them.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bytes::{Bytes, BytesMut};
use narrows_protocol::metainfo::create::{Draft, DraftFile, DraftFiles, encode};
use narrows_protocol::metainfo::links::text_of;
use narrows_protocol::metainfo::names::Names;
use narrows_protocol::metainfo::{BLOCK, File, Metainfo, Pieces};
use narrows_storage::{Content, OpenFiles, Opened, StorageError, Stored};
use narrows_wire::Bitfield;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sha1::{Digest, Sha1};
use tempfile::TempDir;

pub const PIECE: u32 = BLOCK;

/// A content in memory.
pub struct Sample {
    pub meta: Arc<Metainfo>,
    pub data: Vec<u8>,
}

impl Sample {
    /// Files of these lengths in a folder `tree`, every third in a subfolder.
    pub fn tree(lengths: &[usize], seed: u64) -> Self {
        let files = lengths.iter().enumerate().map(|(index, length)| {
            let name = format!("file {index} äöü");
            let path = if index % 3 == 0 {
                vec![format!("sub{index}"), name]
            } else {
                vec![name]
            };
            DraftFile::plain(path, *length as u64)
        });
        Self::new(DraftFiles::Multi(files.collect()), lengths.iter().sum(), seed)
    }

    /// One file `tree`.
    pub fn single(length: usize, seed: u64) -> Self {
        Self::new(
            DraftFiles::Single(DraftFile::plain(Vec::new(), length as u64)),
            length,
            seed,
        )
    }

    /// These files in a folder `tree`.
    pub fn of(files: Vec<DraftFile>, seed: u64) -> Self {
        let total: u64 = files.iter().map(|file| file.length).sum();
        Self::new(
            DraftFiles::Multi(files),
            usize::try_from(total).expect("small"),
            seed,
        )
    }

    fn new(files: DraftFiles, total: usize, seed: u64) -> Self {
        let mut data = vec![0; total];
        StdRng::seed_from_u64(seed).fill_bytes(&mut data);
        let hashes = data.chunks(PIECE as usize).map(|piece| Sha1::digest(piece).into()).collect();
        let draft = Draft {
            announce: Vec::new(),
            created_by: "test".to_owned(),
            created: None,
            name: "tree".to_owned(),
            files,
            names: Names::Portable,
            piece_length: PIECE,
            pieces: Pieces::new(hashes),
        };
        let torrent = encode(&draft).expect("a good draft");
        Self {
            meta: Arc::new(Metainfo::parse(&torrent).expect("a good torrent")),
            data,
        }
    }

    pub fn pieces(&self) -> u32 {
        self.meta.piece_count()
    }

    pub fn piece(&self, piece: u32) -> &[u8] {
        let start = piece as usize * PIECE as usize;
        &self.data[start..start + self.meta.piece_size(piece) as usize]
    }

    /// A piece as the swarm hands it over, in blocks of odd sizes.
    pub fn blocks(&self, piece: u32) -> Vec<Bytes> {
        self.piece(piece).chunks(5000).map(Bytes::copy_from_slice).collect()
    }

    /// Puts the files where they belong below a folder.
    pub fn write_to(&self, folder: &Path) {
        for file in &self.meta.files {
            let path = self.path(folder, &file.path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
            #[cfg(unix)]
            if file.link.is_some() {
                std::os::unix::fs::symlink(link_text(file), path).expect("a link");
                continue;
            }
            let start = usize::try_from(file.offset).expect("small");
            let end = start + usize::try_from(file.length).expect("small");
            fs::write(path, &self.data[start..end]).expect("a file");
        }
    }

    pub fn path(&self, folder: &Path, path: &[String]) -> PathBuf {
        path.iter().fold(folder.join(&self.meta.name), |whole, component| {
            whole.join(component)
        })
    }

    /// Asserts that the files below a folder are these and no others.
    pub fn assert_at(&self, folder: &Path) {
        for file in &self.meta.files {
            let start = usize::try_from(file.offset).expect("small");
            let end = start + usize::try_from(file.length).expect("small");
            if file.link.is_some() {
                let text = fs::read_link(self.path(folder, &file.path)).expect("a link");
                assert_eq!(text, PathBuf::from(link_text(file)));
                continue;
            }
            let found = fs::read(self.path(folder, &file.path)).expect("a file");
            assert!(found == self.data[start..end], "{:?} differs", file.path);
        }
    }

    /// Asserts that every piece that is said to be there reads as it should, and that others do not read.
    pub fn assert_reads(&self, content: &Content) {
        let have = content.have();
        for piece in 0..self.pieces() {
            let mut out = BytesMut::new();
            let size = self.meta.piece_size(piece);
            let result = content.read(piece, 0, size, &mut out);
            if have.has(piece) {
                result.expect("a piece");
                assert!(out == self.piece(piece), "piece {piece} reads as something else");
                let (begin, len) = (size / 3, size / 2);
                out.clear();
                content.read(piece, begin, len, &mut out).expect("a part");
                assert!(out == self.piece(piece)[begin as usize..(begin + len) as usize]);
            } else {
                assert!(matches!(result, Err(StorageError::Missing(_))));
                assert!(out.is_empty());
            }
        }
    }

    pub fn store(&self, content: &Content, piece: u32) {
        assert_eq!(
            content.store(piece, &self.blocks(piece)).expect("room"),
            Stored::Ok
        );
    }

    pub fn store_all(&self, content: &Content) {
        (0..self.pieces()).for_each(|piece| self.store(content, piece));
    }
}

fn link_text(file: &File) -> String {
    let (folder, target) = (&file.path[..file.path.len() - 1], file.link.as_ref());
    text_of(folder, target.expect("a link"))
}

/// Folders for one agent.
pub struct Place {
    pub folder: TempDir,
}

impl Place {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    pub fn target(&self) -> PathBuf {
        self.folder.path().join("target")
    }

    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    pub fn try_open(&self, sample: &Sample) -> Result<Opened, StorageError> {
        Content::open(
            Arc::clone(&sample.meta),
            &self.target(),
            &self.state(),
            &OpenFiles::new(8),
        )
    }

    pub fn open(&self, sample: &Sample) -> Opened {
        self.try_open(sample).expect("a content that opens")
    }

    /// Opened and checked.
    pub fn start(&self, sample: &Sample) -> Content {
        let opened = self.open(sample);
        check(&opened.content);
        opened.content
    }

    /// The folder of unfinished content.
    pub fn staging(&self, sample: &Sample) -> PathBuf {
        self.target().join(".narrows").join(sample.meta.info_hash.to_string())
    }

    pub fn record(&self, sample: &Sample) -> PathBuf {
        self.state().join(format!("{}.resume", sample.meta.info_hash))
    }

    /// Writes down, as before an exchange, that the staged tree is the new one.
    #[cfg(unix)]
    pub fn note_exchange(&self, sample: &Sample) {
        use std::os::unix::fs::MetadataExt;
        let inode = fs::metadata(self.staging(sample).join("tree")).expect("a tree").ino();
        let path = self.state().join(format!("{}.place", sample.meta.info_hash));
        let claim = fs::read_to_string(&path).expect("a claim");
        let noted = claim.replace("\"exchanging\":null", &format!("\"exchanging\":{inode}"));
        assert_ne!(claim, noted);
        fs::write(path, noted).expect("a claim");
    }

    pub fn journal(&self, sample: &Sample) -> PathBuf {
        self.state().join(format!("{}.journal", sample.meta.info_hash))
    }
}

pub fn check(content: &Content) -> Bitfield {
    content.check(&|_| {}, &AtomicBool::new(false)).expect("a check that ends")
}

/// Changes a file's bytes from `at` on.
pub fn overwrite(mut file: &fs::File, bytes: &[u8], at: u64) {
    use std::io::{Seek, SeekFrom, Write};
    file.seek(SeekFrom::Start(at)).expect("a place in the file");
    file.write_all(bytes).expect("bytes written");
}

#[cfg(unix)]
pub fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|metadata| std::os::unix::fs::MetadataExt::uid(&metadata) == 0)
}
