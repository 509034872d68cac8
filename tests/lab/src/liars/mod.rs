//! Machines that lie to tracker and agents: small programs in this one, each a process of its own in a
//! namespace of its own. They know what a client knows: the tracker, the info hashes, and who is where.

mod claims;
mod crowd;
mod deaf;
mod glutton;
mod http;
mod neighbour;
mod scene;
mod stranger;
mod wire;

use std::fmt;
use std::io;

use serde::{Deserialize, Serialize};

pub use scene::{Agent, Outcome, Scene};

/// The first word of a command line that is not the lab's.
pub const WORD: &str = "liar";

/// What a liar does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Says that others have stopped.
    Stopper,
    /// Accuses those who work, and takes the lease of a gateway that it accused.
    Accuser,
    /// Is there first, takes the lease, and fetches nothing.
    Idler,
    /// A neighbour that has everything, and never sends.
    Choker,
    /// A neighbour that has everything, and sends wrong bytes.
    Poisoner,
    /// Opens connections and says nothing.
    Crowd,
    /// Asks and does not read, or begins to send and does not go on.
    Deaf,
    /// Announces under one id after the other.
    Ids,
    /// Says that it fetched more than there is.
    Boaster,
    /// An address that the map does not have, which asks agents for the content.
    Stranger,
    /// Takes content across links from the seeders of other sites, as fast as it can.
    Glutton,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 11] = [
        Kind::Stopper,
        Kind::Accuser,
        Kind::Idler,
        Kind::Choker,
        Kind::Poisoner,
        Kind::Crowd,
        Kind::Deaf,
        Kind::Ids,
        Kind::Boaster,
        Kind::Stranger,
        Kind::Glutton,
    ];

    /// Whether what it says bears on who a site is fed by: as a leecher that wants the lease, a seeder, or both.
    pub fn speaks_of_supply(self) -> bool {
        match self {
            Kind::Accuser | Kind::Idler | Kind::Choker | Kind::Poisoner | Kind::Ids | Kind::Boaster => true,
            Kind::Stopper | Kind::Crowd | Kind::Deaf | Kind::Stranger | Kind::Glutton => false,
        }
    }

    /// Its word on a command line.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Stopper => "stopper",
            Kind::Accuser => "accuser",
            Kind::Idler => "idler",
            Kind::Choker => "choker",
            Kind::Poisoner => "poisoner",
            Kind::Crowd => "crowd",
            Kind::Deaf => "deaf",
            Kind::Ids => "ids",
            Kind::Boaster => "boaster",
            Kind::Stranger => "stranger",
            Kind::Glutton => "glutton",
        }
    }

    /// What it does, for people.
    pub fn says(self) -> &'static str {
        match self {
            Kind::Stopper => "says that others have stopped",
            Kind::Accuser => "accuses those who work and takes their lease",
            Kind::Idler => "takes the lease first and fetches nothing",
            Kind::Choker => "has everything, toggles choke, and never sends",
            Kind::Poisoner => "has everything and sends wrong bytes",
            Kind::Crowd => "opens connections and says nothing",
            Kind::Deaf => "asks and does not read, begins to send and does not go on",
            Kind::Ids => "announces under one id after the other",
            Kind::Boaster => "says that it fetched more than there is",
            Kind::Stranger => "has no address of the map and asks agents for the content",
            Kind::Glutton => "takes content from seeders across links, with many connections and at no rate",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Runs `liar SCENE` until it is killed: the scene is a file of JSON.
///
/// # Errors
/// The scene cannot be read, or a socket of its own cannot be had.
pub fn run(line: &[String]) -> io::Result<()> {
    let [path] = line else {
        return Err(io::Error::other("liar SCENE"));
    };
    let scene: Scene = serde_json::from_slice(&std::fs::read(path)?)?;
    match scene.kind {
        Kind::Stopper => claims::stop_others(&scene),
        Kind::Accuser => claims::accuse(&scene),
        Kind::Idler => claims::idle(&scene),
        Kind::Ids => claims::many_ids(&scene),
        Kind::Boaster => claims::boast(&scene),
        Kind::Choker | Kind::Poisoner => neighbour::serve(&scene),
        Kind::Crowd => crowd::open(&scene),
        Kind::Deaf => deaf::ask(&scene),
        Kind::Stranger => stranger::fetch(&scene),
        Kind::Glutton => glutton::take(&scene),
    }
}
