//! Why a peer is what it is and was handed what it was: `/explain`. Computed from the state when asked.

use std::net::SocketAddr;

use narrows_topology::{Hop, SiteId};
use serde::Serialize;

use crate::endpoint::Endpoint;
use crate::hash::AgentKey;
use crate::rules::neighbours::{self, Rule};
use crate::rules::{gateway, stripes};
use crate::state::agents::Place;
use crate::state::peer::{Class, NonSharing, Peer};
use crate::state::site::{Gateway, Site, Supply};
use crate::state::view::View;
use crate::{Context, Swarm, Time};

/// What an agent is in a swarm, and why.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Explanation {
    /// The agent's id.
    pub agent: String,
    /// Where it accepts connections.
    pub addresses: Vec<SocketAddr>,
    /// Its site.
    pub site: String,
    /// The network of the site map that its address is in.
    pub network: String,
    /// `seeder`, `leecher`, or `partial seed` (BEP 21).
    pub class: &'static str,
    /// Whether it serves others (`share:` in agent.yaml).
    pub shares: bool,
    /// Bytes it lacks; `None`: it does not say.
    pub left: Option<u64>,
    /// Seconds since its last announce.
    pub announced_seconds_ago: u64,
    /// `gateway` or `member`.
    pub role: &'static str,
    /// Why it has this role.
    pub because: String,
    /// For how long it has been a gateway.
    pub role_since_seconds: Option<u64>,
    /// For how long its lease holds unless it announces.
    pub lease_left_seconds: Option<u64>,
    /// The peers of its own site in its last reply. In large sites those drawn at random are drawn again as
    /// they were then; who has come or gone since may make them others.
    pub peers: Vec<HandedOut>,
    /// Where its site gets the content from.
    pub parents: Vec<ExplainedParent>,
    /// How it stands on the starvation ladder.
    pub starvation: Starvation,
    /// What would happen if its site's gateway died now.
    pub if_the_gateway_dies: Option<Succession>,
}

/// A peer of a reply.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct HandedOut {
    /// Where it accepts connections.
    pub address: SocketAddr,
    /// The agent's id; `None` for a stock client.
    pub agent: Option<String>,
    /// By which rule it was handed out.
    pub rule: &'static str,
}

/// A site that the agent's site fetches from.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ExplainedParent {
    /// Its name.
    pub site: String,
    /// Why it is the parent.
    pub because: String,
    /// The links from there, in the order in which bytes cross them.
    pub path: Vec<String>,
    /// The rate that was planned for the flow.
    pub planned: Option<String>,
    /// The site's fair share of the path now.
    pub share: Option<String>,
    /// What this agent was last granted, if it is a gateway; less than its share while others
    /// have yet to hear that they have less.
    #[serde(rename = "told")]
    pub granted: Option<String>,
    /// The link that limits the share; `None`: no link of the path has a limit.
    pub limited_by: Option<String>,
    /// Whether an operator has stopped it.
    pub braked: bool,
    /// The numbers of the stripes of the content that come from there; empty: all of it does.
    pub stripes: Vec<u8>,
    /// Peers there that this agent was handed.
    pub upstream: Vec<HandedOut>,
}

/// Where a leecher stands on the starvation ladder.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Starvation {
    /// 0 to 3.
    pub step: u8,
    /// Announces in a row without progress.
    pub still: u8,
    /// What the step means.
    pub means: &'static str,
}

/// Who would follow a gateway.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Succession {
    /// The gateway of now: its id, or its address.
    pub gateway: String,
    /// Who would follow: its id, or its address; `None`: there is no other peer.
    pub successor: Option<String>,
    /// By which rank.
    pub because: String,
    /// Bytes that might be fetched across the WAN again at most: what the gateway had at its last announce
    /// and no other peer of the site.
    pub again_at_most_bytes: Option<u64>,
}

