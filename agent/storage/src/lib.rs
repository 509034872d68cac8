//! Pieces on disk: staging, verification, resume data, making torrents. Blocking I/O.
//!
//! ```text
//! <target>/<name>                          the content, whole and verified, or whatever stood there before
//! <target>/.narrows/<info hash>/<name>     the content while it is fetched
//! <target>/.narrows/replaced/<name>        the folder that the content has replaced; the last one only
//! <state>/<info hash>.resume, .journal     what need not be read again at the next start
//! <state>/<info hash>.wan                  what was fetched across the WAN, over all runs
//! ```
//! Nothing is read or written through a symbolic link below the target; the target itself may be one.

mod check;
mod content;
mod create;
mod disk;
mod error;
mod handles;
mod layout;
mod ledger;
mod look;
mod plan;
mod platform;
mod publish;
mod repair;
mod resume;
mod space;

pub use content::{Content, Opened, Stored};
pub use create::{CreateError, CreateOptions, create};
pub use error::StorageError;
pub use ledger::{Ledger, WanTotals};
pub use look::Looked;
