//! Servers and clients in one process: who is believed, and what a person hears if one is not.

use std::io;
use std::path::Path;
use std::sync::Arc;

use narrows_tls::{Fault, FileError, Identity, Pin, Trust, TrustError};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, HandshakeKind, ServerConfig, ServerConnection};
use tempfile::TempDir;

const NAME: &str = "tracker.example.com";

fn own(folder: &Path) -> Identity {
    Identity::own(
        folder,
        &[NAME.to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()],
    )
    .expect("an identity")
}

fn pinned(pins: &[&Identity]) -> Trust {
    Trust {
        pins: pins.iter().map(|identity| *identity.pin()).collect(),
        authorities: None,
    }
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

/// Passes bytes to and fro until both are done; how the session began.
fn shake(server: Arc<ServerConfig>, client: Arc<ClientConfig>, name: &str) -> Result<HandshakeKind, Fault> {
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let mut client = ClientConnection::new(client, name).expect("a client");
    let mut server = ServerConnection::new(server).expect("a server");
    let wrong = |error: rustls::Error| Fault::of(&io::Error::new(io::ErrorKind::InvalidData, error));
    while client.is_handshaking() || server.is_handshaking() || server.wants_write() {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).expect("written");
        server.read_tls(&mut wire.as_slice()).expect("read");
        let served = server.process_new_packets();
        wire.clear();
        server.write_tls(&mut wire).expect("written");
        client.read_tls(&mut wire.as_slice()).expect("read");
        client.process_new_packets().map_err(wrong)?;
        served.map_err(wrong)?;
    }
    Ok(client.handshake_kind().expect("it is done"))
}

fn meet(identity: &Identity, trust: &Trust) -> Result<HandshakeKind, Fault> {
    shake(
        identity.server().expect("a server"),
        trust.client().expect("a client"),
        NAME,
    )
}

#[test]
fn a_client_that_knows_the_pin_speaks_to_the_server_by_any_name_and_its_next_session_is_resumed() {
    let folder = folder();
    let identity = own(folder.path());
    let (server, client) = (
        identity.server().expect("a server"),
        pinned(&[&identity]).client().expect("a client"),
    );
    for name in [NAME, "10.1.2.3"] {
        let first = shake(Arc::clone(&server), Arc::clone(&client), name);
        assert_eq!(first, Ok(HandshakeKind::Full), "{name}");
        let second = shake(Arc::clone(&server), Arc::clone(&client), name);
        assert_eq!(second, Ok(HandshakeKind::Resumed), "{name}");
    }
}

#[test]
fn another_key_is_refused_by_both_pins_and_taken_once_it_is_the_second_that_is_known() {
    let (old, new) = (folder(), folder());
    let (old, new) = (own(old.path()), own(new.path()));
    let Err(Fault::WrongPin(wrong)) = meet(&new, &pinned(&[&old])) else {
        panic!("it must be refused");
    };
    let sentence = wrong.to_string();
    assert!(
        sentence.contains(&old.pin().to_string()) && sentence.contains(&new.pin().to_string()),
        "{sentence}"
    );
    let both = pinned(&[&old, &new]);
    assert!(meet(&old, &both).is_ok() && meet(&new, &both).is_ok());
}

#[test]
fn a_session_of_the_old_key_does_not_outlive_its_replacement() {
    let (old, new) = (folder(), folder());
    let (old, new) = (own(old.path()), own(new.path()));
    let client = pinned(&[&old]).client().expect("a client");
    let server = old.server().expect("a server");
    for _ in 0..2 {
        shake(Arc::clone(&server), Arc::clone(&client), NAME).expect("the old one is known");
    }
    let replaced = shake(new.server().expect("a server"), client, NAME);
    assert!(matches!(replaced, Err(Fault::WrongPin(_))), "{replaced:?}");
}

#[test]
fn authorities_ask_for_name_and_signature_and_pins_beside_them_for_the_key_too() {
    let (one, two) = (folder(), folder());
    let (identity, other) = (own(one.path()), own(two.path()));
    let of = |folder: &TempDir, pins: &[&Identity]| Trust {
        authorities: Some(Identity::certificate_path(folder.path())),
        ..pinned(pins)
    };
    let server = || identity.server().expect("a server");
    let client = |trust: Trust| trust.client().expect("a client");
    for name in [NAME, "127.0.0.1", "::1"] {
        assert!(shake(server(), client(of(&one, &[])), name).is_ok(), "{name}");
    }
    assert_eq!(
        shake(server(), client(of(&one, &[])), "other.example.com"),
        Err(Fault::OtherName)
    );
    assert_eq!(meet(&identity, &of(&two, &[])), Err(Fault::UnknownAuthority));
    assert!(meet(&identity, &of(&one, &[&identity])).is_ok());
    assert!(matches!(
        meet(&identity, &of(&one, &[&other])),
        Err(Fault::WrongPin(_))
    ));
    assert_eq!(
        meet(&identity, &of(&two, &[&identity])),
        Err(Fault::UnknownAuthority)
    );
}

