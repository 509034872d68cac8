//! What is said to a tracker: ids, announce, scrape, metainfo. No I/O.

pub mod metainfo;
