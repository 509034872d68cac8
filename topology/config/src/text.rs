//! From bytes to text. What is not UTF-8 is a mistake, and is read all the same: so the file's other mistakes
//! are found.

use std::borrow::Cow;

use crate::{Place, Report};

/// The text of a file, and what is wrong with its bytes.
pub(crate) struct Decoded<'b> {
    pub(crate) text: Cow<'b, str>,
    flaw: Option<Flaw>,
}

struct Flaw {
    at: Place,
    problem: String,
    help: String,
}

impl Decoded<'_> {
    /// Notes what is wrong with the bytes. The report is one of this text.
    pub(crate) fn tell(&self, report: &mut Report<'_>) {
        if let Some(flaw) = &self.flaw {
            report.add(flaw.at, flaw.problem.clone(), flaw.help.clone());
        }
    }
}

/// What a file's bytes mean.
pub(crate) fn decode(bytes: &[u8]) -> Decoded<'_> {
    if let Some((name, text)) = wide(bytes) {
        let at = Place {
            width: usize::MAX,
            ..Place::START
        };
        return Decoded {
            text: Cow::Owned(text),
            flaw: Some(Flaw {
                at,
                problem: format!("this file is {name}, not UTF-8"),
                help: "save it as UTF-8: `UTF-8` as the encoding in Notepad, `-Encoding utf8` in PowerShell"
                    .to_owned(),
            }),
        };
    }
    // Notepad begins a file of UTF-8 so, and means nothing by it
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => Decoded {
            text: Cow::Borrowed(text),
            flaw: None,
        },
        Err(error) => latin1(bytes, error.error_len().is_none()),
    }
}

/// UTF-32 or UTF-16, by its mark at the beginning, or by every other byte being 0.
fn wide(bytes: &[u8]) -> Option<(&'static str, String)> {
    let utf16 = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let (pairs, _) = bytes.as_chunks::<2>();
        let units: Vec<u16> = pairs.iter().map(|pair| unit(*pair)).collect();
        ("UTF-16", String::from_utf16_lossy(&units))
    };
    let utf32 = |bytes: &[u8], unit: fn([u8; 4]) -> u32| {
        let (fours, _) = bytes.as_chunks::<4>();
        let chars =
            fours.iter().map(|four| char::from_u32(unit(*four)).unwrap_or(char::REPLACEMENT_CHARACTER));
        ("UTF-32", chars.collect())
    };
    match bytes {
        [0xff, 0xfe, 0, 0, rest @ ..] => return Some(utf32(rest, u32::from_le_bytes)),
        [0, 0, 0xfe, 0xff, rest @ ..] => return Some(utf32(rest, u32::from_be_bytes)),
        [0xff, 0xfe, rest @ ..] => return Some(utf16(rest, u16::from_le_bytes)),
        [0xfe, 0xff, rest @ ..] => return Some(utf16(rest, u16::from_be_bytes)),
        _ => {}
    }
    let (pairs, _) = bytes[..bytes.len().min(64)].as_chunks::<2>();
    let most = |count: usize| pairs.len() >= 2 && count * 5 >= pairs.len() * 4;
    if most(pairs.iter().filter(|[a, b]| *a != 0 && *b == 0).count()) {
        return Some(utf16(bytes, u16::from_le_bytes));
    }
    if most(pairs.iter().filter(|[a, b]| *a == 0 && *b != 0).count()) {
        return Some(utf16(bytes, u16::from_be_bytes));
    }
    None
}

/// Bytes that are UTF-8 in part. What is not is read as Latin-1, so that a person recognizes the line.
fn latin1(bytes: &[u8], cut_off: bool) -> Decoded<'static> {
    let mut text = String::with_capacity(bytes.len());
    let mut first: Option<(Place, u8)> = None;
    let mut count = 0usize;
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        if let (None, Some(byte)) = (first, chunk.invalid().first()) {
            first = Some((end_of(&text), *byte));
        }
        count += chunk.invalid().len();
        // 0x80 to 0x9f are control characters in Latin-1, and other things in its relatives
        let shown = |byte: u8| match byte {
            0x80..0xa0 => char::REPLACEMENT_CHARACTER,
            byte => char::from(byte),
        };
        text.extend(chunk.invalid().iter().map(|byte| shown(*byte)));
    }
    let flaw = first.map(|(at, byte)| {
        let more = match count {
            1 => String::new(),
            count => format!("; {} more such bytes follow", count - 1),
        };
        let (problem, help) = match byte {
            _ if cut_off => (
                "the file ends in the middle of a character".to_owned(),
                "it was not written whole: write it again".to_owned(),
            ),
            0xa0.. => (
                format!("the byte 0x{byte:X} is not UTF-8"),
                format!(
                    "save the file as UTF-8; as it stands it looks like Latin-1, where this is `{}`{more}",
                    char::from(byte)
                ),
            ),
            _ => (
                format!("the byte 0x{byte:X} is not UTF-8"),
                format!("save the file as UTF-8{more}"),
            ),
        };
        Flaw { at, problem, help }
    });
    Decoded {
        text: Cow::Owned(text),
        flaw,
    }
}

/// The place after the last character.
fn end_of(text: &str) -> Place {
    // a dot, so that a line that has only begun counts
    let text = format!("{text}.");
    let lines = crate::report::lines(&text);
    Place {
        line: lines.len(),
        column: lines.last().map_or(1, |line| line.chars().count()),
        width: 1,
    }
}
