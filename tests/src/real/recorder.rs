//! A reverse proxy before the tracker that notes each announce and its reply.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use narrows_protocol::announce::{AnnounceReply, AnnounceRequest};

/// One announce as the tracker saw and answered it.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// When the reply came.
    pub at: Instant,
    /// The peer that announced.
    pub from: IpAddr,
    /// What it said.
    pub request: AnnounceRequest,
    /// What the tracker answered.
    pub reply: AnnounceReply,
}

/// Forwards every request to the tracker with an `X-Forwarded-For` and remembers it.
#[derive(Clone, Default)]
pub struct Recorder {
    exchanges: Arc<Mutex<Vec<Exchange>>>,
}

impl Recorder {
    /// Listens on `listen` and forwards to `tracker` until the process ends.
    ///
    /// # Errors
    /// `listen` cannot be bound.
    pub fn start(listen: SocketAddr, tracker: SocketAddr) -> Result<Self> {
        let recorder = Self::default();
        let listener = TcpListener::bind(listen).with_context(|| format!("recorder on {listen}"))?;
        let own = recorder.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let own = own.clone();
                // a client that hangs up early is its own affair: the next announce tells
                std::thread::spawn(move || own.forward(stream, tracker));
            }
        });
        Ok(recorder)
    }

    /// Everything so far, oldest first.
    pub fn exchanges(&self) -> Vec<Exchange> {
        match self.exchanges.lock() {
            Ok(exchanges) => exchanges.clone(),
            Err(poisoned) => poisoned.into_inner().clone(),
        }
    }

    fn forward(&self, mut client: TcpStream, tracker: SocketAddr) -> Result<()> {
        client.set_read_timeout(Some(Duration::from_secs(10)))?;
        let from = client.peer_addr()?.ip();
        let head = read_head(&mut client)?;
        let target = head.split(' ').nth(1).unwrap_or("").to_owned();
        let mut upstream = TcpStream::connect(tracker)?;
        upstream.set_read_timeout(Some(Duration::from_secs(10)))?;
        write!(
            upstream,
            "GET {target} HTTP/1.1\r\nHost: {tracker}\r\nX-Forwarded-For: {from}\r\nConnection: close\r\n\r\n"
        )?;
        let mut answer = Vec::new();
        upstream.read_to_end(&mut answer)?;
        self.note(from, &target, &answer);
        client.write_all(&answer)?;
        Ok(())
    }

    fn note(&self, from: IpAddr, target: &str, answer: &[u8]) {
        let Some(query) = target.strip_prefix("/announce?") else {
            return;
        };
        let Some(split) = answer.windows(4).position(|window| window == b"\r\n\r\n") else {
            return;
        };
        let (Ok(request), Ok(reply)) = (
            AnnounceRequest::parse(query),
            AnnounceReply::decode(&answer[split + 4..]),
        ) else {
            return;
        };
        let exchange = Exchange {
            at: Instant::now(),
            from,
            request,
            reply,
        };
        if let Ok(mut exchanges) = self.exchanges.lock() {
            exchanges.push(exchange);
        }
    }
}

fn read_head(client: &mut TcpStream) -> Result<String> {
    let mut head = Vec::new();
    let mut byte = [0; 1];
    while !head.ends_with(b"\r\n\r\n") && head.len() < 16 * 1024 {
        if client.read(&mut byte)? == 0 {
            break;
        }
        head.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}
