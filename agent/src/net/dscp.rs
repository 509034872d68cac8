//! Sockets of connections that cross a link: with a DSCP, by which routers let other traffic go first (RFC
//! 2474), and with little unsent in them, so that what is urgent does not wait behind megabytes.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use socket2::SockRef;
use tokio::net::TcpStream;

/// Bytes that may wait unsent in the kernel; more is kept by the writer's own queue.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 128 << 10;

/// Sets the DSCP of what is sent from now on (0 to 63; 0 = best effort). Where the system refuses, transfers
/// go on without; the log says so once.
pub(super) fn set_dscp(stream: &TcpStream, dscp: u8) {
    static REFUSED: AtomicBool = AtomicBool::new(false);
    if let Err(error) = try_set(stream, dscp)
        && !REFUSED.swap(true, Ordering::Relaxed)
    {
        tracing::debug!(%error, dscp, "the system does not let a DSCP be set; going on without");
    }
}

fn try_set(stream: &TcpStream, dscp: u8) -> io::Result<()> {
    let socket = SockRef::from(stream);
    // the two low bits of the field are ECN's (RFC 3168)
    let field = u32::from(dscp.min(63)) << 2;
    #[cfg(target_os = "linux")]
    socket.set_tcp_notsent_lowat(UNSENT)?;
    let local = stream.local_addr()?;
    #[cfg(target_os = "linux")]
    if local.is_ipv6() {
        socket.set_tclass_v6(field)?;
        if !local.ip().to_canonical().is_ipv4() {
            return Ok(());
        }
    }
    if local.is_ipv6() && !cfg!(target_os = "linux") {
        return Err(io::ErrorKind::Unsupported.into());
    }
    socket.set_tos_v4(field)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    async fn connected(to: &str) -> Option<TcpStream> {
        let listener = TcpListener::bind(to).await.ok()?;
        TcpStream::connect(listener.local_addr().ok()?).await.ok()
    }

    #[tokio::test]
    async fn packets_of_either_family_bear_the_dscp_until_it_is_taken_away() {
        let v4 = connected("127.0.0.1:0").await.expect("a connection");
        for dscp in [8, 1, 46, 0] {
            set_dscp(&v4, dscp);
            assert_eq!(SockRef::from(&v4).tos_v4().ok(), Some(u32::from(dscp) << 2));
        }
        assert_eq!(SockRef::from(&v4).tcp_notsent_lowat().ok(), Some(UNSENT));
        // not every host has IPv6
        if let Some(v6) = connected("[::1]:0").await {
            set_dscp(&v6, 8);
            assert_eq!(SockRef::from(&v6).tclass_v6().ok(), Some(32));
        }
    }
}
