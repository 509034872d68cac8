//! The numbers of rules 2, supply, 4, gateways, 5, upstreams, 8, nobody starves, and 9, identity.

use std::time::Duration;

use narrows_protocol::Host;

/// Which records are one machine's, and how many of one name or address are kept (rule 9, identity).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IdentityPolicy {
    /// A machine moves by itself, to another network say; not so often within [`IdentityPolicy::restless`] as
    /// two machines seem to move that share id and key, and take turns.
    pub max_moves: u32,
    /// The time in which moves are counted.
    pub restless: Duration,
    /// The most agents whose moves are remembered: any client may announce any id.
    pub max_remembered: usize,
    /// The most machines of one id, for the same reason ...
    pub max_of_id: usize,
    /// ... and of one id and address.
    pub max_of_id_at_address: usize,
    /// The most peers of one address and port. One that comes beyond them takes the place of the one that has
    /// been silent for longest.
    pub max_at_endpoint: usize,
    /// The most peers of one IPv4 address, and agents whose totals are remembered: so many machines may be
    /// behind a NAT or a VPN concentrator, and no address can fill the table.
    pub max_at_address: usize,
    /// The same of one IPv6 network (/64): a site of ordinary size, and one machine has it all.
    pub max_at_network: usize,
    /// Of a content whose size is not known, no more than this is believed to have been there before, in
    /// bytes: it is a claim.
    pub max_reused: u64,
}

impl IdentityPolicy {
    /// Of how many peers something is kept, for each of which a host may speak.
    pub(crate) fn most_of(&self, host: Host) -> usize {
        if host.is_ipv4() {
            self.max_at_address
        } else {
            self.max_at_network
        }
    }
}

impl Default for IdentityPolicy {
    fn default() -> Self {
        IdentityPolicy {
            max_moves: 3,
            restless: Duration::from_secs(180),
            max_remembered: 1024,
            max_of_id: 4096,
            max_of_id_at_address: 64,
            max_at_endpoint: 64,
            max_at_address: 1024,
            max_at_network: 16_384,
            max_reused: 1 << 50,
        }
    }
}

/// When a site's own seeders are too slow to count as its supply (rule 2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SupplyPolicy {
    /// Leechers that are measured before a site's seeders are judged, or all if it has fewer: one slow
    /// leecher says little of a seeder.
    pub enough: u32,
    /// A site fetches across its link if that brings more than so many times what its own seeders do; for
    /// less, the link is not worth a second copy.
    pub times_faster: u64,
}

impl Default for SupplyPolicy {
    fn default() -> Self {
        SupplyPolicy {
            enough: 3,
            times_faster: 2,
        }
    }
}

/// Leases and successors (rule 4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GatewayPolicy {
    /// The soonest that a gateway comes back while a rollout begins: most sites have joined by then.
    pub settle_min: Duration,
    /// Leechers that are compared when a successor is looked for, and peers of a class when the best-supplied one
    /// has gone: a sample of a large site is as good as all of it.
    pub candidates: usize,
    /// A free lease waits for a better successor than the announcing peer only if that one is ahead by more
    /// than this part of the content: a second without a gateway costs more than it would save.
    pub head_start: u64,
    /// Beyond its interval, a gateway has so long to come back before it is called overdue: a request may be
    /// sent twice.
    pub late: Duration,
    /// A member that waits for a lease comes back no sooner than after this.
    pub wait_min: Duration,
    /// Least intervals that a starving member's claim to a remote peer lasts: the regular gateway announces
    /// within that time.
    pub claim: u32,
    /// A gateway on this step of the starvation ladder lets another try, after ...
    pub stuck_step: u8,
    /// ... so many announces without progress: other upstreams and a root site have been tried by then.
    pub stuck_still: u8,
    /// With a claim pending it lets the claimant try sooner: on this step, after ...
    pub claimed_step: u8,
    /// ... so many announces without progress.
    pub claimed_still: u8,
    /// How long an address whose lease brought its site nothing is last in line.
    pub barred: BarPolicy,
    /// How long an address has no lease by the starvation ladder to which one brought nothing, as it says
    /// itself, while another gateway fetches.
    pub in_vain: BarPolicy,
    /// A gateway may bring nothing for as long as one part in so many of the content takes at its rate ...
    pub term_part: u64,
    /// ... or so many bytes of it, if that is more: a piece or some ...
    pub term_least: u64,
    /// ... but no longer than this.
    pub term_most: Duration,
    /// Leases that a site is tried without a gateway that may have brought nothing: members say by then
    /// whether they come on.
    pub trial_terms: u32,
    /// A gateway of which its site gets nothing, beside one of which it may, has one part in so many of what it
    /// would have.
    pub least_share: u32,
}

impl Default for GatewayPolicy {
    fn default() -> Self {
        GatewayPolicy {
            settle_min: Duration::from_millis(300),
            candidates: 64,
            head_start: 64,
            late: Duration::from_secs(2),
            wait_min: Duration::from_secs(1),
            claim: 3,
            stuck_step: 3,
            stuck_still: 3,
            claimed_step: 1,
            claimed_still: 2,
            barred: BarPolicy {
                first: Duration::from_secs(5 * 60),
                most: Duration::from_secs(60 * 60),
            },
            in_vain: BarPolicy {
                first: Duration::from_secs(60),
                most: Duration::from_secs(10 * 60),
            },
            term_part: 128,
            term_least: 8 << 20,
            term_most: Duration::from_secs(60 * 60),
            trial_terms: 3,
            least_share: 16,
        }
    }
}

/// How long an address that had a lease to no avail comes after others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BarPolicy {
    /// The first time; doubled each time ...
    pub first: Duration,
    /// ... up to this.
    pub most: Duration,
}

