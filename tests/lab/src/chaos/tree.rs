//! A content of many small files: empty ones, folders in folders, names with spaces and in other alphabets. Pure.

use std::path::PathBuf;

use crate::chaos::dice::Dice;

/// Folders that files are in; as deep as people make them.
const FOLDERS: [&str; 8] = [
    "plain",
    "with a space",
    "Prüfstände",
    "Данные",
    "日本語/説明",
    "a/b/c/d/e/f",
    "v1.2.3 (final)",
    "naïve & co",
];

/// Parts of names.
const WORDS: [&str; 7] = [
    "file",
    "Grüße aus Köln",
    "отчёт",
    "表",
    "it's",
    "100% new",
    "a,b;c=d",
];

/// A file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmallFile {
    /// Below the content's folder.
    pub path: PathBuf,
    /// Its bytes.
    pub length: u64,
    /// What they are made of.
    seed: u64,
}

impl SmallFile {
    /// What is in it.
    pub fn bytes(&self) -> Vec<u8> {
        let mut dice = Dice::new(self.seed);
        (0..self.length).map(|_| dice.between(0, 255) as u8).collect()
    }
}

/// Some hundreds, no two of one name whatever the case of letters.
pub(super) fn files(dice: &mut Dice) -> Vec<SmallFile> {
    let count = dice.between(200, 400);
    let one = |number: u64| {
        let folder = dice.pick(&FOLDERS).unwrap_or("plain");
        let word = dice.pick(&WORDS).unwrap_or("file");
        let length = match dice.between(0, 9) {
            0 => 0,
            1 => 1,
            // as a block is
            2 => 16_384,
            _ => dice.between(2, 16_000),
        };
        SmallFile {
            path: [folder, &format!("{word} {number}.bin")].iter().collect(),
            length,
            seed: dice.between(0, u64::MAX),
        }
    };
    (0..count).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_tree_has_hundreds_of_files_of_different_names_and_some_are_empty() {
        for seed in 0..20 {
            let files = files(&mut Dice::new(seed));
            let names: BTreeSet<String> =
                files.iter().map(|file| file.path.to_string_lossy().to_lowercase()).collect();
            assert!(names.len() == files.len() && files.len() >= 200, "{seed}");
            assert!(files.iter().any(|file| file.length == 0), "{seed}");
            let bytes: u64 = files.iter().map(|file| file.length).sum();
            assert!(bytes < 8_000_000, "{seed}: {bytes}");
            assert_eq!(files[7].bytes(), files[7].bytes());
            assert_eq!(files[7].bytes().len() as u64, files[7].length);
        }
    }
}
