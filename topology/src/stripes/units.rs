//! How many whole stripes can still reach a site.

use std::collections::VecDeque;

use super::core::Core;

/// Whole flows from the sources to one site, so many on each arc.
pub(super) type Units = Vec<u8>;

/// How a node was reached.
#[derive(Clone, Copy)]
enum Came {
    No,
    Source,
    /// As a member of the tree that may send one unit in all.
    Member,
    Arc(usize, bool),
}

/// `need` units from the roots to `site`, of which one may come from any of the `members` instead, where each
/// arc takes as many as `room` says; the units per arc, or `None` if there are not so many. Augments along
/// shortest paths, so that it takes at most `need` walks over the core.
pub(super) fn units(
    core: &Core,
    site: usize,
    need: usize,
    members: &[usize],
    room: impl Fn(usize) -> u8,
) -> Option<Units> {
    let room: Vec<u8> = (0..core.arcs.len()).map(room).collect();
    let mut flow: Units = vec![0; core.arcs.len()];
    let mut member: Option<usize> = None;
    for _ in 0..need {
        let mut came = vec![Came::No; core.nodes];
        let mut queue = VecDeque::new();
        for root in (0..core.sites.len()).filter(|site| core.root[*site]) {
            came[root] = Came::Source;
            queue.push_back(root);
        }
        let mut enter = member.is_none();
        loop {
            if std::mem::take(&mut enter) {
                for other in members {
                    if matches!(came[*other], Came::No) {
                        came[*other] = Came::Member;
                        queue.push_back(*other);
                    }
                }
            }
            let Some(node) = queue.pop_front() else { break };
            if node == site {
                break;
            }
            // the unit of a member can be taken back and given to another
            let taken_back = !matches!(came[node], Came::Member) && member == Some(node);
            enter = taken_back;
            for arc in &core.leaving[node] {
                let next = core.arcs[*arc].to;
                if flow[*arc] < room[*arc] && matches!(came[next], Came::No) {
                    came[next] = Came::Arc(*arc, true);
                    queue.push_back(next);
                }
            }
            for arc in &core.arriving[node] {
                let next = core.arcs[*arc].from;
                if flow[*arc] > 0 && matches!(came[next], Came::No) {
                    came[next] = Came::Arc(*arc, false);
                    queue.push_back(next);
                }
            }
        }
        let mut at = site;
        loop {
            match came[at] {
                Came::No => return None,
                Came::Source => break,
                Came::Arc(arc, true) => {
                    flow[arc] += 1;
                    at = core.arcs[arc].from;
                }
                Came::Arc(arc, false) => {
                    flow[arc] -= 1;
                    at = core.arcs[arc].to;
                }
                Came::Member => match member.replace(at) {
                    // the path came in at the old member, and goes on from here
                    Some(old) => at = old,
                    None => break,
                },
            }
        }
    }
    Some(flow)
}
