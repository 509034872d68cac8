//! The part of a map in which it matters which site feeds which.

use std::collections::{BTreeSet, HashMap, VecDeque};

use crate::flow::Network;
use crate::forest::room::Room;
use crate::{Rate, SiteId};

/// A hop that flows of the core can take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arc {
    pub(super) from: usize,
    pub(super) to: usize,
    /// Bytes per second that this swarm can have; may be infinite.
    pub(super) capacity: f64,
}

/// The sites of the core, numbered densely in the order of their names, and the hops between them.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) sites: Vec<SiteId>,
    pub(super) root: Vec<bool>,
    /// The node of each site: itself, since nodes that are no sites of the core come after these.
    pub(super) nodes: usize,
    pub(super) arcs: Vec<Arc>,
    /// The arcs that leave each node.
    pub(super) leaving: Vec<Vec<usize>>,
    /// The arcs that lead to each node.
    pub(super) arriving: Vec<Vec<usize>>,
    /// By `from * sites + to`: the arcs of the path, if `from` may serve `to` and nothing on the way is
    /// paused.
    paths: Vec<Option<Box<[usize]>>>,
}

/// A core, and the sites that are fed from their only neighbour in any case: pairs of site and parent,
/// parents first.
pub(super) struct Cut {
    pub(super) core: Core,
    pub(super) outer: Vec<(SiteId, SiteId)>,
}

/// The most sites of a core: with more a forest would take seconds.
pub(super) const MAX_SITES: usize = 64;

/// Cuts off what hangs on the rest by a single link: sites that are not concerned, and sites that are fed by
/// the neighbour at the other end of it, which gets the content itself: whatever else fed them would send every
/// byte through there.
///
/// `None` if what remains has more than [`MAX_SITES`] sites, or there is but one way between any two of
/// them.
pub(super) fn cut(
    room: &Room<'_>,
    roots: &BTreeSet<SiteId>,
    waiting: &BTreeSet<SiteId>,
    barren: &BTreeSet<(SiteId, SiteId)>,
) -> Option<Cut> {
    let mut at_node: Vec<Option<u32>> = vec![None; room.nodes()];
    for (index, _) in (0u32..).zip(&room.sites) {
        at_node[room.node(index) as usize] = Some(index);
    }
    // the neighbours of each node by links that are not paused
    let mut beside: Vec<Vec<usize>> = vec![Vec::new(); room.nodes()];
    for (hop, from, to) in room.hops() {
        if room.hop_speed(hop) > Rate::ZERO {
            beside[from as usize].push(to as usize);
        }
    }
    let may_feed = |parent: u32, child: u32| {
        room.may_serve(parent)
            && !barren.contains(&(room.sites[child as usize], room.sites[parent as usize]))
            && room.path(parent, child).is_some_and(|path| path.count() == 1)
    };
    let mut cut = vec![false; room.nodes()];
    let mut outer = Vec::new();
    let mut queue: VecDeque<usize> = (0..room.nodes()).filter(|node| beside[*node].len() <= 1).collect();
    while let Some(node) = queue.pop_front() {
        let neighbour = beside[node].first().copied();
        match (at_node[node], neighbour) {
            (None, _) => {}
            (Some(site), _) if roots.contains(&room.sites[site as usize]) => continue,
            (Some(site), Some(neighbour)) => match at_node[neighbour] {
                Some(parent) if may_feed(parent, site) => {
                    outer.push((room.sites[site as usize], room.sites[parent as usize]));
                }
                _ => continue,
            },
            (Some(_), None) => continue,
        }
        if std::mem::replace(&mut cut[node], true) {
            continue;
        }
        if let Some(neighbour) = neighbour {
            beside[neighbour].retain(|other| *other != node);
            if beside[neighbour].len() <= 1 {
                queue.push_back(neighbour);
            }
        }
    }
    // what was cut last is nearest to the core
    outer.reverse();
    let core = Core::new(room, roots, waiting, barren, &cut)?;
    Some(Cut { core, outer })
}

