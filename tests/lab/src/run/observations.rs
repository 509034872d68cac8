//! What has been seen of a run: bytes, claims, events.

use crate::budget::watch::Watch;
use crate::events::claims::Claims;
use crate::events::run::Happened;
use crate::network::wire::WireCounters;
use crate::programs::poll::SwarmStatus;
use crate::report::Facts;
use crate::run::probes::Running;
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
            facts: Facts {
                pieces: prepared.pieces,
                ..Facts::default()
            },
        }
    }
}
