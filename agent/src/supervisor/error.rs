//! Why an agent may not start.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::net::unbound;

/// Why an agent does not start: what is in its way, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no state folder, and none can be made.
    #[error("cannot make the state folder {}: {source}{}", folder.display(), help_of_state(source))]
    StateFolder {
        /// As configured.
        folder: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file in the state folder cannot be opened: often root ran the agent first, and the service runs as
    /// another user.
    #[error("cannot open {}: {source}{}", path.display(), help_of_state(source))]
    LockFile {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another agent runs on the same state folder.
    #[error(
        "the state folder {} is in use by another running agent; stop that one, or give this one a `state` folder of its own",
        .0.display()
    )]
    StateInUse(PathBuf),
    /// Whether another agent uses the state folder cannot be told.
    #[error("cannot lock the state folder {}: {source}", folder.display())]
    Lock {
        /// As configured.
        folder: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Peers could not connect: the port is taken, or the address is none of this machine's.
    #[error("cannot listen on {address}: {}", unbound(source))]
    Listen {
        /// As configured.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
}

fn help_of_state(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "; let the state folder and all in it belong to the user that the agent runs as"
        }
        io::ErrorKind::ReadOnlyFilesystem => "; give the agent a `state` folder that can be written to",
        _ => "",
    }
}
