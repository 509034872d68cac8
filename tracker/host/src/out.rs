//! Standard output and standard error of a command. The reader may stop early
//! (`narrows-agent explain | head`), where `println!` and `eprintln!` panic: the rest is dropped, and
//! the exit status is what it would have been.

use std::fmt;
use std::io::{self, Write};

/// A line on standard output; as `println!`. If it cannot be written for another reason than that nothing
/// reads, the program ends with status 1: a full disk must not look like an answer.
#[macro_export]
macro_rules! say {
    ($($text:tt)*) => { $crate::out::say(format_args!("{}\n", format_args!($($text)*))) };
}

/// A line on standard error; as `eprintln!`, and silent if that cannot be written.
#[macro_export]
macro_rules! complain {
    ($($text:tt)*) => { $crate::out::complain(format_args!("{}\n", format_args!($($text)*))) };
}

/// Text as it stands on standard output.
///
/// # Errors
/// The system's, but for [`BrokenPipe`](io::ErrorKind::BrokenPipe): the reader has read enough.
pub fn write(text: fmt::Arguments<'_>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_fmt(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// As [`write()`]; ends the program if that fails.
pub fn say(text: fmt::Arguments<'_>) {
    if let Err(error) = write(text) {
        complain(format_args!("cannot write to standard output: {error}\n"));
        std::process::exit(1);
    }
}

/// Text as it stands on standard error.
pub fn complain(text: fmt::Arguments<'_>) {
    // there is no other place to say that it cannot be said
    let _ = io::stderr().lock().write_fmt(text);
}
