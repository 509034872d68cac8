//! Rule 10, rates, at the sender: one rate for all that goes to a site, with room above the path's own rate,
//! so that the pacing of the gateway that fetches is what is felt.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use narrows_config::Rate;
use narrows_protocol::Place;

use crate::resources::Gate;

/// In percent of the path's rate: what a seeder may bring at the most to a gateway that keeps to no rate.
const HEADROOM: u64 = 125;

/// The most sites that are paced at a time; attached networks are sites too. A hundred bytes each.
const MAX_SITES: usize = 4096;

/// By site.
#[derive(Debug, Default)]
pub(super) struct Gates {
    gates: Mutex<HashMap<Place, (u64, Arc<Gate>)>>,
}

impl Gates {
    /// The gate that everything to a site passes; the path has `rate` bytes per second.
    pub(super) fn of(&self, place: Place, rate: u64) -> Arc<Gate> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        if gates.len() >= MAX_SITES && !gates.contains_key(&place) {
            // what nothing passes now has nothing saved up that matters
            gates.retain(|_, (_, gate)| Arc::strong_count(gate) > 1);
        }
        let allowed = Rate::from_bytes_per_second(rate.saturating_mul(HEADROOM) / 100);
        let (known, gate) = gates.entry(place).or_insert_with(|| (rate, Arc::new(Gate::new(allowed))));
        if std::mem::replace(known, rate) != rate {
            gate.set_rate(allowed);
        }
        gate.clone()
    }
}
