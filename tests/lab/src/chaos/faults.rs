//! What befalls tracker, agents and links: each fault heals by itself, and all before the end.

use std::collections::BTreeMap;
use std::time::Duration;

use narrows_topology::Rate;

use crate::chaos::dice::Dice;
use crate::chaos::network::Network;
use crate::events::{Deed, Event, What, When, Who};

/// Each kind, as often as it is to come.
const KINDS: [Kind; 22] = [
    Kind::Kill,
    Kind::Kill,
    Kind::KillGateway,
    Kind::KillGateway,
    Kind::Stop,
    Kind::Freeze,
    Kind::FreezeGateway,
    Kind::Vanish,
    Kind::SeederAway,
    Kind::RestartTracker,
    Kind::RestartTracker,
    Kind::FreezeTracker,
    Kind::Cut,
    Kind::Slow,
    Kind::Fill,
    Kind::Spoil,
    Kind::Delete,
    Kind::Move,
    Kind::Clone,
    Kind::Clock,
    Kind::Mistype,
    Kind::Brake,
];

/// Between two faults, in tenths of a second.
const BETWEEN: (u64, u64) = (15, 45);

/// How late what happens may be, in tenths of a second: a look at an agent that does not answer takes that long.
const LATE: u64 = 20;

/// How long one lasts, in tenths of a second.
const LASTS: (u64, u64) = (20, 120);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Kill,
    KillGateway,
    Stop,
    Freeze,
    FreezeGateway,
    Vanish,
    SeederAway,
    RestartTracker,
    FreezeTracker,
    Cut,
    Slow,
    Fill,
    Spoil,
    Delete,
    Move,
    Clone,
    Clock,
    Mistype,
    Brake,
}

impl Kind {
    /// How often at most in a run.
    fn most(self) -> usize {
        match self {
            Kind::Clone => 1,
            Kind::Move | Kind::Clock | Kind::Fill | Kind::Brake => 2,
            _ => usize::MAX,
        }
    }
}

/// Until when something is taken by a fault, in tenths of a second.
#[derive(Default)]
struct Busy(BTreeMap<String, u64>);

impl Busy {
    /// Takes it if it is free.
    fn take(&mut self, what: &str, from: u64, until: u64) -> bool {
        let free = self.0.get(what).is_none_or(|busy| *busy < from);
        if free {
            self.0.insert(what.to_owned(), until);
        }
        free
    }
}

/// What happens in so much time; faults last until its end at most, the last fifth has no new ones.
pub(super) fn schedule(dice: &mut Dice, network: &Network, lasts: Duration) -> Vec<Event> {
    let end = lasts.as_secs() * 10;
    let (mut at, mut events) = (dice.between(10, 40), Vec::new());
    let (mut busy, mut times) = (Busy::default(), BTreeMap::<Kind, usize>::new());
    while at < end * 4 / 5 {
        let until = (at + dice.between(LASTS.0, LASTS.1)).min(end);
        // what is taken already is not hit twice: another kind is tried
        for _ in 0..8 {
            let Some(kind) = dice.pick(&KINDS) else { break };
            let before = times.entry(kind).or_default();
            if *before >= kind.most() {
                continue;
            }
            if let Some(fault) = fault(kind, dice, network, &mut busy, at, until) {
                *before += 1;
                events.extend(fault);
                break;
            }
        }
        at += dice.between(BETWEEN.0, BETWEEN.1);
    }
    events.sort_by_key(|event| match event.when {
        When::After(time) => time,
        _ => Duration::ZERO,
    });
    events
}

