//! What the codec promises for every message and for every stream of bytes.

use bytes::{Bytes, BytesMut};
use narrows_wire::{BLOCK_LEN, Block, Codec, Message, WireError};
use proptest::collection::vec;
use proptest::prelude::*;

const PIECES: u32 = 1003;

fn block() -> impl Strategy<Value = Block> {
    (any::<u32>(), any::<u32>(), any::<u32>()).prop_map(|(piece, begin, len)| Block { piece, begin, len })
}

fn message() -> impl Strategy<Value = Message> {
    prop_oneof![
        Just(Message::KeepAlive),
        Just(Message::Choke),
        Just(Message::Unchoke),
        Just(Message::Interested),
        Just(Message::NotInterested),
        Just(Message::HaveAll),
        Just(Message::HaveNone),
        any::<u32>().prop_map(Message::Have),
        any::<u32>().prop_map(Message::Suggest),
        any::<u32>().prop_map(Message::AllowedFast),
        any::<u16>().prop_map(Message::Port),
        block().prop_map(Message::Request),
        block().prop_map(Message::Cancel),
        block().prop_map(Message::Reject),
        vec(any::<u8>(), PIECES.div_ceil(8) as usize).prop_map(|bits| Message::Bitfield(bits.into())),
        (any::<u32>(), any::<u32>(), vec(any::<u8>(), 1..3000)).prop_map(|(piece, begin, data)| {
            Message::Piece {
                piece,
                begin,
                data: data.into(),
            }
        }),
        (any::<u8>(), vec(any::<u8>(), 0..300)).prop_map(|(id, payload)| Message::Extended {
            id,
            payload: payload.into()
        }),
    ]
}

fn encoded(messages: &[Message]) -> BytesMut {
    let mut out = BytesMut::new();
    for message in messages {
        Codec::encode(message, &mut out);
    }
    out
}

fn decode_all(codec: &Codec, buf: &mut BytesMut) -> Result<Vec<Message>, WireError> {
    let mut out = Vec::new();
    while let Some(message) = codec.decode(buf)? {
        out.push(message);
    }
    Ok(out)
}

proptest! {
    #[test]
    fn messages_come_out_as_they_went_in(messages in vec(message(), 0..20)) {
        let mut stream = encoded(&messages);
        prop_assert_eq!(decode_all(&Codec::new(PIECES), &mut stream), Ok(messages));
        prop_assert!(stream.is_empty());
    }

    #[test]
    fn where_the_stream_is_cut_does_not_matter(messages in vec(message(), 1..6), cuts in vec(any::<prop::sample::Index>(), 0..6)) {
        let stream = encoded(&messages).freeze();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len())).chain([stream.len()]).collect();
        cuts.sort_unstable();
        let codec = Codec::new(PIECES);
        let (mut buf, mut from, mut out) = (BytesMut::new(), 0, Vec::new());
        for to in cuts {
            buf.extend_from_slice(&stream[from..to]);
            out.extend(decode_all(&codec, &mut buf).unwrap());
            from = to;
        }
        prop_assert_eq!(out, messages);
    }

    #[test]
    fn cut_at_any_single_byte_gives_the_same_messages(messages in vec(message(), 1..3)) {
        let stream = encoded(&messages).freeze();
        let codec = Codec::new(PIECES);
        for cut in (0..stream.len()).step_by(1 + stream.len() / 200) {
            let mut buf = BytesMut::from(&stream[..cut]);
            let mut out = decode_all(&codec, &mut buf).unwrap();
            buf.extend_from_slice(&stream[cut..]);
            out.extend(decode_all(&codec, &mut buf).unwrap());
            prop_assert_eq!(&out, &messages);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic_and_never_wait_for_more_than_a_message(bytes in vec(any::<u8>(), 0..600), pieces in 0u32..2000) {
        let codec = Codec::new(pieces);
        let mut buf = BytesMut::from(&bytes[..]);
        if decode_all(&codec, &mut buf).is_ok() {
            prop_assert!(buf.len() < codec.max_message());
        }
    }

    #[test]
    fn nearly_valid_streams_never_panic(messages in vec(message(), 1..6), flips in vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut stream = encoded(&messages);
        for (at, value) in flips {
            let at = at.index(stream.len());
            stream[at] = value;
        }
        let _ = decode_all(&Codec::new(PIECES), &mut stream);
    }

    #[test]
    fn a_length_that_its_kind_does_not_have_is_refused_from_the_first_five_bytes(id in 0u8..=20, len in 1u32..20_000) {
        let right = match id {
            0..=3 | 14 | 15 => len == 1,
            4 | 13 | 17 => len == 5,
            5 => len == 1 + PIECES.div_ceil(8),
            6 | 8 | 16 => len == 13,
            7 => (10..=9 + BLOCK_LEN).contains(&len),
            9 => len == 3,
            20 => (2..=2 + 16 * 1024).contains(&len),
            _ => len <= 9 + BLOCK_LEN,
        };
        let mut buf = BytesMut::from(&len.to_be_bytes()[..]);
        buf.extend_from_slice(&[id]);
        let outcome = Codec::new(PIECES).decode(&mut buf);
        prop_assert_eq!(outcome.is_ok(), right, "{:?}", outcome);
    }
}

#[test]
fn a_length_prefix_beyond_every_message_is_refused_at_once() {
    for len in [16 * 1024 + 10, 1 << 20, u32::MAX] {
        let mut buf = BytesMut::from(&u32::to_be_bytes(len)[..]);
        assert!(
            matches!(Codec::new(PIECES).decode(&mut buf), Err(WireError::TooLong { len: found, .. }) if found == len)
        );
    }
}

#[test]
fn a_bitfield_larger_than_a_block_is_taken_if_the_content_is_that_large() {
    let pieces = 300_000;
    let message = Message::Bitfield(Bytes::from(vec![0xff; 37_500]));
    let mut stream = encoded(std::slice::from_ref(&message));
    assert_eq!(Codec::new(pieces).decode(&mut stream), Ok(Some(message)));
}

#[test]
fn the_data_of_a_piece_is_not_copied() {
    let message = Message::Piece {
        piece: 1,
        begin: 2,
        data: Bytes::from(vec![7; 100]),
    };
    let mut stream = encoded(std::slice::from_ref(&message));
    let address = stream[Codec::PIECE_HEADER..].as_ptr();
    let Ok(Some(Message::Piece { data, .. })) = Codec::new(PIECES).decode(&mut stream) else {
        panic!("a piece")
    };
    assert_eq!(data.as_ptr(), address);
}

#[test]
fn messages_of_unknown_kinds_are_skipped() {
    let mut stream = BytesMut::from(&b"\0\0\0\x03\x63ab"[..]);
    Codec::encode(&Message::Choke, &mut stream);
    assert_eq!(Codec::new(PIECES).decode(&mut stream), Ok(Some(Message::Choke)));
}
