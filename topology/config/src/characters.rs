//! Characters that a person does not see, and that YAML takes for something else than was meant.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_yaml::granit_parser::{Event, Parser, ScalarStyle};

use crate::report::lines;
use crate::tree::options;
use crate::{Place, Report};

/// The text as it was probably meant: what looks like a space is one. Notes each line where it is not.
/// Columns stay.
pub(crate) fn clean<'t>(text: &'t str, report: &mut Report<'_>) -> Cow<'t, str> {
    let mut cleaned = Cow::Borrowed(text);
    if text.contains(forbidden) {
        tell_of_control_characters(text, report);
        cleaned = Cow::Owned(text.replace(forbidden, " "));
    }
    if cleaned.contains(|c| odd_space(c).is_some()) {
        let places = misread_spaces(&cleaned);
        for (at, c) in &places {
            let name = odd_space(*c).unwrap_or("a character");
            let problem = format!(
                "{name} (U+{:04X}) is here, which is no space to YAML",
                u32::from(*c)
            );
            report.add(
                *at,
                problem,
                "write an ordinary space; if it is meant, put the text in quotes",
            );
        }
        if !places.is_empty() {
            cleaned = Cow::Owned(cleaned.replace(|c| odd_space(c).is_some(), " "));
        }
    }
    cleaned
}

/// Where lines are indented with tabs, which YAML does not allow: the first tab of each.
pub(crate) fn tabs_in_indentation(text: &str) -> Vec<Place> {
    let tab = |(i, line): (usize, &&str)| {
        let blank = line.len() - line.trim_start_matches([' ', '\t']).len();
        let (indentation, rest) = line.split_at(blank);
        let first = indentation.find('\t')?;
        let means_nothing = rest.is_empty() || rest.starts_with('#');
        (!means_nothing).then_some(Place {
            line: i + 1,
            column: first + 1,
            width: blank - first,
        })
    };
    lines(text).iter().enumerate().filter_map(tab).collect()
}

/// The text with those lines indented as the line before each, or further below a key without a value; and by
/// how many columns each line has moved.
pub(crate) fn indented_as_before(text: &str, tabs: &[Place]) -> (String, HashMap<usize, isize>) {
    let mut moved = HashMap::new();
    let mut out = String::with_capacity(text.len() + 8 * tabs.len());
    let mut before = 0;
    for (source, number) in lines(text).into_iter().zip(1..) {
        let rest = source.trim_start_matches([' ', '\t']);
        let blank = source.len() - rest.len();
        let means_nothing = rest.is_empty() || rest.starts_with('#');
        if tabs.iter().any(|tab| tab.line == number) {
            moved.insert(number, before as isize - blank as isize);
            out.push_str(&" ".repeat(before));
        } else {
            out.push_str(&source[..blank]);
        }
        if !means_nothing {
            let own = if moved.contains_key(&number) {
                before
            } else {
                blank
            };
            before = if rest.trim_end().ends_with(':') {
                own + 2
            } else {
                own
            };
        }
        out.push_str(rest);
        out.push('\n');
    }
    (out, moved)
}

/// Not allowed in YAML 1.2 (5.1), and never meant: control characters, and a byte order mark inside the file.
fn forbidden(c: char) -> bool {
    (c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}'))
        || matches!(c, '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

fn tell_of_control_characters(text: &str, report: &mut Report<'_>) {
    let count = text.chars().filter(|c| forbidden(*c)).count();
    let found = lines(text).into_iter().zip(1..).find_map(|(line, number)| {
        let column = line.chars().position(forbidden)?;
        let c = line.chars().nth(column)?;
        let width = line.chars().skip(column).take_while(|other| *other == c).count();
        Some((
            Place {
                line: number,
                column: column + 1,
                width,
            },
            c,
        ))
    });
    let Some((at, c)) = found else { return };
    let (name, help) = match c {
        '\0' => (
            "a NUL character",
            "remove it; a file that ends so was not written whole: write it again",
        ),
        '\u{feff}' => (
            "a byte order mark",
            "remove it: it stands between two files that were joined",
        ),
        _ => ("a control character", "remove it"),
    };
    let more = match count.saturating_sub(at.width) {
        0 => String::new(),
        more => format!(" ({more} more such characters follow)"),
    };
    report.add(
        at,
        format!("{name} (U+{:04X}) is here", u32::from(c)),
        format!("{help}{more}"),
    );
}

/// What looks like a space, or like nothing, and is an ordinary letter to YAML.
fn odd_space(c: char) -> Option<&'static str> {
    match c {
        '\u{a0}' | '\u{202f}' => Some("a no-break space"),
        '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{205f}' | '\u{3000}' => Some("a wide or narrow space"),
        '\u{200b}' | '\u{2060}' => Some("an invisible character"),
        _ => None,
    }
}

/// The first such character of each line, where it is not in a comment or between quotes.
fn misread_spaces(text: &str) -> Vec<(Place, char)> {
    let lines = lines(text);
    let mut found: Vec<(Place, char)> = Vec::new();
    let mut look = |line: usize, from: usize, until: usize| {
        let Some(source) = lines.get(line.saturating_sub(1)) else {
            return;
        };
        let mut chars = source.chars().enumerate().skip(from).take(until.saturating_sub(from));
        if let Some((column, c)) = chars.find(|(_, c)| odd_space(*c).is_some())
            && !found.iter().rev().take(8).any(|(at, _)| at.line == line)
        {
            let at = Place {
                line,
                column: column + 1,
                width: 1,
            };
            found.push((at, c));
        }
    };
    for event in Parser::new_from_str_with_options(text, options()) {
        match event {
            Ok((Event::Scalar(written, ScalarStyle::Plain, ..), span))
                if written.contains(|c| odd_space(c).is_some()) =>
            {
                let (start, end) = (span.start, span.end);
                for line in start.line()..=end.line() {
                    let from = if line == start.line() { start.col() } else { 0 };
                    let until = if line == end.line() { end.col() } else { usize::MAX };
                    look(line, from, until);
                }
            }
            Ok(_) => {}
            // the parser may have noticed a line late that it is no YAML
            Err(error) => {
                let last = error.marker().line() + 1;
                for (line, source) in (1..=last).zip(&lines) {
                    let comment = source.find(" #").map(|at| source[..at].chars().count());
                    look(line, 0, comment.unwrap_or(usize::MAX));
                }
                break;
            }
        }
    }
    found.sort_by_key(|(at, _)| at.line);
    found
}
