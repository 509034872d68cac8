//! A fluid model of a rollout around the real core of the tracker.
//!
//! What is real: [`narrows_assignment::Swarm`] and [`narrows_assignment::Ledger`], each announce of each
//! client, the sweep that expires records. What is modelled:
//!
//! - What a site or a client has is a prefix of the content, in bytes; one that has more can serve one that
//!   has less.
//! - Members follow their site at LAN speed; a gateway is ahead of its neighbours by a window of pieces,
//!   which are lost to the site when it vanishes.
//! - A gateway receives what it was granted, what the links on its way leave (max-min fair among the flows
//!   that cross them) and what its upstreams hold, whichever is least. Gateways of one site that do not know
//!   of each other fetch the same bytes.
//! - Time goes on in steps of [`setup::Setup::step`] for bytes; announces are events between the steps.
//!
//! Bytes are payload; headers are left out of links and of bounds alike.

mod announce;
mod calendar;
mod churn;
mod client;
mod flows;
mod links;
mod measure;
mod report;
// an example cannot use what is a test's in any other way
#[path = "../../../tests/support/rng.rs"]
#[allow(unreachable_pub, reason = "it is shared with the tests")]
mod rng;
pub(crate) mod setup;
mod simulation;
mod site;

pub(crate) use report::Report;
pub(crate) use setup::Setup;
pub(crate) use simulation::Progress;
use simulation::Simulation;

/// Simulates a rollout; `watch` hears of it every five simulated seconds.
///
/// # Errors
/// What of the setup to change.
pub(crate) fn simulate(setup: Setup, watch: impl FnMut(&Progress)) -> Result<Report, String> {
    setup.check()?;
    let mut simulation = Simulation::new(setup)?;
    simulation.run(watch);
    Ok(report::report(&simulation))
}
