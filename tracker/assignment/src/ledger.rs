//! The flows of all swarms over the links: what rule 3 plans with, and rule 10 shares.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use narrows_topology::{Load, Rate, Route, SiteMap, fair_rates};

/// More flows than this are shared out once a second only; a newer flow gets an estimate until then.
const EAGER: usize = 256;

/// How old shares may get: schedules change rates.
const FRESH: SignedDuration = SignedDuration::from_secs(1);

/// The flows of all swarms. The only thing that swarms share, so it is a mutex that is held for a few lookups;
/// planning works on a copy of the load. Shares are computed when flows have changed or a second has passed,
/// never per announce.
#[derive(Debug, Default)]
pub struct Ledger {
    book: Mutex<Book>,
}

/// Names a flow in the ledger; not to be used after [`Ledger::remove`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FlowId(u32);

#[derive(Debug, Default)]
struct Book {
    load: Load,
    flows: Vec<Option<Flow>>,
    free: Vec<u32>,
    active: usize,
    /// When the shares were computed; `None`: flows have changed since.
    shared_at: Option<Timestamp>,
    /// As `shared_at`, but not forgotten when flows change.
    last_shared: Option<Timestamp>,
}

#[derive(Debug)]
struct Flow {
    route: Route,
    planned: Rate,
    /// Whether somebody fetches over it at present; others are planned for and get no share.
    active: bool,
    share: Option<Rate>,
}

impl Ledger {
    /// Nothing planned anywhere.
    pub fn new() -> Ledger {
        Ledger::default()
    }

    /// Whether no swarm has a flow.
    pub fn is_empty(&self) -> bool {
        let book = self.lock();
        book.load.is_empty() && book.flows.iter().all(Option::is_none)
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

    /// Plans a flow.
    pub(crate) fn add(&self, route: &Route, planned: Rate) -> FlowId {
        let mut book = self.lock();
        book.load.add(route, planned);
        let flow = Some(Flow {
            route: route.clone(),
            planned,
            active: false,
            share: None,
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

    /// Takes a flow back.
    pub(crate) fn remove(&self, id: FlowId) {
        let mut book = self.lock();
        let Some(flow) = book.flows.get_mut(id.0 as usize).and_then(Option::take) else {
            return;
        };
        book.load.remove(&flow.route, flow.planned);
        book.free.push(id.0);
        if flow.active {
            book.active -= 1;
            book.shared_at = None;
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
        let book = self.lock();
        book.flows
            .get(id.0 as usize)
            .and_then(Option::as_ref)
            .map_or(Rate::ZERO, |flow| flow.planned)
    }

    /// Says whether somebody fetches over a flow.
    pub(crate) fn set_active(&self, id: FlowId, active: bool) {
        let mut book = self.lock();
        let Some(Some(flow)) = book.flows.get_mut(id.0 as usize) else {
            return;
        };
        if flow.active != active {
            flow.active = active;
            book.active = if active { book.active + 1 } else { book.active - 1 };
            book.shared_at = None;
        }
    }

    /// A flow's fair share of the links it crosses, at the rates of this moment.
    pub(crate) fn share(&self, map: &SiteMap, at: Timestamp, id: FlowId) -> Rate {
        let mut book = self.lock();
        book.refresh(map, at);
        let Some(Some(flow)) = book.flows.get(id.0 as usize) else {
            return Rate::ZERO;
        };
        // a share that was computed under another schedule must not outlive a pause
        let hops = flow.route.hops.iter();
        flow.share.unwrap_or_else(|| {
            let least = hops
                .map(|hop| map.rate(*hop, at).share(book.load.flows(*hop)))
                .min();
            least.unwrap_or(Rate::UNLIMITED)
        })
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        // the book is consistent between any two of its statements that could panic: there are none
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    /// Computes the shares anew if they are too old.
    fn refresh(&mut self, map: &SiteMap, at: Timestamp) {
        let is_fresh = |then: Timestamp| then <= at && at.duration_since(then) < FRESH;
        let last = if self.active <= EAGER {
            self.shared_at
        } else {
            self.last_shared
        };
        if last.is_some_and(is_fresh) {
            return;
        }
        let active = || self.flows.iter().flatten().filter(|flow| flow.active);
        let routes: Vec<&Route> = active().map(|flow| &flow.route).collect();
        let shares = fair_rates(map, at, &routes);
        let mut shares = shares.into_iter();
        for flow in self.flows.iter_mut().flatten() {
            flow.share = if flow.active { shares.next() } else { None };
        }
        self.shared_at = Some(at);
        self.last_shared = Some(at);
    }
}
