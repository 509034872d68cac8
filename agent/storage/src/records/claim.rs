//! What an agent remembers of a content's place, in `<state>/<info hash>.place`: where the content lies,
//! whether this agent brought it there or found it there, and each file as it was when its bytes were known.
//! From this it can be told which files are ours, and so may be removed, and which are the user's, whatever
//! their names.
//!
//! It may be lost: then everything at the place counts as the user's, which is kept.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use narrows_host::durable;
use narrows_protocol::InfoHash;
use serde::{Deserialize, Serialize};

use crate::records::resume::Stamp;

/// How the content came to its target.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Origin {
    /// It stood there already: it is an original of a user's, which is never purged.
    Found,
    /// This agent fetched it and moved it there.
    Fetched,
}

/// See the module.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Claim {
    /// The folder that the content lies in, without symbolic links.
    pub(crate) target: PathBuf,
    /// The content's file or folder there.
    pub(crate) name: String,
    /// `None` until it stands there. What was found stays found, also when it is mended.
    pub(crate) origin: Option<Origin>,
    /// Inode of the new tree while it is exchanged for the old one: if the target has it, it was
    /// exchanged.
    #[serde(default)]
    pub(crate) exchanging: Option<u64>,
    /// The old tree is being moved away so that the new one can come, where the system swaps no trees in one step.
    #[serde(default)]
    pub(crate) replacing: bool,
    /// Files (indices) that are being mended in place and of which the user's version was saved, as they were
    /// then or when we last wrote to them.
    #[serde(default)]
    pub(crate) mending: BTreeMap<usize, Stamp>,
    /// Path below the content's folder, `/` between components; empty for a single file.
    #[serde(default)]
    pub(crate) files: Vec<(String, Stamp)>,
}

const ENDING: &str = "place";

impl Claim {
    pub(crate) fn new(target: &Path, name: &str) -> Self {
        Self {
            target: fs::canonicalize(target).unwrap_or_else(|_| target.to_owned()),
            name: name.to_owned(),
            origin: None,
            exchanging: None,
            replacing: false,
            mending: BTreeMap::new(),
            files: Vec::new(),
        }
    }

    pub(crate) fn path(state: &Path, info_hash: InfoHash) -> PathBuf {
        state.join(format!("{info_hash}.{ENDING}"))
    }

    /// What is known of this content, if it is of the same place.
    pub(crate) fn load_for(state: &Path, info_hash: InfoHash, target: &Path, name: &str) -> Option<Self> {
        let new = Self::new(target, name);
        Self::load(&Self::path(state, info_hash)).filter(|claim| claim.is_at(&new))
    }

    /// What is known of this content, wherever it is.
    pub(crate) fn load_of(state: &Path, info_hash: InfoHash) -> Option<Self> {
        Self::load(&Self::path(state, info_hash))
    }

    fn load(path: &Path) -> Option<Self> {
        let ignored = |reason: &dyn std::fmt::Display| {
            tracing::warn!(path = %path.display(), %reason, "cannot be used; all files at the content's place count as the user's");
        };
        match fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).inspect_err(|error| ignored(error)).ok(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                ignored(&error);
                None
            }
        }
    }

    /// Replaces the file; durable on return.
    pub(crate) fn save(&self, state: &Path, info_hash: InfoHash) -> io::Result<()> {
        let path = Self::path(state, info_hash);
        let bytes = serde_json::to_vec(self)?;
        durable::replace(&path, |out| out.write_all(&bytes))
    }

    pub(crate) fn remove(state: &Path, info_hash: InfoHash) -> io::Result<()> {
        match fs::remove_file(Self::path(state, info_hash)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    pub(crate) fn is_at(&self, other: &Self) -> bool {
        self.target == other.target && self.name == other.name
    }

    /// All claims in a state folder, with the info hashes of their contents.
    pub(crate) fn all(state: &Path) -> Vec<(InfoHash, Self)> {
        let Ok(entries) = fs::read_dir(state) else {
            return Vec::new();
        };
        entries
            .flatten()
            .filter_map(|entry| {
                let path = entry.path();
                let is_claim = path.extension().is_some_and(|ending| ending == ENDING);
                let info_hash = path.file_stem()?.to_str()?.parse().ok()?;
                is_claim.then(|| Some((info_hash, Self::load(&path)?)))?
            })
            .collect()
    }
}

/// Files of all versions of a content at one place as this agent left them. What is still so is ours.
#[derive(Debug, Default)]
pub(crate) struct Ours(HashMap<String, HashSet<Stamp>>);

impl Ours {
    pub(crate) fn at(state: &Path, place: &Claim) -> Self {
        let mut ours: HashMap<String, HashSet<Stamp>> = HashMap::new();
        for (_, claim) in Claim::all(state) {
            if claim.is_at(place) {
                for (path, stamp) in claim.files {
                    ours.entry(path).or_default().insert(stamp);
                }
            }
        }
        Self(ours)
    }

    /// Whether the file at this path is as we left it.
    pub(crate) fn has(&self, path: &str, stamp: Stamp) -> bool {
        self.0.get(path).is_some_and(|stamps| stamps.contains(&stamp))
    }

    /// The paths that some version had.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}
