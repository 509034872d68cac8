//! Sockets that accept.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use narrows_host::listen::hint;
use socket2::{Domain, Protocol, Socket, Type};
use thiserror::Error;

/// Connections that wait to be accepted. A fleet that starts at once is thousands of them.
const BACKLOG: i32 = 4096;

/// What the system may hold for a connection of the tracker's port each way, in bytes; Linux takes twice as
/// much. Requests and answers are small, and what clients do not read adds up.
const SYSTEM_BUFFER: usize = 32 * 1024;

/// A port that accepts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Port {
    Tracker,
    Admin,
}

/// The bound sockets of a tracker.
#[derive(Debug)]
pub struct Listeners {
    /// Where /announce and /scrape are served.
    pub tracker: Vec<TcpListener>,
    /// Where they are served over https.
    pub tracker_tls: Vec<TcpListener>,
    /// Where /metrics, /healthz and /status are served.
    pub admin: TcpListener,
    /// Where they are served over https.
    pub admin_tls: Vec<TcpListener>,
}

/// An address that cannot be listened on.
#[derive(Debug, Error)]
#[error("cannot listen on {address}{}", hint(.source.kind()))]
pub struct BindError {
    /// The address.
    pub address: SocketAddr,
    /// The system's reason.
    pub source: std::io::Error,
}

impl Listeners {
    /// Binds `listen` for /announce and /scrape, and `admin`; port 0 takes any free port.
    ///
    /// # Errors
    /// Says which address cannot be bound, and why.
    pub fn bind(listen: &[SocketAddr], admin: SocketAddr) -> Result<Self, BindError> {
        let tracker =
            listen.iter().map(|address| bind(*address, is_dual_stack(*address, listen), Port::Tracker));
        Ok(Self {
            tracker: tracker.collect::<Result<_, _>>()?,
            tracker_tls: Vec::new(),
            admin: bind(admin, false, Port::Admin)?,
            admin_tls: Vec::new(),
        })
    }

    /// Binds `listen` and `admin` for https, beside these.
    ///
    /// # Errors
    /// Says which address cannot be bound, and why.
    pub fn and_tls(mut self, listen: &[SocketAddr], admin: &[SocketAddr]) -> Result<Self, BindError> {
        for (addresses, port, bound) in [
            (listen, Port::Tracker, &mut self.tracker_tls),
            (admin, Port::Admin, &mut self.admin_tls),
        ] {
            for address in addresses {
                bound.push(bind(*address, is_dual_stack(*address, addresses), port)?);
            }
        }
        Ok(self)
    }

    /// The addresses where /announce and /scrape are served.
    pub fn tracker_addrs(&self) -> Vec<SocketAddr> {
        self.tracker.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// The address of the admin port.
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.admin.local_addr().ok()
    }
}

/// The address of `listen` that takes the place of another one, if one does.
pub(crate) fn in_the_way_of(listen: &[SocketAddr], other: SocketAddr) -> Option<SocketAddr> {
    let takes = |address: &&SocketAddr| {
        let same_family = address.is_ipv4() == other.is_ipv4();
        let any = address.ip().is_unspecified() || other.ip().is_unspecified();
        let overlap = same_family && (any || address.ip() == other.ip());
        // port 0 is a free one
        other.port() != 0
            && address.port() == other.port()
            && (overlap || !same_family && is_dual_stack(**address, listen))
    };
    listen.iter().find(takes).copied()
}

/// Whether an IPv6 socket takes IPv4 too: `[::]` does, unless the configuration has a socket of its own for
/// that.
fn is_dual_stack(address: SocketAddr, all: &[SocketAddr]) -> bool {
    address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED)
        && !all.contains(&SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), address.port()))
}

fn bind(address: SocketAddr, dual_stack: bool, port: Port) -> Result<TcpListener, BindError> {
    let socket = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        if address.is_ipv6() {
            socket.set_only_v6(!dual_stack)?;
        }
        // a restart must not wait for old connections; on Windows the option means something else
        #[cfg(unix)]
        socket.set_reuse_address(true)?;
        if port == Port::Tracker {
            // accepted connections inherit them
            socket.set_send_buffer_size(SYSTEM_BUFFER)?;
            socket.set_recv_buffer_size(SYSTEM_BUFFER)?;
        }
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        Ok(socket.into())
    };
    socket().map_err(|source| BindError { address, source })
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn the_hint_is_about_the_reason() {
        let said = |kind: io::ErrorKind| {
            let address = SocketAddr::from(([0, 0, 0, 0], 80));
            BindError {
                address,
                source: kind.into(),
            }
            .to_string()
        };
        assert!(said(io::ErrorKind::AddrInUse).contains("another process"));
        assert!(said(io::ErrorKind::AddrNotAvailable).contains("does not have the address"));
        let denied = said(io::ErrorKind::PermissionDenied);
        assert_eq!(denied.contains("below 1024"), cfg!(unix), "{denied}");
        assert_eq!(said(io::ErrorKind::Other), "cannot listen on 0.0.0.0:80");
    }

    #[test]
    fn the_ipv6_wildcard_takes_ipv4_unless_that_has_its_own_socket() {
        let [v4, v6, own] = ["0.0.0.0:1", "[::]:1", "[::1]:1"].map(|text| text.parse().unwrap());
        assert!(is_dual_stack(v6, &[v6]));
        assert!(!is_dual_stack(v6, &[v4, v6]));
        assert!(!is_dual_stack(own, &[own]) && !is_dual_stack(v4, &[v4]));
    }
}
