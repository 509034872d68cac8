//! Which characters of a text from elsewhere may stand in a name, a log, a page.

/// Whether a person who reads a text with this character reads what it says: no control character, none that
/// ends a line, none that turns the direction of the text behind it (UAX #9: `gpj.exe` is shown as `exe.jpg`).
pub fn is_printable(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}') && !turns_direction(c)
}

/// Embeddings, overrides and isolates of UAX #9. Marks, which Arabic and Hebrew names have, turn nothing else.
pub(crate) fn turns_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
