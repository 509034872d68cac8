//! A tracker that answers what a test wants it to answer.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

/// Answers each request with the status and body that `reply` gives; the announce URL.
pub(crate) fn answering(mut reply: impl FnMut() -> (&'static str, Vec<u8>) + Send + 'static) -> String {
    hearing(move |_| reply())
}

/// The same; `reply` is told the first line of the request.
pub(crate) fn hearing(mut reply: impl FnMut(&str) -> (&'static str, Vec<u8>) + Send + 'static) -> String {
    let listener = TcpListener::bind((super::address(), 0)).unwrap();
    let url = format!("http://{}/announce", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = answer(stream, &mut reply);
        }
    });
    url
}

fn answer(stream: TcpStream, reply: &mut impl FnMut(&str) -> (&'static str, Vec<u8>)) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let (status, body) = reply(&line);
    line.clear();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    let mut stream = reader.into_inner();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    stream.write_all(&body)
}
