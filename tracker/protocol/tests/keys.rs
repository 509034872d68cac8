//! The lists of keys are what is sent.

use std::collections::BTreeSet;

use narrows_protocol::announce::keys;

#[test]
fn no_list_has_a_key_twice_and_no_agents_key_is_a_clients() {
    for all in [
        keys::request::ALL,
        keys::agent::ALL,
        keys::reply::ALL,
        keys::narrows::ALL,
        keys::parent::ALL,
        keys::networks::ALL,
        keys::rates::ALL,
        keys::peer::ALL,
        keys::refusal::ALL,
    ] {
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "{all:?}");
    }
    assert!(!keys::agent::ALL.iter().any(|key| keys::request::ALL.contains(key)));
}

#[test]
fn keys_of_a_reply_stand_in_the_order_in_which_bencode_wants_them() {
    for all in [
        keys::reply::ALL,
        keys::narrows::ALL,
        keys::parent::ALL,
        keys::networks::ALL,
        keys::rates::ALL,
        keys::refusal::ALL,
    ] {
        assert!(all.is_sorted(), "{all:?}");
    }
}
