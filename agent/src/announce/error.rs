//! Why an announce failed, in words for a person: what a tracker sends is shown only as far as it is visible.

use std::fmt;
use std::io;

use hyper::StatusCode;
use narrows_protocol::{AnnounceUrlError, Failure, ReplyError};
use narrows_tls::{Fault, TrustError};

/// How much of a tracker's reason, and of a body that is no announce reply, a person is shown, in characters.
pub(super) const MAX_REASON: usize = 500;
const MAX_QUOTED: usize = 200;

/// No tracker took an announce.
#[derive(Debug)]
pub(crate) struct AnnounceError {
    /// Each that was asked, with what became of it; none: the .torrent names no tracker.
    pub(super) asked: Vec<(String, TrackerError)>,
}

impl std::error::Error for AnnounceError {}

impl fmt::Display for AnnounceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.asked.is_empty() {
            return f.write_str("the .torrent names no tracker");
        }
        for (i, (url, error)) in self.asked.iter().enumerate() {
            let joint = if i == 0 { "" } else { "; " };
            write!(f, "{joint}{url}: {error}")?;
        }
        Ok(())
    }
}

/// Why one tracker did not take it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrackerError {
    /// The URL is none that announces go to.
    #[error(transparent)]
    Url(#[from] AnnounceUrlError),
    /// Its name is unknown, or cannot be looked up.
    #[error("name lookup: {0}")]
    Lookup(io::Error),
    /// The name server does not answer.
    #[error("name lookup timed out")]
    LookupTimeout,
    /// It is reached over a family that we do not listen on.
    #[error("its name has no address of our address family")]
    NoAddress,
    /// There is no connection to it.
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    /// It may not be announced to as the configuration stands.
    #[error("{0}")]
    NotAllowed(&'static str),
    /// No tracker over https can be believed.
    #[error("`tracker_ca`: {0}")]
    Trust(TrustError),
    /// It is not the machine that it should be, or speaks no TLS.
    #[error("{}", distrust(.0))]
    Tls(Fault),
    /// It sends us elsewhere.
    #[error(
        "HTTP status {0}: no redirect is followed; write the URL that answers itself as `tracker` in agent.yaml"
    )]
    Redirect(StatusCode),
    /// What it speaks is not HTTP, or it broke off.
    #[error("HTTP: {0}")]
    Http(Box<dyn std::error::Error + Send + Sync>),
    /// It is silent.
    #[error("no answer within 10 s")]
    Timeout,
    /// It says no.
    #[error("{}", refusal(.0))]
    Refused(Failure),
    /// Another server, or a proxy before it, says no: the beginning of what it says.
    #[error("HTTP status {0}{1}")]
    Status(StatusCode, String),
    /// What came is no announce reply: the beginning of it.
    #[error("not a tracker's answer: {0}{1}")]
    Reply(ReplyError, String),
    /// Over IPv4 and over IPv6 (BEP 7).
    #[error("{0}; {1}")]
    BothFamilies(Box<TrackerError>, Box<TrackerError>),
}

/// Why a tracker is not believed, with the key of agent.yaml that says which one is.
fn distrust(fault: &Fault) -> String {
    let key = match fault {
        Fault::WrongPin(_) => " (`tracker_pin` in agent.yaml; on the tracker, `narrows-tracker pin`)",
        Fault::UnknownAuthority => " (`tracker_ca` in agent.yaml)",
        _ => "",
    };
    format!("the tracker is not believed: {fault}{key}")
}

/// What a tracker says to an agent that it refuses, and where it saw us, if it says so (BEP 24): a machine
/// may have several addresses.
fn refusal(failure: &Failure) -> String {
    let reason = printable(failure.reason.as_bytes(), MAX_REASON);
    match failure.external_ip {
        Some(ip) if !reason.contains(&ip.to_string()) => {
            format!("the tracker refuses: {reason} (it sees this agent at {ip})")
        }
        _ => format!("the tracker refuses: {reason}"),
    }
}

/// The beginning of a body that is no announce reply, for a person; nothing if it has none.
pub(super) fn quoted(body: &[u8]) -> String {
    match printable(body, MAX_QUOTED) {
        text if text.is_empty() => text,
        text => format!(": {text:?}"),
    }
}

/// What of foreign bytes may be shown on a terminal and in a log: the first `most` characters that are
/// visible, with one blank for any run of others.
pub(super) fn printable(bytes: &[u8], most: usize) -> String {
    // a character has 4 bytes at most
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(8 * most)]);
    let visible = |c: char| {
        !c.is_control()
            && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || !visible(c)).filter(|word| !word.is_empty()).collect();
    words.join(" ").chars().take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_where_the_tracker_saw_us_once() {
        let named = Failure {
            external_ip: "10.9.8.7".parse().ok(),
            ..Failure::new("your address 10.9.8.7 belongs to no site")
        };
        let text = refusal(&named);
        assert_eq!(
            text,
            "the tracker refuses: your address 10.9.8.7 belongs to no site"
        );
        let unnamed = Failure {
            external_ip: "10.9.8.7".parse().ok(),
            ..Failure::new("unknown peer")
        };
        let text = refusal(&unnamed);
        assert!(
            text.ends_with("unknown peer (it sees this agent at 10.9.8.7)"),
            "{text}"
        );
    }

    #[test]
    fn of_foreign_bytes_the_first_two_hundred_visible_characters_are_shown() {
        let text = quoted(b"not found: this tracker serves /announce\n");
        assert_eq!(text, ": \"not found: this tracker serves /announce\"");
        assert_eq!(quoted(b" \r\n\0"), "");
        let evil = format!("a\x1b[31mb\u{202e}c{}", "\u{e4}".repeat(1000));
        let text = printable(evil.as_bytes(), MAX_QUOTED);
        assert!(
            text.starts_with("a [31mb c\u{e4}") && text.chars().count() == MAX_QUOTED,
            "{text}"
        );
        assert!(printable(&[0xff; 5000], MAX_QUOTED).chars().count() == MAX_QUOTED);
    }
}
