//! What is said to a tracker: ids, announce, scrape, metainfo. No I/O.
//!
//! Requests are parsed into types that cannot hold an invalid request; replies are written by hand, because
//! they are made thousands of times per second, and read with `bendy`.

pub mod announce;
mod bencode;
mod compact;
pub mod ids;
pub mod metainfo;
pub mod query;
pub mod scrape;

pub use announce::{
    AgentReport, AnnounceEvent, AnnounceReply, AnnounceRequest, AnnounceResponse, AnnounceUrl,
    AnnounceUrlError, Assignment, Failure, GatewayPreference, Parent, Peer, ReplyError, RetryIn, Role,
    Sharing,
};
pub use ids::{InfoHash, ParseInfoHashError, PeerId};
pub use query::RequestError;
pub use scrape::{ScrapeFile, ScrapeRequest, ScrapeResponse};
