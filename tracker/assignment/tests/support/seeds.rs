//! Which seeds a simulation runs: `NARROWS_SEED` names one, `NARROWS_SEEDS` how many.

use std::ops::Range;

pub(crate) fn seeds(default: u64) -> Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text: String| text.parse::<u64>().ok());
    match number("NARROWS_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("NARROWS_SEEDS").unwrap_or(default),
    }
}
