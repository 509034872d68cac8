//! The machine that tracker and agent run on: files that outlive a crash, files and folders of one user,
//! secrets, signals, systemd, descriptors, and what a program says to its user and to its log.
//!
//! What belongs here is about the operating system, is needed by two programs at least, and knows neither
//! BitTorrent nor sites nor a configuration. What does not: anything of one program (it stays there, as the
//! agent's Windows service does), files that people edit (`narrows-config`), small tools that merely have no
//! other home.
//!
//! ```
//! use narrows_host::{Repeats, durable};
//! use std::time::Duration;
//!
//! let folder = tempfile::tempdir()?;
//! let file = folder.path().join("paused");
//! durable::replace(&file, |out| out.write_all(b"all\n"))?;
//! assert_eq!(std::fs::read_to_string(&file)?, "all\n");
//!
//! let mut failures = Repeats::default();
//! assert_eq!(failures.failed("the disk is full", Duration::ZERO), Some(1), "worth a line in the log");
//! assert_eq!(failures.failed("the disk is full", Duration::from_secs(60)), None);
//! # Ok::<(), std::io::Error>(())
//! ```

pub mod bearer;
pub mod durable;
pub mod listen;
pub mod offences;
pub mod open_files;
pub mod out;
pub mod own_names;
#[cfg(feature = "service")]
pub mod patient;
pub mod private;
pub mod repeats;
#[cfg(feature = "service")]
pub mod signals;
#[cfg(feature = "service")]
pub mod systemd;

pub use bearer::Bearer;
pub use offences::{OffenceKind, Offences};
pub use repeats::{Repeats, RepeatsBy};
