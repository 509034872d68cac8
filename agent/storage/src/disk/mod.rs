//! A content's files in its two places: below the staging folder and at the target.

mod attributes;
pub(crate) mod open_files;
pub(crate) mod turns;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use narrows_host::Repeats;
use narrows_protocol::metainfo::Metainfo;
use narrows_protocol::metainfo::names::STAGING_FOLDER;
use sha1::{Digest, Sha1};

use crate::StorageError;
use crate::layout::{Layout, Side};
use crate::platform::{self, Access, Folder, Kind, Stat};
use attributes::Attributes;
use open_files::{Handles, OpenFiles};

/// From this many files on, one call for the whole file system is cheaper than one for each.
const MANY: usize = 256;

/// Reads and writes pieces; knows nothing of which are right.
#[derive(Debug)]
pub(crate) struct Disk {
    pub(crate) layout: Layout,
    pub(crate) folder: Folder,
    target: PathBuf,
    staging: PathBuf,
    handles: Handles,
    pub(crate) attributes: Attributes,
    /// Of reading pieces, and since when.
    read_failures: Mutex<(Repeats, Instant)>,
}

impl Disk {
    /// Makes the target folder if it is not there.
    pub(crate) fn open(
        meta: Arc<Metainfo>,
        target: &Path,
        files: &Arc<OpenFiles>,
    ) -> Result<Self, StorageError> {
        std::fs::create_dir_all(target).map_err(StorageError::io("make the folder", target))?;
        let folder = Folder::open(target).map_err(StorageError::io("open the folder", target))?;
        Ok(Self {
            staging: Path::new(STAGING_FOLDER).join(meta.info_hash.to_string()),
            layout: Layout::new(meta),
            folder,
            target: target.to_owned(),
            handles: Handles::new(files),
            attributes: Attributes::default(),
            read_failures: Mutex::new((Repeats::default(), Instant::now())),
        })
    }

    /// Whether the target's path still leads to the folder that was opened: else it was removed or renamed,
    /// or its volume was unmounted or another one mounted over it.
    pub(crate) fn is_in_place(&self) -> bool {
        self.folder.is_at(&self.target)
    }

    /// As it was given.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// The folder that holds the content, relative to the target.
    pub(crate) fn base(&self, side: Side) -> &Path {
        match side {
            Side::Staging => &self.staging,
            Side::Target => Path::new(""),
        }
    }

    /// The content's file or folder itself, relative to the target.
    pub(crate) fn top(&self, side: Side) -> PathBuf {
        self.base(side).join(&self.layout.meta().name)
    }

    /// A file, relative to the target.
    pub(crate) fn relative(&self, side: Side, file: usize) -> PathBuf {
        self.base(side).join(self.layout.relative(file))
    }

    /// For messages.
    pub(crate) fn absolute(&self, relative: &Path) -> PathBuf {
        self.target.join(relative)
    }