impl Swarm {
    /// Explains an agent; `None`: it is not in this swarm.
    pub fn explain(&self, cx: &Context<'_>, agent: &str, now: Time) -> Option<Explanation> {
        let Place { site: id, at, .. } = self.agents.all(AgentKey::of(agent)).next()?;
        let view = self.view(cx, (id, at), now).ok()?;
        let View {
            site, class, peer, ..
        } = view;
        let record = peer.agent.as_ref().filter(|record| *record.name == *agent)?;
        let network = cx.map.network_of(at.ip());
        let gateway = site.gateways.get(&at);
        let seen = record.second.seen.iter().max().copied().unwrap_or_default();
        let remaining = |gateway: &Gateway| {
            let until = gateway.renewed + cx.policy.lease(cx.policy.intervals.gateway);
            until.saturating_sub(now).as_secs()
        };
        Some(Explanation {
            agent: agent.to_owned(),
            addresses: [Some(at), record.second.other].into_iter().flatten().map(Endpoint::addr).collect(),
            site: cx.map.name(id).into_owned(),
            network: network.map_or_else(String::new, |(network, _)| network.to_string()),
            class: match class {
                _ if class.is_complete(peer.left) => "seeder",
                Class::Leecher | Class::NonSharing(NonSharing::Leecher) => "leecher",
                Class::Seeder | Class::Partial | Class::NonSharing(NonSharing::Complete) => "partial seed",
            },
            shares: class.shares(),
            left: (peer.left != u64::MAX).then_some(peer.left),
            announced_seconds_ago: now.saturating_sub(seen.time()).as_secs(),
            role: if gateway.is_some() { "gateway" } else { "member" },
            because: self.role_because(site, class, gateway),
            role_since_seconds: gateway.map(|gateway| now.saturating_sub(gateway.since).as_secs()),
            lease_left_seconds: gateway.map(remaining),
            peers: explain_neighbours(&View {
                now: seen.time(),
                ..view
            }),
            parents: explain_parents(&view),
            starvation: Starvation {
                step: peer.step,
                still: peer.still,
                means: match peer.step {
                    0 => "it comes on, or others are responsible where it does not",
                    1 => "it is given other peers",
                    2 => "it may fetch across the WAN itself, as an extra gateway",
                    _ => "it is given seeders of a root site",
                },
            },
            if_the_gateway_dies: explain_succession(&view),
        })
    }

    /// Ids of the swarm's agents, to suggest one for an unknown id; of a large swarm, some.
    pub fn agent_names(&self, most: usize) -> Vec<String> {
        let peers = self.sites.values().flat_map(|site| site.peers.iter());
        let names = peers.filter_map(|(_, _, peer)| Some(peer.agent.as_ref()?.name.to_string()));
        names.take(most).collect()
    }

    pub(crate) fn role_because(&self, site: &Site, class: Class, gateway: Option<&Gateway>) -> String {
        let text = match (class, gateway) {
            (Class::Seeder, _) => "it has everything and is handed no peer to fetch from",
            (Class::Partial, _) => "it wants no more",
            (Class::NonSharing(NonSharing::Complete), _) => {
                "it wants no more, and it does not share (`share: never`), so it is handed to no other peer"
            }
            (_, Some(_)) if !site.sharing => "its site may not share, so each peer there fetches for itself",
            (Class::NonSharing(NonSharing::Leecher), Some(_)) => {
                "it does not share (`share: never`), and no peer of its site that does could fetch for it, so it fetches for \
                 itself alone"
            }
            (Class::NonSharing(NonSharing::Leecher), None) if site.is_each_alone() => {
                "it does not share (`share: never`) and is about to fetch for itself, unless a peer of its site comes that \
                 shares"
            }
            (Class::NonSharing(NonSharing::Leecher), None) => {
                "it does not share (`share: never`), so it fetches from its site and is no gateway for others"
            }
            (_, Some(_)) if site.seeder_speed.is_slow() => {
                "its site's own seeders bring less than half of what the link would, so it fetches across beside them"
            }
            (_, Some(gateway)) if gateway.extra => {
                "it starved inside its site, so it may fetch by itself until it comes on"
            }
            (_, Some(_)) => {
                "it holds its site's lease: it was the first leecher to ask, or the successor of one that went"
            }
            _ if site.supply == Supply::Supplied => "its site has a seeder and needs nothing across the WAN",
            _ => "another peer of its site holds the lease, and each byte is to cross a link once",
        };
        text.to_owned()
    }

    fn parent_because(&self, id: SiteId, parent: SiteId) -> String {
        let supplied = self.sites.get(&parent).is_some_and(|site| site.supply == Supply::Supplied);
        let has = if supplied {
            "has everything"
        } else {
            "is itself fed, and passes on what it has"
        };
        let planned = self.forest.get(&id).is_some_and(|planned| planned.site == parent);
        let why = match (self.root == Some(id), planned, self.stripes.is_empty()) {
            (true, ..) => {
                "no site has everything; this one has most, and takes what it lacks from the others"
            }
            (_, true, true) => {
                "when it was planned, a new flow was fastest from here (ties: fewer hops, then the name)"
            }
            (.., false) => {
                "one parent would not fill the site's links, so each stripe of the pieces has its own"
            }
            (_, false, true) => {
                "a root site: the agent starved, or its parent was planned anew since its last announce"
            }
        };
        format!("the site {has}; {why}")
    }
}

/// The neighbours of the last reply, which `view` is of.
fn explain_neighbours(view: &View<'_>) -> Vec<HandedOut> {
    let policy = view.cx.policy;
    let want = policy.numwant_default.min(policy.numwant_max) as usize;
    let chosen = neighbours::choose(view, want).into_iter();
    let peers = &view.site.peers;
    chosen
        .map(|(other, peer, rule)| handed_out(peer, peers.address_for(other, peer, view.at), rule.text()))
        .collect()
}

