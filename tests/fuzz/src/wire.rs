//! The peer wire: handshake, messages, extension handshake, however the network cuts them.

use bytes::BytesMut;
use narrows_wire::{Bitfield, Codec, ExtendedHandshake, Handshake, Message, WireError};

/// The first two bytes are the number of pieces, the third says how the rest is cut. However that is, the
/// same messages come out; they are the same once written and read again; nothing is buffered beyond one
/// message.
pub fn wire(data: &[u8]) {
    handshake(data);
    let Some((&[high, low, seed], stream)) = data.split_first_chunk::<3>() else {
        return;
    };
    let piece_count = u32::from(u16::from_be_bytes([high, low]));
    let codec = Codec::new(piece_count);
    let whole = read(codec, &[stream]);
    assert_eq!(read(codec, &pieces(stream, seed)), whole);

    let (messages, _) = whole;
    let mut written = BytesMut::new();
    for message in &messages {
        Codec::encode(message, &mut written);
        look_into(message, piece_count);
    }
    assert!(written.len() <= stream.len());
    assert_eq!(read(codec, &[&written]), (messages, None));
}

/// All messages of a stream, until it ends or is lost.
fn read(codec: Codec, chunks: &[&[u8]]) -> (Vec<Message>, Option<WireError>) {
    let (mut messages, mut buffer) = (Vec::new(), BytesMut::new());
    for chunk in chunks {
        buffer.extend_from_slice(chunk);
        loop {
            match codec.decode(&mut buffer) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => return (messages, Some(error)),
            }
        }
        assert!(buffer.len() < codec.max_message(), "{} bytes wait", buffer.len());
    }
    (messages, None)
}

/// Cuts a stream into chunks of 1 to 32 bytes, by a linear congruential generator.
fn pieces(mut stream: &[u8], seed: u8) -> Vec<&[u8]> {
    let (mut chunks, mut state) = (Vec::new(), u32::from(seed));
    while !stream.is_empty() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let length = (state >> 27) as usize + 1;
        let (chunk, rest) = stream.split_at(length.min(stream.len()));
        chunks.push(chunk);
        stream = rest;
    }
    chunks
}

/// What a connection does with messages that hold more than numbers.
fn look_into(message: &Message, piece_count: u32) {
    match message {
        Message::Bitfield(bits) => {
            if let Ok(pieces) = Bitfield::from_wire(bits, piece_count) {
                assert_eq!(&pieces.to_wire(), bits);
                assert_eq!(pieces.iter_ones().count() as u32, pieces.count());
                assert_eq!(pieces.iter_missing().count() as u32, piece_count - pieces.count());
            }
        }
        Message::Extended { id: 0, payload } => {
            if let Ok(hello) = ExtendedHandshake::decode(payload) {
                assert!(hello.client.len() <= 64);
                assert_eq!(ExtendedHandshake::decode(&hello.encode()), Ok(hello));
            }
        }
        _ => {}
    }
}

/// Unknown bits aside, a handshake is the same once written and read again.
fn handshake(data: &[u8]) {
    let Some(bytes) = data.first_chunk::<{ Handshake::LEN }>() else {
        return;
    };
    if let Ok(handshake) = Handshake::decode(bytes) {
        let again = Handshake::decode(&handshake.encode());
        assert_eq!(again, Ok(handshake));
    }
}
