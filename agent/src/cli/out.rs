//! Standard output. Whoever reads it may stop early (`narrows-agent explain | head`): that ends a command quietly, where
//! `println!` panics.

use std::fmt;
use std::io::{self, Write};

/// A line; as `println!`.
macro_rules! say {
    ($($text:tt)*) => { $crate::cli::out::write(format_args!("{}\n", format_args!($($text)*))) };
}
pub(crate) use say;

/// Text as it stands.
pub(crate) fn write(text: fmt::Arguments<'_>) {
    let mut out = io::stdout().lock();
    let written = out.write_fmt(text).and_then(|()| out.flush());
    match written {
        Ok(()) => {}
        // nobody reads on: all that was wanted is said
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => {
            eprintln!("cannot write to standard output: {error}");
            std::process::exit(1);
        }
    }
}
