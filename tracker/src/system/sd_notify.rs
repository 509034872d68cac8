//! Tells systemd how the service is doing (`Type=notify`); elsewhere this does nothing.

/// What to tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// Every address is bound.
    Ready,
    /// A reload has begun; `Ready` follows.
    Reloading,
    /// The service drains its connections.
    Stopping,
}

#[cfg(unix)]
pub(crate) fn notify(state: State) {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    if let Err(error) = send(&socket, &message(state)) {
        tracing::warn!(%error, "systemd cannot be told: {state:?}");
    }
}

#[cfg(not(unix))]
pub(crate) fn notify(_: State) {}

#[cfg(unix)]
fn message(state: State) -> String {
    match state {
        State::Ready => "READY=1".to_owned(),
        State::Stopping => "STOPPING=1".to_owned(),
        State::Reloading => {
            // sd_notify(3) wants to know when the reload began
            let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
            format!(
                "RELOADING=1\nMONOTONIC_USEC={}",
                now.tv_sec * 1_000_000 + now.tv_nsec / 1000
            )
        }
    }
}

#[cfg(unix)]
fn send(socket: &std::ffi::OsStr, message: &str) -> std::io::Result<()> {
    use std::os::unix::ffi::OsStrExt as _;
    let datagram = std::os::unix::net::UnixDatagram::unbound()?;
    #[cfg(target_os = "linux")]
    if let Some(name) = socket.as_bytes().strip_prefix(b"@") {
        use std::os::linux::net::SocketAddrExt as _;
        let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
        return datagram.send_to_addr(message.as_bytes(), &address).map(drop);
    }
    datagram.send_to(message.as_bytes(), std::path::Path::new(socket)).map(drop)
}
