//! Which trackers are believed, and how TLS is spoken with them: from the configuration, and anew on a reload.

use std::sync::{Arc, Mutex, PoisonError};

use narrows_protocol::AnnounceUrl;
use narrows_tls::Trust;
use rustls::ClientConfig;

use super::error::TrackerError;
use crate::config::unusable;

/// Which trackers this agent believes.
#[derive(Debug, Default)]
pub(super) struct Trusted(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    trust: Trust,
    /// Made when it is first needed: sessions that go on are remembered in it. A file that cannot be read is tried again.
    client: Option<Arc<ClientConfig>>,
}

impl Trusted {
    /// From now on these are believed, and no session of before goes on; false if they were before.
    pub(super) fn set(&self, trust: &Trust) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = state.trust != *trust;
        // also if nothing has changed but the file of the authorities
        *state = State {
            trust: trust.clone(),
            client: None,
        };
        changed
    }

    /// How to speak TLS at this URL; `None`: it is spoken to in the clear.
    ///
    /// # Errors
    /// That it may not be announced to, and what to write.
    pub(super) fn tls(&self, url: &AnnounceUrl) -> Result<Option<Arc<ClientConfig>>, TrackerError> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(why) = unusable(url, &state.trust) {
            return Err(TrackerError::NotAllowed(why));
        }
        if !url.is_https {
            return Ok(None);
        }
        if state.client.is_none() {
            state.client = Some(state.trust.client().map_err(TrackerError::Trust)?);
        }
        Ok(state.client.clone())
    }
}
