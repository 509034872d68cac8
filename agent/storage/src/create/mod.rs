//! Makes torrents: walks a tree, refuses what the fleet could not hold, says what cannot travel, hashes on
//! all cores.

mod lost;
mod tree;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread;

use narrows_protocol::metainfo::create::{Draft, DraftFiles, encode, piece_length_for};
use narrows_protocol::metainfo::links::LinkFault;
use narrows_protocol::metainfo::names::{NameError, Names};
use narrows_protocol::metainfo::{BLOCK, Lengths, MetainfoError, Pieces};
use sha1::{Digest, Sha1};

use crate::platform::{self, Access};
use tree::{Found, Tree};

pub use lost::{Loss, Lost};

/// How to make a torrent; `Default` is right for most.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CreateOptions {
    /// Tracker URLs in tiers (BEP 12).
    pub announce: Vec<Vec<String>>,
    /// Default: the name of the file or folder.
    pub name: Option<String>,
    /// For which machines its names must do.
    pub names: Names,
    /// Bytes; a power of two of 16 KiB to 64 MiB. Default: by size.
    pub piece_length: Option<u32>,
    /// Hashing threads. Default: all cores.
    pub threads: Option<usize>,
    /// Seconds since 1970, for `creation date`; none by default, so that the same tree makes the same bytes.
    pub created: Option<u64>,
}

/// Why no torrent was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// The file system said no.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The whole content is a symbolic link, or a folder became one.
    #[error("{} is a symbolic link, which leads out of the content; name what it leads to, or put that in its place", .0.display())]
    Symlink(PathBuf),
    /// A symbolic link inside of the content that cannot travel.
    #[error("the symbolic link {} {fault}; make it lead to a file or folder of the content, by a relative path, or put what it leads to in its place", path.display())]
    Link {
        /// The link.
        path: PathBuf,
        /// What is wrong with it.
        fault: LinkFault,
    },
    /// The whole content is a device, socket or pipe.
    #[error("{} is neither a file nor a folder", .0.display())]
    Special(PathBuf),
    /// The name is not text.
    #[error("the name of {} is not valid UTF-8; rename it", .0.display())]
    NotUtf8(PathBuf),
    /// The name cannot exist on every machine of the fleet.
    #[error("{}: {fault}; {}", path.display(), what_to_do(fault))]
    Name {
        /// Which file or folder.
        path: PathBuf,
        /// What is wrong with it.
        fault: NameError,
    },
    /// No files, or only empty ones.
    #[error("{} has no content: there is nothing to distribute", .0.display())]
    Empty(PathBuf),
    /// It grew, shrank or was written to meanwhile.
    #[error("{} changed while it was hashed; make the torrent when nothing writes to it", .0.display())]
    Changed(PathBuf),
    /// Not a power of two of 16 KiB to 64 MiB.
    #[error("a piece length of {0} bytes is not possible; choose a power of two from 16384 to 67108864")]
    PieceLength(u32),
    /// Anything else that no reader would accept, such as too many pieces.
    #[error(transparent)]
    Metainfo(#[from] MetainfoError),
}

/// A torrent, and what it does not say of the tree that it was made of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Created {
    /// The .torrent file.
    pub torrent: Vec<u8>,
    /// What does not travel, one entry for each kind; the operator is to hear of it.
    pub lost: Vec<Lost>,
}

/// Makes a private torrent of a file or a folder. Blocks; hashes on all cores. Files come in the order of
/// their paths' bytes, as with other tools. `progress` is told bytes hashed and bytes in all, from any
/// thread.
///
/// # Errors
/// The first thing that no fleet could hold, and why.
pub fn create(
    path: &Path,
    options: CreateOptions,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<Created, CreateError> {
    if let Some(length) = options
        .piece_length
        .filter(|length| !length.is_power_of_two() || !(BLOCK..=BLOCK << 12).contains(length))
    {
        return Err(CreateError::PieceLength(length));
    }
    let tree = Tree::walk(path, options.name, options.names)?;
    let total = tree.files.iter().map(|file| file.length).sum();
    let piece_length = options.piece_length.unwrap_or_else(|| piece_length_for(total));
    let lengths = Lengths::new(piece_length, total).ok_or_else(|| CreateError::Empty(path.to_owned()))?;
    let threads = options.threads.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
    let pieces = Hasher::new(&tree, lengths, progress).run(threads.max(1))?;
    tree.require_unchanged()?;
    let lost = tree.lost.into_vec();
    let mut files = tree.files.into_iter().map(Found::into_draft);
    let files = match files.next() {
        Some(file) if tree.single => DraftFiles::Single(file),
        first => DraftFiles::Multi(first.into_iter().chain(files).collect()),
    };
    let created_by = concat!("narrows ", env!("CARGO_PKG_VERSION")).to_owned();
    let (announce, created, names, name) = (options.announce, options.created, options.names, tree.name);
    let torrent = encode(&Draft {
        announce,
        created_by,
        created,
        name,
        files,
        names,
        piece_length,
        pieces,
    })?;
    Ok(Created { torrent, lost })
}

/// The pieces of a tree, hashed by several threads, each with one piece in memory.
struct Hasher<'a> {
    tree: &'a Tree,
    lengths: Lengths,
    progress: &'a (dyn Fn(u64, u64) + Sync),
    next: AtomicU32,
    hashed: AtomicU64,
    failed: AtomicBool,
}

