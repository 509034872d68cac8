//! What an agent may use, and what each of its contents has of that: rates, cores, memory, descriptors.

mod admission;
mod allotment;
mod arrivals;
mod buffers;
pub(crate) mod descriptors;
mod gate;
mod memory;
mod offences;

pub(crate) use admission::{Admission, Bounds, Standing};
pub(crate) use allotment::Allotment;
pub(crate) use arrivals::Arrivals;
pub(crate) use buffers::Buffers;
pub(crate) use gate::Gate;
pub(crate) use memory::{Lease, Memory};
pub(crate) use offences::{Offence, Offences};

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use narrows_config::Rate;
use narrows_storage::OpenFiles;
use tokio::sync::Semaphore;

/// What all contents of one agent share.
#[derive(Debug)]
pub(crate) struct Resources {
    /// Payload to all peers together.
    pub(crate) upload: Arc<Gate>,
    /// Payload from all peers together.
    pub(crate) download: Arc<Gate>,
    /// One permit per core: pieces being hashed and written.
    pub(crate) hashers: Arc<Semaphore>,
    /// Memory to send blocks from.
    pub(crate) buffers: Arc<Buffers>,
    /// What connections hold beyond what each has for itself.
    pub(crate) memory: Arc<Memory>,
    /// How many files and connections may be open, of the process as a whole.
    pub(crate) descriptors: u64,
    /// The files of all contents that are.
    pub(crate) files: Arc<OpenFiles>,
    /// What peers did that honest ones do not.
    pub(crate) offences: Offences,
    /// How many contents are in a session; they share the connections.
    contents: AtomicU64,
    /// How many of them are fetching; those share the memory for pieces.
    fetching: AtomicU64,
}

impl Resources {
    /// With so many descriptors and all cores of this machine; without limits.
    pub(crate) fn new(descriptors: u64) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            upload: Arc::new(Gate::new(Rate::UNLIMITED)),
            download: Arc::new(Gate::new(Rate::UNLIMITED)),
            hashers: Arc::new(Semaphore::new(cores)),
            buffers: Arc::default(),
            memory: Arc::default(),
            descriptors,
            files: OpenFiles::new(descriptors::files(descriptors)),
            offences: Offences::default(),
            contents: AtomicU64::new(0),
            fetching: AtomicU64::new(0),
        }
    }
}
