//! What must hold for any bytes that come from outside: a target for each of our readers.
//!
//! A target takes arbitrary bytes and panics if a promise of the reader is broken: that what it accepts is
//! the same once written and read again, that what it makes of the bytes is bounded, that it refuses in
//! words.
//! `tests/corpus.rs` replays the inputs in `corpus/` with a normal `cargo test`; `run.sh TARGET` looks for new
//! ones with libFuzzer.
//!
//! ```
//! let (_, target) = narrows_fuzz::TARGETS.iter().find(|(name, _)| *name == "announce_query").unwrap();
//! target(b"info_hash=aaaaaaaaaaaaaaaaaaaa&peer_id=bbbbbbbbbbbbbbbbbbbb&port=6881");
//! target(b"\xff%%%");
//! ```

mod announce;
mod metainfo;
mod resume;
mod scrape;
mod sites;
mod wire;

pub use announce::{announce_query, announce_reply, announce_url};
pub use metainfo::metainfo;
pub use resume::resume;
pub use scrape::{scrape_query, scrape_reply};
pub use sites::sites;
pub use wire::wire;

/// A promise about arbitrary bytes; it panics if the promise is broken.
pub type Target = fn(&[u8]);

/// All targets, by the names of their corpus folders and of their fuzzers.
pub const TARGETS: &[(&str, Target)] = &[
    ("announce_query", announce_query),
    ("announce_reply", announce_reply),
    ("announce_url", announce_url),
    ("metainfo", metainfo),
    ("resume", resume),
    ("scrape_query", scrape_query),
    ("scrape_reply", scrape_reply),
    ("sites", sites),
    ("wire", wire),
];
