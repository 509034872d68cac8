//! What peers and local programs do that honest ones do not. Each kind is counted
//! (`narrows_agent_offences_total`), named in the log, and shown with its addresses in `/status`.

use narrows_host::OffenceKind;

/// Counts and names the peers that do so.
pub(crate) type Offences = narrows_host::Offences<Offence>;

/// A kind of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Offence {
    /// Opens a connection and neither reads nor sends what it has to, until its time is over.
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
                "a client opens connections and neither reads nor sends what it has to; they are closed: look what runs on \
                 that machine"
            }
        }
    }
}
