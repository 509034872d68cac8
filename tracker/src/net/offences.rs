//! What clients do that honest ones do not. Each kind is counted (`narrows_tracker_offences_total`), named in
//! the log, and shown with its addresses in `/status` and on the page.

/// Counts and names the clients that do so.
pub(crate) type Offences = narrows_host::Offences<Offence>;

narrows_host::offence_kinds! {
    /// A kind of it.
    pub(crate) enum Offence {
        /// Reads no answers, or sends no body, until its time is over.
        SlowClient = "slow_client":
            "a client opens connections and does not read answers or does not send what it announced; its connections \
            are closed: look what runs on that machine",
        /// More connections at a time than one address may have.
        TooManyConnections = "too_many_connections":
            "an address has more connections open than one may have; its idlest are closed: look what runs there, or, if \
            it is a proxy or a NAT of many clients, see `trusted_proxies` and `max_connections_per_address`",
        /// More handshakes over TLS than one address may have.
        TooManyHandshakes = "too_many_handshakes":
            "an address opens connections over https faster than one may (512 a second, 4,096 at once); further ones are closed: look what \
            runs there, or, if it is a proxy of many clients, see `trusted_proxies`",
        /// Requests that are longer than any that is answered.
        OversizedRequest = "oversized_request":
            "a client sends requests that are longer than any that is answered; they are refused: look what runs on \
            that machine",
        /// Comes to the admin port by a name, or from a page, that is not its own.
        ForeignHost = "foreign_host":
            "a browser asked the admin port by a name that is not its own, or for a page of another site, and was refused: \
            if the name is one that you gave it, add it to `admin_names`; if not, look which page was open there",
        /// Announces the id of another agent without that one's key.
        IdTaken = "id_taken":
            "a client announces the id of another agent without that one's key; the other agent's record and lease stay \
            as they are: it is a clone, which needs an `id` of its own in agent.yaml, or it wants to stop the other one",
        /// Says again and again of peers which the tracker reaches that they do not answer.
        FalseAccusation = "false_accusation":
            "a client says again and again of peers that they do not answer, and the tracker reaches them; it is not \
            believed: a firewall or a broken network card is between them, or it lies: look at that machine",
        /// Took a site's lease, and the site got nothing.
        NoProgress = "no_progress":
            "a gateway could fetch, and its site got nothing of it for a whole lease; another one has the lease, and this \
            address is last in line for minutes: its neighbours cannot reach it (a firewall?), or it keeps what it gets",
        /// Says that it fetched more than links can have carried.
        ImpossibleCounters = "impossible_counters":
            "an agent says that it fetched more across links than they can have carried since its last report; the rest is \
            not booked: the map gives its link less than it has, or it lies: look at that machine",
        /// More peers of one content than one address may have, or more contents than one may begin.
        CrowdedAddress = "crowded_address":
            "more peers of one content announce from an address than are kept for one (1,024; 64 with one port; 16,384 from \
            an IPv6 /64), and those that were silent for longest are forgotten; or it begins more than 1,024 contents, and \
            further ones are refused: a large NAT, which needs ports of its own or a route to the tracker, or a machine \
            that makes clients up",
    }
    host: |ip| narrows_protocol::Host::of(ip).bytes()
}
