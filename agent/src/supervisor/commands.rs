//! What the operator asks of a running agent: pause, resume, look, verify.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use narrows_protocol::InfoHash;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::paused::Paused;
use super::{Agent, NotKept};
use crate::content::{Command, Handle};

/// How long a look at all published files may take, in which 100,000 need a second.
const LOOK: Duration = Duration::from_secs(30);

impl Agent {
    /// Stops fetching and serving; of one content (name or info hash) or of all; also after a restart.
    /// `None`: there is no such content.
    ///
    /// # Errors
    /// It is done, but could not be written down: a restart will not know.
    pub async fn pause(&self, which: Option<&str>) -> Result<Option<Vec<String>>, NotKept> {
        let kept = self.remember(which, |paused, one, _| paused.pause(one));
        let names = self.command(which, || Command::Pause).await;
        kept.map(|()| names)
    }

    /// The opposite of [`pause`](Self::pause).
    ///
    /// # Errors
    /// As [`pause`](Self::pause)'s.
    pub async fn resume(&self, which: Option<&str>) -> Result<Option<Vec<String>>, NotKept> {
        let kept = self.remember(which, |paused, one, known| {
            paused.resume(one, known.iter().copied())
        });
        let names = self.command(which, || Command::Resume).await;
        kept.map(|()| names)
    }

    /// Looks at all published files, by size, time and inode: on return, the status says what is true now, at
    /// least that what has changed is being checked. As [`pause`](Self::pause) otherwise.
    pub async fn look(&self, which: Option<&str>) -> Option<Vec<String>> {
        let looks = Mutex::new(Vec::new());
        let names = self
            .command(which, || {
                let (done, look) = oneshot::channel();
                looks.lock().unwrap_or_else(PoisonError::into_inner).push(look);
                Command::Look(done)
            })
            .await;
        let all = async {
            for look in looks.into_inner().unwrap_or_else(PoisonError::into_inner) {
                let _ = look.await;
            }
        };
        // if the disk does not answer, `verified` in the status says how old this is
        let _ = timeout(LOOK, all).await;
        names
    }

    /// Hashes everything on disk again and fetches what is wrong.
    pub async fn verify(&self, which: Option<&str>) -> Option<Vec<String>> {
        self.command(which, || Command::Verify).await
    }

    /// Changes what is paused and writes it down, so that it holds over a restart.
    fn remember(
        &self,
        which: Option<&str>,
        change: impl Fn(&mut Paused, Option<InfoHash>, &[InfoHash]),
    ) -> Result<(), NotKept> {
        let handles: Vec<Handle> = self.entries().into_iter().filter_map(|entry| entry.handle).collect();
        let known: Vec<InfoHash> = handles.iter().map(|handle| handle.info_hash).collect();
        let meant = handles.iter().filter(|handle| handle.is_meant(which));
        let chosen: Vec<Option<InfoHash>> = match which {
            None => vec![None],
            Some(_) => meant.map(|handle| Some(handle.info_hash)).collect(),
        };
        let saved = self.with_paused(|paused| {
            chosen.into_iter().for_each(|one| change(paused, one, &known));
            paused.save(&self.state)
        });
        saved.map_err(|source| {
            let problem = NotKept {
                folder: self.state.clone(),
                source,
            };
            tracing::warn!("{problem}");
            problem
        })
    }

    /// Sends a command to the contents named; their names, or `None` if there is none of that name.
    async fn command(&self, which: Option<&str>, command: impl Fn() -> Command) -> Option<Vec<String>> {
        let mut names = Vec::new();
        for handle in self.entries().into_iter().filter_map(|entry| entry.handle) {
            if handle.is_meant(which) && handle.commands.send(command()).await.is_ok() {
                names.push(handle.name);
            }
        }
        (which.is_none() || !names.is_empty()).then_some(names)
    }

    /// Has each content announce, `apart` from the one before on average; `restarted`: because a tracker has.
    pub(super) async fn announce_in_turn(&self, restarted: bool, apart: Duration) {
        for handle in self.entries().into_iter().filter_map(|entry| entry.handle) {
            // one that has ended needs none
            let _ = handle.commands.send(Command::Announce { restarted }).await;
            tokio::time::sleep(apart.mul_f64(rand::random_range(0.0..2.0))).await;
        }
    }
}
