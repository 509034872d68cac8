//! A site as the rules' own tests make it: peers written by hand, no announce.

use std::time::Duration;

use narrows_protocol::{GatewayPreference, InfoHash, PeerId};
use narrows_topology::{SiteId, SiteMap};

use crate::endpoint::Endpoint;
use crate::hash::{AgentKey, Machine};
use crate::rules::accusations::Case;
use crate::state::Swarm;
use crate::state::peer::{Agent, Class, Peer, Second, Tick};
use crate::state::site::{Gateway, Site};
use crate::state::view::View;
use crate::{Context, Ledger, Policy, Time};

const MAP: &str = "version: 1
sites:
  hq:     {networks: [10.1.0.0/16]}
  munich: {networks: [10.2.0.0/16]}
links:
  - {between: [hq, munich], rate: 10 Mbit/s}
";

/// What rules look at: a content of 1000 bytes, with a seeder at hq.
pub(super) struct Fixture {
    map: SiteMap,
    pub(super) policy: Policy,
    ledger: Ledger,
    pub(super) swarm: Swarm,
    pub(super) now: Time,
}

/// The agent number `n` at munich.
pub(super) fn agent(n: u8) -> Endpoint {
    Endpoint::of(([10, 2, 0, n], 6881).into())
}

impl Fixture {
    pub(super) fn new() -> Fixture {
        let mut fixture = Fixture {
            map: SiteMap::parse("sites.yaml", MAP).unwrap(),
            policy: Policy::default(),
            ledger: Ledger::new(),
            swarm: Swarm::with_size(InfoHash([1; 20]), 1000),
            now: Duration::from_secs(1000),
        };
        fixture.swarm.born = Some(Time::ZERO);
        fixture.write(Endpoint::of(([10, 1, 0, 1], 6881).into()), 0);
        fixture
    }

    /// With leechers at munich that lack so much, numbered from 0.
    pub(super) fn with_leechers(left: &[u64]) -> Fixture {
        let mut fixture = Fixture::new();
        for (n, left) in (0..).zip(left) {
            fixture.write(agent(n), *left);
        }
        fixture
    }

    fn cx(&self) -> Context<'_> {
        Context {
            map: &self.map,
            policy: &self.policy,
            ledger: &self.ledger,
            wall: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    fn write(&mut self, at: Endpoint, left: u64) {
        let name = format!("{:?}", at.addr());
        let peer = Peer {
            agent: Some(Box::new(Agent {
                key: AgentKey::of(&name),
                machine: Machine::at(at),
                name: name.into(),
                second: Second::none(Tick::of(self.now)),
                since: Tick::default(),
                preference: GatewayPreference::Auto,
                wan: 0,
                reused: 0,
                metrics: None,
            })),
            left,
            id: PeerId([1; 20]),
            key: 0,
            expires: Tick::of(self.now),
            judged: Tick::of(self.now),
            still: 0,
            step: 0,
            wanted: left > 0,
        };
        let class = if left == 0 { Class::Seeder } else { Class::Leecher };
        let id = self.map.locate(at.ip()).unwrap();
        let Fixture {
            map,
            policy,
            ledger,
            swarm,
            now,
        } = self;
        let cx = Context {
            map,
            policy,
            ledger,
            wall: jiff::Timestamp::UNIX_EPOCH,
        };
        swarm.insert(&cx, (id, at), class, peer, *now);
    }

    fn munich(&self) -> SiteId {
        self.map.site_named("munich").unwrap()
    }

    pub(super) fn site(&mut self) -> &mut Site {
        let id = self.munich();
        self.swarm.sites.get_mut(&id).unwrap()
    }

    pub(super) fn peer(&mut self, n: u8) -> &mut Peer {
        self.site().peers.find_mut(agent(n)).unwrap()
    }

    /// Gives a lease to an agent, so long ago.
    pub(super) fn lease(&mut self, n: u8, ago: Duration) {
        let gateway = Gateway::new(self.now - ago, false);
        self.site().gateways.insert(agent(n), gateway);
    }

    /// A gateway is not late yet.
    pub(super) fn in_time(&mut self, n: u8) {
        let due = self.now;
        self.site().gateways.get_mut(&agent(n)).unwrap().due = due;
    }

    /// What a rule makes of what is said at the site.
    pub(super) fn case<R>(&self, rule: impl FnOnce(&Case<'_>) -> R) -> R {
        let case = Case {
            swarm: &self.swarm,
            cx: &self.cx(),
            site: self.swarm.sites.get(&self.munich()).unwrap(),
            now: self.now,
        };
        rule(&case)
    }

    /// What a rule makes of an agent.
    pub(super) fn of<R>(&self, n: u8, rule: impl FnOnce(&View<'_>) -> R) -> R {
        rule(&self.swarm.view(&self.cx(), (self.munich(), agent(n)), self.now).unwrap())
    }
}
