//! What a site got of its gateways, by what others there say.

use crate::Time;
use crate::endpoint::Endpoint;

/// What a site got of one gateway.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Service {
    /// When another peer of the site last came on by it, or could not have; at first, when it took office.
    pub(crate) served: Time,
    /// Others at the site have said since then that they got nothing.
    pub(crate) doubt: Option<Doubt>,
    pub(crate) excuse: Excuse,
}

/// Whether a gateway says of its upstreams that it does not reach them, which would explain that its site gets
/// nothing of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Excuse {
    /// It has not said so.
    None,
    ItsWord,
    /// Meanwhile others came on by another gateway.
    Refuted,
}

/// Others at a site say that they got nothing of its gateway.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Doubt {
    /// Since when that is so.
    pub(crate) since: Time,
    pub(crate) by: Doubters,
}

/// Who says so: what one machine says of another may be a lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Doubters {
    One(Endpoint),
    Several,
}

impl Service {
    /// Of a gateway that takes office.
    pub(crate) fn new(now: Time) -> Service {
        Service {
            served: now,
            doubt: None,
            excuse: Excuse::None,
        }
    }

    /// A peer came on, or could not have.
    pub(crate) fn serves(&mut self, now: Time) {
        *self = Service::new(now);
    }

    /// A peer came on by another gateway.
    pub(crate) fn is_outdone(&mut self) {
        self.excuse = Excuse::Refuted;
    }

    /// A peer says that it has got nothing since `since`. `excused`: and the gateway says why.
    /// `one_address`: all peers of the site have the same, so that each record has a voice.
    pub(crate) fn is_doubted(&mut self, by: Endpoint, one_address: bool, since: Time, excused: bool) {
        if excused && self.excuse == Excuse::None {
            self.excuse = Excuse::ItsWord;
        }
        let doubt = self.doubt.get_or_insert(Doubt {
            since,
            by: Doubters::One(by),
        });
        if matches!(doubt.by, Doubters::One(other) if speaks_for_itself(other, by, one_address)) {
            doubt.by = Doubters::Several;
        }
    }
}

/// Whether what one peer says is another machine's word than what the other one says.
pub(crate) fn speaks_for_itself(one: Endpoint, other: Endpoint, one_address: bool) -> bool {
    match one_address {
        true => one != other,
        false => one.host() != other.host(),
    }
}

/// A regular gateway that was taken out of office, and what its site got of it: that follows its address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Released {
    pub(crate) at: Endpoint,
    /// When it last announced.
    pub(crate) renewed: Time,
    pub(crate) service: Service,
}

/// A gateway without which a site is tried for a while, since it may have been another that fetched for the
/// site.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Suspect {
    pub(crate) at: Endpoint,
    /// Since when it is without a lease.
    pub(crate) since: Time,
    /// It is last in line until then.
    pub(crate) until: Time,
    pub(crate) because: Suspicion,
}

/// Why a site is tried without a gateway.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Suspicion {
    /// The site got nothing of it.
    Fruitless,
    /// The same, and it said itself that it got nothing, or that its upstreams did not answer: it is last in line
    /// already, and is named if the others come on at once.
    ItsWord,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn it_takes_two_addresses_to_be_doubted_by_several_and_one_that_came_on_to_end_it() {
        let (second, voice) = (Duration::from_secs, |last: u8| {
            Endpoint::of(([10, 2, 0, last], 6881).into())
        });
        let mut service = Service::new(second(10));
        for since in [12, 14] {
            service.is_doubted(voice(1), false, second(since), false);
            let by = Doubters::One(voice(1));
            assert_eq!(
                service.doubt,
                Some(Doubt {
                    since: second(12),
                    by
                })
            );
        }
        for last in [2, 1] {
            service.is_doubted(voice(last), false, second(16), false);
            let by = Doubters::Several;
            assert_eq!(
                service.doubt,
                Some(Doubt {
                    since: second(12),
                    by
                })
            );
        }
        service.serves(second(20));
        assert_eq!(service, Service::new(second(20)));
        let beside = Endpoint::of(([10, 2, 0, 1], 6882).into());
        for (one_address, several) in [(false, false), (true, true)] {
            let mut service = Service::new(second(20));
            service.is_doubted(voice(1), one_address, second(22), false);
            service.is_doubted(beside, one_address, second(24), false);
            assert_eq!(
                service.doubt.map(|doubt| doubt.by == Doubters::Several),
                Some(several)
            );
        }
    }
}
