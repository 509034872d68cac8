//! The duties of a gateway, as the last good announce said.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use narrows_protocol::{Assignment, GatewayPreference, InfoHash, Parent, Role};
use xxhash_rust::xxh3::xxh3_64;

use crate::Time;

/// What the tracker wants of us.
#[derive(Clone, Debug, Default)]
pub struct Duty {
    /// As it said, but for `gateway: never`.
    pub role: Role,
    /// Our site; empty until it is known.
    pub site: String,
    /// The gateways of our site.
    pub roster: Vec<SocketAddr>,
    /// The peers that we may fetch from across the WAN, by parent; empty unless gateway. A single parent has
    /// no name and all stripes.
    pub parents: Vec<Parent>,
    /// Into how many stripes the pieces are divided; 0 and 1: not at all.
    pub stripes: u8,
    /// Bytes/s across the WAN, headers included, all parents together; 0 = no limit.
    pub rate: u64,
    /// All of it is paused.
    pub paused: bool,
    /// What only seeds of our site hold may be fetched across the WAN too: they bring less than the link
    /// would.
    pub slow_supply: bool,
    /// What packets across links are marked with.
    pub dscp: Option<u8>,
    /// When the lease ends. It matters only as the time to announce by: while no tracker answers, agents go
    /// on.
    pub lease_ends: Option<Time>,
}

impl Duty {
    /// Reads an assignment.
    pub fn new(assignment: &Assignment, mode: GatewayPreference, now: Time) -> Duty {
        let role = if mode == GatewayPreference::Never {
            Role::Member
        } else {
            assignment.role
        };
        let gateway = role == Role::Gateway;
        Duty {
            role,
            site: assignment.site.clone(),
            roster: assignment.gateways.clone(),
            parents: if gateway { parents(assignment) } else { Vec::new() },
            stripes: if assignment.parents.is_empty() {
                1
            } else {
                assignment.stripes
            },
            rate: assignment.rate,
            paused: assignment.paused,
            slow_supply: gateway && assignment.slow_supply,
            dscp: assignment.dscp.filter(|dscp| *dscp < 64),
            lease_ends: (gateway && assignment.lease > 0)
                .then(|| now + Time::from_secs(u64::from(assignment.lease))),
        }
    }

    /// Keeps a gateway's upstreams if the tracker names none: it has restarted and does not know them yet, or
    /// it knows no better ones. Whether that was so.
    pub fn keep_upstreams(&mut self, before: &Duty) -> bool {
        let keeps = self.is_gateway()
            && self.site == before.site
            && self.upstreams().next().is_none()
            && before.upstreams().next().is_some();
        if keeps {
            self.parents.clone_from(&before.parents);
            (self.stripes, self.rate, self.paused) = (before.stripes, before.rate, before.paused);
            self.slow_supply = before.slow_supply;
        }
        keeps
    }

    /// Whether we are gateway.
    pub fn is_gateway(&self) -> bool {
        self.role == Role::Gateway
    }

    /// The peers that we may fetch from across the WAN.
    pub fn upstreams(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.parents.iter().flat_map(|parent| parent.upstreams.iter().copied())
    }
}

/// The parents of an assignment; one alone is not listed there.
fn parents(assignment: &Assignment) -> Vec<Parent> {
    if !assignment.parents.is_empty() {
        return assignment.parents.clone();
    }
    vec![Parent {
        site: String::new(),
        rate: assignment.rate,
        paused: assignment.paused,
        stripes: vec![0],
        upstreams: assignment.upstream.clone(),
    }]
}

/// Our own address among those of our site: the one that the tracker sees, else the one we listen on. A
/// gateway that the roster has at neither is the only one there with its port; a member is none of them,
/// however many listen on that port.
pub fn myself(listen: SocketAddr, seen: Option<IpAddr>, role: Role, roster: &[SocketAddr]) -> SocketAddr {
    let seen = SocketAddr::new(seen.unwrap_or(listen.ip()), listen.port());
    if role == Role::Member || roster.contains(&seen) {
        return seen;
    }
    if roster.contains(&listen) {
        return listen;
    }
    let mut alike = roster.iter().filter(|gateway| gateway.port() == listen.port());
    match (alike.next(), alike.next(), listen.ip().is_unspecified()) {
        (Some(only), None, true) => *only,
        _ => seen,
    }
}

