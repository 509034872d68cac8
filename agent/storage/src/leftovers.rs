//! What contents that are not wanted any more left behind: their staging folders and what is remembered of
//! them.

use std::path::{Path, PathBuf};

use narrows_protocol::InfoHash;
use narrows_protocol::metainfo::names::STAGING_FOLDER;

use crate::StorageError;
use crate::disk::open_files::OpenFiles;
use crate::platform::{Folder, Kind};
use crate::put_back::{put_back_of, set_aside};
use crate::records::claim::Claim;

/// Removes what is left of contents that this agent knows by its state folder and that are not `wanted` (with
/// their targets) any more: unfinished pieces, and the resume data of what does not stand at its target.
/// Nothing else: what stands there stays, and so does a tree that may have users' files in it, or that is
/// still worked on by one of those that were opened with `files`. Blocking. Answers the folders that were
/// removed.
pub fn clean_leftovers(state: &Path, wanted: &[(InfoHash, PathBuf)], files: &OpenFiles) -> Vec<PathBuf> {
    let mut removed = Vec::new();
    for (info_hash, claim) in Claim::all(state) {
        let mut same = wanted.iter().filter(|(wanted, _)| *wanted == info_hash).peekable();
        let is_wanted = same.peek().is_some();
        if same.any(|(_, target)| Claim::new(target, &claim.name).is_at(&claim)) {
            continue;
        }
        let turns = files.turns(info_hash);
        let Some(_settled) = turns.try_settled() else {
            tracing::warn!(%info_hash, "a removed content is still worked on, so what it left stays; this is tried again at the next start");
            continue;
        };
        let cleaned = put_back_of(state, info_hash, claim);
        match cleaned.and_then(|claim| clean(state, info_hash, &claim, is_wanted)) {
            Ok(folder) => removed.extend(folder),
            Err(error) => {
                tracing::warn!(%info_hash, %error, "what a removed content left stays; this is tried again at the next start");
            }
        }
    }
    removed
}

/// `elsewhere`: it is wanted at another target, where its state is needed.
fn clean(
    state: &Path,
    info_hash: InfoHash,
    claim: &Claim,
    elsewhere: bool,
) -> Result<Option<PathBuf>, StorageError> {
    if !claim.target.exists() {
        return Ok(None); // its volume may be mounted later
    }
    let folder = Folder::open(&claim.target).map_err(StorageError::io("open the folder", &claim.target))?;
    let stat = |path: &Path| {
        let whole = claim.target.join(path);
        folder.stat(path).map_err(StorageError::io("look at", &whole))
    };
    let staging = Path::new(STAGING_FOLDER).join(info_hash.to_string());
    let aside = set_aside(info_hash);
    if claim.exchanging.is_some() || stat(&aside)?.is_some() {
        tracing::warn!(
            path = %claim.target.join(&staging).display(),
            "a removed content was stopped while it took its place; look here for files of users, then remove it by hand"
        );
        return Ok(None);
    }
    let there = stat(&staging)?;
    let whole = claim.target.join(&staging);
    let is_there = there.is_some_and(|stat| stat.kind == Kind::Folder);
    if is_there {
        folder.remove_tree(&staging).map_err(StorageError::io("remove", &whole))?;
        folder.remove_folder(Path::new(STAGING_FOLDER)).ok(); // if it is empty
    }
    let name = Path::new(&claim.name);
    let stands = claim.origin.is_some() && stat(name)?.is_some();
    if !stands && !elsewhere {
        for ending in ["resume", "journal", "scrub", "wan", "place"] {
            let path = state.join(format!("{info_hash}.{ending}"));
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(StorageError::io("remove", &path)(error));
                }
                _ => {}
            }
        }
    }
    Ok(is_there.then_some(whole))
}
