//! Which addresses of a tracker are taken.

use narrows_protocol::{AnnounceUrl, AnnounceUrlError as Error};
use proptest::prelude::*;

#[test]
fn what_an_agent_can_announce_to_is_taken_apart() {
    let cases = [
        ("http://10.1.0.2:6969/announce", "10.1.0.2", 6969, "/announce"),
        (
            "HTTP://tracker.example.com/announce?",
            "tracker.example.com",
            80,
            "/announce",
        ),
        (
            "http://[fd00::1]:6969/announce?passkey=a",
            "fd00::1",
            6969,
            "/announce?passkey=a",
        ),
        ("http://[fd00::1]/a", "fd00::1", 80, "/a"),
        ("http://t/", "t", 80, "/"),
        ("https://t/announce", "t", 443, "/announce"),
        ("HTTPS://[fd00::1]:6971/announce", "fd00::1", 6971, "/announce"),
    ];
    for (text, host, port, path) in cases {
        let url: AnnounceUrl = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(
            (url.host.as_str(), url.port, url.path.as_str()),
            (host, port, path),
            "{text}"
        );
        assert_eq!(url.is_https, text.to_lowercase().starts_with("https"), "{text}");
    }
}

#[test]
fn what_no_agent_can_use_is_refused_in_words() {
    let cases = [
        ("10.1.0.2:6969", Error::NoScheme),
        ("10.1.0.2:6969/announce", Error::NoScheme),
        ("httpss://t:6969/announce", Error::Scheme),
        ("udp://t:6969/announce", Error::Scheme),
        ("http://t:6969", Error::NoPath),
        ("http://t:6969?x=1", Error::NoPath),
        ("http:///announce", Error::NoHost),
        ("http://:6969/announce", Error::NoHost),
        ("http://[t]:6969/announce", Error::NoHost),
        ("http://[::1]6969/announce", Error::NoHost),
        ("http://t:99999/announce", Error::Port),
        ("http://t:0/announce", Error::Port),
        ("http://t:/announce", Error::Port),
        ("http://fd00::1/announce", Error::Port),
        ("http://t:+80/announce", Error::Port),
        ("http://me:secret@t/announce", Error::User),
        ("http://t /announce", Error::Character),
        ("http://m\u{fc}nchen/announce", Error::Character),
        ("", Error::NoScheme),
    ];
    for (text, error) in cases {
        assert_eq!(text.parse::<AnnounceUrl>(), Err(error), "{text}");
    }
}

proptest! {
    #[test]
    fn no_text_is_too_odd_and_what_is_taken_is_taken_again(text in "\\PC{0,60}", tail in "[a-z:/?#@\\[\\]0-9.]{0,40}") {
        for text in [text, format!("http://{tail}"), format!("https://{tail}")] {
            if let Ok(url) = text.parse::<AnnounceUrl>() {
                prop_assert_eq!(url.to_string().parse::<AnnounceUrl>(), Ok(url));
            }
        }
    }
}
