//! What peers and local programs do that honest ones do not. Each kind is counted
//! (`narrows_agent_offences_total`), named in the log, and shown with its addresses in `/status`.

use narrows_host::OffenceKind;
use narrows_swarm::Misdeed;

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
    /// Says that it has pieces and does not bring them.
    NoDelivery,
    /// Sends pieces whose hash is wrong.
    WrongPieces,
    /// Asks or sends far more than it may.
    Flooding,
    /// Connects from an address that is in no network of the site map.
    UnmappedAddress,
    /// Says that it is of our site, while its address is of another one.
    FalseSite,
}

impl From<Misdeed> for Offence {
    fn from(misdeed: Misdeed) -> Self {
        match misdeed {
            Misdeed::NoDelivery => Self::NoDelivery,
            Misdeed::WrongPieces => Self::WrongPieces,
            Misdeed::Flooding => Self::Flooding,
            Misdeed::FalseSite => Self::FalseSite,
        }
    }
}

impl OffenceKind for Offence {
    const ALL: &'static [Self] = &[
        Self::SlowClient,
        Self::TooManyConnections,
        Self::HandshakeFlood,
        Self::ForeignHost,
        Self::NoDelivery,
        Self::WrongPieces,
        Self::Flooding,
        Self::UnmappedAddress,
        Self::FalseSite,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::SlowClient => "slow_client",
            Self::TooManyConnections => "too_many_connections",
            Self::HandshakeFlood => "handshake_flood",
            Self::ForeignHost => "foreign_host",
            Self::NoDelivery => "no_delivery",
            Self::WrongPieces => "wrong_pieces",
            Self::Flooding => "flooding",
            Self::UnmappedAddress => "unmapped_address",
            Self::FalseSite => "false_site",
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
            Self::UnmappedAddress => {
                "a machine whose address is in no network of the site map connects and is sent nothing: if it is to be \
                 served, name its network there, or set `serve: any` in agent.yaml"
            }
            Self::FalseSite => {
                "a machine says that it is of this site, and its address is of another one; it is served as from there: if \
                 the site map is right, look what runs on that machine"
            }
            Self::ForeignHost => {
                "the control port was asked by a name that is not this machine's, as a web page can (DNS rebinding): if the \
                 name is right, list it in `control_names`; else look at the browser of that machine"
            }
            Self::NoDelivery => {
                "a neighbour says that it has pieces and, asked for them, brings next to nothing while the link stands \
                 idle; they come across the link instead: if that machine is not frozen or overloaded, look what runs there"
            }
            Self::WrongPieces => {
                "a peer sent a piece whose hash is wrong; it is asked of others: look at the disk and memory of that \
                 machine, and what runs there"
            }
            Self::Flooding => {
                "a peer asks for or sends far more than an agent does, and its connection is closed: look what runs on \
                 that machine"
            }
        }
    }
}
