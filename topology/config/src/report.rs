//! Collects mistakes and shows each with its line.

use std::collections::HashMap;

use crate::{Mistake, Mistakes};

/// A place in the file: line and column in characters from 1, and how many characters are meant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The column, in characters from 1.
    pub column: usize,
    /// How many characters are meant, at least 1.
    pub width: usize,
}

impl Place {
    /// The first character of a file.
    pub const START: Place = Place {
        line: 1,
        column: 1,
        width: 1,
    };

    /// The same where lines have been moved to the right, by number: where it was before.
    pub(crate) fn moved_back(self, moved: &HashMap<usize, isize>) -> Place {
        let by = moved.get(&self.line).copied().unwrap_or(0);
        let column = self.column.saturating_add_signed(-by).max(1);
        Place { column, ..self }
    }
}

/// The lines of a text. YAML's line breaks are \n, \r\n and \r.
pub(crate) fn lines(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = Vec::new();
    for line in text.split('\n') {
        lines.extend(line.strip_suffix('\r').unwrap_or(line).split('\r'));
    }
    if lines.len() > 1 && lines.last() == Some(&"") {
        lines.pop();
    }
    lines
}

/// What would hide in a line, or move the caret.
fn invisible(c: char) -> bool {
    (c.is_control() && c != '\t') || matches!(c, '\u{200b}' | '\u{2060}' | '\u{feff}')
}

/// More mistakes than this are not shown: a file with so many is one of another kind.
const MAX_MISTAKES: usize = 1_000;

/// Of a line with more characters than this, so many are shown, from so many before the place: a thousand
/// mistakes may stand in a line of megabytes.
const MAX_SHOWN: usize = 400;
const BEFORE: usize = 60;

/// A sentence about what is written repeats it up to here, in bytes.
const MAX_SENTENCE: usize = 1_000;

/// A sentence of bounded length.
fn cut(mut sentence: String) -> String {
    if sentence.len() > MAX_SENTENCE {
        sentence.truncate(sentence.floor_char_boundary(MAX_SENTENCE));
        sentence.push('…');
    }
    sentence
}

/// The mistakes of a file so far.
pub struct Report<'t> {
    lines: Vec<&'t str>,
    list: Vec<Mistake>,
}

impl<'t> Report<'t> {
    /// Of a text that has no mistakes yet.
    pub fn new(text: &'t str) -> Report<'t> {
        Report {
            lines: lines(text),
            list: Vec::new(),
        }
    }

    /// Notes a mistake. A place outside the text is moved to its nearest character.
    pub fn add(&mut self, at: Place, problem: impl Into<String>, help: impl Into<String>) {
        if self.list.len() >= MAX_MISTAKES {
            return;
        }
        let line = at.line.clamp(1, self.lines.len());
        let whole = self.lines[line - 1];
        let length = whole.chars().count();
        // one past the end is where something is missing
        let column = if at.line > line {
            length + 1
        } else {
            at.column.clamp(1, length + 1)
        };
        let (left_out, shown) = if length > MAX_SHOWN {
            (column.saturating_sub(1 + BEFORE), MAX_SHOWN)
        } else {
            (0, length)
        };
        let source: String =
            whole.chars().skip(left_out).take(shown).map(|c| if invisible(c) { '?' } else { c }).collect();
        let end = left_out + source.chars().count();
        let width = at.width.clamp(1, (end + 1).saturating_sub(column).max(1));
        let help = Some(cut(help.into())).filter(|help: &String| !help.is_empty());
        let mistake = Mistake {
            line,
            column,
            width,
            problem: cut(problem.into()),
            help,
            source,
            left_out,
        };
        // an alias shows the same node twice
        if !self.list.contains(&mistake) {
            self.list.push(mistake);
        }
    }

    /// Notes mistakes that another report has, each at the place here of its place there.
    pub(crate) fn take_over(&mut self, noted: Vec<Mistake>, here: impl Fn(Place) -> Place) {
        for mistake in noted {
            let there = Place {
                line: mistake.line,
                column: mistake.column,
                width: mistake.width,
            };
            self.add(here(there), mistake.problem, mistake.help.unwrap_or_default());
        }
    }

    /// How many mistakes there are.
    pub fn count(&self) -> usize {
        self.list.len()
    }

    /// The mistakes of the file called `file`, in its order.
    pub fn finish(mut self, file: &str) -> Mistakes {
        self.list.sort_by_key(|mistake| (mistake.line, mistake.column));
        Mistakes {
            file: file.to_owned(),
            list: self.list,
        }
    }
}
