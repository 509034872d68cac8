//! A log file that bounds itself.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Beyond so many bytes a new file is begun.
const LIMIT: u64 = 8 << 20;

/// `agent.log` in a folder. Each start begins a new one, and so does each [`LIMIT`]; the one before is kept
/// as `agent.log.old`.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    /// `None` only if it could not be made anew; then there is no log.
    file: Option<File>,
    written: u64,
    limit: u64,
}

impl LogFile {
    /// Makes the folder, too.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        Self::with_limit(folder, LIMIT)
    }

    fn with_limit(folder: &Path, limit: u64) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let path = folder.join("agent.log");
        let mut log = Self {
            path,
            file: None,
            written: 0,
            limit,
        };
        log.begin()?;
        Ok(log)
    }

    fn begin(&mut self) -> io::Result<()> {
        // Windows holds on to the names of open files
        self.file = None;
        // while a program reads the old one it may stay; the bound holds all the same
        let _ = std::fs::rename(&self.path, self.path.with_extension("log.old"));
        self.file = Some(File::create(&self.path)?);
        self.written = 0;
        Ok(())
    }
}

impl Write for LogFile {
    /// A line, as tracing writes it.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.written > 0 && self.written + line.len() as u64 > self.limit {
            self.begin()?;
        }
        let Some(file) = &mut self.file else {
            return Ok(line.len());
        };
        file.write_all(line)?;
        self.written += line.len() as u64;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(folder: &Path, name: &str) -> String {
        std::fs::read_to_string(folder.join(name)).unwrap_or_default()
    }

    #[test]
    fn a_start_keeps_the_log_of_the_run_before() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("state");
        for run in ["first\n", "second\n", "third\n"] {
            LogFile::open(&folder).unwrap().write_all(run.as_bytes()).unwrap();
        }
        assert_eq!(read(&folder, "agent.log"), "third\n");
        assert_eq!(read(&folder, "agent.log.old"), "second\n");
    }

    #[test]
    fn a_long_run_never_keeps_more_than_twice_the_limit() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = LogFile::with_limit(dir.path(), 10).unwrap();
        for line in ["aaaa\n", "bbbb\n", "cccc\n", "dddd\n", "eeee\n"] {
            log.write_all(line.as_bytes()).unwrap();
        }
        assert_eq!(read(dir.path(), "agent.log.old"), "cccc\ndddd\n");
        assert_eq!(read(dir.path(), "agent.log"), "eeee\n");
    }
}
