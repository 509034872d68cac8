//! What stood in a content's place when a new version was to take it in two steps (`content::two_steps`), and
//! the agent was killed between them: it is put back at the next start, before anything else can fail.

use std::path::{Path, PathBuf};

use narrows_protocol::InfoHash;
use narrows_protocol::metainfo::names::STAGING_FOLDER;

use crate::StorageError;
use crate::platform::Folder;
use crate::records::claim::Claim;

/// Where the old tree of a content waits to be gone through, below the target.
pub(crate) fn set_aside(info_hash: InfoHash) -> PathBuf {
    Path::new(STAGING_FOLDER).join(format!("{info_hash}.old"))
}

/// Puts back what is away since the agent was killed while a new version took its place: of all contents that the
/// folder `state` knows, wanted or not. To be called at a start before all else. Blocking. What cannot be put
/// back is tried again when the content is opened.
pub fn put_back(state: &Path) {
    for (info_hash, claim) in Claim::all(state) {
        if let Err(error) = put_back_of(state, info_hash, claim) {
            tracing::error!(%info_hash, %error, "what stood in the place of this content is away, and cannot be put back yet");
        }
    }
}

/// The same of one content; its claim as it is now.
///
/// # Errors
/// The disk's: it is as it was.
pub(crate) fn put_back_of(
    state: &Path,
    info_hash: InfoHash,
    mut claim: Claim,
) -> Result<Claim, StorageError> {
    // a volume may be mounted later
    if claim.replacing && claim.target.exists() {
        let folder =
            Folder::open(&claim.target).map_err(StorageError::io("open the folder", &claim.target))?;
        if comes_back(&folder, info_hash, &mut claim)? {
            let path = Claim::path(state, info_hash);
            claim.save(state, info_hash).map_err(StorageError::io("write", &path))?;
        }
    }
    Ok(claim)
}

/// Whether something stands in the content's place now, so that the claim has changed.
pub(crate) fn comes_back(
    folder: &Folder,
    info_hash: InfoHash,
    claim: &mut Claim,
) -> Result<bool, StorageError> {
    let (name, aside) = (Path::new(&claim.name), set_aside(info_hash));
    let whole = claim.target.join(name);
    let stands = |path: &Path| {
        let stat = folder.stat(path).map_err(StorageError::io("look at", &claim.target.join(path)))?;
        Ok(stat.is_some())
    };
    if !stands(name)? {
        if !stands(&aside)? {
            return Ok(false);
        }
        folder
            .rename_new(&aside, name)
            .and_then(|()| folder.sync_folder(Path::new("")))
            .map_err(StorageError::io("put back", &whole))?;
        tracing::warn!(
            path = %whole.display(),
            "a new version was taking this place when the agent was stopped; what stood there before is back"
        );
        claim.exchanging = None;
    }
    claim.replacing = false;
    Ok(true)
}
