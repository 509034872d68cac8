//! A TCP stream beside the rollout: what is left of a link for others. Two small programs in this one.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

/// The first word of a command line that is not the lab's.
pub const WORD: &str = "probe-end";

/// The port of receivers.
pub const PORT: u16 = 5201;

/// TCP takes so long to find its rate; it is not counted.
const SETTLE: f64 = 2.0;

/// Frames of 1,514 bytes carry 1,448.
const FRAMES: f64 = 1514.0 / 1448.0;

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Found {
    /// The sender's site.
    pub from: String,
    /// The receiver's.
    pub to: String,
    /// When it began, in seconds since the clients' start.
    pub at: f64,
    /// How long it was measured, without its first two seconds.
    pub seconds: f64,
    /// Bytes per second on the wire.
    pub rate: u64,
    /// The same as a part of what the slowest line between them carries; null if none is limited.
    pub share: Option<f64>,
}

/// Runs `probe-end send ADDR` or `probe-end receive ADDR` until it is killed. The receiver prints the seconds
/// since the first byte and the bytes so far, five times a second.
///
/// # Errors
/// The socket's.
pub fn run(line: &[String]) -> std::io::Result<()> {
    let wrong = || std::io::Error::other("probe-end send|receive ADDR");
    let [end, addr] = line else { return Err(wrong()) };
    let addr: SocketAddr = addr.parse().map_err(|_| wrong())?;
    match end.as_str() {
        "receive" => receive(addr, &mut std::io::stdout()),
        "send" => send(addr),
        _ => Err(wrong()),
    }
}

fn receive(addr: SocketAddr, out: &mut impl Write) -> std::io::Result<()> {
    let (mut stream, _) = TcpListener::bind(addr)?.accept()?;
    let mut buffer = vec![0; 1 << 16];
    let (mut bytes, begun) = (0u64, Instant::now());
    let mut next = Duration::ZERO;
    loop {
        let read = stream.read(&mut buffer)?;
        bytes += read as u64;
        if begun.elapsed() >= next || read == 0 {
            writeln!(out, "{:.3} {bytes}", begun.elapsed().as_secs_f64())?;
            out.flush()?;
            next = begun.elapsed() + Duration::from_millis(200);
        }
        if read == 0 {
            return Ok(());
        }
    }
}

fn send(addr: SocketAddr) -> std::io::Result<()> {
    let begun = Instant::now();
    let mut stream = loop {
        match TcpStream::connect(addr) {
            Ok(stream) => break stream,
            // the receiver is just being started
            Err(_) if begun.elapsed() < Duration::from_secs(10) => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(error) => return Err(error),
        }
    };
    let zeros = vec![0; 1 << 16];
    loop {
        stream.write_all(&zeros)?;
    }
}

/// The mean rate in bytes per second on the wire and over how many seconds, from what a receiver printed;
/// nothing later than `until` seconds after its start counts. `None` if it was too short to tell.
pub fn measured(log: &str, until: f64) -> Option<(f64, f64)> {
    let points: Vec<(f64, f64)> = log
        .lines()
        .filter_map(|line| {
            let (at, bytes) = line.split_once(' ')?;
            Some((at.parse().ok()?, bytes.parse().ok()?))
        })
        .filter(|(at, _)| (SETTLE..=until).contains(at))
        .collect();
    let ((from, before), (to, after)) = (points.first()?, points.last()?);
    (to - from >= 1.0).then(|| ((after - before) / (to - from) * FRAMES, to - from))
}

/// The same of a receiver's log file.
pub fn read(log: &Path, until: f64) -> Option<(f64, f64)> {
    measured(&std::fs::read_to_string(log).ok()?, until)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// A steady stream has its rate, whatever TCP did at first and whatever comes after the rollout.
        #[test]
        fn a_steady_stream_has_its_rate(rate in 10_000.0f64..1e8, slow in 0.0f64..1.0, seconds in 5u32..60) {
            let steps = (0..=5 * (seconds + 20)).map(|i| f64::from(i) / 5.0);
            let bytes = |at: f64| if at < SETTLE { slow * rate * at } else { rate * (at - SETTLE) + slow * rate * SETTLE };
            let log: String = steps.map(|at| {
                let late = if at > f64::from(seconds) + 0.1 { 3.0 * rate } else { 0.0 };
                format!("{at:.3} {:.0}\n", bytes(at) + late)
            }).collect();
            let (found, over) = measured(&log, f64::from(seconds) + 0.1).unwrap();
            prop_assert!((found / (rate * FRAMES) - 1.0).abs() < 0.01);
            prop_assert!((over - (f64::from(seconds) - SETTLE)).abs() < 0.3);
        }
    }

    #[test]
    fn what_is_too_short_is_not_judged() {
        assert_eq!(measured("0.1 5\n2.1 7\n", 100.0), None);
        assert_eq!(measured("nonsense\n", 100.0), None);
    }

    #[test]
    fn the_two_ends_meet_and_the_receiver_counts() {
        let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let sender = std::thread::spawn(move || {
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_secs(10) {
                if let Ok(mut stream) = TcpStream::connect(addr) {
                    return stream.write_all(&[0; 100_000]).is_ok();
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            false
        });
        let mut out = Vec::new();
        receive(addr, &mut out).unwrap();
        assert!(sender.join().unwrap());
        assert!(String::from_utf8(out).unwrap().trim_end().ends_with(" 100000"));
    }
}
