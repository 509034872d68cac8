//! For the tests of files that are read with this crate: mistakes as lines of text, and mistakes planted in a
//! good file. Behind the feature `testing`.

use std::path::Path;

use crate::{LoadError, Mistakes};

/// Each mistake as `line:column what is underlined | problem | help`.
pub fn shown(mistakes: &Mistakes) -> Vec<String> {
    let shown = mistakes.list.iter().map(|mistake| {
        let marked: String = mistake.source.chars().skip(mistake.column - 1).take(mistake.width).collect();
        let help = mistake.help.as_deref().unwrap_or_default();
        format!(
            "{}:{} {marked} | {} | {help}",
            mistake.line, mistake.column, mistake.problem
        )
    });
    shown.collect()
}

/// The mistakes of a file of these bytes; none of a good one.
///
/// # Panics
/// If there is no place for a file, or it cannot be read.
pub fn shown_of_file<T>(bytes: &[u8], load: impl FnOnce(&Path) -> Result<T, LoadError>) -> Vec<String> {
    let written = tempfile::NamedTempFile::new().and_then(|file| {
        std::fs::write(file.path(), bytes)?;
        Ok(file)
    });
    match written.map(|file| load(file.path())) {
        Ok(Ok(_)) => Vec::new(),
        Ok(Err(LoadError::Mistakes(mistakes))) => shown(&mistakes),
        Ok(Err(error)) => panic!("{error}"),
        Err(error) => panic!("cannot write a file: {error}"),
    }
}

/// A mistake to be planted in a good file.
#[derive(Clone, Copy, Debug)]
pub struct Planted {
    /// A line of the good file, which has it once.
    pub good: &'static str,
    /// The line that takes its place.
    pub bad: &'static str,
    /// What is shown of it: `column what is underlined | problem | help`.
    pub shown: &'static str,
}

/// Plants those mistakes of a table whose bits are set in `chosen`, of several for one line the first, and
/// asserts that each is shown at its line, and nothing else.
///
/// # Panics
/// If not, or if a line of the table is not in the good file once.
pub fn assert_all_shown<T>(
    good: &str,
    table: &[Planted],
    chosen: u64,
    parse: impl FnOnce(&str) -> Result<T, Mistakes>,
) {
    let mut lines: Vec<&str> = good.lines().collect();
    let mut expected: Vec<(usize, &str)> = Vec::new();
    for (number, planted) in table.iter().enumerate() {
        let mut places = good.lines().enumerate().filter(|(_, line)| *line == planted.good);
        let (Some((place, _)), None) = (places.next(), places.next()) else {
            panic!("{:?} is not in the good file once", planted.good);
        };
        if chosen >> (number % 64) & 1 == 1 && lines[place] == planted.good {
            lines[place] = planted.bad;
            expected.push((place + 1, planted.shown));
        }
    }
    expected.sort_unstable();
    let expected: Vec<String> = expected.iter().map(|(line, shown)| format!("{line}:{shown}")).collect();
    let text = lines.join("\n") + "\n";
    let found = parse(&text).map_or_else(|mistakes| shown(&mistakes), |_| Vec::new());
    assert_eq!(found, expected, "of\n{text}");
}
