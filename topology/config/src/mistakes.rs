//! What is wrong with a file: everything at once, each with its place and what to do.

use std::fmt;

/// One mistake in a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mistake {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// How many characters the caret underlines, at least 1.
    pub width: usize,
    /// What is wrong.
    pub problem: String,
    /// What to do, if that can be said.
    pub help: Option<String>,
    /// The line itself; of a very long one, what stands around the column.
    pub source: String,
    /// How many characters of the line are left out before `source`.
    pub left_out: usize,
}

/// All mistakes of a file, in the order of the file; never empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mistakes {
    /// The file's name as the user gave it.
    pub file: String,
    /// The mistakes.
    pub list: Vec<Mistake>,
}

impl fmt::Display for Mistakes {
    /// As rustc prints: `error: …`, `--> file:line:column`, the line with a caret, `help: …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, mistake) in self.list.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            let Mistake {
                line,
                column,
                width,
                problem,
                help,
                source,
                left_out,
            } = mistake;
            let margin = line.to_string().len();
            let before: String = source
                .chars()
                .take(column - 1 - left_out)
                .map(|c| if c == '\t' { '\t' } else { ' ' })
                .collect();
            writeln!(f, "error: {problem}")?;
            writeln!(f, "{:margin$}--> {}:{line}:{column}", "", self.file)?;
            writeln!(f, "{:margin$} |", "")?;
            writeln!(f, "{line} | {source}")?;
            writeln!(f, "{:margin$} | {before}{}", "", "^".repeat(*width))?;
            if let Some(help) = help {
                writeln!(f, "{:margin$} = help: {help}", "")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

/// Why a file could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file could not be read.
    #[error("cannot read {what} {path}: {reason}; check that it exists and may be read by this user")]
    Read {
        /// What the file is, as in `the site map`.
        what: &'static str,
        /// The file.
        path: String,
        /// The system's reason.
        reason: std::io::Error,
    },
    /// The file was read and is wrong.
    #[error(transparent)]
    Mistakes(#[from] Mistakes),
}

impl LoadError {
    /// As a compiler shows it: each mistake with its line, or one line, and `error:` before it in either case.
    pub fn shown(&self) -> String {
        match self {
            Self::Mistakes(mistakes) => mistakes.to_string(),
            unreadable => format!("error: {unreadable}\n"),
        }
    }
}
