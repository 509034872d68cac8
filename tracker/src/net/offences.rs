//! What clients do that honest ones do not. Each kind is counted (`narrows_tracker_offences_total`), named in
//! the log, and shown with its addresses in `/status` and on the page.

use narrows_host::OffenceKind;

/// Counts and names the clients that do so.
pub(crate) type Offences = narrows_host::Offences<Offence>;

/// A kind of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Offence {
    /// Reads no answers, or sends no body, until its time is over.
    SlowClient,
}

impl OffenceKind for Offence {
    const ALL: &'static [Self] = &[Self::SlowClient];

    fn as_str(self) -> &'static str {
        match self {
            Self::SlowClient => "slow_client",
        }
    }

    fn sentence(self) -> &'static str {
        match self {
            Self::SlowClient => {
                "a client opens connections and does not read answers or does not send what it announced; its connections \
                 are closed: look what runs on that machine"
            }
        }
    }
}
