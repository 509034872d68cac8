//! A forest in which no link carries the content twice the same way.
//!
//! On a map without cycles, walk around the tree from a root as one walks around a house along its wall: down
//! into each branch, up again, into the next. Each link is passed once each way. A site that is met takes the
//! content from the one that was met before, so that each hop carries at most one flow; and a way up is as wide as
//! the way down was. So every site gets what the narrowest link on the tour allows, which is what the slowest
//! site gets in the best of forests. (With several roots each tours its own part: the sites it reaches widest.)
//! It is no good forest otherwise: a long chain, in which each is behind the slowest before it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::room::Room;

/// Which site takes the content from which, in the order of the tours: pairs of parent and site.
pub(super) fn tour(room: &Room<'_>, sources: &[u32], open: &[u32]) -> Vec<(u32, u32)> {
    let children = widest_trees(room, sources);
    let open: BTreeMap<u32, u32> = open.iter().map(|site| (room.node(*site), *site)).collect();
    let mut pairs = Vec::new();
    for source in sources {
        let mut last = *source;
        let mut next = vec![room.node(*source)];
        while let Some(node) = next.pop() {
            if let Some(site) = open.get(&node) {
                pairs.push((last, *site));
                if room.may_serve(*site) {
                    last = *site;
                }
            }
            next.extend(children[node as usize].iter().rev());
        }
    }
    pairs
}

/// The nodes below each node, the widest first, in the trees that reach every node by the widest path from
/// any source (Prim's algorithm for a greatest spanning forest).
fn widest_trees(room: &Room<'_>, sources: &[u32]) -> Vec<Vec<u32>> {
    let mut children = vec![Vec::new(); room.nodes()];
    let mut done = vec![false; room.nodes()];
    let mut queue = BinaryHeap::new();
    for source in sources {
        let node = room.node(*source);
        done[node as usize] = true;
        queue.extend(room.neighbours(node).map(|(next, speed)| (speed, Reverse(next), node)));
    }
    while let Some((_, Reverse(node), before)) = queue.pop() {
        if std::mem::replace(&mut done[node as usize], true) {
            continue;
        }
        children[before as usize].push(node);
        queue.extend(room.neighbours(node).map(|(next, speed)| (speed, Reverse(next), node)));
    }
    children
}
