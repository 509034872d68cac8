//! What each site gets of given stripes.

/// Max-min fair rates of the sites, each the same in all stripes, growing together from `demand` on: a site
/// stops when a hop that it needs is full, or when it gets as much as a parent that has stopped.
///
/// `parents` of each site, one per stripe, are sites or `None` for a root; `uses` of each site are the hops
/// of its flows, one entry per flow that crosses the hop. `capacity` is per hop and may be infinite, and so
/// may be the result. Demands must fit into the capacities, and a parent's must be no less than its
/// children's.
pub(super) fn fill(
    capacity: &[f64],
    demand: &[f64],
    parents: &[Vec<Option<usize>>],
    uses: &[Vec<usize>],
) -> Vec<f64> {
    let mut rates = demand.to_vec();
    let mut left = capacity.to_vec();
    for (site, hops) in uses.iter().enumerate() {
        for hop in hops {
            if left[*hop].is_finite() {
                left[*hop] = (left[*hop] - rates[site]).max(0.0);
            }
        }
    }
    let mut growing: Vec<usize> = (0..rates.len()).filter(|site| rates[*site].is_finite()).collect();
    let mut stopped: Vec<bool> = rates.iter().map(|rate| rate.is_infinite()).collect();
    while !growing.is_empty() {
        let mut flows = vec![0u32; left.len()];
        for hop in growing.iter().flat_map(|site| &uses[*site]) {
            flows[*hop] += 1;
        }
        // how much further all can grow before a hop is full or a parent's rate is reached
        let share = |hop: usize| left[hop] / f64::from(flows[hop]);
        let hops = (0..left.len()).filter(|hop| flows[*hop] > 0).map(share);
        let below = growing.iter().flat_map(|site| {
            let above = parents[*site].iter().flatten().filter(|parent| stopped[**parent]);
            above.map(|parent| (rates[*parent] - rates[*site]).max(0.0))
        });
        let step = hops.chain(below).fold(f64::INFINITY, f64::min);
        for site in &growing {
            rates[*site] += step;
        }
        if step.is_infinite() {
            break;
        }
        for (left, flows) in left.iter_mut().zip(&flows) {
            *left -= step * f64::from(*flows);
        }
        // a flow within rounding of its limit has reached it; one of them always has
        let full = |hop: &usize| left[*hop] <= capacity[*hop] * 1e-9 && capacity[*hop].is_finite();
        let (done, rest): (Vec<usize>, Vec<usize>) = growing.into_iter().partition(|site| {
            let capped =
                |parent: &&usize| stopped[**parent] && rates[**parent] <= rates[*site] * (1.0 + 1e-9);
            uses[*site].iter().any(full) || parents[*site].iter().flatten().any(|parent| capped(&parent))
        });
        if done.is_empty() {
            break;
        }
        for site in done {
            stopped[site] = true;
        }
        growing = rest;
    }
    rates
}
