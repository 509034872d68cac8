//! The tracker over https, with sockets: who it is, what becomes of those that speak otherwise or not at all, and files
//! that change under way.

mod support;

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use narrows_tls::{Fault, Identity, Pin, Trust};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, HandshakeKind, StreamOwned};
use support::*;
use tempfile::TempDir;

const HTTPS: &str = "listen_tls: 127.0.0.1:0\nadmin_tls: 127.0.0.1:0\nstate: state\n";

/// With a folder for its key.
fn start(more: &str) -> Running {
    let dir = files(&format!("{HTTPS}{more}"));
    fs::create_dir(dir.path().join("state")).unwrap();
    Running::start_in(dir)
}

fn peers_port(tracker: &Running) -> SocketAddr {
    tracker.tls[0].unwrap()
}

fn admin_port(tracker: &Running) -> SocketAddr {
    tracker.tls[1].unwrap()
}

fn pin_of(key: &Path) -> Pin {
    narrows_tls::read_key(key).unwrap()
}

fn own_pin(tracker: &Running) -> Pin {
    let key = tracker.path("state/tls.key");
    until("the key is made", || key.exists());
    pin_of(&key)
}

fn client(pin: Pin) -> Arc<ClientConfig> {
    let trust = Trust {
        pins: vec![pin],
        authorities: None,
    };
    trust.client().unwrap()
}

type Secure = StreamOwned<ClientConnection, TcpStream>;

