//! The extension handshake (BEP 10), and what agents say of themselves in it.

use bendy::decoding::{Decoder, DictDecoder, Object};
use bytes::Bytes;
use narrows_protocol::is_printable;

use crate::WireError;

/// The most bytes of an extension message's payload that we take.
pub const MAX_EXTENDED: usize = 16 * 1024;

/// How deep a dictionary may nest: `{m: {..}, narrows: {..}}` needs two.
const MAX_DEPTH: usize = 4;

/// The longest text we take from a peer, in bytes.
const MAX_TEXT: usize = 64;

/// The id under which we take `upload_only` messages (BEP 21, as libtorrent sends it: one byte, 0 or 1).
pub const UPLOAD_ONLY: u8 = 1;

/// The id under which we take `narrows_wrong` messages: four bytes, the number of a piece of ours that came
/// with a wrong hash.
pub const WRONG: u8 = 2;

/// The extension handshake (BEP 10): message id 20, extension id 0.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ExtendedHandshake {
    /// Key `v`: name and version of the client; empty if it does not say.
    pub client: String,
    /// Key `reqq`: how many requests the sender queues.
    pub reqq: Option<u32>,
    /// Key `p`: the port the sender listens on.
    pub port: Option<u16>,
    /// Key `m`: under which ids the sender takes messages; of other extensions nothing is kept.
    pub takes: Extensions,
    /// Key `upload_only` (BEP 21): the sender has all it wants.
    pub upload_only: bool,
    /// Key `narrows`: the sender is one of us.
    pub narrows: Option<Hello>,
}

/// Ids of extension messages, chosen by their receiver; `None`: it does not take them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Extensions {
    /// `upload_only` (BEP 21).
    pub upload_only: Option<u8>,
    /// `narrows_wrong`.
    pub wrong: Option<u8>,
}

impl Extensions {
    /// What we take.
    pub const OURS: Self = Self {
        upload_only: Some(UPLOAD_ONLY),
        wrong: Some(WRONG),
    };

    fn encode(self, out: &mut Vec<u8>) {
        out.push(b'd');
        for (name, id) in [("narrows_wrong", self.wrong), ("upload_only", self.upload_only)] {
            if let Some(id) = id {
                push_text(out, name);
                out.extend_from_slice(format!("i{id}e").as_bytes());
            }
        }
        out.push(b'e');
    }

    /// What is not listed is as before; an id of 0 says that the extension is off (BEP 10).
    fn decode(mut dict: DictDecoder<'_, '_>, before: Self) -> Result<Self, WireError> {
        let mut out = before;
        while let Some((key, value)) = next_pair(&mut dict)? {
            let Object::Integer(text) = value else { continue };
            let id = text.parse().ok().filter(|id| *id != 0);
            match key {
                b"narrows_wrong" => out.wrong = id,
                b"upload_only" => out.upload_only = id,
                _ => {}
            }
        }
        Ok(out)
    }
}

/// What one agent tells another: the dictionary
/// `d5:agent..9:forgotteni1e7:gatewayi1e5:guesti1e4:site..3:wani1ee`; `forgotten`, `gateway` and `guest` are
/// left out if 0.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Hello {
    /// The agent's stable id, 1 to 64 bytes.
    pub agent: String,
    /// Its site; empty until the tracker told it.
    pub site: String,
    /// The dialler says: this connection crosses the WAN.
    pub wan: bool,
    /// It fetches across the WAN for its site at present.
    pub gateway: bool,
    /// The tracker names it no upstream: it may have restarted, and not know the receiver yet.
    pub forgotten: bool,
    /// Key `guest`: it serves no peer and does not say what it has (`share: never`).
    pub non_sharing: bool,
}

