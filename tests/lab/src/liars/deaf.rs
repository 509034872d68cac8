//! Requests whose answers are never read, and bodies that never come.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::Duration;

use crate::liars::http::{PATIENCE, announce};
use crate::liars::scene::{Scene, Tally};

/// To each door at the same time.
const HELD: usize = 12;

/// Requests on one connection.
const PIPELINED: usize = 500;

/// To tracker, admin port and control ports, as many as are closed again and again.
pub(super) fn ask(scene: &Scene) -> io::Result<()> {
    let tally = Tally::default();
    let keys = [
        ("narrows", "1"),
        ("agent", "deaf"),
        ("port", "7001"),
        ("left", "1"),
        ("key", "DEAF"),
    ];
    let mut doors: Vec<(SocketAddr, String, &str)> = vec![
        (
            scene.tracker,
            announce(scene, 0, "-XX0001-deaf", &keys),
            "/announce",
        ),
        (scene.admin, "/metrics".to_owned(), "/check"),
    ];
    doors.extend(scene.neighbours().iter().map(|agent| (agent.control, "/status".to_owned(), "/look")));
    let mut held: Vec<(usize, TcpStream)> = Vec::new();
    loop {
        // what was closed by the other end is opened again
        held.retain(|(_, stream)| alive(stream));
        for (number, (addr, path, body)) in doors.iter().enumerate() {
            let open = held.iter().filter(|(door, _)| *door == number).count();
            for turn in open..HELD {
                tally.tried();
                let Ok(mut stream) = TcpStream::connect_timeout(addr, PATIENCE) else {
                    break;
                };
                tally.taken();
                stream.set_write_timeout(Some(Duration::from_millis(200)))?;
                let text = match turn % 2 {
                    0 => format!("GET {path} HTTP/1.1\r\nhost: {addr}\r\n\r\n").repeat(PIPELINED),
                    _ => format!("POST {body} HTTP/1.1\r\nhost: {addr}\r\ncontent-length: 1000000\r\n\r\nx"),
                };
                // one that takes no more has what it needs
                let _ = stream.write_all(text.as_bytes());
                held.push((number, stream));
            }
        }
        tally.save(scene)?;
        sleep(Duration::from_secs(1));
    }
}

/// Whether the other end has not closed; nothing that it sent is taken.
fn alive(stream: &TcpStream) -> bool {
    if stream.set_nonblocking(true).is_err() {
        return false;
    }
    match stream.peek(&mut [0]) {
        Ok(0) => false,
        Ok(_) => true,
        Err(error) => error.kind() == io::ErrorKind::WouldBlock,
    }
}
