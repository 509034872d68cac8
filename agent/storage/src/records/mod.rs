//! What the state folder keeps of a content, and what may be concluded from it at a start.

pub(crate) mod claim;
pub(crate) mod place;
pub(crate) mod resume;
pub(crate) mod trust;
pub(crate) mod wan_history;
