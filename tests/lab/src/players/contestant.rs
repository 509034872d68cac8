//! `libtorrent+opentracker`: what plays, and which tracker the players announce to.

use std::fmt;
use std::str::FromStr;

use clap::ValueEnum;

use crate::players::player::{PlayerKind, TrackerKind};

/// Who plays, and who tells the players of each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contestant {
    /// The clients.
    pub player: PlayerKind,
    /// The tracker.
    pub tracker: TrackerKind,
}

impl FromStr for Contestant {
    type Err = String;

    /// `libtorrent+opentracker`; without a tracker it is ours.
    fn from_str(text: &str) -> Result<Contestant, String> {
        let (player, tracker) = text.split_once('+').map_or((text, None), |(a, b)| (a, Some(b)));
        let player = PlayerKind::from_str(player.trim(), false)
            .map_err(|_| format!("no player `{player}`; there are {}", names::<PlayerKind>()))?;
        let tracker = match tracker {
            None => TrackerKind::default(),
            Some(name) => TrackerKind::from_str(name.trim(), false)
                .map_err(|_| format!("no tracker `{name}`; there are {}", names::<TrackerKind>()))?,
        };
        Ok(Contestant { player, tracker })
    }
}

impl fmt::Display for Contestant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let player = name(self.player);
        match self.player {
            // it announces to no tracker
            PlayerKind::Http => f.write_str(&player),
            _ => write!(f, "{player}+{}", name(self.tracker)),
        }
    }
}

pub(crate) fn name<V: ValueEnum>(value: V) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

fn names<V: ValueEnum>() -> String {
    let all = V::value_variants().iter().filter_map(V::to_possible_value);
    let all: Vec<String> = all.map(|value| value.get_name().to_owned()).collect();
    all.join(", ")
}
