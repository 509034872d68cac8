//! Who may work on a content at a time.

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// One for all that open the same content in a process: what is opened anew waits for what is still under way
/// in its place.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    upkeep: Mutex<()>,
    /// Read: the files stay where they are. Written by `publish`, which moves them.
    moving: RwLock<()>,
}

// A poisoned lock means that another thread panicked; there is nothing in these locks.
impl Turns {
    /// One open, sync, check or publish at a time.
    pub(crate) fn upkeep(&self) -> MutexGuard<'_, ()> {
        self.upkeep.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// While the guard lives, files stay where they are. Not to be taken twice by a thread.
    pub(crate) fn stay(&self) -> RwLockReadGuard<'_, ()> {
        self.moving.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn moving(&self) -> RwLockWriteGuard<'_, ()> {
        self.moving.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// [`upkeep`](Self::upkeep), once nothing is under way that moves files, tidies up after that, or writes.
    pub(crate) fn settled(&self) -> MutexGuard<'_, ()> {
        let upkeep = self.upkeep();
        drop(self.moving());
        upkeep
    }

    /// [`settled`](Self::settled), if it need not be waited for.
    pub(crate) fn try_settled(&self) -> Option<MutexGuard<'_, ()>> {
        use std::sync::TryLockError::{Poisoned, WouldBlock};
        let upkeep = match self.upkeep.try_lock() {
            Ok(upkeep) => upkeep,
            Err(Poisoned(upkeep)) => upkeep.into_inner(),
            Err(WouldBlock) => return None,
        };
        let writes = matches!(self.moving.try_write(), Err(WouldBlock));
        (!writes).then_some(upkeep)
    }
}
