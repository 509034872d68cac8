//! What peers and local programs do that honest ones do not. Each kind is counted
//! (`narrows_agent_offences_total`), named in the log, and shown with its addresses in `/status`.

use narrows_swarm::Misdeed;

/// Counts and names the peers that do so.
pub(crate) type Offences = narrows_host::Offences<Offence>;

narrows_host::offence_kinds! {
    /// A kind of it.
    pub(crate) enum Offence {
        /// Opens a connection and neither reads nor sends what it has to, until its time is over.
        SlowClient = "slow_client":
            "a client opens connections and neither reads nor sends what it has to; they are closed: look what runs on \
            that machine",
        /// Has more connections for a content than its address may, or that this port lets one address have.
        TooManyConnections = "too_many_connections":
            "a machine holds more connections than one address may; further ones are refused: if it is no NAT with many \
            agents behind it, look what runs there",
        /// Opens connections faster than a machine needs to, or leaves ever more of them without a handshake.
        HandshakeFlood = "handshake_flood":
            "a machine opens connections much faster than an agent does, and they are closed before a handshake: look \
            what runs there",
        /// Asks the control port by a name that this machine does not have, or from a page of another site.
        ForeignHost = "foreign_host":
            "the control port was asked by a name that is not this machine's, as a web page can (DNS rebinding): if the \
            name is right, list it in `control_names`; else look at the browser of that machine",
        /// Says that it has pieces and does not bring them.
        NoDelivery = "no_delivery":
            "a neighbour says that it has pieces and, asked for them, brings next to nothing while the link stands \
            idle; they come across the link instead: if that machine is not frozen or overloaded, look what runs there",
        /// Sends pieces whose hash is wrong.
        WrongPieces = "wrong_pieces":
            "a peer sent a piece whose hash is wrong; it is asked of others: look at the disk and memory of that \
            machine, and what runs there",
        /// Asks or sends far more than it may.
        Flooding = "flooding":
            "a peer asks for or sends far more than an agent does, and its connection is closed: look what runs on \
            that machine",
        /// Connects from an address that is in no network of the site map.
        UnmappedAddress = "unmapped_address":
            "a machine whose address is in no network of the site map connects and is sent nothing: if it is to be \
            served, name its network there, or set `serve: any` in agent.yaml",
        /// Says that it is of our site, while its address is of another one.
        FalseSite = "false_site":
            "a machine says that it is of this site, and its address is of another one; it is served as from there: if \
            the site map is right, look what runs on that machine",
    }
    host: |ip| narrows_protocol::Host::of(ip).bytes()
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
