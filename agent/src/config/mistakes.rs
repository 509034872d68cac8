//! What is wrong with a configuration file: each mistake with its place and what to do.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde_yaml::{Error, Location};

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file has mistakes; there is at least one.
    #[error("{}", lines(.0))]
    Mistakes(Vec<Mistake>),
}

/// One mistake. `Display` gives `file:line:column: problem`, the line itself and what to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mistake {
    /// The file.
    pub path: PathBuf,
    /// From 1; 0 if the place is unknown.
    pub line: u64,
    /// From 1, in characters.
    pub column: u64,
    /// The line as it stands in the file.
    pub source: String,
    /// What is wrong.
    pub problem: String,
    /// What to do; may be empty.
    pub help: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        write!(f, ": {}", self.problem)?;
        if !self.source.trim().is_empty() {
            let margin = self.line.to_string().len();
            let indent = " ".repeat((self.column.max(1) - 1) as usize);
            write!(
                f,
                "\n  {} | {}\n  {:margin$} | {indent}^",
                self.line, self.source, ""
            )?;
        }
        if !self.help.is_empty() {
            write!(f, "\n  help: {}", self.help)?;
        }
        Ok(())
    }
}

fn lines(mistakes: &[Mistake]) -> String {
    mistakes
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

/// Gathers the mistakes of one file.
pub(super) struct Collector<'a> {
    path: &'a Path,
    text: &'a str,
    found: Vec<Mistake>,
}

impl<'a> Collector<'a> {
    pub(super) fn new(path: &'a Path, text: &'a str) -> Self {
        Self {
            path,
            text,
            found: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, at: Location, problem: &str, help: &str) {
        let mistake = self.mistake(at, problem.to_owned(), help.to_owned());
        self.found.push(mistake);
    }

    /// The one mistake that ends the reading: wrong YAML, an unknown key, a missing key, a wrong type.
    pub(super) fn syntax(&self, error: &Error) -> ConfigError {
        let error = error.without_snippet();
        let at = error.location().unwrap_or(Location::UNKNOWN);
        let (problem, help) = match error {
            Error::SerdeUnknownField { field, expected, .. } => {
                (format!("unknown key `{field}`"), suggestion(field, expected))
            }
            Error::SerdeMissingField { field, .. } => {
                (format!("the key `{field}` is missing"), String::new())
            }
            other => (first_line(&other.render()), String::new()),
        };
        ConfigError::Mistakes(vec![self.mistake(at, problem, help)])
    }

    pub(super) fn finish<T>(self, value: T) -> Result<T, ConfigError> {
        if self.found.is_empty() {
            Ok(value)
        } else {
            Err(ConfigError::Mistakes(self.found))
        }
    }

    fn mistake(&self, at: Location, problem: String, help: String) -> Mistake {
        let (line, column) = if at == Location::UNKNOWN {
            (0, 0)
        } else {
            (at.line(), at.column())
        };
        let source = match line {
            0 => "",
            line => self.text.lines().nth(line as usize - 1).unwrap_or(""),
        };
        Mistake {
            path: self.path.to_owned(),
            line,
            column,
            source: source.to_owned(),
            problem,
            help,
        }
    }
}

/// The known key that looks most like `field`, or all of them.
fn suggestion(field: &str, expected: &[&str]) -> String {
    let near = expected
        .iter()
        .map(|known| (strsim::damerau_levenshtein(field, known), known))
        .filter(|(distance, known)| *distance <= known.len().div_ceil(3))
        .min();
    match near {
        Some((_, known)) => format!("did you mean `{known}`?"),
        None => format!("known keys are {}", expected.join(", ")),
    }
}

fn first_line(text: &str) -> String {
    text.lines()
        .next()
        .unwrap_or("not a configuration file")
        .trim_start_matches("error: ")
        .to_owned()
}
