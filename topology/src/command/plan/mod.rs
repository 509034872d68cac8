//! `plan`: a rollout foretold, for people and for machines.

mod json;
mod text;

use std::path::Path;

use anyhow::bail;
use jiff::Timestamp;
use narrows_topology::plan::{Needed, plan};
use narrows_topology::{SiteId, SiteMap, spell};

use super::rollout::{Asked, time};

/// How many changes are proposed.
const ADVICE: usize = 2;

/// A deadline, and what it takes.
struct Deadline {
    by: Timestamp,
    late: Vec<SiteId>,
    /// `None` also if no site is late.
    needed: Option<Needed>,
}

/// The answer to `plan`, and whether every client is complete in time.
pub(crate) fn run(
    file: &Path,
    asked: &Asked,
    (at, by): (Option<&str>, Option<&str>),
    json: bool,
    now: Timestamp,
) -> anyhow::Result<(String, bool)> {
    let map = SiteMap::load(file)?;
    let at = at.map_or(Ok(now), |text| time(&map, text, now))?;
    let rollout = asked.resolve(&map, at)?;
    let deadline = by.map(|by| time(&map, by, rollout.at)).transpose()?;
    if let Some(by) = deadline.filter(|by| *by <= rollout.at) {
        bail!(
            "the deadline {} is not after the start {}",
            spell::date(&map, by),
            spell::date(&map, rollout.at)
        );
    }
    let plan = plan(&map, &rollout)?;
    let deadline = deadline.map(|by| {
        let late = plan.late(by);
        let needed = if late.is_empty() {
            None
        } else {
            plan.needed(&map, by)
        };
        Deadline { by, late, needed }
    });
    let in_time = deadline.as_ref().is_none_or(|deadline| deadline.late.is_empty());
    let advice = plan.advice(&map, ADVICE);
    let text = match json {
        true => format!("{:#}\n", json::machine(&map, &plan, &advice, deadline.as_ref())),
        false => text::people(&map, &plan, &advice, deadline.as_ref()),
    };
    Ok((text, in_time))
}