#[test]
fn who_knows_neither_a_pin_nor_an_authority_believes_no_server() {
    assert!(matches!(Trust::default().client(), Err(TrustError::Empty)));
    let dir = folder();
    let file = dir.path().join("ca.pem");
    let trust = Trust {
        authorities: Some(file.clone()),
        pins: Vec::new(),
    };
    for text in [
        None,
        Some(""),
        Some("no PEM"),
        Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
    ] {
        if let Some(text) = text {
            std::fs::write(&file, text).expect("written");
        }
        let error = trust.client().expect_err("nothing to trust").to_string();
        assert!(error.contains("ca.pem"), "{error}");
    }
}

#[test]
fn the_key_is_made_once_and_the_certificate_follows_key_and_names() {
    let dir = folder();
    let read = |path: std::path::PathBuf| std::fs::read_to_string(path).expect("a file");
    let first = own(dir.path());
    let (key, certificate) = (
        read(Identity::key_path(dir.path())),
        read(Identity::certificate_path(dir.path())),
    );
    let again = own(dir.path());
    assert_eq!(
        (again.pin(), read(Identity::key_path(dir.path()))),
        (first.pin(), key.clone())
    );
    assert_eq!(read(Identity::certificate_path(dir.path())), certificate);

    let renamed = Identity::own(dir.path(), &["other.example.com".to_owned()]).expect("an identity");
    assert_eq!(renamed.pin(), first.pin(), "a name changes no key");
    assert_ne!(read(Identity::certificate_path(dir.path())), certificate);

    std::fs::remove_file(Identity::key_path(dir.path())).expect("removed");
    let replaced = own(dir.path());
    assert_ne!(replaced.pin(), first.pin());
    assert!(read(Identity::certificate_path(dir.path())).contains(&replaced.pin().to_string()));
}

#[test]
fn a_key_that_does_not_belong_to_the_certificate_is_refused_with_both_files() {
    let (one, two) = (folder(), folder());
    let (first, _) = (own(one.path()), own(two.path()));
    let certificate = Identity::certificate_path(one.path());
    let given = |key: &TempDir| Identity::given(&certificate, &Identity::key_path(key.path()));
    assert_eq!(given(&one).expect("they belong together").pin(), first.pin());
    let error = given(&two).expect_err("they do not");
    assert!(matches!(&error, FileError::Mismatch { .. }), "{error}");
    let sentence = error.to_string();
    assert!(
        sentence.contains("tls.crt") && sentence.contains("tls.key"),
        "{sentence}"
    );
}

#[cfg(unix)]
#[test]
fn a_key_that_others_may_read_is_refused_and_stays_as_it_is() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = folder();
    let path = Identity::key_path(dir.path());
    own(dir.path());
    let key = std::fs::read(&path).expect("a key");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("opened");
    let error = Identity::own(dir.path(), &[]).expect_err("it is open to others");
    assert!(error.to_string().contains("chmod 600"), "{error}");
    let given = Identity::given(&Identity::certificate_path(dir.path()), &path);
    assert!(matches!(given, Err(FileError::Open { .. })), "{given:?}");
    assert_eq!(std::fs::read(&path).expect("a key"), key);
}

#[test]
fn a_file_that_holds_no_key_says_what_to_do() {
    let dir = folder();
    own(dir.path());
    let (certificate, key) = (
        Identity::certificate_path(dir.path()),
        dir.path().join("broken.key"),
    );
    let missing = Identity::given(&certificate, &key).expect_err("none").to_string();
    assert!(
        missing.contains("cannot read") && missing.contains("broken.key"),
        "{missing}"
    );
    for (text, says) in [
        ("", "no private key"),
        (
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
            "openssl pkey",
        ),
        (
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            "ECDSA",
        ),
        ("-----BEGIN PRIVATE KEY-----\nAAAA", "ECDSA"),
    ] {
        std::fs::write(&key, text).expect("written");
        let error = Identity::given(&certificate, &key).expect_err("no key").to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn a_pin_says_the_same_as_the_certificate() {
    let dir = folder();
    let identity = own(dir.path());
    let key = narrows_tls::read_key(&Identity::key_path(dir.path())).expect("a key");
    assert_eq!(&key, identity.pin());
    let text = std::fs::read_to_string(Identity::certificate_path(dir.path())).expect("a certificate");
    let shown: Pin = text
        .split([' ', ','])
        .find(|word| word.starts_with("sha256/"))
        .expect("a pin")
        .parse()
        .expect("a pin");
    assert_eq!(&shown, identity.pin());
}
