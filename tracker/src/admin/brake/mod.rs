//! The emergency brake: `GET`, `POST` and `DELETE /brake` on the admin port.
//!
//! Agents hear that what is braked is paused when they next announce. With `state:` in tracker.yaml it
//! outlives a restart of the tracker.

pub(crate) mod file;
pub(crate) mod targets;

use hyper::StatusCode;
use narrows_assignment::Brakes;
use narrows_config::did_you_mean;
use narrows_protocol::InfoHash;
use narrows_topology::SiteMap;
use serde::Serialize;
use tracing::{error, info, warn};

use crate::admin::brake::file::BrakeFile;
use crate::admin::brake::targets::Target;
use crate::net::reply::Refusal;
use crate::state::tracker::Tracker;

/// What `/brake` answers.
#[derive(Serialize)]
pub(crate) struct State {
    all: bool,
    links: Vec<String>,
    sites: Vec<String>,
    contents: Vec<ContentState>,
    /// Whether this outlives a restart of the tracker.
    kept: bool,
}

#[derive(Serialize)]
struct ContentState {
    name: String,
    info_hash: String,
}

/// Puts brakes on, or off.
///
/// # Errors
/// If something is named that there is not: nothing is changed then. Or if it cannot be written down.
pub(crate) fn change(
    tracker: &Tracker,
    file: &BrakeFile,
    targets: &[Target],
    on: bool,
) -> Result<State, Refusal> {
    let _one_at_a_time = file.lock();
    let conditions = tracker.store.conditions();
    let mut brakes = Brakes::clone(&conditions.ledger().brakes());
    for target in targets {
        if on {
            add(tracker, conditions.view().map(), &mut brakes, target)?;
        } else {
            release(tracker, &mut brakes, target)?;
        }
    }
    conditions.ledger().set_brakes(brakes.clone());
    tracker.metrics.brakes.set(brakes.count() as i64);
    info!(?targets, on, brakes = brakes.count(), "brakes changed");
    if on && !file.is_kept() {
        warn!("a restart of the tracker releases the brakes; set `state:` in tracker.yaml to keep them");
    }
    if let Err(unwritten) = file.save(&brakes) {
        error!("{unwritten}");
        return Err(Refusal::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            unwritten.to_string(),
        ));
    }
    Ok(state(tracker, file))
}

/// The brakes that are on.
pub(crate) fn state(tracker: &Tracker, file: &BrakeFile) -> State {
    let brakes = tracker.store.conditions().ledger().brakes();
    let content = |hash: &String| ContentState {
        name: tracker
            .contents_named()
            .find(|(_, known)| known.to_string() == *hash)
            .map_or(hash.clone(), |(name, _)| name),
        info_hash: hash.clone(),
    };
    State {
        all: brakes.all,
        links: brakes.links.iter().map(|(one, other)| format!("{one}-{other}")).collect(),
        sites: brakes.sites.iter().cloned().collect(),
        contents: brakes.contents.iter().map(content).collect(),
        kept: file.is_kept(),
    }
}

fn add(tracker: &Tracker, map: &SiteMap, brakes: &mut Brakes, target: &Target) -> Result<(), Refusal> {
    match target {
        Target::All => brakes.all = true,
        Target::Link(name) => {
            let mut links = map.links().map(|link| {
                let (one, other) = map.ends(link);
                (map.name(one).into_owned(), map.name(other).into_owned())
            });
            let found = links.find(|(one, other)| is_link(name, one, other));
            let (one, other) = found.ok_or_else(|| {
                let known = map.links().map(|link| map.link_name(link)).collect();
                unknown("link", name, known, "as the two sites that it joins, `hq-munich`")
            })?;
            brakes.links.insert(Brakes::link(&one, &other));
        }
        Target::Site(name) => {
            if map.site_named(name).is_none() {
                let known = map.sites().map(|site| map.name(site).into_owned()).collect();
                return Err(unknown("site", name, known, "as in the site map"));
            }
            brakes.sites.insert(name.clone());
        }
        Target::Content(name) => {
            brakes.contents.insert(content(tracker, name)?.to_string());
        }
    }
    Ok(())
}

/// What is let go need not be in the map any more.
fn release(tracker: &Tracker, brakes: &mut Brakes, target: &Target) -> Result<(), Refusal> {
    let (found, known, name): (bool, Vec<String>, &str) = match target {
        Target::All => (std::mem::replace(&mut brakes.all, false), Vec::new(), "1"),
        Target::Link(name) => {
            let before = brakes.links.len();
            let known = brakes.links.iter().map(|(one, other)| format!("{one}-{other}")).collect();
            brakes.links.retain(|(one, other)| !is_link(name, one, other));
            (brakes.links.len() < before, known, name)
        }
        Target::Site(name) => (
            brakes.sites.remove(name),
            brakes.sites.iter().cloned().collect(),
            name,
        ),
        Target::Content(name) => {
            let hash = content(tracker, name).map_or_else(|_| name.to_lowercase(), |hash| hash.to_string());
            let found = brakes.contents.remove(&hash);
            (found, brakes.contents.iter().cloned().collect(), name)
        }
    };
    if found {
        return Ok(());
    }
    let key = match target {
        Target::All => "all",
        Target::Link(_) => "link",
        Target::Site(_) => "site",
        Target::Content(_) => "content",
    };
    Err(unknown(
        &format!("brake with {key}"),
        name,
        known,
        "as GET /brake lists it",
    ))
}

fn is_link(name: &str, one: &str, other: &str) -> bool {
    name == format!("{one}-{other}") || name == format!("{other}-{one}")
}

fn unknown(kind: &str, name: &str, known: Vec<String>, how: &str) -> Refusal {
    let near = did_you_mean(name, known.iter().map(String::as_str));
    let help = near.unwrap_or_else(|| format!("write it {how}"));
    Refusal::bad_request(format!("there is no {kind} `{name}`; {help}"))
}

/// The content of this name or info hash.
fn content(tracker: &Tracker, name: &str) -> Result<InfoHash, Refusal> {
    let mut known = tracker.contents_named();
    if let Some((_, hash)) =
        known.find(|(known, hash)| known == name || hash.to_string() == name.to_lowercase())
    {
        return Ok(hash);
    }
    let hash = name.parse().ok().filter(|_| tracker.contents.is_none());
    hash.ok_or_else(|| {
        let known = tracker.contents_named().map(|(name, _)| name).collect();
        unknown(
            "content",
            name,
            known,
            "as its torrent is named, or as 40 hex digits",
        )
    })
}
