//! Which addresses belong to which site of a map, as a tracker tells it to agents: they serve those alone, and
//! a peer is of the site that its address is in, whatever it says.
//!
//! Sites are numbers here, in the order in which the map has them by name. What is allowed from one site to
//! the others ([`PathRates`]) goes by the same numbers.

mod bytes;
mod rates;
mod table;
mod told;

pub use bytes::{MAX_TABLE, NetworksError};
pub use rates::{MAX_STOPPED, PathRate, PathRates};
pub use table::{Networks, Place};
pub use told::{Told, ToldNetworks, ToldRates};
