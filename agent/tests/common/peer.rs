//! A peer by hand: says exactly the bytes it is told to.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use narrows_protocol::{InfoHash, PeerId};
use narrows_wire::{Codec, ExtendedHandshake, Handshake, Hello, Message};
use socket2::{Domain, Socket, Type};

/// A connection of the machine with the address `ip`.
pub(crate) fn from(ip: IpAddr, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
    socket.set_recv_buffer_size(16 << 10)?;
    socket.bind(&SocketAddr::new(ip, 0).into())?;
    socket.connect(&to.into())?;
    Ok(socket.into())
}

/// What a peer heard within a time.
pub(crate) enum Heard {
    Message(Message),
    /// The agent has closed the connection.
    End,
    Silence,
}

pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    codec: Codec,
    buf: BytesMut,
}

impl Peer {
    /// Connects and shakes hands.
    pub(crate) fn connect(to: SocketAddr, info_hash: InfoHash, pieces: u32, id: u8) -> Self {
        let stream = TcpStream::connect(to).unwrap();
        Self::shake_hands(stream, info_hash, pieces, id)
    }

    /// The same as the machine with the address `ip`.
    pub(crate) fn connect_from(ip: IpAddr, to: SocketAddr, info_hash: InfoHash, pieces: u32, id: u8) -> Self {
        Self::shake_hands(from(ip, to).unwrap(), info_hash, pieces, id)
    }

    /// The same as an agent that says this of itself.
    pub(crate) fn connect_as(
        hello: Hello,
        ip: IpAddr,
        to: SocketAddr,
        info_hash: InfoHash,
        pieces: u32,
    ) -> Self {
        let mut peer = Self::extended(from(ip, to).unwrap(), info_hash, pieces, 9, true);
        peer.send(&Message::Extended {
            id: 0,
            payload: ExtendedHandshake {
                narrows: Some(hello),
                ..ExtendedHandshake::default()
            }
            .encode(),
        });
        peer
    }

    /// Waits for the agent to connect, and shakes hands.
    pub(crate) fn accept(listener: &TcpListener, info_hash: InfoHash, pieces: u32, id: u8) -> Self {
        Self::shake_hands(listener.accept().unwrap().0, info_hash, pieces, id)
    }

    fn shake_hands(stream: TcpStream, info_hash: InfoHash, pieces: u32, id: u8) -> Self {
        Self::extended(stream, info_hash, pieces, id, false)
    }

    fn extended(mut stream: TcpStream, info_hash: InfoHash, pieces: u32, id: u8, extended: bool) -> Self {
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut peer_id = [id; 20];
        if let IpAddr::V4(ip) = stream.local_addr().unwrap().ip() {
            // each machine has ids of its own
            peer_id[..4].copy_from_slice(&ip.octets());
        }
        let ours = Handshake {
            info_hash,
            peer_id: PeerId(peer_id),
            fast: true,
            extended,
        };
        stream.write_all(&ours.encode()).unwrap();
        let mut theirs = [0; Handshake::LEN];
        stream.read_exact(&mut theirs).unwrap();
        assert_eq!(Handshake::decode(&theirs).unwrap().info_hash, info_hash);
        Self {
            stream,
            codec: Codec::new(pieces),
            buf: BytesMut::new(),
        }
    }

    /// Sends a message; whether the agent still takes it is seen by [`is_closed`](Self::is_closed).
    pub(crate) fn send(&mut self, message: &Message) {
        let mut out = BytesMut::new();
        Codec::encode(message, &mut out);
        self.raw(&out);
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// The next message; `None` when the agent has closed the connection.
    pub(crate) fn next(&mut self) -> Option<Message> {
        match self.hear(Duration::from_secs(30)) {
            Heard::Message(message) => Some(message),
            Heard::End => None,
            Heard::Silence => panic!("neither a message nor an end within 30 s"),
        }
    }

    /// What comes next within so long. A message that is half here then is kept for the next call.
    pub(crate) fn hear(&mut self, within: Duration) -> Heard {
        let end = Instant::now() + within;
        loop {
            if let Some(message) = self.codec.decode(&mut self.buf).unwrap() {
                return Heard::Message(message);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Heard::Silence;
            }
            self.stream.set_read_timeout(Some(left)).unwrap();
            let mut chunk = [0; 65536];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Heard::End,
                Ok(n) => self.buf.extend_from_slice(&chunk[..n]),
                Err(error) => match error.kind() {
                    ErrorKind::ConnectionReset => return Heard::End,
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => return Heard::Silence,
                    _ => panic!("{error}"),
                },
            }
        }
    }

    /// Reads to the end; panics if there is none.
    pub(crate) fn is_closed(&mut self) -> bool {
        while self.next().is_some() {}
        true
    }
}
