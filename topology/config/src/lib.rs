//! Files that people edit: sites.yaml, tracker.yaml, agent.yaml.
//!
//! A file is read to a tree in which everything knows its place ([`Node`]); its owner takes the values out of
//! it by a table of keys ([`Fields`]), and whatever is wrong goes to one [`Report`], so that all mistakes are
//! told at once, each with its line, a caret and what to do ([`Mistakes`]).
//!
//! What belongs here is about text that a person writes, and about numbers as that person reads them: rates,
//! sizes, durations, "did you mean". What does not: what any key means, or what a value leads to (that is its
//! owner's, as are sites, BitTorrent and the machine), and small tools that merely have no other home.
//!
//! # Zero and none
//! The same in all three files: a [`Rate`] of `0` lets nothing through, and `unlimited` is no limit; a duration
//! has a unit and a range that its key says, and what can be turned off says `off`; counts begin at 1.
//!
//! ```
//! use narrows_config::{Fields, Key, Rate, Subject, parse, values};
//!
//! const KEYS: &[Key] = &[Key::required("upload", (), "add `upload: unlimited`")];
//! const NOTE: Subject = Subject { name: "the note", begin: Some("begin with `upload: 10 Mbit/s`") };
//! let read = |text: &str| {
//!     parse("note.yaml", text.as_bytes(), NOTE, |root, report| {
//!         let fields = Fields::of(root, KEYS, "a note", report)?;
//!         values::rate(fields.take("upload")?, "upload", report)
//!     })
//! };
//! assert_eq!(read("upload: 10 Mbit/s\n"), Ok(Rate::from_bits_per_second(10_000_000)));
//! let mistakes = read("uplaod: 1\n").unwrap_err().to_string();
//! assert!(mistakes.contains("note.yaml:1:1") && mistakes.contains("did you mean `upload`?"), "{mistakes}");
//! ```

mod characters;
mod fields;
mod mistakes;
mod rate;
mod read;
mod report;
mod similar;
#[cfg(feature = "testing")]
pub mod testing;
mod text;
mod tree;
pub mod units;
pub mod values;

pub use fields::{Fields, Key};
pub use mistakes::{LoadError, Mistake, Mistakes};
pub use rate::{Rate, RateError};
pub use read::{Partly, Subject, load, load_partly, parse};
pub use report::{Place, Report};
pub use similar::{did_you_mean, nearest};
pub use tree::{Node, Value};
