//! Trackers with few descriptors: one machine that opens connections takes none from others, and where the
//! system has none left the tracker waits for them.
#![cfg(target_os = "linux")]

mod support;

use std::collections::VecDeque;
use std::fs;
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use socket2::{Domain, Socket, Type};
use support::process::Process;
use support::*;

const ROGUE: &str = "127.2.0.66";
const DESCRIPTORS: u64 = 128;
/// Connections that it opens in 10 ms to each port.
const BURST: usize = 10;

/// An honest request is answered within this, whatever others do.
const SOON: Duration = Duration::from_secs(1);

fn timed<T>(what: &str, ask: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let answer = ask();
    assert!(began.elapsed() < SOON, "{what} took {:?}", began.elapsed());
    answer
}

fn honest_requests_are_answered(tracker: &Process) {
    timed("an announce", || {
        accepted(say(tracker.addr, "127.2.0.1", &announce()))
    });
    timed("a look at its health", || {
        assert_eq!(get(tracker.admin, "/healthz").status, 200)
    });
}

/// A connection of the rogue, if it gets one.
fn rogue(to: SocketAddr) -> Option<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None).unwrap();
    let from = SocketAddr::new(ROGUE.parse::<IpAddr>().unwrap(), 0);
    socket.bind(&from.into()).ok()?;
    socket.connect_timeout(&to.into(), SOON).ok()?;
    Some(socket.into())
}

/// Seconds of processor time that the tracker has had.
fn processor(tracker: &Process) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", tracker.child.id())).unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks = fields.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<f64>().unwrap());
    // USER_HZ is 100 everywhere
    ticks.sum::<f64>() / 100.0
}

/// What of the processor the tracker takes for a while.
fn load(tracker: &Process) -> f64 {
    let (began, before) = (Instant::now(), processor(tracker));
    std::thread::sleep(SOON);
    (processor(tracker) - before) / began.elapsed().as_secs_f64()
}

#[test]
fn with_few_descriptors_one_machine_that_opens_ever_more_connections_delays_no_other() {
    let tracker = Process::limited_to(DESCRIPTORS, files(""));
    let (stop, opened) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for port in [tracker.addr, tracker.admin] {
            let (stop, opened) = (&stop, &opened);
            scope.spawn(move || {
                let mut held = VecDeque::new();
                while !stop.load(Ordering::Relaxed) {
                    for _ in 0..BURST {
                        held.extend(rogue(port));
                    }
                    opened.fetch_add(BURST, Ordering::Relaxed);
                    while held.len() > 1000 {
                        held.pop_front();
                    }
                    std::thread::sleep(Duration::from_millis(10));
                }
            });
        }
        until("there are many", || opened.load(Ordering::Relaxed) > 3000);
        // also if one fails: the scope waits for the threads
        let answered = std::panic::catch_unwind(|| {
            (0..10).for_each(|_| honest_requests_are_answered(&tracker));
        });
        stop.store(true, Ordering::Relaxed);
        answered.unwrap();
    });
    until("the rogue's connections are gone", || {
        tracker.metric("narrows_tracker_connections") <= 2.0
    });
    assert_eq!(tracker.metric("narrows_tracker_accept_errors_total"), 0.0);
    honest_requests_are_answered(&tracker);
    let log = tracker.whole_log();
    assert!(!log.contains("cannot accept"), "{log}");
}

#[test]
fn connections_that_are_held_on_to_where_descriptors_are_few_cost_no_processor_time() {
    let tracker = Process::limited_to(DESCRIPTORS, files(""));
    let ports = [tracker.addr, tracker.admin];
    let held: Vec<TcpStream> = (0..600).filter_map(|n| rogue(ports[n % 2])).collect();
    honest_requests_are_answered(&tracker);
    assert!(load(&tracker) < 0.2);
    honest_requests_are_answered(&tracker);
    drop(held);
}

/// Leaves the tracker so many descriptors beside those that it has: their numbers are below the limit.
fn leave(tracker: &Process, free: usize) {
    let taken = fs::read_dir(format!("/proc/{}/fd", tracker.child.id())).unwrap();
    let taken: Vec<u64> =
        taken.map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().unwrap()).collect();
    let next_free = (0..).filter(|number| !taken.contains(number)).nth(free).unwrap();
    limit(tracker, next_free);
}

/// Sets how many descriptors the tracker may have from now on.
fn limit(tracker: &Process, descriptors: u64) {
    let pid = Pid::from_raw(tracker.child.id().try_into().unwrap());
    let both = Rlimit {
        current: Some(descriptors),
        maximum: Some(DESCRIPTORS),
    };
    prlimit(pid, Resource::Nofile, both).unwrap();
}

fn open(tracker: &Process) -> usize {
    fs::read_dir(format!("/proc/{}/fd", tracker.child.id())).unwrap().count()
}

/// Waits until no connection is open.
fn at_rest(tracker: &Process) -> usize {
    until("earlier connections are gone", || {
        tracker.metric("narrows_tracker_connections") <= 1.0
    });
    let mut before = open(tracker);
    until("the last one is gone, too", || {
        std::thread::sleep(Duration::from_millis(50));
        let now = open(tracker);
        std::mem::replace(&mut before, now) == now
    });
    before
}

#[test]
fn who_got_the_last_descriptor_is_answered() {
    let tracker = Process::limited_to(DESCRIPTORS, files(""));
    honest_requests_are_answered(&tracker);
    for port in [tracker.addr, tracker.admin] {
        let idle = at_rest(&tracker);
        leave(&tracker, 1);
        let mut last = connect(port, None);
        until("it is accepted", || open(&tracker) == idle + 1);
        // accepting fails now, though none waits
        std::thread::sleep(Duration::from_millis(50));
        last.write_all(b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        assert_eq!(read_reply(&mut last).status, 404);
        limit(&tracker, DESCRIPTORS);
    }
}

#[test]
fn a_tracker_that_has_no_descriptor_left_waits_gives_up_the_idlest_connection_and_goes_on() {
    let tracker = Process::limited_to(DESCRIPTORS, files(""));
    honest_requests_are_answered(&tracker);
    at_rest(&tracker);
    // it has none to give up: newcomers wait, and are served when there are descriptors again
    leave(&tracker, 0);
    let waiting = rogue(tracker.addr);
    assert!(load(&tracker) < 0.2, "it tries again and again");
    limit(&tracker, DESCRIPTORS);
    // it looks each second at least
    accepted(say(tracker.addr, "127.2.0.1", &announce()));
    drop(waiting);
    // one machine has all that there are
    let held: Vec<TcpStream> = (0..10).filter_map(|_| rogue(tracker.addr)).collect();
    until("they are accepted", || {
        tracker.metric("narrows_tracker_connections") >= 10.0
    });
    leave(&tracker, 0);
    honest_requests_are_answered(&tracker);
    limit(&tracker, DESCRIPTORS);
    drop(held);
    assert!(tracker.metric("narrows_tracker_accept_errors_total") >= 1.0);
    honest_requests_are_answered(&tracker);
    let log = tracker.whole_log();
    let said: Vec<&str> = log.lines().filter(|line| line.contains("cannot accept;")).collect();
    assert!(
        said.len() == 1 || said.len() == 2,
        "once for each port at most: {said:?}"
    );
    assert!(log.contains("connections are accepted again"), "{log}");
}