/// A fault of that kind, if what it would hit is free.
fn fault(
    kind: Kind,
    dice: &mut Dice,
    network: &Network,
    busy: &mut Busy,
    at: u64,
    until: u64,
) -> Option<Vec<Event>> {
    let tenths = |tenths: u64| Duration::from_millis(tenths * 100);
    let event = |what: What, lasts: bool| Event {
        what,
        when: When::After(tenths(at)),
        lasts: lasts.then(|| tenths(until - at)),
    };
    let clients = network.clients().0;
    let (site, count) = dice.pick(&clients)?;
    let number = dice.between(0, count as u64 - 1) as usize;
    let client = Who::Number(site.clone(), number);
    let mut agent = |deed: Deed, lasts: bool| {
        let free = busy.take(&client.to_string(), at, until);
        free.then(|| vec![event(What::Agents(deed, client.clone()), lasts)])
    };
    match kind {
        Kind::Kill => agent(Deed::Kill { forever: false }, true),
        Kind::Stop => agent(Deed::Stop { forever: false }, true),
        Kind::Freeze => agent(Deed::Freeze, true),
        Kind::Vanish => agent(Deed::Vanish, true),
        Kind::Fill => agent(Deed::Fill, true),
        Kind::Spoil => agent(Deed::Spoil, false),
        Kind::Delete => agent(Deed::Delete, false),
        Kind::Move => agent(Deed::Move, false),
        Kind::KillGateway | Kind::FreezeGateway => {
            let deed = match kind {
                Kind::KillGateway => Deed::Kill { forever: false },
                _ => Deed::Freeze,
            };
            let free = busy.take(&format!("gateway of {site}"), at, until);
            free.then(|| vec![event(What::Agents(deed, Who::Gateway(site)), true)])
        }
        // one of the two stays
        Kind::SeederAway => {
            let seeder = Who::Seeder("hq".to_owned(), dice.between(0, 1) as usize);
            let deeds = [
                (Deed::Kill { forever: false }, true),
                (Deed::Freeze, true),
                (Deed::Vanish, true),
                (Deed::Spoil, false),
                (Deed::Delete, false),
            ];
            let (deed, lasts) = dice.pick(&deeds)?;
            busy.take("seeder", at, until + 100).then(|| vec![event(What::Agents(deed, seeder), lasts)])
        }
        Kind::RestartTracker => {
            busy.take("tracker", at, until).then(|| vec![event(What::RestartTracker(None), true)])
        }
        Kind::FreezeTracker => {
            busy.take("tracker", at, until).then(|| vec![event(What::FreezeTracker, true)])
        }
        Kind::Cut | Kind::Slow => {
            let (link, rate) = dice.pick(&network.links())?;
            let slow = Rate::from_bits_per_second(rate * 10 / dice.between(3, 20) * 100_000);
            let what = match kind {
                Kind::Cut => What::Cut(link.clone()),
                _ => What::Slow(link.clone(), slow),
            };
            busy.take(&link, at, until).then(|| vec![event(what, true)])
        }
        Kind::Clone => {
            let to = dice.pick(&network.branches())?;
            Some(vec![event(What::Clone(client, to), false)])
        }
        Kind::Clock => {
            let hours = dice.pick(&[-9000, -30, -1, 1, 5, 9000])?;
            match dice.between(0, 1) {
                0 => busy
                    .take("tracker's clock", at, until)
                    .then(|| vec![event(What::TrackerClock(hours * 3600), true)]),
                _ => agent(Deed::Clock(hours * 3600), true),
            }
        }
        // a tracker that starts by a map with a mistake refuses to, rightly: it is not started while there is one
        Kind::Mistype => busy
            .take("tracker", at.saturating_sub(LATE), until + LATE)
            .then(|| vec![event(What::MistypeMap, true)]),
        Kind::Brake => {
            // a tracker that is away when the brake is to be released would keep it
            busy.take("tracker", at, until + LATE).then(|| {
                let path = "/brake?all=1".to_owned();
                let release = Event {
                    what: What::Http("DELETE".to_owned(), path.clone()),
                    when: When::After(tenths(until)),
                    lasts: None,
                };
                vec![event(What::Http("POST".to_owned(), path), false), release]
            })
        }
    }
}
