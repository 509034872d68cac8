//! The flows of all swarms over the links: what rule 3 plans with, and what rule 10 shares and grants.

mod links;
mod shares;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use narrows_topology::{Load, Rate, Route, SiteMap};

use crate::Brakes;
use crate::endpoint::Endpoint;
use crate::policy::SharesPolicy;
pub(crate) use links::Links;
use shares::{Basis, Shares, Wanting};

/// The flows of all swarms. The only thing that swarms share, so it is a mutex that is held for a few
/// lookups; planning works on a copy of the load. Shares are computed when flows have changed or a second has
/// passed, never per announce, and those of many flows beside the announces: see [`Ledger::share_out`]. What they
/// follow from is kept: while it is the same, so are they, and nothing is computed.
///
/// A *share* is what a flow should have; a *grant* is what a gateway is told of it. A gateway keeps to its
/// grant until it announces again, so that a share that became smaller is free only then: a grant never takes
/// what others were granted.
#[derive(Debug, Default)]
pub struct Ledger {
    book: Mutex<Book>,
    brakes: Mutex<Arc<Brakes>>,
}

/// Names a flow in the ledger; not to be used after [`Ledger::remove`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FlowId(u32);

/// What a gateway is granted of one flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Grant {
    /// What it may use from now on.
    pub(crate) rate: Rate,
    /// What it is to have, as soon as others have heard that they have less.
    pub(crate) fair: Rate,
}

impl Grant {
    /// Nothing, and nothing to come.
    pub(crate) const NONE: Grant = Grant {
        rate: Rate::ZERO,
        fair: Rate::ZERO,
    };

    /// Whether it is all but what is fair.
    pub(crate) fn is_settled(self, policy: &SharesPolicy) -> bool {
        self.fair.is_unlimited() && self.rate.is_unlimited()
            || self.rate.saturating_add(self.rate.share(policy.settled)) >= self.fair
    }
}

#[derive(Debug, Default)]
struct Book {
    load: Load,
    /// What gateways were granted and may still use.
    granted: Load,
    flows: Vec<Option<Flow>>,
    free: Vec<u32>,
    active: usize,
    /// When the shares were computed; `None`: flows have changed since.
    shared_at: Option<Timestamp>,
    /// As `shared_at`, but not forgotten when flows change.
    last_shared: Option<Timestamp>,
    /// Counts the changes of what flows are to have.
    changes: u64,
    /// What the shares were computed of.
    basis: Option<Arc<Basis>>,
}

#[derive(Debug)]
struct Flow {
    route: Route,
    planned: Rate,
    /// Whether a gateway fetches over it at present; others are planned for and get no share.
    active: bool,
    /// An operator has stopped it: it gets nothing, and its share is the others'.
    braked: bool,
    /// As how many flows it counts: the stripes it carries.
    weight: u32,
    /// The most that it can use.
    cap: Rate,
    share: Option<Rate>,
    /// What each gateway was granted, until it announces again.
    granted: Vec<(Endpoint, Rate)>,
}

impl Ledger {
    /// Nothing planned anywhere.
    pub fn new() -> Ledger {
        Ledger::default()
    }

    /// Whether no swarm has a flow.
    pub fn is_empty(&self) -> bool {
        let book = self.lock();
        book.load.is_empty() && book.granted.is_empty() && book.flows.iter().all(Option::is_none)
    }

    /// How many flows are planned.
    pub fn flows(&self) -> usize {
        let book = self.lock();
        book.flows.len() - book.free.len()
    }

    /// What is planned on every link, as a copy.
    pub fn load(&self) -> Load {
        self.lock().load.clone()
    }

    /// The same, and what these flows were planned with.
    pub(crate) fn load_and_planned(&self, ids: &[FlowId]) -> (Load, Vec<Rate>) {
        let book = self.lock();
        let planned = |id: &FlowId| book.flow(*id).map_or(Rate::ZERO, |flow| flow.planned);
        (book.load.clone(), ids.iter().map(planned).collect())
    }

