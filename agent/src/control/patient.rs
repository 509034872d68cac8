//! How long callers of the control port may take to read an answer, and what they left undone.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use narrows_host::patient::{Patience, Progress};

/// How long the whole of an answer may wait to be read, from when the system takes no more of it: also of one
/// that is read byte by byte.
const WRITE: Duration = Duration::from_secs(30);

/// What callers of the control port are given.
pub(super) const PATIENCE: Patience = Patience {
    wait: WRITE,
    min_rate: None,
};

/// What the other end has left undone.
#[derive(Debug, Default)]
pub(super) struct Undone {
    /// A request has begun and was not answered.
    asks: AtomicBool,
    /// An answer was not read in its time.
    unread: AtomicBool,
}

impl Undone {
    /// Whether a connection that ended for lack of time was held up by its other end.
    pub(super) fn is_slow(&self, timed_out: bool) -> bool {
        // one that is kept and not used ends by the same limit as a head that does not end
        self.unread.load(Ordering::Relaxed) || (timed_out && self.asks.load(Ordering::Relaxed))
    }
}

impl Progress for Undone {
    fn asked(&self) {
        self.asks.store(true, Ordering::Relaxed);
    }

    fn answered(&self) {
        self.asks.store(false, Ordering::Relaxed);
    }

    fn left_unread(&self) {
        self.unread.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use narrows_host::patient::Patient;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::{Instant, sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_not_read_or_byte_by_byte_has_its_time_and_no_more() {
        for trickles in [false, true] {
            let (ours, mut theirs) = duplex(1024);
            let undone = Arc::new(Undone::default());
            let mut patient = Patient::new(ours, PATIENCE, undone.clone());
            let reading = tokio::spawn(async move {
                while trickles && theirs.read_u8().await.is_ok() {
                    sleep(Duration::from_millis(500)).await;
                }
                theirs
            });
            let began = Instant::now();
            let error = patient.write_all(&[0; 10_000]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            assert_eq!(began.elapsed().as_secs(), WRITE.as_secs(), "{trickles}");
            assert!(undone.is_slow(false));
            drop(patient);
            reading.await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_answer_has_a_time_of_its_own() {
        let (ours, mut theirs) = duplex(1024);
        let undone = Arc::new(Undone::default());
        let mut patient = Patient::new(ours, PATIENCE, undone.clone());
        let reading = tokio::spawn(async move {
            let mut chunk = [0; 1024];
            while theirs.read(&mut chunk).await.is_ok_and(|read| read > 0) {
                sleep(Duration::from_secs(9)).await;
            }
        });
        for _ in 0..10 {
            patient.write_all(&[0; 3000]).await.unwrap();
            patient.flush().await.unwrap();
        }
        assert!(!undone.is_slow(false));
        drop(patient);
        reading.await.unwrap();
    }
}
