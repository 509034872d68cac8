//! The emergency brake: `GET`, `POST` and `DELETE /brake` on the admin port.
//!
//! What is braked is told to agents as paused when they next announce. With `state:` in tracker.yaml it
//! outlives a restart of the tracker.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use narrows_assignment::Brakes;
use narrows_config::did_you_mean;
use narrows_host::durable;
use narrows_protocol::InfoHash;
use narrows_topology::SiteMap;
use serde::Serialize;
use thiserror::Error;
use tracing::{error, info, warn};

use crate::state::tracker::Tracker;

const FILE: &str = "brakes.json";
const HELP: &str = "name what to stop: link=NAME, site=NAME, content=NAME or all=1";

/// Where brakes are kept over a restart, and who changes them: one at a time.
#[derive(Debug, Default)]
pub(crate) struct BrakeFile {
    folder: Option<PathBuf>,
    changing: Mutex<()>,
}

/// One thing to stop, or to let go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Target {
    All,
    Link(String),
    Site(String),
    Content(String),
}

/// Why a request to brake changed nothing, or not all it should.
#[derive(Debug, Error)]
pub(crate) enum BrakeError {
    /// The request is wrong; a sentence with what to do.
    #[error("{0}")]
    Wrong(String),
    /// The brakes are as asked, but a restart would forget it.
    #[error(
        "the brakes are as you asked, but cannot be written to {file}, so that a restart of the tracker forgets it: \
         {source}; see to the folder and ask again"
    )]
    Unwritten {
        /// The file.
        file: String,
        /// The system's reason.
        source: io::Error,
    },
}

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

impl BrakeFile {
    pub(crate) fn new(folder: Option<PathBuf>) -> Self {
        Self {
            folder,
            changing: Mutex::new(()),
        }
    }

    /// The file's path.
    pub(crate) fn path_in(folder: &Path) -> PathBuf {
        folder.join(FILE)
    }

    /// What was braked when the tracker ended; nothing if there is no file.
    ///
    /// # Errors
    /// If the file is there and cannot be read.
    pub(crate) fn load(folder: &Path) -> io::Result<Brakes> {
        match std::fs::read(Self::path_in(folder)) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::from),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Brakes::default()),
            Err(error) => Err(error),
        }
    }

    fn save(&self, brakes: &Brakes) -> Result<(), BrakeError> {
        let Some(folder) = &self.folder else {
            return Ok(());
        };
        let file = Self::path_in(folder);
        write(folder, &file, brakes).map_err(|source| BrakeError::Unwritten {
            file: file.display().to_string(),
            source,
        })
    }
}

/// A reader sees the old file or the new one, whole.
fn write(folder: &Path, file: &Path, brakes: &Brakes) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let text = serde_json::to_vec_pretty(brakes)?;
    durable::replace(file, |out| out.write_all(&text))
}

/// Reads what a request names: its query, and its body as a form or as JSON.
///
/// # Errors
/// A sentence about what is wrong.
pub(crate) fn targets(query: &str, body: &[u8], is_json: bool) -> Result<Vec<Target>, BrakeError> {
    let mut pairs = form(query)?;
    if is_json && !body.is_empty() {
        pairs.extend(json(body)?);
    } else {
        let body = std::str::from_utf8(body).map_err(|_| wrong("the body is no text"))?;
        pairs.extend(form(body.trim())?);
    }
    let mut targets = Vec::new();
    for (key, value) in pairs {
        targets.push(match key.as_str() {
            "all" if value == "1" || value == "true" => Target::All,
            "all" => return Err(wrong(format!("`all={value}` says nothing; write all=1"))),
            "link" => Target::Link(value),
            "site" => Target::Site(value),
            "content" => Target::Content(value),
            _ => {
                let near = did_you_mean(&key, ["link", "site", "content", "all"]);
                let near = near.map_or(String::new(), |near| format!("; {near}"));
                return Err(wrong(format!("unknown key `{key}`{near} ({HELP})")));
            }
        });
    }
    if targets.is_empty() {
        return Err(wrong(HELP));
    }
    Ok(targets)
}

