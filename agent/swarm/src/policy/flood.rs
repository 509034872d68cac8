//! How much of what no honest peer does is put up with on one connection, before it is closed. Each block that
//! a peer brings, or takes, makes up for some.

use crate::Time;

/// Blocks that come without having been asked for: 16 MiB. Some come honestly, after a change of mind.
pub const MAX_UNASKED: u32 = 1024;
/// Times that a peer lets us ask anew without having sent a block since: more than a client that turns to
/// another peer every 15 s does in an hour.
pub const MAX_OFFERS: u32 = 256;
/// Offers in a row that are taken up at once; after that a peer is left alone for a while each time, so that a
/// word of five bytes does not make us send hundreds of requests.
pub const PROMPT_OFFERS: u32 = 4;
/// Parent sites that bytes are counted for: what upstreams call their site is a claim.
pub const MAX_SITES: usize = 64;

/// How long no announce follows from what peers say of gateways, after `times` such announces that changed
/// nothing.
pub fn doubt(times: u32) -> Time {
    Time::from_secs(5) * (1 << times.min(3))
}
