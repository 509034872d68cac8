//! Cases that have a name, by subject.

mod accusers;
mod boasters;
mod crowds;
mod excuses;
mod gateways;
mod identity;
mod idlers;
mod imposters;
mod restarts;
mod totals;
mod usurpers;

use crate::sim::world::World;

/// An origin (site 1) and two zones (2 and 3), each with a link of its own to the origin.
fn star(max_seeders: u32) -> World {
    let text = format!(
        "version: 1\ndefaults: {{max_seeders: {max_seeders}}}\nsites:\n  origin: {{networks: [10.1.0.0/16, \"fd00:1::/32\"]}}\n  \
         zone-a: {{networks: [10.2.0.0/16, \"fd00:2::/32\"]}}\n  zone-b: {{networks: [10.3.0.0/16]}}\nlinks:\n  - \
         {{between: [zone-a, origin], rate: 10 Mbit/s}}\n  - {{between: [zone-b, origin], rate: 10 Mbit/s}}\n"
    );
    World::of(&text, &[1, 2, 3])
}
