//! Pieces on disk: staging, verification, resume data, making torrents. Blocking I/O.
//!
//! ```text
//! <target>/<name>                          the content, whole and verified, or whatever stood there before
//! <target>/.narrows/<info hash>/<name>     the content while it is fetched
//! <target>/.narrows/<info hash>.old        what the content replaced, until the user's files are sorted out
//! <target>/.narrows/replaced/<name>        users' files that the content has replaced, which nothing empties
//! <state>/<info hash>.resume, .journal     what need not be read again at the next start
//! <state>/<info hash>.place                where it lies, whether we brought it there, and which files are ours
//! <state>/<info hash>.scrub                how far the slow look at every byte has come
//! <state>/<info hash>.wan                  what was fetched across the WAN, over all runs
//! ```
//! Nothing is read or written through a symbolic link below the target; the target itself may be one. The
//! content's own links are made last and never followed.
//!
//! ```
//! use std::sync::{Arc, atomic::AtomicBool};
//! use narrows_protocol::metainfo::Metainfo;
//! use narrows_storage::{Content, CreateOptions, OpenFiles, create};
//!
//! let folder = tempfile::tempdir()?;
//! std::fs::write(folder.path().join("office.img"), [7; 100_000])?;
//! let made = create(&folder.path().join("office.img"), CreateOptions::default(), &|_, _| {})?;
//! let meta = Arc::new(Metainfo::parse(&made.torrent)?);
//!
//! // content that stands at its target is verified there, and needs no fetching
//! let files = OpenFiles::new(64);
//! let opened = Content::open(meta, folder.path(), &folder.path().join("state"), &files)?;
//! let have = opened.content.check(&|_| {}, &AtomicBool::new(false))?;
//! assert!(have.is_full() && opened.content.is_published());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The folders: `content` is what is done with a content; `disk` reads and writes pieces and knows nothing of
//! which are right; `records` is what the state folder keeps; `platform` is Unix and Windows; `create` makes
//! torrents.

mod content;
mod create;
mod disk;
mod error;
#[doc(hidden)]
pub mod fuzzing;
mod layout;
mod leftovers;
mod platform;
mod put_back;
mod records;

pub use content::look::Looked;
pub use content::movable::check_place;
pub use content::{Content, Opened, Stored};
pub use create::{CreateError, CreateOptions, Created, Loss, Lost, create};
pub use disk::open_files::OpenFiles;
pub use error::StorageError;
pub use leftovers::clean_leftovers;
pub use put_back::put_back;
pub use records::wan_history::{WanHistory, WanTotals};
