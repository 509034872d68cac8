use std::sync::Arc;

use jiff::{Timestamp, ToSpan};
use narrows_topology::{Rate, SiteMap};
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};

use super::shares::{Basis, Shares};
use super::{FlowId, Ledger, Links};
use crate::policy::SharesPolicy;

/// Three rates for the link between a and b: of the day, of the night, and of another map.
fn map(rate: u32) -> SiteMap {
    let text = format!(
        "version: 1
timezone: UTC
sites:
  a: {{networks: [10.1.0.0/16]}}
  b: {{networks: [10.2.0.0/16]}}
  c: {{networks: [10.3.0.0/16]}}
  d: {{networks: [10.4.0.0/16]}}
links:
  - {{between: [a, b], rate: {rate} Mbit/s, schedule: [{{hours: 19:00-23:00, rate: 5 Mbit/s}}]}}
  - {{between: [b, c], rate: 40 Mbit/s}}
  - {{between: [b, d], rate: 8 Mbit/s}}
"
    );
    SiteMap::parse("sites.yaml", &text).unwrap()
}

fn basis(ledger: &Ledger) -> Option<Arc<Basis>> {
    ledger.lock().basis.clone()
}

/// One of the things that happen to flows, or none.
fn disturb(ledger: &Ledger, map: &SiteMap, flows: &mut Vec<FlowId>, rng: &mut StdRng) {
    let sites = ["a", "b", "c", "d"].map(|name| map.site_named(name).unwrap());
    let any = (!flows.is_empty()).then(|| rng.random_range(0..flows.len()));
    match (rng.random_range(0..10), any) {
        (0 | 1, _) | (_, None) => {
            let (from, to) = (rng.random_range(0..4), rng.random_range(1..4));
            let route = map.path(sites[from], sites[(from + to) % 4]).unwrap();
            flows.push(ledger.add(&route, Rate::from_bytes_per_second(1000)));
        }
        (2, Some(any)) => ledger.remove(flows.swap_remove(any)),
        (3 | 4, Some(any)) => ledger.set_active(flows[any], rng.random_range(0..4) > 0),
        (5, Some(any)) => ledger.set_weight(flows[any], rng.random_range(1..4)),
        (6, Some(any)) => ledger.set_braked(flows[any], rng.random_range(0..3) == 0),
        (7, Some(any)) => {
            let cap = Rate::from_bytes_per_second(u64::from(rng.next_u32() % 2_000_000));
            ledger.set_cap(flows[any], cap);
        }
        (8, Some(any)) => ledger.set_planned(flows[any], Rate::from_bytes_per_second(5000)),
        _ => {}
    }
}

#[test]
fn shares_that_are_kept_while_nothing_changes_are_those_that_would_be_computed() {
    let maps = [map(20), map(60)];
    let noon: Timestamp = "2026-11-27T12:00:00Z".parse().unwrap();
    let (mut kept, mut computed) = (0, 0);
    for seed in 0..200 {
        let mut rng = StdRng::seed_from_u64(seed);
        let (ledger, mut flows) = (Ledger::new(), Vec::new());
        let (mut map, mut at, mut policy) = (&maps[0], noon, SharesPolicy::default());
        for _ in 0..100 {
            for _ in 0..rng.random_range(0..3) {
                disturb(&ledger, map, &mut flows, &mut rng);
            }
            match rng.random_range(0..30) {
                0 => map = &maps[rng.random_range(0..2)],
                1 => at += 8.hours(),
                2 => policy.backwards = f64::from(rng.random_range(0..3)) / 20.0,
                _ => {}
            }
            at += 10.seconds();
            let (before, links) = (
                basis(&ledger),
                Links {
                    map,
                    at,
                    policy: &policy,
                },
            );
            if rng.random_range(0..2) == 0 {
                ledger.share_out(map, &policy, at);
            } else if let Some(flow) = flows.first() {
                ledger.share(&links, *flow);
            } else {
                continue;
            }
            let after = basis(&ledger);
            let is_kept = before.zip(after).is_some_and(|(before, after)| Arc::ptr_eq(&before, &after));
            *(if is_kept { &mut kept } else { &mut computed }) += 1;
            let book = ledger.lock();
            let wanting = book.wanting();
            let expected = Shares::new(&links, &wanting, 0).rates;
            let shares = wanting.iter().map(|flow| book.flows[flow.slot].as_ref().unwrap().share);
            assert!(shares.eq(expected.into_iter().map(Some)), "seed {seed}");
            let others = book.flows.iter().flatten().filter(|flow| !flow.wants());
            assert!(others.into_iter().all(|flow| flow.share.is_none()), "seed {seed}");
            assert_eq!((book.shared_at, book.last_shared), (Some(at), Some(at)));
        }
    }
    assert!(
        kept > 5_000 && computed > 5_000,
        "{kept} kept, {computed} computed"
    );
}
