//! Why an address cannot be listened on.

use std::io;

/// What to do about it, as far as the reason says; to be put behind it.
pub fn hint(reason: io::ErrorKind) -> &'static str {
    match reason {
        io::ErrorKind::AddrInUse => "; another process listens there: stop it, or take another port",
        io::ErrorKind::AddrNotAvailable => "; this host does not have the address",
        io::ErrorKind::PermissionDenied if cfg!(unix) => {
            "; ports below 1024 need root or CAP_NET_BIND_SERVICE: grant it, or take a higher port"
        }
        io::ErrorKind::PermissionDenied => {
            "; another process has the port for itself, or the system keeps it (netsh interface ipv4 show excludedportrange tcp)"
        }
        _ => "",
    }
}
