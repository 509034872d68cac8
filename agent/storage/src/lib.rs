//! Pieces on disk: staging, verification, resume data, making torrents. Blocking I/O.

mod content;
mod create;
mod error;

pub use content::{Content, Opened, Stored};
pub use create::{CreateError, CreateOptions, create};
pub use error::StorageError;
