//! Numbers from a seed: the same in every build and for as long as this repository stands, so that a seed
//! that found something finds it again. (A generator of a library may change with its version.)

/// SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From `least` to `most`, both included.
    pub(super) fn between(&mut self, least: u64, most: u64) -> u64 {
        let span = most.saturating_sub(least).saturating_add(1);
        least + self.next() % span.max(1)
    }

    /// One of some; `None` of none.
    pub(super) fn pick<T: Clone>(&mut self, some: &[T]) -> Option<T> {
        let most = (some.len() as u64).checked_sub(1)?;
        some.get(self.between(0, most) as usize).cloned()
    }
}