fn explain_parents(view: &View<'_>) -> Vec<ExplainedParent> {
    let mut parents = stripes::parents(view);
    // a root that lacks something, and a peer that is fed by a root site, fetch from others
    for flow in view.used_flows() {
        if parents.iter().all(|(parent, _)| *parent != flow.source) {
            parents.push((flow.source, Vec::new()));
        }
    }
    parents.into_iter().filter_map(|(parent, stripes)| explain_parent(view, parent, stripes)).collect()
}

fn explain_parent(view: &View<'_>, parent: SiteId, stripes: Vec<u8>) -> Option<ExplainedParent> {
    let (cx, id) = (view.cx, view.id());
    let route = cx.map.path(parent, id)?;
    let flow = view.site.flows.iter().find(|flow| flow.source == parent);
    let rate = |hop: &Hop| cx.links().rate(*hop);
    let limit = cx.ledger.with_load(|load| {
        let limited = route.hops.iter().filter(|hop| !rate(hop).is_unlimited());
        limited.min_by_key(|hop| rate(hop).share(load.flows(**hop))).copied()
    });
    let upstreams = view.gateway().map_or(&[][..], |gateway| &gateway.upstreams);
    let upstream = upstreams.iter().filter(|up| up.site == parent).filter_map(|up| {
        let (class, peer) = view.find(parent, up.peer)?;
        let rule = match class {
            Class::Seeder => "seeder of the parent site, by rendezvous hash",
            _ => "the parent site's gateway or best-supplied peer, which passes on what it has",
        };
        Some(handed_out(peer, up.addr, rule))
    });
    Some(ExplainedParent {
        site: cx.map.name(parent).into_owned(),
        because: view.swarm.parent_because(id, parent),
        path: route.hops.iter().map(|hop| cx.map.link_name(hop.link)).collect(),
        planned: flow.map(|flow| cx.ledger.planned(flow.id).to_string()),
        share: flow.map(|flow| cx.ledger.share(&cx.links(), flow.id).to_string()),
        granted: flow.and_then(|flow| cx.ledger.granted(flow.id, view.at)).map(|rate| rate.to_string()),
        limited_by: limit.map(|hop| cx.map.link_name(hop.link)),
        braked: cx.ledger.brakes().stop(cx.map, &view.swarm.info_hash, (parent, id), &route),
        stripes,
        upstream: upstream.collect(),
    })
}

fn explain_succession(view: &View<'_>) -> Option<Succession> {
    let (site, at) = (view.site, view.at);
    let (gateway, _) = site.gateways.get_key_value(&at).or_else(|| site.gateways.first())?;
    let (_, holder) = site.peers.find(*gateway).filter(|(class, _)| class.shares())?;
    let successor = gateway::successor(view, Some(*gateway), false);
    let found = successor.and_then(|at| Some((at, site.leecher(at)?)));
    let others = site.peers.iter().filter(|(class, other, _)| class.shares() && other != gateway);
    let best = others.map(|(class, _, peer)| if class == Class::Seeder { 0 } else { peer.left }).min();
    let known = |left: u64| (left != u64::MAX).then_some(left);
    let size = view.swarm.size();
    let lacks = |left: Option<u64>| left.and_then(known).or(size);
    Some(Succession {
        gateway: name(holder, *gateway),
        successor: found.map(|(at, peer)| name(peer, at)),
        because: match found {
            Some((_, peer)) if peer.agent.is_some() => {
                "agents before stock clients, then who has most bytes, then rendezvous hash of swarm, site and agent"
            }
            Some(_) => "there is no other agent; of the stock clients who has most bytes, then rendezvous hash",
            None => "no other peer of the site wants the content: none would fetch it until one asks",
        }
        .to_owned(),
        again_at_most_bytes: lacks(best)
            .zip(lacks(Some(holder.left)))
            .map(|(others, gateway)| others.saturating_sub(gateway)),
    })
}

fn name(peer: &Peer, at: Endpoint) -> String {
    let agent = peer.agent.as_ref().map(|agent| agent.name.to_string());
    agent.unwrap_or_else(|| at.addr().to_string())
}

fn handed_out(peer: &Peer, at: Endpoint, rule: &'static str) -> HandedOut {
    HandedOut {
        address: at.addr(),
        agent: peer.agent.as_ref().map(|agent| agent.name.to_string()),
        rule,
    }
}

impl Rule {
    fn text(self) -> &'static str {
        match self {
            Rule::FullMesh => "all peers of the site: it is small",
            Rule::Seeder => "a seeder of the site, drawn at random",
            Rule::Ring => "a neighbour in the ring of the site's addresses, which keeps the site connected",
            Rule::Random => "a peer of the site, drawn at random",
        }
    }
}
