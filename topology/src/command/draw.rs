//! The map as a picture.

use std::path::Path;

use jiff::Timestamp;
use narrows_topology::plan::plan;
use narrows_topology::{SiteMap, draw};

use super::rollout::{Asked, time};

/// The answer to `draw`: an SVG, with the plan of a rollout if one is given.
pub(crate) fn run(
    file: &Path,
    asked: Option<&Asked>,
    at: Option<&str>,
    now: Timestamp,
) -> anyhow::Result<String> {
    let map = SiteMap::load(file)?;
    let at = at.map_or(Ok(now), |text| time(&map, text, now))?;
    let plan = match asked {
        Some(asked) => Some(plan(&map, &asked.resolve(&map, at)?)?),
        None => None,
    };
    Ok(draw(&map, at, plan.as_ref()))
}
