//! Whether what stands at a client is what was sent: every file hashed by the lab itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha1::{Digest, Sha1};

use crate::content::files;

/// Files by relative path (empty for a single file), each with its length and SHA-1.
pub type Fingerprints = BTreeMap<PathBuf, (u64, [u8; 20])>;

/// Hashes a file, or every file below a folder.
///
/// # Errors
/// The path that cannot be read.
pub fn fingerprints(path: &Path) -> Result<Fingerprints> {
    let list = match path.is_file() {
        true => vec![PathBuf::new()],
        false => files(path)?.into_iter().map(|(path, _)| path).collect(),
    };
    let mut found = Fingerprints::new();
    for name in list {
        let file = if name.as_os_str().is_empty() {
            path.to_owned()
        } else {
            path.join(&name)
        };
        let hashed = hash(&file).with_context(|| format!("cannot read {}", file.display()))?;
        found.insert(name, hashed);
    }
    Ok(found)
}

fn hash(path: &Path) -> io::Result<(u64, [u8; 20])> {
    let (mut file, mut hash, mut length) = (File::open(path)?, Sha1::new(), 0);
    let mut buffer = vec![0; 1 << 18];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((length, hash.finalize().into())),
            n => {
                hash.update(&buffer[..n]);
                length += n as u64;
            }
        }
    }
}

/// The first difference, in words; `None` if both are identical. A file of no bytes that is missing is a
/// difference too.
pub fn difference(source: &Fingerprints, target: &Fingerprints) -> Option<String> {
    for (name, (length, hash)) in source {
        let path = name.display();
        match target.get(name) {
            None => return Some(format!("{path} is missing")),
            Some((other, _)) if other != length => {
                return Some(format!("{path} has {other} bytes, not {length}"));
            }
            Some((_, other)) if other != hash => return Some(format!("{path} has other bytes")),
            Some(_) => {}
        }
    }
    let extra = target.keys().find(|path| !source.contains_key(*path))?;
    Some(format!("{} is not part of the content", extra.display()))
}

/// What stands at a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Every byte is as it was sent.
    Identical,
    /// The first difference.
    Different(String),
    /// It never was complete.
    Incomplete,
}

/// Compares folders with the source; `None` stands for a client that never was complete. Files `besides` may be
/// there too.
///
/// # Errors
/// The source cannot be read.
pub fn verdicts(
    source: &Path,
    targets: &[Option<PathBuf>],
    besides: &BTreeSet<PathBuf>,
) -> Result<Vec<Verdict>> {
    let source = fingerprints(source)?;
    let one = |target: &Option<PathBuf>| match target {
        None => Verdict::Incomplete,
        Some(target) => match fingerprints(target).map(|mut found| {
            found.retain(|path, _| !besides.contains(path));
            difference(&source, &found)
        }) {
            Ok(None) => Verdict::Identical,
            Ok(Some(difference)) => Verdict::Different(difference),
            Err(error) => Verdict::Different(format!("{error:#}")),
        },
    };
    // half of them in another thread: hashing is most of it
    let (left, right) = targets.split_at(targets.len() / 2);
    let all = |targets: &[Option<PathBuf>]| targets.iter().map(one).collect::<Vec<_>>();
    Ok(std::thread::scope(|scope| {
        let left = scope.spawn(|| all(left));
        let right = all(right);
        let mut verdicts = left.join().unwrap_or_default();
        verdicts.extend(right);
        verdicts
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn any_change_to_any_file_is_a_difference() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for root in [a.path(), b.path()] {
            fs::create_dir(root.join("d")).unwrap();
            fs::write(root.join("d/x"), b"12345").unwrap();
            fs::write(root.join("y"), b"").unwrap();
        }
        let source = fingerprints(a.path()).unwrap();
        let differs = || difference(&source, &fingerprints(b.path()).unwrap());
        assert_eq!(differs(), None);
        fs::write(b.path().join("d/x"), b"12354").unwrap();
        assert_eq!(differs().unwrap(), "d/x has other bytes");
        fs::write(b.path().join("d/x"), b"1234").unwrap();
        assert_eq!(differs().unwrap(), "d/x has 4 bytes, not 5");
        fs::write(b.path().join("d/x"), b"12345").unwrap();
        fs::write(b.path().join("z"), b"").unwrap();
        assert_eq!(differs().unwrap(), "z is not part of the content");
        fs::remove_file(b.path().join("z")).unwrap();
        fs::remove_file(b.path().join("y")).unwrap();
        assert_eq!(differs().unwrap(), "y is missing");
    }

    #[test]
    fn the_hash_is_that_of_the_bytes() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("abc"), b"abc").unwrap();
        let found = fingerprints(&dir.path().join("abc")).unwrap();
        let (length, hash) = found[Path::new("")];
        let text: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        // FIPS 180-1, appendix A
        assert_eq!(
            (length, text.as_str()),
            (3, "a9993e364706816aba3e25717850c26c9cd0d89d")
        );
    }
}
