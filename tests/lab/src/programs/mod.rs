//! The programs that a run consists of: where they are, their folders and files, their processes, what they
//! answer.

pub mod binaries;
pub mod poll;
pub mod process;
