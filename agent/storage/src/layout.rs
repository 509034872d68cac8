//! Which bytes of which files a piece consists of, and in which of two places these files are meant. Pure.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use narrows_protocol::metainfo::{File, Lengths, Metainfo};

/// Where a file is meant.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Side {
    /// `<target>/.narrows/<info hash>/<name>`
    Staging,
    /// `<target>/<name>`
    Target,
}

/// A metainfo as a map from pieces to files.
#[derive(Debug)]
pub(crate) struct Layout {
    meta: Arc<Metainfo>,
    lengths: Lengths,
}

/// A part of a piece that lies in one file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Span {
    /// Index into [`Metainfo::files`].
    pub(crate) file: usize,
    /// First byte within the file.
    pub(crate) offset: u64,
    /// Bytes; at least 1.
    pub(crate) len: usize,
    /// Zeros that are in no file (BEP 47).
    pub(crate) padding: bool,
}

impl Layout {
    pub(crate) fn new(meta: Arc<Metainfo>) -> Self {
        let lengths = meta.lengths();
        Self { meta, lengths }
    }

    pub(crate) fn meta(&self) -> &Metainfo {
        &self.meta
    }

    pub(crate) fn lengths(&self) -> Lengths {
        self.lengths
    }

    pub(crate) fn files(&self) -> &[File] {
        &self.meta.files
    }

    /// Indices of the files that have bytes on disk: all but padding and links.
    pub(crate) fn stored(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.files().len()).filter(|file| self.files()[*file].is_stored())
    }

    /// Indices of symbolic links, and where each leads, below the content's name.
    pub(crate) fn links(&self) -> impl Iterator<Item = (usize, &[String])> + '_ {
        let links = self.files().iter().enumerate();
        links.filter_map(|(index, file)| Some((index, file.link.as_deref()?)))
    }

    /// Paths of all files and links below the content's name, `/` between components.
    pub(crate) fn paths(&self) -> impl Iterator<Item = String> + '_ {
        let real = self.files().iter().filter(|file| !file.padding);
        real.map(|file| file.path.join("/"))
    }

    /// The components of the folder that a file lies in, below the content's name.
    pub(crate) fn folder_of(&self, file: usize) -> &[String] {
        let path = self.files().get(file).map_or(&[][..], |file| &file.path);
        path.split_last().map_or(&[][..], |(_, folder)| folder)
    }

    /// Path of a file below the folder that holds the content, `name` first.
    pub(crate) fn relative(&self, file: usize) -> PathBuf {
        let path = self.files().get(file).map_or(&[][..], |file| file.path.as_slice());
        std::iter::once(&self.meta.name).chain(path).collect()
    }

    /// The parts of `len` bytes of a piece, in order; fewer where the content ends. Found by binary search:
    /// a tree of 50 000 files costs a block no more than one file does.
    pub(crate) fn spans(&self, piece: u32, begin: u32, len: u32) -> impl Iterator<Item = Span> + '_ {
        let start = self.lengths.piece_offset(piece) + u64::from(begin);
        let end = (start + u64::from(len)).min(self.lengths.total());
        let first = self.files().partition_point(|file| file.offset + file.length <= start);
        (first..self.files().len())
            .map(move |index| (index, &self.files()[index]))
            .take_while(move |(_, file)| file.offset < end)
            .filter_map(move |(index, file)| {
                let from = start.max(file.offset);
                let to = end.min(file.offset + file.length);
                let len = usize::try_from(to.checked_sub(from)?).ok().filter(|len| *len > 0)?;
                Some(Span {
                    file: index,
                    offset: from - file.offset,
                    len,
                    padding: file.padding,
                })
            })
    }

    /// All parts of a piece.
    pub(crate) fn piece_spans(&self, piece: u32) -> impl Iterator<Item = Span> + '_ {
        self.spans(piece, 0, self.lengths.piece_size(piece))
    }

    /// The pieces that have bytes of this file.
    pub(crate) fn pieces_of(&self, file: usize) -> Range<u32> {
        let piece_length = u64::from(self.lengths.piece_length());
        match self.files().get(file) {
            Some(file) if file.length > 0 => {
                let index = |piece: u64| u32::try_from(piece).unwrap_or(u32::MAX);
                index(file.offset / piece_length)..index((file.offset + file.length).div_ceil(piece_length))
            }
            _ => 0..0,
        }
    }
}
