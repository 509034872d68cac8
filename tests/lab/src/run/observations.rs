//! What has been seen of a run: bytes, claims, events.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use narrows_topology::SiteId;

use crate::args::options::Probe;
use crate::budget::rates::Ruled;
use crate::budget::shares::Moment;
use crate::events::What;
use crate::events::claims::Claims;
use crate::network::wire::WireCounters;
use crate::programs::poll::SwarmStatus;
use crate::programs::process::Process;
use crate::report::Facts;
use crate::run::traffic::Traffic;
use crate::setup::Prepared;

/// Everything that the report is made of, beside the agents' own state.
pub(crate) struct Observations {
    /// The agents' counters, booked on links.
    pub(crate) traffic: Traffic,
    /// The kernel's counters.
    pub(crate) wire: WireCounters,
    /// What is noted of links and their budgets.
    pub(crate) watch: Watch,
    /// How many agents claimed to be gateway when.
    pub(crate) claims: Claims,
    /// What the tracker last said of each content.
    pub(crate) swarms: Vec<SwarmStatus>,
    /// For people: what happened, with the second since the clients' start.
    pub(crate) events: Vec<(f64, String)>,
    /// The same for the judgement of what each event cost.
    pub(crate) happened: Vec<Happened>,
    pub(crate) probes: Vec<Running>,
    /// When each content began, in seconds since the clients' start.
    pub(crate) contents_begun: Vec<f64>,
    pub(crate) facts: Facts,
    /// Bytes of the files that events damaged, at each site.
    pub(crate) damaged: std::collections::BTreeMap<SiteId, u64>,
    /// Agents that got another address, and the one before.
    pub(crate) moved: Vec<(usize, IpAddr)>,
}

/// What was noted.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    pub(crate) rulings: Vec<Ruled>,
    /// Per moment: each link and direction.
    pub(crate) moments: Vec<Vec<Moment>>,
    /// When the next is due.
    pub(crate) next: f64,
}

/// What happened, for the judgement at the end.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Happened {
    /// Seconds since the clients' start.
    pub at: f64,
    /// As asked.
    pub what: String,
    /// Sites whose supply it may interrupt.
    pub sites: BTreeSet<SiteId>,
    /// The event; `None` for a kill of the plan.
    pub of: Option<What>,
    /// How long it lasts, if it ends by itself.
    pub lasts: Option<Duration>,
    /// The agents that it hit.
    pub agents: Vec<usize>,
    /// Sites whose supply went through what it hit.
    pub fed: BTreeSet<SiteId>,
}

/// A probe of which both ends run.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) probe: Probe,
    /// When it began, in seconds since the clients' start.
    pub(crate) at: f64,
    /// What the receiver writes.
    pub(crate) log: PathBuf,
    /// The sender and the receiver, which end with it.
    pub(crate) _ends: [Process; 2],
}

impl Observations {
    /// Of a run that has not begun.
    pub(crate) fn new(prepared: &Prepared) -> Observations {
        let contents = prepared.task.contents.len();
        let accounts =
            prepared.deployment.agents.iter().flat_map(|place| std::iter::repeat_n(place.site, contents));
        Observations {
            traffic: Traffic::new(accounts, contents),
            wire: WireCounters::new(prepared.net.iter().flat_map(|net| net.plan().hops()).collect()),
            watch: Watch::default(),
            claims: Claims::default(),
            swarms: Vec::new(),
            events: Vec::new(),
            happened: Vec::new(),
            probes: Vec::new(),
            contents_begun: Vec::new(),
            damaged: std::collections::BTreeMap::new(),
            moved: Vec::new(),
            facts: Facts {
                pieces: prepared.pieces,
                ..Facts::default()
            },
        }
    }
}