impl<'a> Hasher<'a> {
    fn new(tree: &'a Tree, lengths: Lengths, progress: &'a (dyn Fn(u64, u64) + Sync)) -> Self {
        let (next, hashed, failed) = (AtomicU32::new(0), AtomicU64::new(0), AtomicBool::new(false));
        Self {
            tree,
            lengths,
            progress,
            next,
            hashed,
            failed,
        }
    }

    fn run(&self, threads: usize) -> Result<Pieces, CreateError> {
        let hashes = Mutex::new(vec![[0; 20]; self.lengths.piece_count() as usize]);
        let threads = threads.min(self.lengths.piece_count() as usize);
        thread::scope(|scope| {
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| self.work(&hashes))).collect();
            workers.into_iter().try_for_each(|worker| match worker.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            })
        })?;
        Ok(Pieces::new(
            hashes.into_inner().unwrap_or_else(PoisonError::into_inner),
        ))
    }

    fn work(&self, hashes: &Mutex<Vec<[u8; 20]>>) -> Result<(), CreateError> {
        let mut buf = Vec::new();
        let mut open = None;
        loop {
            let piece = self.next.fetch_add(1, Ordering::Relaxed);
            if piece >= self.lengths.piece_count() || self.failed.load(Ordering::Relaxed) {
                return Ok(());
            }
            buf.resize(self.lengths.piece_size(piece) as usize, 0);
            self.read(self.lengths.piece_offset(piece), &mut buf, &mut open)
                .inspect_err(|_| self.failed.store(true, Ordering::Relaxed))?;
            let hash = Sha1::digest(&buf).into();
            hashes.lock().unwrap_or_else(PoisonError::into_inner)[piece as usize] = hash;
            let hashed = self.hashed.fetch_add(buf.len() as u64, Ordering::Relaxed) + buf.len() as u64;
            (self.progress)(hashed, self.lengths.total());
        }
    }

    fn read(
        &self,
        mut at: u64,
        mut rest: &mut [u8],
        open: &mut Option<(usize, File)>,
    ) -> Result<(), CreateError> {
        let mut index = self.tree.files.partition_point(|file| file.offset + file.length <= at);
        while let (false, Some(file)) = (rest.is_empty(), self.tree.files.get(index)) {
            let within = at - file.offset;
            let len = usize::try_from(file.length - within).unwrap_or(usize::MAX).min(rest.len());
            if len > 0 {
                let whole = self.tree.base.join(&file.path);
                let handle = match open.take() {
                    Some((same, handle)) if same == index => handle,
                    _ => self.tree.folder.file(&file.path, Access::Read).map_err(io_error(&whole))?,
                };
                let (now, after) = rest.split_at_mut(len);
                platform::read_exact_at(&handle, now, within).map_err(io_error(&whole))?;
                *open = Some((index, handle));
                rest = after;
                at += len as u64;
            }
            index += 1;
        }
        Ok(())
    }
}

fn what_to_do(fault: &NameError) -> &'static str {
    match fault.why.is_of_windows() {
        true => "rename it, or say `--names linux` if no machine with Windows is to have it",
        false => "rename it",
    }
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> CreateError + use<> {
    let path = path.to_owned();
    move |source| match source.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::NotFound if source.raw_os_error().is_none() => {
            CreateError::Changed(path)
        }
        _ if platform::is_symlink(&source) => CreateError::Symlink(path),
        _ => CreateError::Io { path, source },
    }
}
