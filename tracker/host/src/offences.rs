//! What clients and peers do that honest ones do not: counted by kind, with a bounded table of who does it,
//! and named in the log.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::RepeatsBy;

/// So many addresses are remembered for each kind. Of the [host](OffenceKind::host) that has most of them the one that
/// was seen last the longest ago gives way, of all where each has as many: one machine with an IPv6 network hides no
/// other.
const MAX_OFFENDERS: usize = 64;

/// So many addresses are named in the log for each kind within an hour.
const MAX_NAMED: usize = 32;

/// So much is kept of an agent's id, which any client can make up.
const MAX_AGENT: usize = 64;

/// The kinds of a program: an enum without data.
pub trait OffenceKind: Copy + Eq + 'static {
    /// All, in the order in which they are shown.
    const ALL: &'static [Self];
    /// The value of the label `offence` and of the field in JSON: `snake_case`.
    fn as_str(self) -> &'static str;
    /// For the log: what the client does, and what the operator can do.
    fn sentence(self) -> &'static str;
    /// What counts as one machine, of all addresses that it may have: `narrows_protocol::Host`, as bytes.
    fn host(ip: IpAddr) -> [u8; 16];
}

/// Declares the kinds of a program, each with its label and its sentence, and [what counts as one
/// machine](OffenceKind::host): a kind that has been declared is in [`OffenceKind::ALL`], so that it is counted and
/// shown.
///
/// ```
/// narrows_host::offence_kinds! {
///     /// What clients do.
///     pub enum Offence {
///         /// Says what is not so.
///         Lies = "lies": "a client lies; look at it",
///     }
///     host: |ip| match ip {
///         std::net::IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
///         std::net::IpAddr::V6(ip) => ip.octets(),
///     }
/// }
/// use narrows_host::OffenceKind;
/// assert_eq!(Offence::ALL, [Offence::Lies]);
/// assert_eq!(Offence::Lies.as_str(), "lies");
/// ```
#[macro_export]
macro_rules! offence_kinds {
    (
        $(#[$of_enum:meta])*
        $visibility:vis enum $name:ident {
            $($(#[$of_kind:meta])* $kind:ident = $label:literal: $sentence:literal),+ $(,)?
        }
        host: $host:expr
    ) => {
        $(#[$of_enum])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        $visibility enum $name {
            $($(#[$of_kind])* $kind,)+
        }

        impl $crate::OffenceKind for $name {
            const ALL: &'static [Self] = &[$(Self::$kind),+];

            fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => $label,)+
                }
            }

            fn sentence(self) -> &'static str {
                match self {
                    $(Self::$kind => $sentence,)+
                }
            }

            fn host(ip: ::std::net::IpAddr) -> [u8; 16] {
                let host: fn(::std::net::IpAddr) -> [u8; 16] = $host;
                host(ip)
            }
        }
    };
}

/// A client or peer that does what honest ones do not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Offender<K> {
    /// What it does.
    pub kind: K,
    /// From where.
    pub ip: IpAddr,
    /// The agent's id that it gave when it did so last: a claim.
    pub agent: Option<String>,
    /// When it did so first and last, in the program's time.
    pub first: Duration,
    /// See `first`.
    pub last: Duration,
    /// How often.
    pub times: u64,
}

/// Counts and names offenders. It may be shared between threads; the lock is held for a look-up.
#[derive(Debug)]
pub struct Offences<K> {
    /// In the order of [`OffenceKind::ALL`].
    kinds: Vec<OfKind<K>>,
}

#[derive(Debug)]
struct OfKind<K> {
    kind: K,
    total: AtomicU64,
    offenders: Mutex<BTreeMap<IpAddr, Offender<K>>>,
    named: RepeatsBy<IpAddr>,
}

impl<K: OffenceKind> Default for Offences<K> {
    fn default() -> Self {
        let of_kind = |kind: &K| OfKind {
            kind: *kind,
            total: AtomicU64::new(0),
            offenders: Mutex::default(),
            named: RepeatsBy::new(MAX_NAMED),
        };
        Self {
            kinds: K::ALL.iter().map(of_kind).collect(),
        }
    }
}

impl<K: OffenceKind> Offences<K> {
    /// A client at `ip` did what is of this `kind`; `agent` is the id that it gave, if it did.
    pub fn record(&self, kind: K, ip: IpAddr, agent: Option<&str>, now: Duration) {
        let Some(of_kind) = self.kinds.iter().find(|of_kind| of_kind.kind == kind) else {
            return;
        };
        let ip = ip.to_canonical();
        let agent = agent.map(|agent| agent.chars().take(MAX_AGENT).collect::<String>());
        of_kind.total.fetch_add(1, Ordering::Relaxed);
        if let Some(times) = of_kind.named.seen(ip, now) {
            let (offence, agent) = (kind.as_str(), agent.as_deref());
            tracing::warn!(offence, %ip, agent, times, "{}", kind.sentence());
        }
        of_kind.remember(ip, agent, now);
    }

