//! Makes torrents: walks a tree, refuses what the fleet could not hold, hashes on all cores.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread;

use narrows_protocol::metainfo::create::{Draft, DraftFile, DraftFiles, encode, piece_length_for};
use narrows_protocol::metainfo::links::{self, LinkFault};
use narrows_protocol::metainfo::names::{self, NameError, Names};
use narrows_protocol::metainfo::{BLOCK, Lengths, MetainfoError, Pieces};
use sha1::{Digest, Sha1};

use crate::platform::{self, Access, Folder, Kind};

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
    /// A device, socket or pipe.
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
    #[error("{} changed while it was hashed; make the torrent when nobody writes to it", .0.display())]
    Changed(PathBuf),
    /// Not a power of two of 16 KiB to 64 MiB.
    #[error("a piece length of {0} bytes is not possible; choose a power of two from 16384 to 67108864")]
    PieceLength(u32),
    /// Anything else that no reader would accept, such as too many pieces.
    #[error(transparent)]
    Metainfo(#[from] MetainfoError),
}

/// Makes a private torrent of a file or a folder. Blocks; hashes on all cores. Files come in the order of their
/// paths' bytes, as with other tools. `progress` is told bytes hashed and bytes in all, from any thread.
///
/// # Errors
/// The first thing that cannot be in a torrent and why; nothing is left out silently.
pub fn create(
    path: &Path,
    options: CreateOptions,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<Vec<u8>, CreateError> {
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
    let threads = options
        .threads
        .unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
    let pieces = Hasher::new(&tree, lengths, progress).run(threads.max(1))?;
    tree.require_unchanged()?;
    let mut files = tree.files.into_iter().map(Found::into_draft);
    let files = match files.next() {
        Some(file) if tree.single => DraftFiles::Single(file),
        first => DraftFiles::Multi(first.into_iter().chain(files).collect()),
    };
    let created_by = concat!("narrows ", env!("CARGO_PKG_VERSION")).to_owned();
    let (announce, created, names, name) = (options.announce, options.created, options.names, tree.name);
    Ok(encode(&Draft {
        announce,
        created_by,
        created,
        name,
        files,
        names,
        piece_length,
        pieces,
    })?)
}

/// What will be in the torrent.
struct Tree {
    /// What the files' paths are relative to.
    base: PathBuf,
    folder: Folder,
    name: String,
    single: bool,
    files: Vec<Found>,
}

struct Found {
    /// Below the base.
    path: PathBuf,
    components: Vec<String>,
    length: u64,
    modified: i64,
    executable: bool,
    /// Where a symbolic link leads, below the content's name.
    link: Option<Vec<String>>,
    /// First byte in the content.
    offset: u64,
}

impl Found {
    fn into_draft(self) -> DraftFile {
        DraftFile {
            path: self.components,
            length: self.length,
            executable: self.executable,
            link: self.link,
        }
    }
}

impl Tree {
    fn walk(path: &Path, name: Option<String>, names: Names) -> Result<Self, CreateError> {
        let kind = fs::symlink_metadata(path).map_err(io_error(path))?.file_type();
        let name = match name {
            Some(name) => name,
            None => default_name(path)?,
        };
        if kind.is_symlink() {
            return Err(CreateError::Symlink(path.to_owned()));
        }
        let mut files = Vec::new();
        let base = if kind.is_dir() {
            path.to_owned()
        } else {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            parent.unwrap_or(Path::new(".")).to_owned()
        };
        let folder = Folder::open(&base).map_err(io_error(&base))?;
        let mut tree = Self {
            base,
            folder,
            name,
            single: !kind.is_dir(),
            files: Vec::new(),
        };
        if tree.single {
            let last = PathBuf::from(
                path.file_name()
                    .ok_or_else(|| CreateError::Special(path.to_owned()))?,
            );
            files.push(tree.file(last, Vec::new())?);
        } else {
            tree.collect(Path::new(""), &[], &mut files)?;
            // the order of the paths' bytes, `/` between components: what `LC_ALL=C sort` would do
            files.sort_by_cached_key(|file: &Found| file.components.join("/"));
        }
        let mut offset = 0_u64;
        for file in &mut files {
            file.offset = offset;
            offset = offset.checked_add(file.length).ok_or(MetainfoError::TooLong)?;
        }
        tree.files = files;
        names::check_tree(
            &tree.name,
            tree.files.iter().map(|file| file.components.as_slice()),
            names,
        )
        .map_err(|fault| tree.name_error(fault))?;
        tree.check_links()?;
        Ok(tree)
    }

    fn collect(&self, below: &Path, above: &[String], files: &mut Vec<Found>) -> Result<(), CreateError> {
        let folder = self.base.join(below);
        for entry in fs::read_dir(&folder).map_err(io_error(&folder))? {
            let entry = entry.map_err(io_error(&folder))?;
            let path = below.join(entry.file_name());
            let name = entry
                .file_name()
                .into_string()
                .map_err(|_| CreateError::NotUtf8(entry.path()))?;
            let components: Vec<String> = above.iter().cloned().chain([name]).collect();
            if entry.file_type().map_err(io_error(&entry.path()))?.is_dir() {
                self.collect(&path, &components, files)?;
            } else {
                files.push(self.file(path, components)?);
            }
        }
        Ok(())
    }

    fn file(&self, path: PathBuf, components: Vec<String>) -> Result<Found, CreateError> {
        let whole = self.base.join(&path);
        let stat = self.folder.stat(&path).map_err(io_error(&whole))?;
        match stat.map(|stat| (stat.kind, stat)) {
            Some((Kind::File, stat)) => Ok(Found {
                path,
                components,
                length: stat.size,
                modified: stat.modified,
                executable: stat.executable && cfg!(unix),
                link: None,
                offset: 0,
            }),
            Some((Kind::Symlink, _)) if components.is_empty() => Err(CreateError::Symlink(whole)),
            Some((Kind::Symlink, stat)) => Ok(Found {
                link: Some(self.link(&path, &components)?),
                path,
                components,
                length: 0,
                modified: stat.modified,
                executable: false,
                offset: 0,
            }),
            Some(_) => Err(CreateError::Special(whole)),
            None => Err(CreateError::Changed(whole)),
        }
    }

    fn link(&self, path: &Path, components: &[String]) -> Result<Vec<String>, CreateError> {
        let whole = self.base.join(path);
        let folder = components.split_last().map_or(&[][..], |(_, folder)| folder);
        let text = self.folder.read_link(path).map_err(io_error(&whole))?;
        let target = match text {
            Some(text) => links::target_of(folder, &text),
            None => Err(LinkFault::NotUtf8),
        };
        target.map_err(|fault| CreateError::Link { path: whole, fault })
    }

    /// Whether all links lead to something in the torrent.
    fn check_links(&self) -> Result<(), CreateError> {
        let entries: Vec<_> = self
            .files
            .iter()
            .map(|file| (file.components.as_slice(), file.link.as_deref()))
            .collect();
        match links::resolve(&self.name, &entries) {
            Ok(_) => Ok(()),
            Err(error) => Err(CreateError::Link {
                path: self.below(&error.path),
                fault: error.why,
            }),
        }
    }

    /// Where a path of the content, its name first, stands.
    fn below(&self, path: &str) -> PathBuf {
        let below = path.split_once('/').map_or("", |(_, below)| below);
        self.base.join(below)
    }

    fn name_error(&self, fault: NameError) -> CreateError {
        CreateError::Name {
            path: self.below(&fault.path),
            fault,
        }
    }

    fn require_unchanged(&self) -> Result<(), CreateError> {
        for file in &self.files {
            let whole = self.base.join(&file.path);
            let stat = self.folder.stat(&file.path).map_err(io_error(&whole))?;
            let length = stat.map_or(0, |stat| if file.link.is_none() { stat.size } else { 0 });
            if stat.is_none_or(|stat| (length, stat.modified) != (file.length, file.modified)) {
                return Err(CreateError::Changed(whole));
            }
        }
        Ok(())
    }
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
        let mut index = self
            .tree
            .files
            .partition_point(|file| file.offset + file.length <= at);
        while let (false, Some(file)) = (rest.is_empty(), self.tree.files.get(index)) {
            let within = at - file.offset;
            let len = usize::try_from(file.length - within)
                .unwrap_or(usize::MAX)
                .min(rest.len());
            if len > 0 {
                let whole = self.tree.base.join(&file.path);
                let handle = match open.take() {
                    Some((same, handle)) if same == index => handle,
                    _ => self
                        .tree
                        .folder
                        .file(&file.path, Access::Read)
                        .map_err(io_error(&whole))?,
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

fn default_name(path: &Path) -> Result<String, CreateError> {
    let named = match path.file_name() {
        Some(_) => path.to_owned(),
        None => fs::canonicalize(path).map_err(io_error(path))?, // `.` or `x/..`
    };
    let name = named
        .file_name()
        .ok_or_else(|| CreateError::Special(path.to_owned()))?;
    name.to_str()
        .map(str::to_owned)
        .ok_or_else(|| CreateError::NotUtf8(path.to_owned()))
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