    /// What operators have stopped.
    pub fn brakes(&self) -> Arc<Brakes> {
        Arc::clone(&self.brakes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Stops this and nothing else from now on: gateways hear of it when they next announce.
    pub fn set_brakes(&self, brakes: Brakes) {
        *self.brakes.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(brakes);
    }

    /// Looks at what is planned on the links; without a copy, but every other swarm waits meanwhile.
    pub(crate) fn with_load<R>(&self, look: impl FnOnce(&Load) -> R) -> R {
        look(&self.lock().load)
    }

    /// Plans a flow.
    pub(crate) fn add(&self, route: &Route, planned: Rate) -> FlowId {
        let mut book = self.lock();
        book.load.add(route, planned);
        let flow = Some(Flow {
            route: route.clone(),
            planned,
            active: false,
            braked: false,
            weight: 1,
            cap: Rate::UNLIMITED,
            share: None,
            granted: Vec::new(),
        });
        match book.free.pop() {
            Some(slot) => {
                book.flows[slot as usize] = flow;
                FlowId(slot)
            }
            None => {
                book.flows.push(flow);
                FlowId(u32::try_from(book.flows.len() - 1).unwrap_or(u32::MAX))
            }
        }
    }

    /// Takes a flow back, and what was granted of it.
    pub(crate) fn remove(&self, id: FlowId) {
        let mut book = self.lock();
        let Some(flow) = book.flows.get_mut(id.0 as usize).and_then(Option::take) else {
            return;
        };
        book.load.remove(&flow.route, flow.planned);
        for (_, rate) in &flow.granted {
            book.granted.remove(&flow.route, *rate);
        }
        book.free.push(id.0);
        if flow.active {
            book.active -= 1;
            book.changed();
        }
    }

    /// Plans a flow with another rate.
    pub(crate) fn set_planned(&self, id: FlowId, planned: Rate) {
        let mut book = self.lock();
        let Book { load, flows, .. } = &mut *book;
        let Some(Some(flow)) = flows.get_mut(id.0 as usize) else {
            return;
        };
        if flow.planned != planned {
            load.remove(&flow.route, flow.planned);
            load.add(&flow.route, planned);
            flow.planned = planned;
        }
    }

    /// What a flow was planned with.
    pub(crate) fn planned(&self, id: FlowId) -> Rate {
        self.lock().flow(id).map_or(Rate::ZERO, |flow| flow.planned)
    }

    /// Says whether a gateway fetches over a flow.
    pub(crate) fn set_active(&self, id: FlowId, active: bool) {
        let mut book = self.lock();
        let Some(Some(flow)) = book.flows.get_mut(id.0 as usize) else {
            return;
        };
        if flow.active != active {
            flow.active = active;
            book.active = if active { book.active + 1 } else { book.active - 1 };
            book.changed();
        }
    }

    /// Says as how many flows one counts.
    pub(crate) fn set_weight(&self, id: FlowId, weight: u32) {
        self.change(id, |flow| {
            let changed = flow.weight != weight.max(1);
            flow.weight = weight.max(1);
            changed
        });
    }

    /// Says the most that a flow can use; heard when the shares are next computed.
    pub(crate) fn set_cap(&self, id: FlowId, cap: Rate) {
        let mut book = self.lock();
        let Some(Some(flow)) = book.flows.get_mut(id.0 as usize) else {
            return;
        };
        if std::mem::replace(&mut flow.cap, cap) != cap {
            book.changes += 1;
        }
    }

    /// Says whether an operator has stopped a flow.
    pub(crate) fn set_braked(&self, id: FlowId, braked: bool) {
        self.change(id, |flow| std::mem::replace(&mut flow.braked, braked) != braked);
    }

    fn change(&self, id: FlowId, change: impl FnOnce(&mut Flow) -> bool) {
        let mut book = self.lock();
        if let Some(Some(flow)) = book.flows.get_mut(id.0 as usize)
            && change(flow)
        {
            book.changed();
        }
    }

    /// Whether there are so many flows that they are to be shared out beside the announces.
    pub fn is_crowded(&self, policy: &SharesPolicy) -> bool {
        self.lock().active > policy.eager
    }

    /// Shares the links out at this moment. Announces wait while the flows are copied and while the shares are
    /// written down, not while they are computed.
    pub fn share_out(&self, map: &SiteMap, policy: &SharesPolicy, at: Timestamp) {
        let links = Links { map, at, policy };
        let basis = self.lock().basis.clone();
        let basis = basis.filter(|basis| basis.holds(&links));
        let (changes, wanting) = {
            let mut book = self.lock();
            if basis.is_some_and(|basis| book.is_unchanged_since(&basis)) {
                return book.shared(at);
            }
            (book.changes, book.wanting())
        };
        let shares = Shares::new(&links, &wanting, changes);
        self.lock().write_shares(at, &wanting, shares);
    }

    /// A flow's fair share of the links it crosses, at the rates of this moment; zero while it is braked.
    pub(crate) fn share(&self, links: &Links<'_>, id: FlowId) -> Rate {
        let mut book = self.lock();
        book.refresh(links);
        book.share(links, id)
    }

    /// What a gateway may use of a flow from now on: its part of the flow's share, but not what others were
    /// granted and may still use. A newcomer gets at least a 25th of the link, as long as there is headroom
    /// (a link is never granted beyond 1.048 times its rate). Counts until the gateway's next grant or
    /// [`Ledger::forget`].
    pub(crate) fn grant(&self, links: &Links<'_>, id: FlowId, to: Endpoint, users: u32) -> Grant {
        let mut book = self.lock();
        book.refresh(links);
        let fair = book.share(links, id).share(users);
        let Book { flows, granted, .. } = &mut *book;
        let Some(Some(flow)) = flows.get_mut(id.0 as usize) else {
            return Grant::NONE;
        };
        flow.forget(granted, to);
        let rate = fair.min(links.room(granted, &flow.route));
        flow.note(granted, to, rate);
        Grant { rate, fair }
    }

    /// Notes what a gateway was granted in another life of its flow.
    pub(crate) fn note(&self, id: FlowId, to: Endpoint, rate: Rate) {
        let mut book = self.lock();
        let Book { flows, granted, .. } = &mut *book;
        if let Some(Some(flow)) = flows.get_mut(id.0 as usize) {
            flow.forget(granted, to);
            flow.note(granted, to, rate);
        }
    }

    /// What a gateway was granted does not count any more.
    pub(crate) fn forget(&self, id: FlowId, of: Endpoint) {
        let mut book = self.lock();
        let Book { flows, granted, .. } = &mut *book;
        if let Some(Some(flow)) = flows.get_mut(id.0 as usize) {
            flow.forget(granted, of);
        }
    }

    /// What a gateway was last granted of a flow.
    pub(crate) fn granted(&self, id: FlowId, to: Endpoint) -> Option<Rate> {
        let book = self.lock();
        let granted = &book.flow(id)?.granted;
        granted.iter().find(|(holder, _)| *holder == to).map(|(_, rate)| *rate)
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        // the book is consistent between any two of its statements that could panic: there are none
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flow {
    /// Whether it is to have a share.
    fn wants(&self) -> bool {
        self.active && !self.braked
    }

    fn note(&mut self, granted: &mut Load, to: Endpoint, rate: Rate) {
        granted.add(&self.route, rate);
        self.granted.push((to, rate));
    }

    fn forget(&mut self, granted: &mut Load, of: Endpoint) {
        if let Some(i) = self.granted.iter().position(|(holder, _)| *holder == of) {
            let (_, rate) = self.granted.swap_remove(i);
            granted.remove(&self.route, rate);
        }
    }
}

impl Book {
    fn flow(&self, id: FlowId) -> Option<&Flow> {
        self.flows.get(id.0 as usize)?.as_ref()
    }

    fn share(&self, links: &Links<'_>, id: FlowId) -> Rate {
        let Some(flow) = self.flow(id).filter(|flow| !flow.braked) else {
            return Rate::ZERO;
        };
        let hops = flow.route.hops.iter();
        flow.share.unwrap_or_else(|| {
            let least = hops.map(|hop| links.rate(*hop).share(self.load.flows(*hop))).min();
            least.unwrap_or(Rate::UNLIMITED)
        })
    }

    /// Computes the shares anew if they are too old.
    fn refresh(&mut self, links: &Links<'_>) {
        let at = links.at;
        let (last, within) = if self.active <= links.policy.eager {
            (self.shared_at, links.policy.fresh)
        } else {
            // it is done beside the announces, unless it is not
            (self.last_shared, links.policy.fresh * links.policy.overdue)
        };
        let is_fresh = |then: Timestamp| then <= at && at.duration_since(then).unsigned_abs() < within;
        if last.is_some_and(is_fresh) {
            return;
        }
        let is_same = |basis: &Arc<Basis>| self.is_unchanged_since(basis) && basis.holds(links);
        if self.basis.as_ref().is_some_and(is_same) {
            return self.shared(at);
        }
        let wanting = self.wanting();
        let shares = Shares::new(links, &wanting, self.changes);
        self.write_shares(at, &wanting, shares);
    }

    /// What flows are to have is another from now on.
    fn changed(&mut self) {
        self.changes += 1;
        self.shared_at = None;
    }

    /// Whether the shares are of this basis, and the flows have been the same since.
    fn is_unchanged_since(&self, basis: &Arc<Basis>) -> bool {
        basis.changes == self.changes && self.basis.as_ref().is_some_and(|now| Arc::ptr_eq(now, basis))
    }

    /// The shares are those of this moment.
    fn shared(&mut self, at: Timestamp) {
        self.shared_at = Some(at);
        self.last_shared = Some(at);
    }

    /// The flows that are to have a share.
    fn wanting(&self) -> Vec<Wanting> {
        let slots = self.flows.iter().enumerate();
        let wanting = slots.filter_map(|(slot, flow)| {
            let flow = flow.as_ref().filter(|flow| flow.wants())?;
            Some(Wanting {
                slot,
                route: flow.route.clone(),
                weight: flow.weight,
                cap: flow.cap,
            })
        });
        wanting.collect()
    }

    /// A flow that came meanwhile has an estimate until the next time.
    fn write_shares(&mut self, at: Timestamp, wanting: &[Wanting], shares: Shares) {
        for flow in self.flows.iter_mut().flatten().filter(|flow| !flow.wants()) {
            flow.share = None;
        }
        for (Wanting { slot, route, .. }, share) in wanting.iter().zip(shares.rates) {
            let flow = self.flows.get_mut(*slot).and_then(Option::as_mut);
            if let Some(flow) = flow.filter(|flow| flow.wants() && flow.route == *route) {
                flow.share = Some(share);
            }
        }
        self.basis = Some(Arc::new(shares.basis));
        self.shared(at);
    }
}

#[cfg(test)]
mod tests;
