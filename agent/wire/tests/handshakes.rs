//! Handshakes: the fixed one of BEP 3 and the dictionary of BEP 10.

use narrows_protocol::{InfoHash, PeerId};
use narrows_wire::{ExtendedHandshake, Extensions, Handshake, Hello, WireError};
use proptest::prelude::*;

fn hello() -> impl Strategy<Value = Hello> {
    (
        "[!-~]{1,64}",
        "[a-z0-9/-]{0,64}",
        any::<bool>(),
        any::<(bool, bool, bool)>(),
    )
        .prop_map(|(agent, site, wan, (gateway, forgotten, non_sharing))| Hello {
            agent,
            site,
            wan,
            gateway,
            forgotten,
            non_sharing,
        })
}

fn extended() -> impl Strategy<Value = ExtendedHandshake> {
    (
        "[ -~]{0,64}",
        any::<Option<u32>>(),
        proptest::option::of(1u16..),
        proptest::option::of(hello()),
        (proptest::option::of(1u8..), proptest::option::of(1u8..)),
        any::<bool>(),
    )
        .prop_map(
            |(client, reqq, port, narrows, (upload_only, wrong), done)| ExtendedHandshake {
                client,
                reqq,
                port,
                takes: Extensions { upload_only, wrong },
                upload_only: done,
                narrows,
            },
        )
}

proptest! {
    #[test]
    fn a_handshake_comes_back(hash: [u8; 20], id: [u8; 20], fast: bool, extended: bool) {
        let handshake = Handshake { info_hash: InfoHash(hash), peer_id: PeerId(id), fast, extended };
        prop_assert_eq!(Handshake::decode(&handshake.encode()), Ok(handshake));
    }

    #[test]
    fn bytes_of_another_protocol_are_refused(mut bytes in prop::array::uniform32(any::<u8>()), at in 0usize..20) {
        bytes[..20].copy_from_slice(b"\x13BitTorrent protocol");
        bytes[at] ^= 0x55;
        let mut whole = [0; 68];
        whole[..32].copy_from_slice(&bytes);
        prop_assert_eq!(Handshake::decode(&whole), Err(WireError::NotBitTorrent));
    }

    #[test]
    fn an_extension_handshake_comes_back(message in extended()) {
        prop_assert_eq!(ExtendedHandshake::decode(&message.encode()), Ok(message));
    }

    #[test]
    fn arbitrary_extension_payloads_never_panic(payload in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = ExtendedHandshake::decode(&payload);
    }

    #[test]
    fn nearly_valid_extension_payloads_never_panic(message in extended(), at: prop::sample::Index, value: u8) {
        let mut payload = message.encode().to_vec();
        let at = at.index(payload.len());
        payload[at] = value;
        let _ = ExtendedHandshake::decode(&payload);
    }
}

#[test]
fn the_narrows_dictionary_is_as_designed() {
    let narrows = Some(Hello {
        agent: "m-1".into(),
        site: "munich".into(),
        wan: true,
        gateway: false,
        forgotten: false,
        non_sharing: false,
    });
    let payload = ExtendedHandshake {
        narrows,
        ..Default::default()
    }
    .encode();
    assert_eq!(
        &payload[..],
        b"d1:mde7:narrowsd5:agent3:m-14:site6:munich3:wani1eee"
    );
}

#[test]
fn the_handshake_of_a_stock_client_is_read() {
    let payload = b"d1:md11:ut_metadatai3e6:ut_pexi1ee13:metadata_sizei31235e1:pi6881e4:reqqi500e1:v17:libtorrent/2.0.11e";
    let message = ExtendedHandshake::decode(payload).unwrap();
    assert_eq!(message.client, "libtorrent/2.0.11");
    assert_eq!(
        (message.reqq, message.port, message.narrows),
        (Some(500), Some(6881), None)
    );
}

#[test]
fn what_we_take_is_listed_in_the_order_of_bencode_and_an_id_of_0_is_off() {
    let handshake = ExtendedHandshake {
        takes: Extensions::OURS,
        upload_only: true,
        ..Default::default()
    };
    let payload = handshake.encode();
    let expected: &[u8] = b"d1:md13:narrows_wrongi2e11:upload_onlyi1ee11:upload_onlyi1ee";
    assert_eq!(&payload[..], expected);
    let off = ExtendedHandshake::decode(b"d1:md13:narrows_wrongi0e11:upload_onlyi3e6:ut_pexi-1eee").unwrap();
    let expected = Extensions {
        upload_only: Some(3),
        wrong: None,
    };
    assert_eq!((off.takes, off.upload_only), (expected, false));
}

#[test]
fn a_later_handshake_lists_only_what_changes_of_the_extensions() {
    for (later, upload_only, wrong) in [
        (&b"d4:reqqi9ee"[..], Some(1), Some(2)),
        (b"d1:mdee", Some(1), Some(2)),
        (b"d1:md11:upload_onlyi7eee", Some(7), Some(2)),
        (b"d1:md13:narrows_wrongi0eee", Some(1), None),
    ] {
        let said = ExtendedHandshake::decode_after(Extensions::OURS, later).unwrap();
        assert_eq!(said.takes, Extensions { upload_only, wrong });
    }
}

#[test]
fn too_deep_and_too_large_dictionaries_are_refused() {
    let deep = [b"d1:m".repeat(40), b"de".to_vec(), b"e".repeat(40)].concat();
    assert!(ExtendedHandshake::decode(&deep).is_err());
    let large = [b"d1:v16400:".to_vec(), vec![b'x'; 16_400], b"e".to_vec()].concat();
    assert!(ExtendedHandshake::decode(&large).is_err());
}

#[test]
fn an_agent_without_a_name_or_with_control_characters_is_refused() {
    for bad in [
        "d7:narrowsd5:agent0:ee",
        "d7:narrowsd4:site1:aee",
        "d7:narrowsd5:agent2:a\nee",
        "d7:narrowsd5:agent4:a\u{202e}ee",
        "d7:narrows1:xe",
    ] {
        assert!(ExtendedHandshake::decode(bad.as_bytes()).is_err(), "{bad}");
    }
}