impl ExtendedHandshake {
    /// The payload, bencoded.
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(160);
        out.extend_from_slice(b"d1:m");
        self.takes.encode(&mut out);
        if let Some(hello) = &self.narrows {
            out.extend_from_slice(b"7:narrowsd5:agent");
            push_text(&mut out, &hello.agent);
            if hello.forgotten {
                out.extend_from_slice(b"9:forgotteni1e");
            }
            if hello.gateway {
                out.extend_from_slice(b"7:gatewayi1e");
            }
            if hello.non_sharing {
                out.extend_from_slice(b"5:guesti1e");
            }
            out.extend_from_slice(b"4:site");
            push_text(&mut out, &hello.site);
            out.extend_from_slice(if hello.wan { b"3:wani1ee" } else { b"3:wani0ee" });
        }
        if let Some(port) = self.port {
            out.extend_from_slice(format!("1:pi{port}e").as_bytes());
        }
        if let Some(reqq) = self.reqq {
            out.extend_from_slice(format!("4:reqqi{reqq}e").as_bytes());
        }
        if self.upload_only {
            out.extend_from_slice(b"11:upload_onlyi1e");
        }
        if !self.client.is_empty() {
            out.extend_from_slice(b"1:v");
            push_text(&mut out, &self.client);
        }
        out.push(b'e');
        out.into()
    }

    /// Reads the payload of a connection's first handshake.
    ///
    /// # Errors
    /// [`WireError::BadExtended`] if it is larger than [`MAX_EXTENDED`], no bencoded dictionary, nested too
    /// deep, or holds a `narrows` that is not as [`Hello`] says. Wrong types of the standard keys read as
    /// absent.
    pub fn decode(payload: &[u8]) -> Result<Self, WireError> {
        Self::decode_after(Extensions::default(), payload)
    }

    /// Reads the payload of a later handshake, which lists only what changes of the extensions that the sender
    /// took `before` (BEP 10).
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub fn decode_after(before: Extensions, payload: &[u8]) -> Result<Self, WireError> {
        if payload.len() > MAX_EXTENDED {
            return Err(WireError::BadExtended("larger than 16 KiB"));
        }
        let mut decoder = Decoder::new(payload).with_max_depth(MAX_DEPTH);
        let Ok(Some(Object::Dict(mut dict))) = decoder.next_object() else {
            return Err(WireError::BadExtended("not a dictionary"));
        };
        let mut out = Self {
            takes: before,
            ..Self::default()
        };
        while let Some((key, value)) = next_pair(&mut dict)? {
            match (key, value) {
                (b"m", Object::Dict(listed)) => out.takes = Extensions::decode(listed, before)?,
                (b"upload_only", Object::Integer(text)) => out.upload_only = text != "0",
                (b"narrows", Object::Dict(hello)) => out.narrows = Some(Hello::decode(hello)?),
                (b"narrows", _) => return Err(WireError::BadExtended("`narrows` is not a dictionary")),
                (b"p", Object::Integer(text)) => out.port = text.parse().ok().filter(|port| *port != 0),
                (b"reqq", Object::Integer(text)) => out.reqq = text.parse().ok(),
                (b"v", Object::Bytes(text)) => out.client = printable(text).unwrap_or_default(),
                _ => {}
            }
        }
        Ok(out)
    }
}

impl Hello {
    fn decode(mut dict: DictDecoder<'_, '_>) -> Result<Self, WireError> {
        const BAD: WireError = WireError::BadExtended("`narrows` holds a bad agent or site");
        let mut out = Self::default();
        while let Some((key, value)) = next_pair(&mut dict)? {
            match (key, value) {
                (b"agent", Object::Bytes(text)) => out.agent = printable(text).ok_or(BAD)?,
                (b"site", Object::Bytes(text)) => out.site = printable(text).ok_or(BAD)?,
                (b"wan", Object::Integer(text)) => out.wan = text != "0",
                (b"gateway", Object::Integer(text)) => out.gateway = text != "0",
                (b"forgotten", Object::Integer(text)) => out.forgotten = text != "0",
                (b"guest", Object::Integer(text)) => out.non_sharing = text != "0",
                (b"agent" | b"forgotten" | b"gateway" | b"guest" | b"site" | b"wan", _) => return Err(BAD),
                _ => {}
            }
        }
        if out.agent.is_empty() { Err(BAD) } else { Ok(out) }
    }
}

fn next_pair<'obj, 'ser>(
    dict: &'obj mut DictDecoder<'_, 'ser>,
) -> Result<Option<(&'ser [u8], Object<'obj, 'ser>)>, WireError> {
    dict.next_pair().map_err(|_| WireError::BadExtended("not well-formed"))
}

/// Text of at most 64 bytes whose characters are all [printable](is_printable).
fn printable(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    (text.len() <= MAX_TEXT && text.chars().all(is_printable)).then(|| text.to_owned())
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.len().to_string().as_bytes());
    out.push(b':');
    out.extend_from_slice(text.as_bytes());
}