/// Connects and shakes hands.
fn secure(to: SocketAddr, client: &Arc<ClientConfig>) -> io::Result<Secure> {
    let session = ClientConnection::new(Arc::clone(client), ServerName::IpAddress(to.ip().into())).unwrap();
    let mut stream = StreamOwned::new(session, connect(to, None));
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

fn ask(stream: &mut Secure, method: &str, target: &str, headers: &str) -> Reply {
    let head = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    read_reply(stream)
}

/// A handshake's first bytes, of a client that then sends no more.
fn half_a_hello() -> Vec<u8> {
    let any = Pin::of(&rustls::pki_types::SubjectPublicKeyInfoDer::from(vec![0]));
    let name = ServerName::try_from("tracker.example.com").unwrap();
    let mut session = ClientConnection::new(client(any), name).unwrap();
    let mut hello = Vec::new();
    session.write_tls(&mut hello).unwrap();
    hello.truncate(hello.len() / 2);
    hello
}

#[test]
fn an_announce_over_https_finds_the_peers_of_one_over_http() {
    let tracker = start("");
    accepted(say(tracker.addr, "127.1.0.1", &announce()));
    let mut stream = secure(peers_port(&tracker), &client(own_pin(&tracker))).unwrap();
    let other = narrows_protocol::AnnounceRequest {
        peer_id: narrows_protocol::PeerId(*b"-TT0001-000000000001"),
        ..announce()
    };
    // one connection for many requests
    for _ in 0..3 {
        let response = accepted(decode(&ask(&mut stream, "GET", &target(&other), "")));
        assert_eq!(addresses(&response), ["127.1.0.1:6881"]);
    }
}

#[test]
fn a_session_goes_on_over_a_new_connection_and_the_tracker_keeps_nothing_for_it() {
    let tracker = start("");
    let client = client(own_pin(&tracker));
    for expected in [
        HandshakeKind::Full,
        HandshakeKind::Resumed,
        HandshakeKind::Resumed,
    ] {
        let mut stream = secure(peers_port(&tracker), &client).unwrap();
        assert_eq!(ask(&mut stream, "GET", "/epoch", "").status, 200);
        assert_eq!(stream.conn.handshake_kind(), Some(expected));
    }
}

#[test]
fn the_own_key_is_made_at_the_first_start_for_its_owner_alone_and_is_the_same_after_a_restart() {
    let mut tracker = start("");
    let pin = own_pin(&tracker);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(tracker.path("state/tls.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    tracker.stop();
    tracker.join();
    let dir = std::mem::replace(&mut tracker.dir, tempfile::tempdir().unwrap());
    drop(tracker);
    let again = Running::start_in(dir);
    assert_eq!(own_pin(&again), pin);
    secure(peers_port(&again), &client(pin)).unwrap();
}

#[test]
fn another_key_in_the_middle_is_refused_with_both_pins() {
    let (tracker, other) = (start(""), start(""));
    let error = secure(peers_port(&other), &client(own_pin(&tracker))).unwrap_err();
    let Fault::WrongPin(wrong) = Fault::of(&error) else {
        panic!("{error}");
    };
    assert_eq!(
        (wrong.found, wrong.known),
        (own_pin(&other), vec![own_pin(&tracker)])
    );
}

#[test]
fn a_client_that_speaks_in_the_clear_to_the_https_port_hears_so_at_once() {
    let tracker = start("");
    let failure = refused(decode(&get(peers_port(&tracker), &target(&announce()))));
    assert!(failure.reason.contains("https"), "{failure:?}");
    for port in [peers_port(&tracker), admin_port(&tracker)] {
        let reply = get(port, "/metrics");
        let sentence = String::from_utf8(reply.body).unwrap();
        assert!(
            reply.status == 400 && sentence.contains("speaks https"),
            "{sentence}"
        );
    }
}

#[test]
fn a_client_that_speaks_tls_to_the_plain_port_learns_that_it_is_none_and_does_not_hang() {
    let tracker = start("");
    let began = Instant::now();
    let error = secure(tracker.addr, &client(own_pin(&tracker))).unwrap_err();
    assert_eq!(Fault::of(&error), Fault::NotTls);
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[test]
fn half_handshakes_are_left_after_ten_seconds_named_and_delay_no_other() {
    let tracker = start("max_connections_per_address: 50");
    let (port, hello) = (peers_port(&tracker), half_a_hello());
    let began = Instant::now();
    let mut held = Vec::new();
    for _ in 0..60 {
        let mut stream = connect(port, Some("127.2.0.9".parse().unwrap()));
        // the first of them may be gone already
        let _ = stream.write_all(&hello);
        held.push(stream);
    }
    let open = || tracker.metric("narrows_tracker_connections").unwrap();
    until("those beyond an address' bound have ended", || open() <= 51.0);
    let mut honest = secure(port, &client(own_pin(&tracker))).unwrap();
    assert_eq!(ask(&mut honest, "GET", "/epoch", "").status, 200);
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    drop(honest);
    until("the others have ended, too", || open() <= 1.0);
    assert!(began.elapsed() > Duration::from_secs(9), "{:?}", began.elapsed());
    let slow = tracker.metric("narrows_tracker_offences_total{offence=\"slow_client\"}");
    assert!(slow >= Some(49.0), "{slow:?}");
}

#[test]
fn a_hello_without_end_is_read_up_to_a_bound() {
    let tracker = start("");
    let mut stream = connect(peers_port(&tracker), None);
    // a ClientHello of 64 KiB that is sent in records of 4 KiB
    let mut message = vec![1, 0, 0xff, 0xff];
    message.resize(0xffff, 0);
    let mut taken = 0;
    for part in message.chunks(4096) {
        let length = u16::try_from(part.len()).unwrap().to_be_bytes();
        let record = [&[22, 3, 1], length.as_slice(), part].concat();
        if stream.write_all(&record).is_err() {
            break;
        }
        taken += part.len();
        // an event to wait for: the end
        stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        match stream.read(&mut [0; 64]) {
            Ok(_) => break,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            Err(_) => break,
        }
    }
    assert!(taken <= 24 * 1024, "{taken}");
}

#[test]
fn answers_that_are_left_unread_over_tls_end_their_connection() {
    let tracker = start("");
    let mut stream = secure(peers_port(&tracker), &client(own_pin(&tracker))).unwrap();
    socket2::SockRef::from(&stream.sock).set_recv_buffer_size(4096).unwrap();
    stream.sock.set_write_timeout(Some(Duration::from_secs(3))).unwrap();
    let asked = b"GET /epoch HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(1000);
    (0..1000)
        .find_map(|_| stream.write_all(&asked).err())
        .expect("the tracker reads no further requests");
    // what the system still took in between has put it off a little
    let began = Instant::now();
    while tracker.metric("narrows_tracker_connections") > Some(1.0) {
        assert!(began.elapsed() < Duration::from_secs(30));
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn the_admin_port_over_https_answers_as_the_other_and_asks_for_the_token() {
    let dir = files(&format!("{HTTPS}admin_token: token"));
    fs::create_dir(dir.path().join("state")).unwrap();
    fs::write(dir.path().join("token"), "0123456789abcdef").unwrap();
    let tracker = Running::start_in(dir);
    let mut stream = secure(admin_port(&tracker), &client(own_pin(&tracker))).unwrap();
    assert_eq!(ask(&mut stream, "GET", "/healthz", "").body, b"ok\n");
    assert_eq!(ask(&mut stream, "POST", "/brake?link=hq-munich", "").status, 401);
    let with = ask(
        &mut stream,
        "POST",
        "/brake?link=hq-munich",
        "Authorization: Bearer 0123456789abcdef\r\n",
    );
    assert_eq!(with.status, 200, "{with:?}");
    let brakes = String::from_utf8(ask(&mut stream, "GET", "/brake", "").body).unwrap();
    assert!(brakes.contains("hq-munich"), "{brakes}");
}

#[test]
fn without_a_token_only_the_admin_port_on_loopback_takes_changes() {
    let dir = files("listen_tls: 127.0.0.1:0\nadmin_tls: 0.0.0.0:0\nstate: state\n");
    fs::create_dir(dir.path().join("state")).unwrap();
    let tracker = Running::start_in(dir);
    let port = SocketAddr::from(([127, 0, 0, 1], admin_port(&tracker).port()));
    let mut stream = secure(port, &client(own_pin(&tracker))).unwrap();
    let reply = ask(&mut stream, "POST", "/brake?link=hq-munich", "");
    assert_eq!(reply.status, 403, "{reply:?}");
    assert_eq!(
        send(tracker.admin, "POST", "/brake?link=hq-munich", "", "").status,
        200
    );
}

/// A company's certificate and key, put where tracker.yaml names them.
struct Company(TempDir);

impl Company {
    fn new() -> Self {
        let made = Self(tempfile::tempdir().unwrap());
        made.identity();
        made
    }

    fn identity(&self) -> Identity {
        Identity::own(self.0.path(), &["tracker.example.com".to_owned()]).unwrap()
    }

    fn pin(&self) -> Pin {
        *self.identity().pin()
    }

    fn put(&self, dir: &Path) {
        let folder = self.0.path();
        for (from, to) in [
            (Identity::key_path(folder), "company.key"),
            (Identity::certificate_path(folder), "company.crt"),
        ] {
            // as certbot does: written beside and renamed over
            let beside = dir.join("beside");
            fs::copy(from, &beside).unwrap();
            fs::rename(beside, dir.join(to)).unwrap();
        }
    }
}

#[test]
fn a_renewed_certificate_is_taken_over_without_a_restart_and_wrong_files_are_not() {
    let (first, second) = (Company::new(), Company::new());
    let dir = files("listen_tls: 127.0.0.1:0\ntls: {certificate: company.crt, key: company.key}\n");
    first.put(dir.path());
    let tracker = Running::start_in(dir);
    let port = peers_port(&tracker);
    let knows = |company: &Company| secure(port, &client(company.pin())).is_ok();
    assert!(knows(&first) && !knows(&second));
    let mut stays = secure(port, &client(first.pin())).unwrap();

    second.put(tracker.dir.path());
    until("the renewed one is in use", || knows(&second));
    assert!(!knows(&first));
    assert_eq!(
        ask(&mut stays, "GET", "/epoch", "").status,
        200,
        "connections go on"
    );

    let valid = || tracker.metric("narrows_tracker_tls_valid").unwrap();
    fs::copy(Identity::key_path(first.0.path()), tracker.path("company.key")).unwrap();
    until("a key of another certificate is refused", || valid() == 0.0);
    assert!(knows(&second));
    fs::remove_file(tracker.path("company.crt")).unwrap();
    assert!(knows(&second));
    first.put(tracker.dir.path());
    until("what is right again is in use", || knows(&first));
    assert_eq!(valid(), 1.0);
}

#[test]
fn the_own_key_is_replaced_by_one_that_is_put_there_and_never_by_a_new_one_while_the_tracker_runs() {
    let tracker = start("");
    let (port, first) = (peers_port(&tracker), own_pin(&tracker));
    let knows = |pin: Pin| secure(port, &client(pin)).is_ok();
    let valid = || tracker.metric("narrows_tracker_tls_valid").unwrap();
    assert!(knows(first), "it has started");
    fs::rename(tracker.path("state/tls.key"), tracker.path("old.key")).unwrap();
    until("that it is gone is seen", || valid() == 0.0);
    assert!(knows(first) && !tracker.path("state/tls.key").exists());

    let next = tracker.path("next.key");
    narrows_tls::make_key(&next).unwrap();
    let second = pin_of(&next);
    fs::rename(next, tracker.path("state/tls.key")).unwrap();
    until("the next one is in use", || knows(second));
    assert!(!knows(first));
}

#[cfg(unix)]
mod program {
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::{Command, Output};

    use super::*;

    fn narrows_tracker(arguments: &[&str], config: &Path) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_narrows-tracker"));
        command.args(arguments).arg(config).env_remove("STATE_DIRECTORY").output().unwrap()
    }

    fn said(output: &Output) -> String {
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    #[test]
    fn the_pin_is_printed_once_there_is_a_key_and_looking_makes_none() {
        let dir = files(HTTPS);
        let config = dir.path().join("tracker.yaml");
        fs::create_dir(dir.path().join("state")).unwrap();
        let none = narrows_tracker(&["pin", "--config"], &config);
        assert!(
            none.status.code() == Some(64) && said(&none).contains("first starts"),
            "{}",
            said(&none)
        );
        assert!(narrows_tracker(&["check", "--config"], &config).status.success());
        assert_eq!(fs::read_dir(dir.path().join("state")).unwrap().count(), 0);

        let tracker = Running::start_in(dir);
        let pin = own_pin(&tracker);
        let shown = narrows_tracker(&["pin", "--config"], &config);
        assert_eq!(String::from_utf8_lossy(&shown.stdout).trim().parse(), Ok(pin));
        let of_key = narrows_tracker(&["pin", "--key"], &tracker.path("state/tls.key"));
        assert_eq!(of_key.stdout, shown.stdout);
    }

    #[test]
    fn an_own_key_that_others_can_read_keeps_the_tracker_from_starting() {
        let dir = files(HTTPS);
        let state = dir.path().join("state");
        fs::create_dir(&state).unwrap();
        narrows_tls::make_key(&state.join("tls.key")).unwrap();
        fs::set_permissions(state.join("tls.key"), fs::Permissions::from_mode(0o640)).unwrap();
        let ended = narrows_tracker(&["run", "--config"], &dir.path().join("tracker.yaml"));
        assert!(
            ended.status.code() == Some(1) && said(&ended).contains("tls.key is not for its owner alone"),
            "{}",
            said(&ended)
        );
    }

    #[test]
    fn files_that_are_missing_and_a_folder_that_is_not_named_are_said_before_anything_is_bound() {
        for (more, says) in [
            ("tls: {certificate: no.crt, key: no.key}\n", "cannot read"),
            ("", "set `state`"),
        ] {
            let dir = files(&format!("listen_tls: 127.0.0.1:0\n{more}"));
            let config = dir.path().join("tracker.yaml");
            for command in ["check", "run"] {
                let ended = narrows_tracker(&[command, "--config"], &config);
                assert!(
                    ended.status.code() == Some(64) && said(&ended).contains(says),
                    "{}",
                    said(&ended)
                );
            }
        }
    }
}