impl Core {
    fn new(
        room: &Room<'_>,
        roots: &BTreeSet<SiteId>,
        waiting: &BTreeSet<SiteId>,
        barren: &BTreeSet<(SiteId, SiteId)>,
        cut: &[bool],
    ) -> Option<Core> {
        let numbers = (0u32..).zip(&room.sites).map(|(index, _)| index);
        let inside: Vec<u32> = numbers.filter(|index| !cut[room.node(*index) as usize]).collect();
        if inside.len() > MAX_SITES {
            return None;
        }
        let sites: Vec<SiteId> = inside.iter().map(|index| room.sites[*index as usize]).collect();
        let root: Vec<bool> = sites.iter().map(|site| roots.contains(site)).collect();
        let ends: Vec<(u32, u32)> = room.hops().map(|(_, from, to)| (from, to)).collect();
        let mut node_of: HashMap<u32, usize> =
            inside.iter().enumerate().map(|(i, index)| (room.node(*index), i)).collect();
        let mut arc_of: HashMap<usize, usize> = HashMap::new();
        let mut arcs: Vec<Arc> = Vec::new();
        let mut paths = vec![None; sites.len() * sites.len()];
        for (i, from) in inside.iter().enumerate().filter(|(_, from)| room.may_serve(**from)) {
            for (j, to) in inside.iter().enumerate() {
                let usable = i != j
                    && !root[j]
                    && waiting.contains(&sites[j])
                    && !barren.contains(&(sites[j], sites[i]));
                let Some(path) = room.path(*from, *to).filter(|_| usable) else {
                    continue;
                };
                let path: Vec<usize> = path.collect();
                if path.iter().any(|hop| room.hop_speed(*hop) == Rate::ZERO) {
                    continue;
                }
                let path = path.into_iter().map(|hop| {
                    *arc_of.entry(hop).or_insert_with(|| {
                        let mut node = |node: u32| {
                            let next = node_of.len();
                            *node_of.entry(node).or_insert(next)
                        };
                        let (from, to) = (node(ends[hop].0), node(ends[hop].1));
                        let capacity = room.hop_speed(hop).as_f64();
                        arcs.push(Arc { from, to, capacity });
                        arcs.len() - 1
                    })
                });
                paths[i * sites.len() + j] = Some(path.collect());
            }
        }
        let nodes = node_of.len();
        let (mut leaving, mut arriving) = (vec![Vec::new(); nodes], vec![Vec::new(); nodes]);
        for (i, arc) in arcs.iter().enumerate() {
            leaving[arc.from].push(i);
            arriving[arc.to].push(i);
        }
        let core = Core {
            sites,
            root,
            nodes,
            arcs,
            leaving,
            arriving,
            paths,
        };
        core.has_cycle().then_some(core)
    }

    /// Whether there are two ways between any two nodes.
    fn has_cycle(&self) -> bool {
        let mut group: Vec<usize> = (0..self.nodes).collect();
        fn top(group: &mut [usize], mut node: usize) -> usize {
            while group[node] != node {
                group[node] = group[group[node]];
                node = group[node];
            }
            node
        }
        let pairs: BTreeSet<(usize, usize)> =
            self.arcs.iter().map(|arc| (arc.from.min(arc.to), arc.from.max(arc.to))).collect();
        pairs.into_iter().any(|(a, b)| {
            let (a, b) = (top(&mut group, a), top(&mut group, b));
            group[a] = b;
            a == b
        })
    }

    /// The arcs from one site to another, if a flow may take them.
    pub(super) fn path(&self, from: usize, to: usize) -> Option<&[usize]> {
        self.paths[from * self.sites.len() + to].as_deref()
    }

    /// The greatest flow from all roots to a site, over the hops that flows of the core can take.
    pub(super) fn max_flow(&self, site: usize) -> f64 {
        let mut network = Network::new(self.nodes);
        for arc in &self.arcs {
            network.join(arc.from, arc.to, Rate::of_f64(arc.capacity), Rate::ZERO);
        }
        let roots = (0..self.sites.len()).filter(|site| self.root[*site]);
        network.max_flow(roots, site).as_f64()
    }
}
