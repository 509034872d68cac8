//! Disk space: how much is needed, and setting it aside.

use std::io;

use crate::layout::Side;
use crate::platform::{self, Access};
use crate::{Content, StorageError};

impl Content {
    /// Bytes of disk space that are still to be allocated; 0 once it is published.
    ///
    /// # Errors
    /// The disk's.
    pub fn needed_space(&self) -> Result<u64, StorageError> {
        if self.is_published() {
            return Ok(0);
        }
        if self.state().repairing {
            return self.lacking_at_target();
        }
        let top = self.disk.top(Side::Staging);
        self.disk.unallocated().map_err(self.disk.error("look at", &top))
    }

    /// Sets the space of all files aside where the file system can do so cheaply, and compares with what is
    /// free where it cannot. Call it before fetching, and again to learn whether a full disk has healed.
    ///
    /// Bytes that are set aside read as zeros and are never taken for content.
    ///
    /// # Errors
    /// [`StorageError::Full`] if there is not enough.
    pub fn reserve(&self) -> Result<(), StorageError> {
        let needed = self.needed_space()?;
        if needed == 0 {
            return Ok(());
        }
        let top = self.disk.top(Side::Staging);
        match self.disk.folder.free_space() {
            Ok(free) if free < needed => {
                return Err(StorageError::Full {
                    path: self.disk.absolute(&top),
                    needed,
                    free,
                });
            }
            Err(error) if error.kind() != io::ErrorKind::Unsupported => {
                return Err(self.disk.error("look at", &top)(error));
            }
            _ => {}
        }
        let _stay = self.stay();
        if self.state().repairing {
            return Ok(());
        }
        for file in self.layout().stored() {
            let length = self.layout().files()[file].length;
            let path = self.disk.relative(Side::Staging, file);
            let allocated = self.disk.stat(&path)?.map_or(0, |stat| stat.allocated);
            if self.is_published() || allocated >= length {
                continue;
            }
            let handle = self.disk.handle(Side::Staging, file, Access::Write)?;
            match platform::allocate(&handle, length) {
                Err(error) if error.kind() == io::ErrorKind::Unsupported => break,
                result => result.map_err(self.disk.error("allocate", &path))?,
            }
        }
        Ok(())
    }
}
