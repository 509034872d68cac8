//! What the operator says by signal.

#[cfg(unix)]
mod unix {
    use std::io;

    use tokio::signal::unix::{Signal, SignalKind, signal};

    /// Resolves when the process is asked to end.
    ///
    /// # Errors
    /// If the handlers cannot be installed.
    pub fn stop() -> io::Result<impl Future<Output = ()> + Send> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        Ok(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        })
    }

    /// SIGHUP, any number of times.
    pub(crate) struct Reloads(Option<Signal>);

    impl Reloads {
        pub(crate) fn new() -> Self {
            let hangup = signal(SignalKind::hangup());
            if let Err(error) = &hangup {
                tracing::warn!(%error, "SIGHUP will not reload");
            }
            Self(hangup.ok())
        }

        pub(crate) async fn next(&mut self) {
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

#[cfg(not(unix))]
mod other {
    use std::io;

    /// Resolves when the process is asked to end.
    ///
    /// # Errors
    /// None here.
    pub fn stop() -> io::Result<impl Future<Output = ()> + Send> {
        Ok(async {
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }

    /// There is no such signal here: the site map is watched all the same.
    pub(crate) struct Reloads;

    impl Reloads {
        pub(crate) fn new() -> Self {
            Self
        }

        pub(crate) async fn next(&mut self) {
            std::future::pending().await
        }
    }
}

#[cfg(not(unix))]
pub(crate) use other::Reloads;
#[cfg(not(unix))]
pub use other::stop;
#[cfg(unix)]
pub(crate) use unix::Reloads;
#[cfg(unix)]
pub use unix::stop;
