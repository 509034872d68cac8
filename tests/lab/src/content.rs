//! What is distributed: real files of this machine, or what the user names.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The content's name, of its folder and its .torrent.
pub const NAME: &str = "rollout";

/// Names that Windows takes for devices: an agent refuses them, whatever their extension.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "com", "lpt"];

/// What was gathered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gathered {
    /// The file or folder to make a .torrent of.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: u64,
    /// Its files.
    pub files: usize,
}

/// Fills `to` with `size` bytes of real files from `sources` (label and folder), in the order of their
/// names; the last file is cut to fit. Symbolic links, awkward names, and files that are mostly zeros are
/// left out. If the sources are too small they are taken again, into another folder.
///
/// # Errors
/// The sources hold nothing, or the disk says no.
pub fn gather(sources: &[(String, PathBuf)], size: u64, to: &Path) -> Result<Gathered> {
    let root = to.join(NAME);
    let mut gathered = Gathered {
        path: root.clone(),
        bytes: 0,
        files: 0,
    };
    for round in 0u32.. {
        let before = gathered.bytes;
        for (label, folder) in sources {
            let label = if round == 0 {
                label.clone()
            } else {
                format!("{label}-{}", round + 1)
            };
            let mut names = Names::default();
            walk(folder, Path::new(""), &mut |path: &Path, length: u64| {
                if gathered.bytes == size || !names.admit(path) || mostly_zeros(&folder.join(path)) {
                    return Ok(gathered.bytes < size);
                }
                let target = root.join(&label).join(path);
                let want = length.min(size - gathered.bytes);
                // a file of the system that changes or may not be read is no reason to stop
                if let Ok(copied) = copy(&folder.join(path), &target, want)? {
                    gathered.bytes += copied;
                    gathered.files += 1;
                }
                Ok(gathered.bytes < size)
            })?;
        }
        if gathered.bytes >= size {
            break;
        }
        if gathered.bytes == before {
            let folders: Vec<_> = sources.iter().map(|(_, folder)| folder.display().to_string()).collect();
            bail!(
                "found no files in {}; name a file or folder with --content",
                folders.join(", ")
            );
        }
    }
    Ok(gathered)
}

/// Copies the first `want` bytes. The outer error is the target's, the inner the source's.
fn copy(source: &Path, target: &Path, want: u64) -> Result<io::Result<u64>> {
    use std::io::Read;
    let file = match fs::File::open(source) {
        Ok(file) => file,
        Err(error) => return Ok(Err(error)),
    };
    let wrong = || format!("cannot write {}", target.display());
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent).with_context(wrong)?;
    }
    let mut out = fs::File::create(target).with_context(wrong)?;
    let copied = io::copy(&mut file.take(want), &mut out).with_context(wrong)?;
    Ok(Ok(copied))
}

/// Visits regular, non-empty files below `root` in the order of their names, until told to stop (`false`).
fn walk(root: &Path, below: &Path, visit: &mut dyn FnMut(&Path, u64) -> Result<bool>) -> Result<bool> {
    let Ok(entries) = fs::read_dir(root.join(below)) else {
        return Ok(true);
    };
    let mut entries: Vec<_> = entries.flatten().collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = below.join(entry.file_name());
        let Ok(meta) = entry.metadata() else { continue };
        let go_on = match plain(&path) {
            true if meta.is_dir() => walk(root, &path, visit)?,
            true if meta.is_file() && meta.len() > 0 => visit(&path, meta.len())?,
            _ => true,
        };
        if !go_on {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether the last component is a name that every system of a fleet takes.
fn plain(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return false;
    };
    let stem = name.split('.').next().unwrap_or("").trim_end_matches(|c: char| c.is_ascii_digit());
    !DEVICES.contains(&stem.to_lowercase().as_str())
        && name.len() <= 120
        && !name.ends_with('.')
        && !name.starts_with('.')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "._+-@=,".contains(c))
}

/// Names seen in any case: two that differ only by case are one on some systems.
#[derive(Default)]
struct Names(HashMap<String, PathBuf>);

impl Names {
    fn admit(&mut self, path: &Path) -> bool {
        let prefixes: Vec<&Path> = path.ancestors().filter(|p| !p.as_os_str().is_empty()).collect();
        let lower = |path: &Path| path.to_string_lossy().to_lowercase();
        if prefixes.iter().any(|p| self.0.get(&lower(p)).is_some_and(|seen| seen != p)) {
            return false;
        }
        for prefix in prefixes {
            self.0.insert(lower(prefix), prefix.to_owned());
        }
        true
    }
}