/// Seeds the order of pieces across the WAN: by content and site, the same for all gateways of a site.
pub fn order_seed(info_hash: InfoHash, site: &str) -> u64 {
    let mut bytes = info_hash.0.to_vec();
    bytes.extend_from_slice(site.as_bytes());
    xxh3_64(&bytes)
}

/// When each gateway of our roster last brought a piece of its share.
#[derive(Clone, Debug, Default)]
pub struct Silence {
    last: BTreeMap<SocketAddr, Time>,
}

impl Silence {
    /// The silence of a gateway that is new in the roster begins now.
    pub fn set_roster(&mut self, roster: &[SocketAddr], now: Time) {
        self.last.retain(|gateway, _| roster.contains(gateway));
        for gateway in roster {
            self.last.entry(*gateway).or_insert(now);
        }
    }

    /// A piece of this gateway's share appeared on our site.
    pub fn heard(&mut self, gateway: SocketAddr, now: Time) {
        if let Some(last) = self.last.get_mut(&gateway) {
            *last = now;
        }
    }

    /// Whether we may take over a piece for which these gateways come before us: each has been silent for k x
    /// `term`, k being how many they are. Never by count of what is left.
    pub fn may_take_over(&self, before: &mut dyn Iterator<Item = SocketAddr>, term: Time, now: Time) -> bool {
        let (mut number, mut latest) = (0, Time::ZERO);
        for gateway in before {
            number += 1;
            latest = latest.max(self.last.get(&gateway).copied().unwrap_or(now));
        }
        now.saturating_sub(latest) >= term * number
    }
}

/// The time after which a silent gateway's pieces may be taken over: three times what a piece takes at our
/// rate.
pub fn term(piece: u32, rate: u64) -> Time {
    let piece = if rate == 0 {
        0.0
    } else {
        f64::from(piece) / rate as f64
    };
    Time::from_secs_f64((3.0 * piece).clamp(2.0, 120.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_gateway_finds_itself_in_the_roster_by_the_address_the_tracker_sees() {
        let roster = [addr("10.2.0.7:6881"), addr("10.2.0.8:6881")];
        let (seen, anywhere) = (addr("10.2.0.8:0").ip(), addr("0.0.0.0:6881"));
        let me = |listen, seen, roster| myself(listen, seen, Role::Gateway, roster);
        assert_eq!(me(anywhere, Some(seen), &roster), roster[1]);
        assert_eq!(me(roster[0], None, &roster), roster[0]);
        assert_eq!(me(anywhere, None, &roster[..1]), roster[0]);
    }

    #[test]
    fn a_member_does_not_take_the_only_gateway_for_itself() {
        let (gateway, anywhere) = (addr("10.2.0.7:6881"), addr("0.0.0.0:6881"));
        for seen in [None, Some(addr("10.2.0.8:0").ip())] {
            assert_ne!(myself(anywhere, seen, Role::Member, &[gateway]), gateway);
        }
    }

    #[test]
    fn a_piece_is_taken_over_only_from_gateways_that_are_all_silent() {
        let (a, b) = (addr("10.2.0.7:1"), addr("10.2.0.8:1"));
        let mut silence = Silence::default();
        silence.set_roster(&[a, b], Time::ZERO);
        let term = Time::from_secs(2);
        let ask = |silence: &Silence, before: &[SocketAddr], now| {
            silence.may_take_over(&mut before.iter().copied(), term, Time::from_secs(now))
        };
        assert!(!ask(&silence, &[a], 1) && ask(&silence, &[a], 2));
        assert!(!ask(&silence, &[a, b], 3) && ask(&silence, &[a, b], 4));
        silence.heard(a, Time::from_secs(4));
        assert!(!ask(&silence, &[a, b], 7) && ask(&silence, &[b], 7));
    }
}
