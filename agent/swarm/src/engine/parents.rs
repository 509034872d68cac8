//! Lines: the way to one parent each, with its own active upstream, rate and depth. Mostly there is one.

use std::net::SocketAddr;

use narrows_protocol::Parent;

use super::Swarm;
use crate::picker::Plan;
use crate::policy::gateway::{order_seed, term};
use crate::policy::pacing::Bucket;
use crate::policy::relation::Relation;
use crate::policy::trial::Trial;
use crate::{Action, PeerKey, Time};

/// The way to one parent.
#[derive(Debug)]
pub(super) struct Line {
    /// The parent site; empty if the tracker did not say.
    pub(super) site: String,
    pub(super) upstreams: Vec<SocketAddr>,
    /// A link on the way is paused.
    pub(super) paused: bool,
    /// The upstream that we ask.
    pub(super) active: Option<PeerKey>,
    /// Bytes/s on the wire.
    pub(super) pace: Bucket,
    /// What its upstreams bring.
    pub(super) trial: Trial,
    /// The pace holds a request up.
    pub(super) waiting: bool,
    /// Last time it brought a block or asked for one, or something of ours held it up.
    pub(super) moved: Time,
}

impl Line {
    fn new(parent: &Parent, now: Time) -> Line {
        Line {
            site: parent.site.clone(),
            upstreams: parent.upstreams.clone(),
            paused: parent.paused,
            active: None,
            pace: Bucket::new(parent.rate, now),
            trial: Trial::default(),
            waiting: false,
            moved: now,
        }
    }
}

impl Swarm {
    /// Takes over the parents of the duty. A line goes on where one to the same parent was.
    pub(super) fn set_lines(&mut self, now: Time, out: &mut Vec<Action>) {
        let mut old = std::mem::take(&mut self.lines);
        let mut left: Vec<PeerKey> = Vec::new();
        for parent in &self.duty.parents {
            let active_of =
                |line: &Line| line.active.and_then(|key| self.peers.get(&key)).map(|peer| peer.addr);
            let same = old.iter().position(|line| {
                active_of(line).is_some_and(|addr| parent.upstreams.contains(&addr))
                    || line.upstreams.iter().any(|addr| parent.upstreams.contains(addr))
                    || (!parent.site.is_empty() && line.site == parent.site)
            });
            let mut line = Line::new(parent, now);
            if let Some(before) = same.map(|index| old.swap_remove(index)) {
                let kept = active_of(&before).is_some_and(|addr| parent.upstreams.contains(&addr));
                line.active = before.active.filter(|_| kept);
                line.pace = before.pace;
                line.trial = before.trial;
                line.pace.set_rate(parent.rate, now);
                (line.waiting, line.moved) = (before.waiting, before.moved);
                if before.paused && !parent.paused {
                    line.moved = now;
                }
                left.extend(before.active.filter(|_| !kept));
            }
            self.lines.push(line);
        }
        left.extend(old.iter().filter_map(|line| line.active));
        for key in left {
            // one that is left altogether may finish what is on its way
            let stays = |addr| self.duty.upstreams().any(|upstream| upstream == addr);
            if self.peers.get(&key).is_some_and(|peer| stays(peer.addr)) {
                self.update_interest(key, out);
            }
        }
        self.look_nearby(now);
        if self.duty.is_gateway() {
            self.picker.set_plan(Plan {
                seed: order_seed(self.config.info_hash, &self.duty.site),
                me: self.me,
                roster: self.duty.roster.clone(),
                info_hash: self.config.info_hash,
                stripes: self.duty.stripes,
                lines: self.duty.parents.iter().map(|parent| parent.stripes.clone()).collect(),
            });
        }
    }

    /// The line that an upstream's address belongs to.
    pub(super) fn line_at(&self, addr: SocketAddr) -> Option<usize> {
        self.lines.iter().position(|line| line.upstreams.contains(&addr))
    }

    /// The line that a peer belongs to; `None` unless it is an upstream of ours.
    pub(super) fn line_of(&self, key: PeerKey) -> Option<usize> {
        let peer = self.peers.get(&key)?;
        self.line_at(peer.addr).filter(|_| peer.relation == Relation::Upstream)
    }

    /// Whether a peer is the one that its line asks.
    pub(super) fn is_active(&self, key: PeerKey) -> bool {
        self.lines.iter().any(|line| line.active == Some(key))
    }

    /// Whether we may fetch by this line now.
    pub(super) fn is_open(&self, line: usize) -> bool {
        self.is_fetching_wan() && self.lines.get(line).is_some_and(|line| !line.paused)
    }

    /// Asks the active upstreams.
    pub(super) fn fill_lines(&mut self, now: Time, out: &mut Vec<Action>) {
        let active: Vec<PeerKey> = self.lines.iter().filter_map(|line| line.active).collect();
        for key in active {
            self.fill(key, now, out);
        }
    }
}

/// Whether a line may fetch pieces of these other ones, which come before it: each has stood still for k
/// terms of its rate, k being how many they are. Never by count of what is left. `piece`: bytes of a piece.
pub(super) fn may_stand_in(
    lines: &[Line],
    before: &mut dyn Iterator<Item = usize>,
    piece: u32,
    now: Time,
) -> bool {
    let (mut number, mut still, mut longest) = (0, Time::MAX, Time::ZERO);
    for line in before.filter_map(|line| lines.get(line)) {
        number += 1;
        still = still.min(now.saturating_sub(line.moved));
        longest = longest.max(term(piece, line.pace.rate()));
    }
    number > 0 && still >= longest * number
}