/// Looks at the first 64 KiB, where sparse and empty images give themselves away.
fn mostly_zeros(path: &Path) -> bool {
    use std::io::Read;
    let mut head = Vec::new();
    match fs::File::open(path).and_then(|file| file.take(1 << 16).read_to_end(&mut head)) {
        Ok(_) => head.iter().filter(|byte| **byte == 0).count() * 10 > head.len() * 9,
        Err(_) => true,
    }
}

/// Bytes and files of a file or folder; symbolic links are not followed.
///
/// # Errors
/// It cannot be read, or holds nothing.
pub fn measure(path: &Path) -> Result<Gathered> {
    let shown = path.display();
    let meta = fs::symlink_metadata(path).with_context(|| format!("cannot read {shown}"))?;
    let mut found = Gathered {
        path: path.to_owned(),
        bytes: 0,
        files: 0,
    };
    if meta.is_file() {
        found = Gathered {
            bytes: meta.len(),
            files: 1,
            ..found
        };
    } else if meta.is_dir() {
        files(path)?.into_iter().for_each(|(_, length)| {
            found.bytes += length;
            found.files += 1;
        });
    }
    if found.bytes == 0 {
        bail!("{shown} holds no file with anything in it");
    }
    Ok(found)
}

/// Every regular file below a folder, by relative path, with its length.
///
/// # Errors
/// The path of what cannot be read, and the system's reason.
pub fn files(root: &Path) -> Result<Vec<(PathBuf, u64)>> {
    let mut open = vec![PathBuf::new()];
    let mut found = Vec::new();
    while let Some(below) = open.pop() {
        let folder = root.join(&below);
        for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
            let entry = entry?;
            let (path, meta) = (below.join(entry.file_name()), entry.metadata()?);
            if meta.is_dir() {
                open.push(path);
            } else if meta.is_file() {
                found.push((path, meta.len()));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Gives `to` the file or folder `from`: hard links where the disk allows, else copies. For readers only.
///
/// # Errors
/// The path that cannot be made.
pub fn link_tree(from: &Path, to: &Path) -> Result<()> {
    let one = |from: &Path, to: &Path| -> Result<()> {
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)?;
        }
        if fs::hard_link(from, to).is_err() {
            fs::copy(from, to)
                .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
        }
        Ok(())
    };
    if fs::symlink_metadata(from)?.is_file() {
        return one(from, to);
    }
    for (path, _) in files(from)? {
        one(&from.join(&path), &to.join(&path))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, bytes: &[u8]) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    #[test]
    fn files_are_taken_in_order_and_the_last_is_cut_to_the_size() {
        let (source, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write(source.path(), "b/two", b"22222");
        write(source.path(), "a", b"1111");
        write(source.path(), "c", b"3333");
        let gathered = gather(&[("src".into(), source.path().into())], 7, to.path()).unwrap();
        assert_eq!((gathered.bytes, gathered.files), (7, 2));
        let found = files(&gathered.path).unwrap();
        assert_eq!(found, [("src/a".into(), 4), ("src/b/two".into(), 3)]);
        assert_eq!(measure(&gathered.path).unwrap(), gathered);
    }

    #[test]
    fn links_zeros_awkward_and_clashing_names_are_left_out() {
        let (source, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for name in [
            "ok",
            "OK",
            "aux.h",
            "COM1",
            "with space",
            "ends.",
            ".hidden",
            "d/x",
            "D/y",
        ] {
            write(source.path(), name, b"data");
        }
        write(source.path(), "zeros", &[0; 5000]);
        write(source.path(), "empty", b"");
        std::os::unix::fs::symlink(source.path().join("ok"), source.path().join("link")).unwrap();
        let gathered = gather(&[("src".into(), source.path().into())], 12, to.path()).unwrap();
        let found: Vec<_> = files(&gathered.path).unwrap().into_iter().map(|(path, _)| path).collect();
        assert_eq!(found, ["src/D/y", "src/OK", "src-2/D/y"].map(PathBuf::from));
    }

    #[test]
    fn nothing_to_gather_is_an_error() {
        let to = tempfile::tempdir().unwrap();
        let error = gather(&[("src".into(), to.path().join("none"))], 1, to.path()).unwrap_err();
        assert!(error.to_string().contains("--content"), "{error}");
    }

    #[test]
    fn a_linked_tree_is_the_same_tree() {
        let (source, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write(source.path(), "a/b", b"1");
        write(source.path(), "c", b"22");
        link_tree(source.path(), &to.path().join("copy")).unwrap();
        assert_eq!(
            files(&to.path().join("copy")).unwrap(),
            files(source.path()).unwrap()
        );
        link_tree(&source.path().join("c"), &to.path().join("single/c")).unwrap();
        assert_eq!(fs::read(to.path().join("single/c")).unwrap(), b"22");
    }
}
