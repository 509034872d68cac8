//! A swarm's state beside its content, as gauges and the page show it.

use narrows_assignment::SwarmStatus;

use crate::metrics::labels::ContentLabel;

/// A content with its name and size, and its swarm's state.
pub(crate) struct Described {
    /// For people.
    pub(crate) name: String,
    pub(crate) label: ContentLabel,
    /// Bytes; `None` if any info hash is tracked, as no .torrent says it then.
    pub(crate) size: Option<u64>,
    pub(crate) status: SwarmStatus,
}
