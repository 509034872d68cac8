//! Pieces on disk: staging, verification, resume data, making torrents. Blocking I/O.
//!
//! ```text
//! <target>/<name>                          the content, whole and verified, or whatever stood there before
//! <target>/.narrows/<info hash>/<name>     the content while it is fetched
//! <target>/.narrows/<info hash>.old        what the content has replaced, until the user's files in it are sorted out
//! <target>/.narrows/replaced/<name>        users' files that the content has replaced, which nothing empties
//! <state>/<info hash>.resume, .journal     what need not be read again at the next start
//! <state>/<info hash>.place                where it lies, who brought it there, and which files there are ours
//! <state>/<info hash>.scrub            how far the slow look at every byte has come
//! <state>/<info hash>.wan                  what was fetched across the WAN, over all runs
//! ```
//! Nothing is read or written through a symbolic link below the target; the target itself may be one. The
//! content's own links are made last and never followed.

mod content;
mod create;
mod disk;
mod error;
#[doc(hidden)]
pub mod fuzzing;
mod layout;
mod leftovers;
mod platform;
mod records;

pub use content::look::Looked;
pub use content::movable::check_place;
pub use content::{Content, Opened, Stored};
pub use create::{CreateError, CreateOptions, Created, Loss, Lost, create};
pub use disk::open_files::OpenFiles;
pub use error::StorageError;
pub use leftovers::clean_leftovers;
pub use records::wan_history::{WanHistory, WanTotals};
