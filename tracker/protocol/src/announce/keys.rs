//! Every key of an announce and of its reply, each once: what is written and what is read go by these.
//! `doc/protocol.md` says more of each, and a test holds it to these lists.

/// Constants for keys, and [`ALL`](request::ALL) of them.
macro_rules! keys {
    ($($(#[$doc:meta])* $name:ident = $key:literal;)*) => {
        $($(#[$doc])* pub const $name: &str = $key;)*

        /// All of these.
        pub const ALL: &[&str] = &[$($name),*];
    };
}

/// In the query of an announce, from every client.
pub mod request {
    keys! {
        /// 20 bytes, percent-encoded: the content (BEP 3).
        INFO_HASH = "info_hash";
        /// 20 bytes, percent-encoded: the client's name for its session (BEP 3).
        PEER_ID = "peer_id";
        /// 1 to 65535: where it accepts connections (BEP 3).
        PORT = "port";
        /// Bytes: sent to peers (BEP 3).
        UPLOADED = "uploaded";
        /// Bytes: received (BEP 3).
        DOWNLOADED = "downloaded";
        /// Bytes: still wanted; 0 is a seeder (BEP 3).
        LEFT = "left";
        /// `started`, `stopped`, `completed` (BEP 3) or `paused` (BEP 21).
        EVENT = "event";
        /// `0`: peers as dictionaries (BEP 23).
        COMPACT = "compact";
        /// `1`: dictionaries without names (BEP 23).
        NO_PEER_ID = "no_peer_id";
        /// A number: how many peers are wanted.
        NUMWANT = "numwant";
        /// Up to 8 hexadecimal digits: the machine, across addresses and sessions (BEP 7).
        KEY = "key";
        /// An address; believed from trusted proxies alone (BEP 3).
        IP = "ip";
    }
}

/// In the query of an announce, from agents; they count beside `narrows=1`.
pub mod agent {
    keys! {
        /// `1`: the client is an agent.
        NARROWS = "narrows";
        /// 1 to 64 printable characters: its stable id.
        AGENT = "agent";
        /// `gateway` or `member`: the role that it plays at present.
        ROLE = "role";
        /// address:port of the gateway that it is served by.
        GATEWAY = "gateway";
        /// Bytes: fetched across links, over all its runs.
        WAN = "wan";
        /// Bytes: had before it fetched any.
        REUSED = "reused";
        /// `1`: it lacked some of the content once.
        WANTED = "wanted";
        /// `1`: no peer that it knows has a piece that it lacks.
        STALLED = "stalled";
        /// `1`: it has seen another `epoch` since its last announce.
        RESTARTED = "restarted";
        /// address:port of a gateway whose connection just closed.
        LOST = "lost";
        /// `auto`, `never` or `prefer`: whether it may, must not or should be gateway.
        GW = "gw";
        /// `always` or `never`: whether it serves others.
        SHARE = "share";
        /// address:port of a peer that does not answer; may be repeated.
        GONE = "gone";
        /// `SITE:BYTES`: of `wan`, what came from a site; may be repeated.
        FROM = "from";
        /// `ADDRESS:BYTES`: what a gateway of its site itself sent it, in this session; may be repeated.
        BY = "by";
        /// 1 to 65535: the port of its address where it serves `/metrics`.
        METRICS = "metrics";
        /// A number: which networks of the map it was told; 0: none yet.
        NETWORKS = "networks";
        /// A number: which rates to other sites it was told; 0: none yet. Said by who sends to other sites.
        RATES = "rates";
        /// `KIND:ADDRESS`: a peer that did to it what honest ones do not; may be repeated. A claim.
        OFFENDER = "offender";
    }
}

/// In the reply to every client.
pub mod reply {
    keys! {
        /// A number: seeders of the swarm (BEP 48's word).
        COMPLETE = "complete";
        /// A number: how often a peer became complete.
        DOWNLOADED = "downloaded";
        /// 4 or 16 bytes: the address that the tracker saw (BEP 24).
        EXTERNAL_IP = "external ip";
        /// A number: leechers of the swarm.
        INCOMPLETE = "incomplete";
        /// Seconds until the next regular announce (BEP 3).
        INTERVAL = "interval";
        /// Seconds before which there should be none.
        MIN_INTERVAL = "min interval";
        /// A dictionary, for agents: see [`narrows`](super::narrows).
        NARROWS = "narrows";
        /// Compact IPv4 peers (BEP 23), or a list of dictionaries (BEP 3).
        PEERS = "peers";
        /// Compact IPv6 peers (BEP 7).
        PEERS6 = "peers6";
        /// Text, for the person at the client.
        WARNING = "warning message";
    }
}

/// In the dictionary of a peer, where peers are not compact (BEP 3).
pub mod peer {
    keys! {
        /// Text: its address.
        IP = "ip";
        /// 20 bytes: its name; absent with `no_peer_id`.
        PEER_ID = "peer id";
        /// A number: where it accepts connections.
        PORT = "port";
    }
}

/// In the reply's dictionary `narrows`, from our trackers to agents.
pub mod narrows {
    keys! {
        /// Milliseconds until the next announce, where seconds are too coarse; absent: `interval` says it.
        AGAIN = "again";
        /// 1: an operator has stopped this content: none of it is sent across links; absent: it may be.
        BRAKED = "braked";
        /// 0 to 63: the DSCP of packets across links (RFC 2474); absent: none.
        DSCP = "dscp";
        /// A number, another one in each run of the tracker.
        EPOCH = "epoch";
        /// Compact IPv4 addresses: the gateways of the agent's site.
        GATEWAYS = "gateways";
        /// The same of IPv6.
        GATEWAYS6 = "gateways6";
        /// Seconds: how long the role holds unless it is renewed.
        LEASE = "lease";
        /// A dictionary: see [`networks`](super::networks).
        NETWORKS = "networks";
        /// A list of dictionaries, one for each of several parents: see [`parent`](super::parent).
        PARTS = "parts";
        /// 1: nothing may be fetched across links now; absent: it may.
        PAUSED = "paused";
        /// Bytes per second across links; 0 is no limit.
        RATE = "rate";
        /// A dictionary: see [`rates`](super::rates).
        RATES = "rates";
        /// `gateway` or `member`.
        ROLE = "role";
        /// Text: the agent's site.
        SITE = "site";
        /// 1: the site's seeders are slower than its link; absent: they are not.
        SLOW_SUPPLY = "slow_supply";
        /// A number: into how many stripes the pieces are divided; absent: not at all.
        STRIPES = "stripes";
        /// Compact IPv4 addresses: peers at the parents.
        UPSTREAM = "upstream";
        /// The same of IPv6.
        UPSTREAM6 = "upstream6";
        /// Seconds: how often to ask `GET /epoch`.
        WATCH = "watch";
    }
}

/// In the dictionary `networks`: the map's networks.
pub mod networks {
    keys! {
        /// 1: unknown networks are sites of their own; absent: they are denied.
        ATTACH = "attach";
        /// The networks of each site; absent: the agent holds them.
        TABLE = "table";
        /// A number: which networks these are.
        VERSION = "version";
    }
}

/// In the dictionary `rates`: what may be sent to other sites.
pub mod rates {
    keys! {
        /// A number: what may be sent to unknown networks, as a code of `table`.
        ATTACHED = "attached";
        /// Seconds: when a schedule next changes a link; absent: never.
        CHANGE = "change";
        /// Unknown networks to which nothing may be sent; absent: none.
        STOPPED = "stopped";
        /// Runs of sites and what may be sent to them; absent: the agent holds them.
        TABLE = "table";
        /// A number: which rates these are.
        VERSION = "version";
    }
}

/// In a dictionary of `parts`: one of several parents.
pub mod parent {
    keys! {
        /// 1: a link on the way is paused; absent: none is.
        PAUSED = "paused";
        /// Bytes per second from there; 0 is no limit.
        RATE = "rate";
        /// Text: the parent site.
        SITE = "site";
        /// A byte for the number of each stripe that comes from there.
        STRIPES = "stripes";
        /// Compact IPv4 addresses: peers there.
        UPSTREAM = "upstream";
        /// The same of IPv6.
        UPSTREAM6 = "upstream6";
    }
}

/// In a refusal.
pub mod refusal {
    keys! {
        /// 4 or 16 bytes: the address that the tracker saw (BEP 24), where that is why.
        EXTERNAL_IP = "external ip";
        /// Text, for a person (BEP 3).
        FAILURE_REASON = "failure reason";
        /// Seconds until another try makes sense, for clients without BEP 31.
        INTERVAL = "interval";
        /// Minutes, or `never` (BEP 31).
        RETRY_IN = "retry in";
    }
}
