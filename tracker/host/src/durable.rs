//! Files that are replaced whole: after a crash or a power cut the old one is there or the new one, never a
//! part.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Writes a file beside `path` (with `.new` at the end of its name), syncs it, renames it over `path` and
/// makes the rename durable. If that fails, what stood at `path` stays and the new file is removed.
///
/// # Errors
/// The system's, or that of `fill`.
pub fn replace(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    replace_with(path, |new| File::create(new), fill)
}

/// As [`replace()`], with the new file from `create`.
pub(crate) fn replace_with(
    path: &Path,
    create: impl FnOnce(&Path) -> io::Result<File>,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let written = create(&new).and_then(|file| write(file, fill)).and_then(|()| {
        fs::rename(&new, path)?;
        sync_folder(path.parent().unwrap_or(Path::new(".")))
    });
    if written.is_err() {
        // room for what is worth more; the reason is told already
        let _ = fs::remove_file(&new);
    }
    written
}

/// The file is closed afterwards: Windows renames none that is open.
fn write(file: File, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut file = BufWriter::with_capacity(1 << 18, file);
    fill(&mut file)?;
    file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

/// Makes names in a folder durable. Windows has no such call and keeps its own order.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        let folder = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_whole_and_nothing_else_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("swarms");
        for text in ["one", "a longer one", ""] {
            replace(&file, |out| out.write_all(text.as_bytes())).unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
            assert_eq!(names(dir.path()), ["swarms"]);
        }
    }

    #[test]
    fn what_fails_on_the_way_leaves_the_old_file_and_no_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("swarms");
        fs::write(&file, "old").unwrap();
        let failed = replace(&file, |out| {
            out.write_all(&[0; 1 << 20])?;
            Err(io::Error::other("disk full"))
        });
        assert_eq!(failed.unwrap_err().to_string(), "disk full");
        assert_eq!(
            (
                fs::read_to_string(&file).unwrap().as_str(),
                names(dir.path()).len()
            ),
            ("old", 1)
        );
        assert!(replace(&dir.path().join("no folder/file"), |_| Ok(())).is_err());
    }
}