/// When a gateway brings next to nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TricklePolicy {
    /// A gateway's rate is measured over at least this: shorter windows see bursts of pieces.
    pub window: Duration,
    /// A trickle is less than one part in so many of what the gateway was granted.
    pub part: u64,
    /// Between two trials at a site, at first; doubled with each, since it may as well be the link that
    /// others fill.
    pub wait_min: Duration,
    /// Between two trials at a site, at most; after as long a calm it begins anew.
    pub wait_max: Duration,
}

impl Default for TricklePolicy {
    fn default() -> Self {
        TricklePolicy {
            window: Duration::from_secs(20),
            part: 4,
            wait_min: Duration::from_secs(60),
            wait_max: Duration::from_secs(900),
        }
    }
}

/// Which peers a gateway fetches from (rule 5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UpstreamPolicy {
    /// Up to so many seeders, all are ranked by rendezvous hash; among more ...
    pub ranked: usize,
    /// ... so many are drawn by hash and ranked, so that a choice costs the same at any size.
    pub drawn: u64,
    /// Sites that a root without everything is sent to at most: each is asked for what the others lack.
    pub root_sources: usize,
}

impl Default for UpstreamPolicy {
    fn default() -> Self {
        UpstreamPolicy {
            ranked: 32,
            drawn: 16,
            root_sources: 8,
        }
    }
}

/// What agents report with `gone=`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReachPolicy {
    /// For so long a gateway is not handed a peer again that it could not reach, nor its site planned behind
    /// a site of which it reached no peer: agents give up and report within about half of it.
    pub avoided: Duration,
    /// How old the failure may be that an agent reports; a peer that has announced since then is alive.
    pub recent: Duration,
    /// Upstreams that are remembered as unreachable, per gateway: any client may report what it likes.
    pub remembered: usize,
    /// Neighbours at so many addresses must say that a peer does not answer before that is believed where the
    /// tracker itself cannot tell: one report may be one broken connection, or a lie.
    pub witnesses: usize,
    /// A peer is dialled once in this time, whatever others say of it.
    pub probe_again: Duration,
    /// The least and the most time until a peer whose report is being looked into is to come back: the tracker
    /// has dialled by then, unless the machine does not even refuse.
    pub probe_wait: (Duration, Duration),
    /// Peers of a swarm of which is remembered what was found.
    pub max_probes: usize,
    /// For so long the tracker knows that it reaches a site's peers: firewalls change rarely.
    pub evidence: Duration,
    /// Once in this time a site's peers are believed before the tracker has looked itself. That is faster where
    /// a machine is gone without refusing, and one with two addresses can use it so often.
    pub trusted: Duration,
    /// An address is named whose claims were found to be false so often: honest peers err when their own
    /// network fails, once or twice.
    pub false_accusations: u32,
    /// The time in which that is counted.
    pub false_within: Duration,
    /// What it says of other contents is not counted for so long: a network that fails does so of all of them.
    pub false_apart: Duration,
    /// Addresses for which it is counted, over all contents.
    pub max_liars: usize,
}

impl Default for ReachPolicy {
    fn default() -> Self {
        ReachPolicy {
            avoided: Duration::from_secs(60),
            recent: Duration::from_secs(30),
            remembered: 32,
            witnesses: 2,
            probe_again: Duration::from_secs(5),
            probe_wait: (Duration::from_millis(250), Duration::from_secs(1)),
            max_probes: 1024,
            evidence: Duration::from_secs(15 * 60),
            trusted: Duration::from_secs(10 * 60),
            false_accusations: 5,
            false_within: Duration::from_secs(10 * 60),
            false_apart: Duration::from_secs(5),
            max_liars: 4096,
        }
    }
}

/// The starvation ladder (rule 8).
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct StarvationPolicy {
    /// A peer is judged at most once in this part of the least interval: sooner announces, with their jitter,
    /// say nothing new.
    pub patience: f64,
    /// Announces without progress after which a leecher climbs.
    pub still: u8,
    /// From this step on it may be a gateway of its own.
    pub gateway_step: u8,
    /// A gateway's parents are barren that have not come on for so many leecher intervals and hold no more
    /// than it.
    pub barren: u32,
    /// The last step: the seeders of a root site.
    pub top: u8,
    /// A gateway that they brought something fetches from them for so long, once it did not, where its parent may only
    /// say that it has something: it never brought anything to the site, or was left for a root a short time ago.
    pub root_lasts: Duration,
    /// This is that short time.
    pub root_remembered: Duration,
    /// For so long, a site's gateways are handed others before those of which one of them had nothing.
    pub useless: Duration,
    /// What was received is verified later, so progress counts as local only if one part in so many of it
    /// exceeds what crossed links.
    pub verified: u64,
}

impl Default for StarvationPolicy {
    fn default() -> Self {
        StarvationPolicy {
            patience: 0.8,
            still: 2,
            gateway_step: 2,
            barren: 2,
            top: 3,
            root_lasts: Duration::from_secs(5 * 60),
            root_remembered: Duration::from_secs(30 * 60),
            useless: Duration::from_secs(5 * 60),
            verified: 2,
        }
    }
}

/// How much of what agents say they fetched across links can be true.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TotalsPolicy {
    /// Beside the time since its last report, an agent may have fetched for so long: a report may be late, and
    /// count what was sent before.
    pub slack: Duration,
    /// What a link is taken to carry that has no limit in the map, bytes per second.
    pub fastest: u64,
    /// At most so many bytes are believed at once of a content whose size is not known.
    pub most_unknown: u64,
}

impl Default for TotalsPolicy {
    fn default() -> Self {
        TotalsPolicy {
            slack: Duration::from_secs(60),
            // 100 Gbit/s
            fastest: 12_500_000_000,
            most_unknown: 1 << 40,
        }
    }
}
