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
    /// Has more connections for a content than its address may, or that this port lets one address have.
    TooManyConnections,
    /// Opens connections faster than a machine needs to, or leaves ever more of them without a handshake.
    HandshakeFlood,
    /// Asks the control port by a name that this machine does not have, or from a page of another site.
    ForeignHost,
}

impl OffenceKind for Offence {
    const ALL: &'static [Self] = &[
        Self::SlowClient,
        Self::TooManyConnections,
        Self::HandshakeFlood,
        Self::ForeignHost,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::SlowClient => "slow_client",
            Self::TooManyConnections => "too_many_connections",
            Self::HandshakeFlood => "handshake_flood",
            Self::ForeignHost => "foreign_host",
        }
    }

    fn sentence(self) -> &'static str {
        match self {
            Self::SlowClient => {
                "a client opens connections and neither reads nor sends what it has to; they are closed: look what runs on \
                 that machine"
            }
            Self::TooManyConnections => {
                "a machine holds more connections than one address may; further ones are refused: if it is no NAT with many \
                 agents behind it, look what runs there"
            }
            Self::HandshakeFlood => {
                "a machine opens connections much faster than an agent does, and they are closed before a handshake: look \
                 what runs there"
            }
            Self::ForeignHost => {
                "the control port was asked by a name that is not this machine's, as a web page can (DNS rebinding): if the \
                 name is right, list it in `control_names`; else look at the browser of that machine"
            }
        }
    }
}
