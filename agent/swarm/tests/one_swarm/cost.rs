//! What a block costs: one seeder to one leecher, without data. Run with `--release -- --nocapture` for
//! figures.

use std::time::Instant;

use crate::pair::Pair;

#[test]
fn a_block_costs_little() {
    for (pieces, piece) in [(2_000, 1 << 20), (100_000, 64 << 10)] {
        let mut pair = Pair::new(pieces, piece);
        let begun = Instant::now();
        pair.run();
        let took = begun.elapsed();
        assert!(pair.leecher.have().is_full());
        let per_block = took.as_nanos() as u64 / pair.blocks;
        let calls = pair.calls as f64 / pair.blocks as f64;
        println!(
            "{pieces} pieces of {piece}: {per_block} ns and {calls:.2} calls per block, both sides together"
        );
        assert!(calls < 5.0, "{calls} calls per block");
    }
}
