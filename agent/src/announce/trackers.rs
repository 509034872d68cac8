//! Which trackers a content has, and which of them to ask first (BEP 12).

use std::sync::{Mutex, PoisonError};

use narrows_host::Repeats;

/// The trackers of a content in tiers; in each tier the one that answered last comes first.
#[derive(Debug)]
pub(crate) struct Trackers {
    tiers: Mutex<Vec<Vec<String>>>,
    /// What they warned of, as the log knows it.
    pub(super) warnings: Mutex<Repeats>,
}

impl Trackers {
    /// As a .torrent names them.
    pub(crate) fn new(tiers: Vec<Vec<String>>) -> Self {
        Self {
            tiers: Mutex::new(tiers),
            warnings: Mutex::default(),
        }
    }

    /// All of them with their tiers, in the order in which to ask.
    pub(super) fn in_order(&self) -> Vec<(usize, String)> {
        let tiers = self.tiers.lock().unwrap_or_else(PoisonError::into_inner);
        tiers
            .iter()
            .enumerate()
            .flat_map(|(tier, urls)| urls.iter().map(move |url| (tier, url.clone())))
            .collect()
    }

    /// This one has answered.
    pub(super) fn promote(&self, tier: usize, url: &str) {
        let mut tiers = self.tiers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tier) = tiers.get_mut(tier)
            && let Some(at) = tier.iter().position(|known| known == url)
        {
            tier[..=at].rotate_right(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tracker_that_answered_comes_first_in_its_tier() {
        let tiers = vec![
            vec!["a".to_owned(), "b".to_owned(), "c".to_owned()],
            vec!["d".to_owned()],
        ];
        let trackers = Trackers::new(tiers);
        trackers.promote(0, "c");
        let order: Vec<String> = trackers.in_order().into_iter().map(|(_, url)| url).collect();
        assert_eq!(order, ["c", "a", "b", "d"]);
    }
}
