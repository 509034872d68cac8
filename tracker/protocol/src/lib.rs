//! What is said to a tracker: ids, announce, scrape, metainfo. No I/O.
//!
//! Requests are parsed into types that cannot hold an invalid request; replies are written by hand, because
//! they are made thousands of times per second, and read with `bendy`.
//!
//! ```
//! use narrows_protocol::{AnnounceReply, AnnounceRequest, AnnounceResponse, Peer};
//!
//! let query = "info_hash=aaaaaaaaaaaaaaaaaaaa&peer_id=-XX0001-bbbbbbbbbbbb&port=6881&left=0";
//! let request = AnnounceRequest::parse(query)?;
//! assert_eq!((request.port, request.left), (6881, 0));
//!
//! let peers = vec![Peer { addr: "10.1.0.1:6881".parse()?, peer_id: None }];
//! let response = AnnounceResponse { interval: 60, peers, ..AnnounceResponse::default() };
//! let mut body = Vec::new();
//! response.encode(request.compact, request.no_peer_id, &mut body);
//! assert_eq!(AnnounceReply::decode(&body)?, AnnounceReply::Ok(response));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod announce;
mod bencode;
mod compact;
mod host;
pub mod ids;
pub mod metainfo;
pub mod networks;
pub mod query;
pub mod scrape;
mod text;

pub use announce::{
    AgentReport, AnnounceEvent, AnnounceReply, AnnounceRequest, AnnounceResponse, AnnounceUrl,
    AnnounceUrlError, Assignment, Failure, GatewayPreference, MAX_BROUGHT, MAX_SEEN_OFFENDERS, Parent, Peer,
    ReplyError, RetryIn, Role, SeenOffender, Sharing,
};
pub use host::Host;
pub use ids::{InfoHash, ParseInfoHashError, PeerId};
pub use networks::{Networks, NetworksError, PathRate, PathRates, Place, Told, ToldNetworks, ToldRates};
pub use query::RequestError;
pub use scrape::{ScrapeFile, ScrapeRequest, ScrapeResponse};
pub use text::is_printable;