    /// How often each kind was recorded.
    pub fn totals(&self) -> impl Iterator<Item = (K, u64)> {
        self.kinds.iter().map(|of_kind| (of_kind.kind, of_kind.total.load(Ordering::Relaxed)))
    }

    /// Who did so, those that did last first; at most 64 of each kind.
    pub fn offenders(&self) -> Vec<Offender<K>> {
        let mut all: Vec<Offender<K>> = Vec::new();
        for of_kind in &self.kinds {
            all.extend(of_kind.lock().values().cloned());
        }
        all.sort_by_key(|offender| std::cmp::Reverse(offender.last));
        all
    }
}

impl<K: OffenceKind> OfKind<K> {
    fn remember(&self, ip: IpAddr, agent: Option<String>, now: Duration) {
        let mut offenders = self.lock();
        if let Some(known) = offenders.get_mut(&ip) {
            (known.last, known.times) = (now, known.times.saturating_add(1));
            known.agent = agent.or(known.agent.take());
            return;
        }
        if offenders.len() >= MAX_OFFENDERS
            && let Some(oldest) = oldest_of_most::<K>(&offenders)
        {
            offenders.remove(&oldest);
        }
        let new = Offender {
            kind: self.kind,
            ip,
            agent,
            first: now,
            last: now,
            times: 1,
        };
        offenders.insert(ip, new);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<IpAddr, Offender<K>>> {
        self.offenders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one that was seen last the longest ago, of those with the host that has most.
fn oldest_of_most<K: OffenceKind>(offenders: &BTreeMap<IpAddr, Offender<K>>) -> Option<IpAddr> {
    let mut counts: BTreeMap<[u8; 16], usize> = BTreeMap::new();
    for ip in offenders.keys() {
        *counts.entry(K::host(*ip)).or_default() += 1;
    }
    let count = |known: &Offender<K>| counts.get(&K::host(known.ip)).copied();
    offenders
        .values()
        .max_by_key(|known| (count(known), std::cmp::Reverse(known.last)))
        .map(|known| known.ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    offence_kinds! {
        enum Kind {
            Lies = "lies": "it lies; look at it",
            Floods = "floods": "it floods; look at it",
        }
        // enough for these tests: an IPv6 network is one
        host: |ip| match ip {
            IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
            IpAddr::V6(ip) => (ip.to_bits() >> 64 << 64).to_be_bytes(),
        }
    }

    fn ip(last: u16) -> IpAddr {
        let [a, b] = last.to_be_bytes();
        [10, 0, a, b].into()
    }

    #[test]
    fn each_kind_is_counted_and_its_offenders_are_known_the_last_first() {
        let offences = Offences::default();
        let second = Duration::from_secs;
        offences.record(Kind::Lies, ip(1), Some("pc1"), second(1));
        offences.record(Kind::Floods, ip(2), None, second(2));
        offences.record(Kind::Lies, "::ffff:10.0.0.1".parse().unwrap(), None, second(3));
        assert_eq!(
            offences.totals().collect::<Vec<_>>(),
            [(Kind::Lies, 2), (Kind::Floods, 1)]
        );
        let known = offences.offenders();
        assert_eq!(
            known.iter().map(|known| known.ip).collect::<Vec<_>>(),
            [ip(1), ip(2)]
        );
        assert_eq!((known[0].times, known[0].agent.as_deref()), (2, Some("pc1")));
        assert_eq!((known[0].first, known[0].last), (second(1), second(3)));
    }

    #[test]
    fn a_flood_of_addresses_and_long_ids_is_bounded_and_hides_no_other_kind() {
        let offences = Offences::default();
        offences.record(Kind::Lies, ip(1), Some(&"x".repeat(100_000)), Duration::ZERO);
        for n in 0..10_000 {
            offences.record(Kind::Floods, ip(n), None, Duration::from_millis(n.into()));
        }
        let known = offences.offenders();
        assert_eq!(known.len(), MAX_OFFENDERS + 1);
        let lies = known.iter().find(|known| known.kind == Kind::Lies).unwrap();
        assert_eq!(lies.agent.as_ref().map(String::len), Some(MAX_AGENT));
        assert_eq!(known[0].ip, ip(9999));
    }

    #[test]
    fn a_machine_with_an_ipv6_network_hides_no_other_offender_of_its_kind() {
        let (offences, other) = (Offences::default(), "2001:db8:0:1::1".parse().unwrap());
        offences.record(Kind::Lies, ip(1), None, Duration::ZERO);
        offences.record(Kind::Lies, other, None, Duration::ZERO);
        for n in 1..1000_u128 {
            let ip = IpAddr::from((0x2001_0db8_u128 << 96 | n).to_be_bytes());
            offences.record(Kind::Lies, ip, None, Duration::from_secs(n as u64));
        }
        let known: Vec<IpAddr> = offences.offenders().iter().map(|known| known.ip).collect();
        assert_eq!(known.len(), MAX_OFFENDERS);
        assert!(known.contains(&ip(1)) && known.contains(&other), "{known:?}");
        assert!(
            known.contains(&"2001:db8::3e7".parse().unwrap()),
            "the last one: {known:?}"
        );
    }
}
