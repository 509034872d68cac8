//! Tells systemd how the service is doing (`Type=notify`, sd_notify(3)); elsewhere this does nothing.
//!
//! `NOTIFY_SOCKET` is this process' alone. Nothing takes it out of the environment, which no program may
//! change once it has threads; the programs that use this start no other ones where systemd is.

/// What to tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Every address is bound.
    Ready,
    /// A reload has begun; `Ready` follows.
    Reloading,
    /// The service ends what is under way, and then itself.
    Stopping,
}

/// Tells it, if systemd asked for that. What cannot be told is logged: the service goes on.
#[cfg(unix)]
pub fn notify(state: State) {
    if let Err(error) = unix::send(state) {
        tracing::warn!(%error, "systemd cannot be told: {state:?}");
    }
}

/// Does nothing: there is no systemd.
#[cfg(not(unix))]
pub fn notify(_: State) {}

#[cfg(unix)]
mod unix {
    use std::ffi::OsStr;
    use std::io;

    use sd_notify::NotifyState;

    use super::State;

    pub(super) fn send(state: State) -> io::Result<()> {
        match std::env::var_os("NOTIFY_SOCKET") {
            None => Ok(()),
            Some(socket) => send_to(&socket, &messages(state)?),
        }
    }

    fn messages(state: State) -> io::Result<Vec<NotifyState<'static>>> {
        Ok(match state {
            State::Ready => vec![NotifyState::Ready],
            State::Stopping => vec![NotifyState::Stopping],
            // systemd wants to know when the reload began
            State::Reloading => vec![NotifyState::Reloading, NotifyState::monotonic_usec_now()?],
        })
    }

    fn send_to(socket: &OsStr, messages: &[NotifyState<'_>]) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        if let Some(name) = socket.as_encoded_bytes().strip_prefix(b"@") {
            return send_to_abstract(name, messages);
        }
        let _ = socket;
        sd_notify::notify(messages)
    }

    /// To a socket outside the file system, as systemd before version 218 and some containers have it: the
    /// crate takes such a name for a path.
    #[cfg(target_os = "linux")]
    fn send_to_abstract(name: &[u8], messages: &[NotifyState<'_>]) -> io::Result<()> {
        use std::os::linux::net::SocketAddrExt as _;
        use std::os::unix::net::{SocketAddr, UnixDatagram};

        let text: String = messages.iter().map(|message| format!("{message}\n")).collect();
        let address = SocketAddr::from_abstract_name(name)?;
        UnixDatagram::unbound()?.send_to_addr(text.as_bytes(), &address).map(drop)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_reload_says_when_it_began() {
            let said: Vec<String> =
                messages(State::Reloading).unwrap().iter().map(ToString::to_string).collect();
            assert_eq!(said[0], "RELOADING=1");
            let since = said[1].strip_prefix("MONOTONIC_USEC=").unwrap();
            assert!(since.parse::<u64>().unwrap() > 0, "{since}");
        }

        #[cfg(target_os = "linux")]
        #[test]
        fn a_socket_outside_the_file_system_is_told_too() {
            use std::os::linux::net::SocketAddrExt as _;
            use std::os::unix::net::{SocketAddr, UnixDatagram};

            let name = format!("narrows-host-{}", std::process::id());
            let receiver = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
            send_to(OsStr::new(&format!("@{name}")), &messages(State::Ready).unwrap()).unwrap();
            let mut buffer = [0; 64];
            let length = receiver.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], b"READY=1\n");
        }
    }
}