    /// For `map_err`: tells a symbolic link from other errors, and completes what is known about a full disk.
    pub(crate) fn error(
        &self,
        action: &'static str,
        relative: &Path,
    ) -> impl FnOnce(io::Error) -> StorageError + '_ {
        let path = self.absolute(relative);
        move |source| {
            if platform::is_symlink(&source) {
                let why = "leads through a symbolic link; remove that, or set `target` to where it leads";
                return StorageError::Unsafe { path, why };
            }
            match StorageError::io(action, &path)(source) {
                StorageError::Full { path, .. } => StorageError::Full {
                    path,
                    needed: self.unallocated().unwrap_or(1).max(1),
                    free: self.folder.free_space().unwrap_or(0),
                },
                other => other,
            }
        }
    }

    /// What stands where each file belongs, in the order of the metainfo; padding has nothing.
    ///
    /// Refuses what the content must not be read through or put in place of: symbolic links, and a folder
    /// where a file belongs or the reverse.
    pub(crate) fn survey(&self, side: Side) -> Result<Vec<Option<Stat>>, StorageError> {
        self.survey_with(side, &|_, _| false)
    }

    /// [`survey`](Self::survey) where a link for which `is_old` holds, by its path below the content's
    /// folder, hides what is behind it: a version that is replaced as a whole had it.
    pub(crate) fn survey_with(
        &self,
        side: Side,
        is_old: &dyn Fn(&str, Stat) -> bool,
    ) -> Result<Vec<Option<Stat>>, StorageError> {
        let top = self.top(side);
        let refuse = |path: &Path, why| {
            Err(StorageError::Unsafe {
                path: self.absolute(path),
                why,
            })
        };
        let kind = self.stat(&top)?.map(|stat| stat.kind);
        match (kind, self.layout.meta().multi_file) {
            (None, _) => return Ok(vec![None; self.layout.files().len()]),
            (Some(Kind::File), false) | (Some(Kind::Folder), true) => {}
            (Some(Kind::Symlink), _) => return refuse(&top, "is a symbolic link; remove it"),
            (Some(_), false) => return refuse(&top, "is not a file, but the content is one; move it away"),
            (Some(_), true) => return refuse(&top, "is not a folder, but the content is one; move it away"),
        }
        let mut stats = vec![None; self.layout.files().len()];
        for file in self.layout.stored() {
            let path = self.relative(side, file);
            let stat = self.stat(&path);
            let is_link = |stat: &Option<Stat>| stat.is_some_and(|stat| stat.kind == Kind::Symlink);
            stats[file] = match stat {
                Ok(stat) if !is_link(&stat) => stat.filter(|stat| stat.kind == Kind::File),
                _ if self.is_behind(side, file, is_old) => None,
                Ok(_) => return refuse(&path, "is a symbolic link; remove it"),
                Err(error) => return Err(error),
            };
        }
        Ok(stats)
    }

    /// Whether the first link on the way to a file is one of these.
    fn is_behind(&self, side: Side, file: usize, is_old: &dyn Fn(&str, Stat) -> bool) -> bool {
        let path = self.layout.files().get(file).map_or(&[][..], |file| &file.path);
        let stats = (1..=path.len()).map_while(|depth| {
            let rel = path[..depth].join("/");
            let stat = self.folder.stat(&self.top(side).join(&rel)).ok()??;
            Some((rel, stat))
        });
        let mut links = stats.filter(|(_, stat)| stat.kind == Kind::Symlink);
        links.next().is_some_and(|(rel, stat)| is_old(&rel, stat))
    }

    /// Whether what stands at the target (a survey) is whole if all its pieces are right.
    pub(crate) fn is_exact(&self, stats: &[Option<Stat>]) -> bool {
        sizes_are_exact(&self.layout, stats)
            && self.has_attributes(stats)
            && self.are_links_right(Side::Target)
    }

    pub(crate) fn stat(&self, relative: &Path) -> Result<Option<Stat>, StorageError> {
        self.folder.stat(relative).map_err(self.error("look at", relative))
    }

    /// Appends a part of a piece to `out`, or leaves `out` as it was.
    pub(crate) fn read(
        &self,
        side: Side,
        (piece, begin): (u32, u32),
        out: &mut [u8],
    ) -> Result<(), StorageError> {
        let mut rest = out;
        let len = u32::try_from(rest.len()).unwrap_or(u32::MAX);
        for span in self.layout.spans(piece, begin, len) {
            let (part, after) = std::mem::take(&mut rest).split_at_mut(span.len);
            rest = after;
            if span.padding {
                part.fill(0);
                continue;
            }
            let file = self.handle(side, span.file, Access::Read)?;
            platform::read_exact_at(&file, part, span.offset)
                .map_err(|source| self.error("read", &self.relative(side, span.file))(source))?;
        }
        Ok(())
    }

    /// Whether this piece stands there as it should. `buf` is a buffer to use, of any length.
    ///
    /// What cannot be read is not right either: it will be fetched again.
    ///
    /// # Errors
    /// A [shortage](StorageError::is_shortage): whether it is right is not known.
    pub(crate) fn is_right(&self, side: Side, piece: u32, buf: &mut Vec<u8>) -> Result<bool, StorageError> {
        buf.resize(self.layout.lengths().piece_size(piece) as usize, 0);
        match self.read(side, (piece, 0), buf) {
            Ok(()) => Ok(self.layout.meta().pieces.hash(piece) == Some(&Sha1::digest(buf).into())),
            Err(error) if error.is_shortage() => Err(error),
            Err(StorageError::Io { source, .. })
                if platform::is_absent(&source) || source.kind() == io::ErrorKind::UnexpectedEof =>
            {
                Ok(false)
            }
            Err(error) => {
                let mut failures = self.read_failures.lock().unwrap_or_else(PoisonError::into_inner);
                let now = failures.1.elapsed();
                if let Some(times) = failures.0.failed(&error.to_string(), now) {
                    tracing::warn!(piece, %error, times, "a piece cannot be read and counts as missing");
                }
                Ok(false)
            }
        }
    }

    /// Writes a whole piece, one call per file.
    pub(crate) fn write(
        &self,
        side: Side,
        piece: u32,
        blocks: &[impl AsRef<[u8]>],
    ) -> Result<(), StorageError> {
        let mut rest = Slices::new(blocks);
        let mut slices = Vec::with_capacity(blocks.len() + 1);
        for span in self.layout.piece_spans(piece) {
            slices.clear();
            rest.take(span.len, &mut slices);
            if span.padding {
                continue;
            }
            let file = self.handle(side, span.file, Access::Write)?;
            platform::write_all_at(&file, &mut slices, span.offset)
                .map_err(|source| self.error("write", &self.relative(side, span.file))(source))?;
        }
        Ok(())
    }

    /// Makes the bytes of these files durable.
    pub(crate) fn sync_files(&self, side: Side, files: &BTreeSet<usize>) -> Result<(), StorageError> {
        if files.len() > MANY && self.sync_file_system()? {
            return Ok(());
        }
        files.iter().try_for_each(|file| {
            let handle = self.handle(side, *file, Access::Write)?;
            let path = self.relative(side, *file);
            handle.sync_data().map_err(self.error("sync", &path))
        })
    }

    /// Makes the names in folders durable.
    pub(crate) fn sync_folders(&self, folders: &BTreeSet<PathBuf>) -> Result<(), StorageError> {
        if folders.len() > MANY && self.sync_file_system()? {
            return Ok(());
        }
        folders.iter().try_for_each(|folder| {
            self.folder.sync_folder(folder).map_err(self.error("sync the folder", folder))
        })
    }

    /// Whether the system could do so.
    fn sync_file_system(&self) -> Result<bool, StorageError> {
        match self.folder.sync_file_system() {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(false),
            result => result.map(|()| true).map_err(self.error("sync", &self.staging)),
        }
    }

    /// An open file; for writing it gets its full length at once, mostly as a hole. Where there is no descriptor left,
    /// the files of all contents that are not being used are closed first.
    pub(crate) fn handle(&self, side: Side, file: usize, access: Access) -> Result<Arc<File>, StorageError> {
        match self.opened(side, file, access) {
            Err(error) if error.is_shortage() => {
                self.handles.clear_all();
                self.opened(side, file, access)
            }
            result => result,
        }
    }

    fn opened(&self, side: Side, file: usize, access: Access) -> Result<Arc<File>, StorageError> {
        self.handles.get((side, file), access == Access::Write, || {
            let path = self.relative(side, file);
            if access == Access::Read {
                return self.folder.file(&path, access).map_err(self.error("open", &path));
            }
            let handle = match self.folder.file(&path, access) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.make_folder(path.parent().unwrap_or(Path::new("")))?;
                    self.folder.file(&path, access)
                }
                result => result,
            }
            .map_err(self.error("open", &path))?;
            let length = self.layout.files().get(file).map_or(0, |file| file.length);
            let size = handle.metadata().map_err(self.error("look at", &path))?.len();
            if size != length {
                handle.set_len(length).map_err(self.error("set the length of", &path))?;
            }
            Ok(handle)
        })
    }

    /// Makes a folder below the target, and those above it. The staging folder is ours alone.
    pub(crate) fn make_folder(&self, relative: &Path) -> Result<(), StorageError> {
        let private = relative.starts_with(STAGING_FOLDER);
        self.folder.make_folders(relative, private).map_err(self.error("make the folder", relative))
    }

    /// Bytes of staged files that the file system has not set aside yet.
    pub(crate) fn unallocated(&self) -> io::Result<u64> {
        self.layout.stored().try_fold(0_u64, |sum, file| {
            let allocated = self.folder.stat(&self.relative(Side::Staging, file))?.map_or(0, |s| s.allocated);
            Ok(sum.saturating_add(self.layout.files()[file].length.saturating_sub(allocated)))
        })
    }

    /// Closes all files.
    pub(crate) fn close_files(&self) {
        self.handles.clear();
    }

    /// Removes a file or a tree below the target, if it is there. Symbolic links in it are removed, not
    /// followed.
    pub(crate) fn remove(&self, relative: &Path) -> Result<(), StorageError> {
        match self.stat(relative)?.map(|stat| stat.kind) {
            None => Ok(()),
            Some(Kind::Folder) => self.folder.remove_tree(relative),
            Some(_) => self.folder.remove_file(relative),
        }
        .map_err(self.error("remove", relative))
    }
}

/// Whether each file has exactly the size it should have, so that right pieces mean a right file.
fn sizes_are_exact(layout: &Layout, stats: &[Option<Stat>]) -> bool {
    layout.stored().all(|file| stats[file].is_some_and(|stat| stat.size == layout.files()[file].length))
}

/// Cuts a list of blocks anew without copying.
struct Slices<'a, B> {
    blocks: std::slice::Iter<'a, B>,
    current: &'a [u8],
}

impl<'a, B: AsRef<[u8]>> Slices<'a, B> {
    fn new(blocks: &'a [B]) -> Self {
        Self {
            blocks: blocks.iter(),
            current: &[],
        }
    }

    /// Moves the next `len` bytes into `out`; fewer if there are no more.
    fn take(&mut self, mut len: usize, out: &mut Vec<IoSlice<'a>>) {
        while len > 0 {
            if self.current.is_empty() {
                match self.blocks.next() {
                    Some(block) => self.current = block.as_ref(),
                    None => return,
                }
            }
            let (now, later) = self.current.split_at(len.min(self.current.len()));
            out.push(IoSlice::new(now));
            self.current = later;
            len -= now.len();
        }
    }
}
