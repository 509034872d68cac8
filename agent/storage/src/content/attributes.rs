//! What a torrent says of a file beside its bytes (BEP 47): that it can be executed.
//!
//! A bit that is missing is damage. One that is there although the torrent does not say so is the operator's:
//! torrents of tools that know no attributes say nothing of any file.

use std::sync::atomic::Ordering;

use crate::layout::Side;
use crate::platform::{Executable, Kind};
use crate::{Content, StorageError};

impl Content {
    /// Gives files the bits that they lack. Answers how many had to be given some.
    ///
    /// # Errors
    /// The disk's, and that a file is another user's.
    pub(crate) fn mend_attributes(&self, side: Side) -> Result<usize, StorageError> {
        let mut mended = 0;
        for file in self.layout().stored() {
            if !self.layout().files()[file].executable {
                continue;
            }
            let path = self.disk.relative(side, file);
            let stat = self.disk.stat(&path)?.filter(|stat| stat.kind == Kind::File);
            if !stat.is_some_and(|stat| self.disk.lacks_attributes(file, &stat)) {
                continue;
            }
            let made = self.disk.folder.make_executable(&path);
            match made.map_err(self.disk.error("make executable", &path))? {
                Executable::Is => mended += 1,
                Executable::NotOurs => {
                    return Err(StorageError::Unsafe {
                        path: self.disk.absolute(&path),
                        why: "should be executable, and is another user's, who has to say `chmod +x` to it",
                    });
                }
                Executable::NotHeld => {
                    tracing::warn!(
                        path = %self.disk.absolute(&path).display(),
                        "this file system holds no execute bits; files are as it makes them"
                    );
                    self.disk.attributes.not_held.store(true, Ordering::Relaxed);
                }
            }
        }
        Ok(mended)
    }

    /// [`mend_attributes`](Self::mend_attributes) of what stands at the target, told in the log.
    pub(crate) fn heal_attributes(&self) -> Result<(), StorageError> {
        let files = self.mend_attributes(Side::Target)?;
        if files > 0 {
            let path = self.disk.absolute(&self.disk.top(Side::Target));
            tracing::warn!(path = %path.display(), files, "files that should be executable were not, and are again");
        }
        Ok(())
    }
}
