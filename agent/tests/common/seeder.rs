//! A seeder of one small folder, and peers that the tests speak for.

use std::net::IpAddr;
use std::path::PathBuf;

use narrows_agent::ContentState;
use narrows_protocol::metainfo::Metainfo;
use tempfile::TempDir;

use super::agent::Agent;
use super::content::{folder, torrent};
use super::peer::Peer;
use super::tracker::Tracker;

const PIECE: u32 = 64 << 10;

pub(crate) struct Scene {
    /// The folder is `seeder/office` in it.
    pub(crate) dir: TempDir,
    pub(crate) tracker: Tracker,
    /// The .torrent.
    pub(crate) file: PathBuf,
    pub(crate) meta: Metainfo,
    pub(crate) seeder: Agent,
}

impl Scene {
    /// The agent seeds already.
    pub(crate) fn new() -> Self {
        let (dir, tracker) = (tempfile::tempdir().unwrap(), Tracker::start());
        let source = dir.path().join("seeder/office");
        folder(&source, 1, 4_000_000);
        let (file, meta) = torrent(&source, &tracker, PIECE);
        let seeder = Agent::new(&dir.path().join("s"), &[(&file, source.parent().unwrap())]).started();
        seeder.wait_for(ContentState::Seeding);
        Self {
            dir,
            tracker,
            file,
            meta,
            seeder,
        }
    }

    /// A connection to it from this address.
    pub(crate) fn peer(&self, ip: IpAddr, id: u8) -> Peer {
        let (to, pieces) = (self.seeder.listen(), self.meta.piece_count());
        Peer::connect_from(ip, to, self.meta.info_hash, pieces, id)
    }
}
