//! A tracker that answers what a test wants it to answer.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

/// Answers each request with the status and body that `reply` gives; the announce URL.
pub(crate) fn answering(mut reply: impl FnMut() -> (&'static str, Vec<u8>) + Send + 'static) -> String {
    let listener = TcpListener::bind((super::address(), 0)).unwrap();
    let url = format!("http://{}/announce", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (status, body) = reply();
            let _ = answer(stream, status, &body);
        }
    });
    url
}

fn answer(stream: TcpStream, status: &str, body: &[u8]) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    let mut stream = reader.into_inner();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    stream.write_all(body)
}
