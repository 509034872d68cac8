//! What the tests of the running program share: a small tracker, agents as processes on 127.x addresses,
//! content.
#![allow(dead_code, reason = "every test file uses a part of it")]

pub(crate) mod agent;
pub(crate) mod answers;
pub(crate) mod content;
pub(crate) mod offences;
pub(crate) mod peer;
pub(crate) mod seeder;
pub(crate) mod tracker;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

/// For anything that happens within seconds, on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A loopback address that no other test of this or another process uses at the same time.
pub(crate) fn address() -> IpAddr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let pid = std::process::id();
    let (a, b) = (64 + (pid / 250 % 60) as u8, (pid % 250) as u8);
    Ipv4Addr::new(127, a, b, NEXT.fetch_add(1, Ordering::Relaxed)).into()
}

/// Asks until there is an answer; says what was awaited if there is none in time.
pub(crate) fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(
            Instant::now() < deadline,
            "did not happen in {PATIENCE:?}: {what}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Says that a test cannot be run here, also in the list that all tests together keep.
pub(crate) fn skip(what: &str, why: &str) {
    eprintln!("skipped: {what}: {why}");
    if let Some(file) = std::env::var_os("NARROWS_SKIPPED") {
        use std::io::Write;
        let file = std::fs::OpenOptions::new().append(true).create(true).open(file);
        let _ = file.and_then(|mut file| writeln!(file, "{what}: {why}"));
    }
}
