//! The files and links of a tree that a torrent is made of, and what of it cannot travel.

use std::fs;
use std::path::{Path, PathBuf};

use narrows_protocol::metainfo::MetainfoError;
use narrows_protocol::metainfo::create::DraftFile;
use narrows_protocol::metainfo::links::{self, LinkFault};
use narrows_protocol::metainfo::names::{self, NameError, Names};

use super::lost::{Loss, Losses};
use super::{CreateError, io_error};
use crate::platform::{self, Folder, Kind, Stat};

/// What will be in the torrent.
pub(super) struct Tree {
    /// What the files' paths are relative to.
    pub(super) base: PathBuf,
    pub(super) folder: Folder,
    pub(super) name: String,
    pub(super) single: bool,
    pub(super) files: Vec<Found>,
    pub(super) lost: Losses,
}

pub(super) struct Found {
    /// Below the base.
    pub(super) path: PathBuf,
    pub(super) components: Vec<String>,
    pub(super) length: u64,
    pub(super) modified: i64,
    pub(super) executable: bool,
    /// Where a symbolic link leads, below the content's name.
    pub(super) link: Option<Vec<String>>,
    /// First byte in the content.
    pub(super) offset: u64,
}

impl Found {
    pub(super) fn into_draft(self) -> DraftFile {
        DraftFile {
            path: self.components,
            length: self.length,
            executable: self.executable,
            link: self.link,
        }
    }
}

impl Tree {
    pub(super) fn walk(path: &Path, name: Option<String>, names: Names) -> Result<Self, CreateError> {
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
            lost: Losses::default(),
        };
        if tree.single {
            let last = PathBuf::from(path.file_name().ok_or_else(|| CreateError::Special(path.to_owned()))?);
            files.extend(tree.file(last, Vec::new())?);
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

    fn collect(&mut self, below: &Path, above: &[String], files: &mut Vec<Found>) -> Result<(), CreateError> {
        let folder = self.base.join(below);
        let stat = match below.as_os_str().is_empty() {
            true => self.folder.own_stat().map(Some),
            false => self.folder.stat(below),
        };
        if let Some(stat) = stat.map_err(io_error(&folder))? {
            self.note_attributes(&folder, stat);
        }
        let mut is_empty = true;
        for entry in fs::read_dir(&folder).map_err(io_error(&folder))? {
            is_empty = false;
            let entry = entry.map_err(io_error(&folder))?;
            let path = below.join(entry.file_name());
            let name = entry.file_name().into_string().map_err(|_| CreateError::NotUtf8(entry.path()))?;
            let components: Vec<String> = above.iter().cloned().chain([name]).collect();
            if entry.file_type().map_err(io_error(&entry.path()))?.is_dir() {
                self.collect(&path, &components, files)?;
            } else {
                files.extend(self.file(path, components)?);
            }
        }
        if is_empty {
            self.lost.note(Loss::EmptyFolder, &folder);
        }
        Ok(())
    }

    /// `None` if it cannot be in a torrent, which is noted.
    fn file(&mut self, path: PathBuf, components: Vec<String>) -> Result<Option<Found>, CreateError> {
        let whole = self.base.join(&path);
        let stat = self.folder.stat(&path).map_err(io_error(&whole))?;
        match stat.map(|stat| (stat.kind, stat)) {
            Some((Kind::File, stat)) => {
                self.note_attributes(&whole, stat);
                Ok(Some(Found {
                    path,
                    components,
                    length: stat.size,
                    modified: stat.modified,
                    executable: stat.executable && cfg!(unix),
                    link: None,
                    offset: 0,
                }))
            }
            Some((Kind::Symlink, _)) if components.is_empty() => Err(CreateError::Symlink(whole)),
            Some((Kind::Symlink, stat)) => {
                let link = Some(self.link(&path, &components)?);
                self.lost.note(Loss::LinkOnWindows, &whole);
                Ok(Some(Found {
                    link,
                    path,
                    components,
                    length: 0,
                    modified: stat.modified,
                    executable: false,
                    offset: 0,
                }))
            }
            Some(_) if components.is_empty() => Err(CreateError::Special(whole)),
            Some(_) => {
                self.lost.note(Loss::Special, &whole);
                Ok(None)
            }
            None => Err(CreateError::Changed(whole)),
        }
    }

    fn note_attributes(&mut self, whole: &Path, stat: Stat) {
        for loss in Loss::of_mode(stat) {
            self.lost.note(loss, whole);
        }
        if platform::has_extended_attributes(whole) {
            self.lost.note(Loss::ExtendedAttributes, whole);
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
        let entries: Vec<_> =
            self.files.iter().map(|file| (file.components.as_slice(), file.link.as_deref())).collect();
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

    pub(super) fn require_unchanged(&self) -> Result<(), CreateError> {
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

fn default_name(path: &Path) -> Result<String, CreateError> {
    let named = match path.file_name() {
        Some(_) => path.to_owned(),
        None => fs::canonicalize(path).map_err(io_error(path))?, // `.` or `x/..`
    };
    let name = named.file_name().ok_or_else(|| CreateError::Special(path.to_owned()))?;
    name.to_str().map(str::to_owned).ok_or_else(|| CreateError::NotUtf8(path.to_owned()))
}