fn wrong(sentence: impl Into<String>) -> BrakeError {
    BrakeError::Wrong(sentence.into())
}

/// `key=value&key=value`, percent-encoded, `+` for a space.
pub(crate) fn form(text: &str) -> Result<Vec<(String, String)>, BrakeError> {
    let decode = |text: &str| {
        decode(text).ok_or_else(|| wrong(format!("`{text}` is not percent-encoded as URLs are; check it")))
    };
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(key)?, decode(value)?))
        })
        .collect()
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                let digit = |byte: u8| char::from(byte).to_digit(16);
                u8::try_from(digit(digits[0])? * 16 + digit(digits[1])?).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(out).ok()
}

/// `{"link": "hq-munich", "site": ["a", "b"], "all": true}`.
fn json(body: &[u8]) -> Result<Vec<(String, String)>, BrakeError> {
    let value: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(body)
        .map_err(|error| wrong(format!("the body is no JSON object: {error}; {HELP}")))?;
    let mut pairs = Vec::new();
    for (key, value) in value {
        let values = match value {
            serde_json::Value::Array(values) => values,
            value => vec![value],
        };
        for value in values {
            let text = match value {
                serde_json::Value::String(text) => text,
                serde_json::Value::Bool(false) => continue,
                value @ (serde_json::Value::Bool(true) | serde_json::Value::Number(_)) => value.to_string(),
                value => {
                    return Err(wrong(format!(
                        "`{key}` is `{value}`, which names nothing; {HELP}"
                    )));
                }
            };
            pairs.push((key.clone(), text));
        }
    }
    Ok(pairs)
}

/// Puts brakes on, or off.
///
/// # Errors
/// If something is named that there is not: nothing is changed then. Or if it cannot be written down.
pub(crate) fn change(tracker: &Tracker, targets: &[Target], on: bool) -> Result<State, BrakeError> {
    let changing = &tracker.brakes.changing;
    let _one_at_a_time = changing.lock().unwrap_or_else(PoisonError::into_inner);
    let world = tracker.store.world();
    let mut brakes = Brakes::clone(&world.ledger().brakes());
    for target in targets {
        if on {
            add(tracker, world.view().map(), &mut brakes, target)?;
        } else {
            release(tracker, &mut brakes, target)?;
        }
    }
    world.ledger().set_brakes(brakes.clone());
    tracker.metrics.brakes.set(brakes.count() as i64);
    info!(?targets, on, brakes = brakes.count(), "brakes changed");
    if on && tracker.brakes.folder.is_none() {
        warn!("a restart of the tracker releases the brakes; set `state:` in tracker.yaml to keep them");
    }
    if let Err(error) = tracker.brakes.save(&brakes) {
        error!("{error}");
        return Err(error);
    }
    Ok(state(tracker))
}

/// The brakes that are on.
pub(crate) fn state(tracker: &Tracker) -> State {
    let brakes = tracker.store.world().ledger().brakes();
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
        kept: tracker.brakes.folder.is_some(),
    }
}

fn add(tracker: &Tracker, map: &SiteMap, brakes: &mut Brakes, target: &Target) -> Result<(), BrakeError> {
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
fn release(tracker: &Tracker, brakes: &mut Brakes, target: &Target) -> Result<(), BrakeError> {
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

fn unknown(kind: &str, name: &str, known: Vec<String>, how: &str) -> BrakeError {
    let near = did_you_mean(name, known.iter().map(String::as_str));
    let help = near.unwrap_or_else(|| format!("write it {how}"));
    wrong(format!("there is no {kind} `{name}`; {help}"))
}

/// The content of this name or info hash.
fn content(tracker: &Tracker, name: &str) -> Result<InfoHash, BrakeError> {
    let mut known = tracker.contents_named();
    if let Some((_, hash)) =
        known.find(|(known, hash)| known == name || hash.to_string() == name.to_lowercase())
    {
        return Ok(hash);
    }
    let hash = parse_hash(name).filter(|_| tracker.contents.is_none());
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

fn parse_hash(text: &str) -> Option<InfoHash> {
    if text.len() != 40 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut hash = [0; 20];
    for (i, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).ok()?;
    }
    Some(InfoHash(hash))
}
