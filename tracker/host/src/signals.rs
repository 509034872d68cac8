//! What the operator says by signal: stop, or read the configuration again.

#[cfg(unix)]
pub use unix::{Reload, Stop};
#[cfg(windows)]
pub use windows::{Reload, Stop};

#[cfg(unix)]
mod unix {
    use std::io;

    use tokio::signal::unix::{Signal, SignalKind, signal};

    /// SIGTERM and SIGINT.
    #[derive(Debug)]
    pub struct Stop {
        terminate: Signal,
        interrupt: Signal,
    }

    impl Stop {
        /// Takes the signals over from their defaults.
        ///
        /// # Errors
        /// If the handlers cannot be installed.
        pub fn new() -> io::Result<Self> {
            Ok(Self {
                terminate: signal(SignalKind::terminate())?,
                interrupt: signal(SignalKind::interrupt())?,
            })
        }

        /// Resolves when the process is asked to end. Safe to drop and call again.
        pub async fn asked(&mut self) {
            tokio::select! {
                _ = self.terminate.recv() => {}
                _ = self.interrupt.recv() => {}
            }
        }
    }

    /// SIGHUP, any number of times.
    #[derive(Debug)]
    pub struct Reload(Option<Signal>);

    impl Reload {
        /// Takes the signal over from its default. Where that fails, the log says so, and nothing is ever
        /// asked for.
        pub fn new() -> Self {
            let hangup = signal(SignalKind::hangup());
            if let Err(error) = &hangup {
                tracing::warn!(%error, "SIGHUP will not reload");
            }
            Self(hangup.ok())
        }

        /// Resolves when the process is asked to read its configuration again. Safe to drop and call again.
        pub async fn asked(&mut self) {
            let received = match &mut self.0 {
                Some(hangup) => hangup.recv().await,
                None => None,
            };
            if received.is_none() {
                std::future::pending::<()>().await;
            }
        }
    }
}

#[cfg(windows)]
mod windows {
    use std::io;

    use tokio::signal::windows::{
        CtrlBreak, CtrlC, CtrlClose, CtrlShutdown, ctrl_break, ctrl_c, ctrl_close, ctrl_shutdown,
    };

    /// In a console: Ctrl-C, Ctrl-Break, closing its window, and the end of the session.
    #[derive(Debug)]
    pub struct Stop {
        interrupt: CtrlC,
        kill: CtrlBreak,
        close: CtrlClose,
        shutdown: CtrlShutdown,
    }

    impl Stop {
        /// Takes the signals over from their defaults.
        ///
        /// # Errors
        /// If the handlers cannot be installed.
        pub fn new() -> io::Result<Self> {
            Ok(Self {
                interrupt: ctrl_c()?,
                kill: ctrl_break()?,
                close: ctrl_close()?,
                shutdown: ctrl_shutdown()?,
            })
        }

        /// Resolves when the process is asked to end. Safe to drop and call again.
        pub async fn asked(&mut self) {
            tokio::select! {
                _ = self.interrupt.recv() => {}
                _ = self.kill.recv() => {}
                _ = self.close.recv() => {}
                _ = self.shutdown.recv() => {}
            }
        }
    }

    /// There is no such signal here: a service is asked by its manager.
    #[derive(Debug)]
    pub struct Reload;

    impl Reload {
        /// Nothing to take over.
        pub fn new() -> Self {
            Self
        }

        /// Never resolves.
        pub async fn asked(&mut self) {
            std::future::pending().await
        }
    }
}

impl Default for Reload {
    fn default() -> Self {
        Self::new()
    }
}
