//! How long clients may leave an answer unread, and what is known of their connections.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use narrows_host::patient::{Patience, Progress};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::net::places::Occupant;

/// How long a client may leave an answer unread.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// And at least so many bytes per second it has to take meanwhile, or a byte now and then would hold a
/// connection for ever. A modem is faster.
const MIN_READ_RATE: u32 = 4 * 1024;

/// What clients are given.
pub(crate) const PATIENCE: Patience = Patience {
    wait: WRITE_TIMEOUT,
    min_rate: Some(MIN_READ_RATE),
};

/// What is known of a connection beside it: when it was of use, and how it ends.
#[derive(Debug)]
pub(crate) struct Watched {
    peer: IpAddr,
    began: Instant,
    /// Milliseconds from `began` of the listener; when bytes last went out, or it was accepted.
    used: AtomicU64,
    /// Whether the client has sent a part of a request that was not answered.
    asks: AtomicBool,
    /// Whether it is not open yet: what goes to and fro is a handshake, and of no use.
    opening: AtomicBool,
    /// Whether it ended because the client did not read.
    unread: AtomicBool,
    evicted: Notify,
}

impl Watched {
    /// A connection that is accepted now; `began` is one for all that are compared.
    pub(crate) fn new(began: Instant, peer: IpAddr) -> Self {
        let watched = Self {
            peer,
            began,
            used: AtomicU64::new(0),
            asks: AtomicBool::new(false),
            opening: AtomicBool::new(false),
            unread: AtomicBool::new(false),
            evicted: Notify::new(),
        };
        watched.mark_used();
        watched
    }

    /// The address at the other end.
    pub(crate) fn peer(&self) -> IpAddr {
        self.peer
    }

    fn mark_used(&self) {
        self.used.store(self.began.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    /// Whether a request has begun to arrive that was not answered.
    pub(crate) fn asks(&self) -> bool {
        self.asks.load(Ordering::Relaxed)
    }

    /// A handshake comes before the first request.
    pub(crate) fn opens(&self) {
        self.opening.store(true, Ordering::Relaxed);
    }

    /// It is over.
    pub(crate) fn is_open(&self) {
        self.opening.store(false, Ordering::Relaxed);
        self.answered();
    }

    /// Whether the client left its answers unread for too long.
    pub(crate) fn is_unread(&self) -> bool {
        self.unread.load(Ordering::Relaxed)
    }

    /// Has the connection end now, whatever it is at.
    pub(crate) fn evict(&self) {
        self.evicted.notify_one();
    }

    /// Resolves when the connection has to end.
    pub(crate) async fn evicted(&self) {
        self.evicted.notified().await;
    }
}

impl Occupant for Arc<Watched> {
    fn last_used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }
}

impl Progress for Watched {
    fn asked(&self) {
        self.asks.store(true, Ordering::Relaxed);
    }

    fn answered(&self) {
        if self.opening.load(Ordering::Relaxed) {
            return;
        }
        self.mark_used();
        self.asks.store(false, Ordering::Relaxed);
    }

    fn left_unread(&self) {
        self.unread.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::Ipv4Addr;

    use narrows_host::patient::Patient;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::time::sleep;

    use super::*;

    /// Of what the tests send, the system takes so much before the client reads.
    const SYSTEM: usize = 1024;

    fn connection() -> (Patient<DuplexStream, Arc<Watched>>, Arc<Watched>, DuplexStream) {
        let (ours, theirs) = duplex(SYSTEM);
        let watched = Arc::new(Watched::new(Instant::now(), Ipv4Addr::LOCALHOST.into()));
        (
            Patient::new(ours, PATIENCE, Arc::clone(&watched)),
            watched,
            theirs,
        )
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_its_answer_is_left_after_ten_seconds() {
        let (mut patient, watched, _theirs) = connection();
        let began = Instant::now();
        let error = patient.write_all(&[0; 10 * SYSTEM]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed().as_secs(), WRITE_TIMEOUT.as_secs());
        assert!(watched.is_unread());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_a_byte_now_and_then_is_left_all_the_same() {
        let (mut patient, watched, mut theirs) = connection();
        let trickle = tokio::spawn(async move {
            loop {
                sleep(Duration::from_secs(1)).await;
                if theirs.read_u8().await.is_err() {
                    return;
                }
            }
        });
        let began = Instant::now();
        patient.write_all(&[0; 10 * SYSTEM]).await.unwrap_err();
        assert!(began.elapsed() < Duration::from_secs(12) && watched.is_unread());
        drop(patient);
        trickle.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_line_gets_its_answer_however_long_it_is() {
        let (mut patient, watched, mut theirs) = connection();
        let length = 100 * SYSTEM * MIN_READ_RATE as usize / SYSTEM;
        let slow = tokio::spawn(async move {
            let mut buffer = vec![0; MIN_READ_RATE as usize];
            let mut read = 0;
            while read < length {
                sleep(Duration::from_millis(180)).await;
                read += theirs.read(&mut buffer).await.unwrap();
            }
        });
        patient.write_all(&vec![0; length]).await.unwrap();
        patient.flush().await.unwrap();
        slow.await.unwrap();
        assert!(!watched.is_unread());
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_is_not_answered_is_known() {
        let (mut patient, watched, mut theirs) = connection();
        assert!(!watched.asks());
        theirs.write_all(b"GET /").await.unwrap();
        patient.read_u8().await.unwrap();
        assert!(watched.asks());
        patient.write_all(b"answer").await.unwrap();
        assert!(!watched.asks());
    }
}
