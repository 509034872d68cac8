//! Whether neighbours bring what they say they have. While they do, it need not cross the link; one that does
//! not is still asked, and its pieces come across the link until it has brought its share for a while.
//!
//! A member has no link to compare with. It judges neighbours while hardly anything comes and they owe it what
//! it lacks: what one brings that was found to bring next to nothing puts off no complaint, and the operator
//! hears who it is. A neighbour that says nothing at all may be frozen: its word does not count either, but it is
//! named only once it speaks and still brings nothing.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::Swarm;
use super::parents::Parent;
use super::peer::Peer;
use crate::picker::Word;
use crate::policy::credit::{Probation, TERM, enough};
use crate::policy::relation::Relation;
use crate::{Action, Misdeed, PeerKey, Time};

/// A neighbour that brought less than this part of its share is named, not only judged: slow ones are not.
const NAMED: u64 = 8;
/// Beside a member, one does not count any more that brought less than this part of what counts as little.
const LITTLE: u64 = 4;
/// Neighbours are judged if a link stood idle for so much of a term.
const LEAST_IDLE: Time = Time::from_secs(1);
/// Of the time between two looks, what counts at most: a machine that slept waited for no neighbour.
const MAX_PASSED: Time = Time::from_millis(500);

impl Swarm {
    /// What a new connection from `ip` has to bring before its word counts; `None`: it has an advance.
    pub(super) fn newcomer(&self, ip: IpAddr, now: Time) -> Option<Probation> {
        let lasts = self.credit.advance(ip, now).err()?;
        Some(Probation {
            since: now,
            brought: 0,
            lasts,
        })
    }

    /// Measures what neighbours bring while a link stands idle for them, and judges them after each term.
    pub(super) fn look_at_supply(&mut self, now: Time, out: &mut Vec<Action>) {
        let passed = now.saturating_sub(self.supply_looked).min(MAX_PASSED);
        self.supply_looked = now;
        let idle = match self.duty.is_gateway() {
            true => self.find_idle_links(passed, now),
            false => self.waits_in_vain(now),
        };
        for peer in self.peers.values_mut() {
            peer.owing.look(!peer.asked.is_empty(), now);
        }
        if idle {
            self.term.get_or_insert(now);
            for peer in self.peers.values_mut().filter(|peer| peer.owes(now)) {
                peer.owed += passed;
            }
        }
        if self.term.is_some_and(|began| now >= began + TERM) {
            match self.duty.is_gateway() {
                true => self.judge(now, out),
                false => self.judge_as_member(now, out),
            }
            self.end_term();
        }
        self.end_probations(now, out);
    }

    /// Adds up how long parents are asked for nothing though pieces are missing; whether one is now.
    fn find_idle_links(&mut self, passed: Time, now: Time) -> bool {
        let fetching = self.is_fetching_wan() && self.down_pace.is_open(now);
        let peers = &self.peers;
        let mut any = false;
        for parent in &mut self.parents {
            let active = parent.active.and_then(|key| peers.get(&key));
            let asked = active.is_some_and(|peer| !peer.asked.is_empty());
            let held_up = active.is_some() && parent.moved >= now && !parent.crowded;
            if fetching && !parent.paused && !asked && !held_up {
                parent.idle += passed;
                any = true;
            }
        }
        any
    }

    /// Whether a member gets next to nothing, and that is not its own doing.
    fn waits_in_vain(&mut self, now: Time) -> bool {
        let rate = enough(0, Time::from_secs(1));
        self.is_fetching() && self.down_pace.is_open(now) && self.down.rate() < rate
    }

    /// Ends a term; the next one begins when a link stands idle again.
    fn end_term(&mut self) {
        self.term = None;
        for parent in &mut self.parents {
            parent.idle = Time::ZERO;
        }
        for peer in self.peers.values_mut() {
            (peer.term_began, peer.owed) = (peer.brought, Time::ZERO);
        }
    }

    /// Half of what the links would have brought in the time that they stood idle in this term.
    fn enough(&self) -> u64 {
        let would = |parent: &Parent| {
            let active = parent.active.and_then(|key| self.peers.get(&key));
            let rate = match parent.pace.rate() {
                0 => active.map_or(0, |peer| peer.rate_then),
                granted => granted,
            };
            enough(rate, parent.idle)
        };
        self.parents.iter().map(would).sum()
    }

    /// A term in which a link stood idle is over. Where neighbours brought less together than half of what it
    /// would have, those that brought less than their share do not count any more; where others bring enough,
    /// those that brought next to nothing though they were waited for most of the term.
    fn judge(&mut self, now: Time, out: &mut Vec<Action>) {
        if self.parents.iter().all(|parent| parent.idle < LEAST_IDLE) {
            return;
        }
        let enough = self.enough();
        let local = || self.peers.iter().filter(|(_, peer)| peer.relation == Relation::Local);
        let brought = |peer: &Peer| peer.brought.saturating_sub(peer.term_began);
        let supplied = local().map(|(_, peer)| brought(peer)).sum::<u64>() >= enough;
        let judged: Vec<(PeerKey, u64, Time)> = local()
            .filter(|(_, peer)| {
                peer.owed > Time::ZERO && peer.counted.is_some_and(|c| c.word == Word::Counts)
            })
            .map(|(key, peer)| (*key, brought(peer), peer.owed))
            .collect();
        let share = enough / (judged.len() as u64).max(1);
        for (key, brought, owed) in judged {
            let little = brought < share / NAMED;
            if (little && owed >= TERM / 2) || (brought < share && !supplied) {
                self.break_word(key, little, now, out);
            }
        }
        self.choose_upstream(now, out);
        // before these are asked for the same once more
        self.fill_upstreams(now, out);
        self.fill_all(now, out);
    }

    /// A term in which hardly anything came to a member is over: those do not count any more that it waited for
    /// most of the time and that brought next to nothing. Who brought a block at most is named.
    fn judge_as_member(&mut self, now: Time, out: &mut Vec<Action>) {
        let waited_for = |peer: &Peer| {
            let counts = peer.counted.is_some_and(|counted| counted.word == Word::Counts);
            peer.relation == Relation::Local && counts && peer.owed >= TERM / 2
        };
        let judged: Vec<(PeerKey, &Peer, u64)> = (self.peers.iter().filter(|(_, peer)| waited_for(peer)))
            .map(|(key, peer)| (*key, peer, peer.brought.saturating_sub(peer.term_began)))
            .collect();
        // where several bring a little each, it may be our own side that is slow
        let bring = judged.iter().filter(|(.., brought)| *brought > 0).map(|(_, peer, _)| peer.addr.ip());
        let share = bring.collect::<BTreeSet<IpAddr>>().len().max(1) as u64;
        let broken: Vec<(PeerKey, bool)> = (judged.iter())
            .filter(|(_, peer, brought)| *brought < enough(0, peer.owed) / LITTLE / share)
            .map(|(key, peer, brought)| {
                // stock clients choke most peers, and that is no offence
                let should = peer.hello.is_some() || (peer.choking.is_none() && peer.bad_until <= now);
                (*key, should && *brought <= u64::from(narrows_wire::BLOCK_LEN))
            })
            .collect();
        for (key, named) in &broken {
            self.break_word(*key, *named, now, out);
        }
        if !broken.is_empty() {
            self.fill_all(now, out);
        }
    }

    fn break_word(&mut self, key: PeerKey, named: bool, now: Time, out: &mut Vec<Action>) {
        let Some(peer) = self.peers.get_mut(&key) else {
            return;
        };
        let ip = peer.addr.ip();
        let lasts = self.credit.broke(ip, peer.brought == 0, now);
        peer.probation = Some(Probation {
            since: now,
            brought: peer.brought,
            lasts,
        });
        if named {
            self.name_if_there(key, out);
        }
        // what it was asked for may still come; an upstream helps with its pieces from now on
        self.recount(key);
    }

    /// Lets the word of those count again that have brought their share for as long as they had to.
    fn end_probations(&mut self, now: Time, out: &mut Vec<Action>) {
        let holders = self.peers.values().filter(|peer| peer.relation == Relation::Local && peer.lacking > 0);
        let number = holders.count().max(1) as u64;
        let rate = match self.parents.iter().map(|parent| parent.pace.rate()).sum() {
            0 => self.duty.rate,
            sum => sum,
        };
        let due = |peer: &Peer| peer.probation.is_some_and(|p| now >= p.since + p.lasts);
        let due: Vec<PeerKey> = self.peers.iter().filter(|(_, p)| due(p)).map(|(key, _)| *key).collect();
        for key in due {
            let Some((peer, probation)) =
                self.peers.get_mut(&key).and_then(|p| p.probation.map(|was| (p, was)))
            else {
                continue;
            };
            let share = enough(rate, now.saturating_sub(probation.since)) / number;
            if peer.brought.saturating_sub(probation.brought) >= share {
                (peer.probation, peer.named) = (None, false);
                self.recount(key);
                self.fill(key, now, out);
            } else {
                let brought = peer.brought.saturating_sub(probation.brought);
                peer.probation = Some(Probation {
                    since: now,
                    brought: peer.brought,
                    ..probation
                });
                let counts = peer.counted.is_some() && peer.lacking > 0 && peer.hello.is_some();
                if brought <= u64::from(narrows_wire::BLOCK_LEN) && counts && !peer.named {
                    self.name_if_there(key, out);
                }
            }
        }
    }

    /// Names a peer that brings nothing, unless it says nothing either: it may be frozen, or asleep.
    fn name_if_there(&mut self, key: PeerKey, out: &mut Vec<Action>) {
        let Some(peer) = self.peers.get_mut(&key).filter(|peer| peer.withholds()) else {
            return;
        };
        peer.named = true;
        self.name(key, Misdeed::NoDelivery, out);
    }

    /// What a peer brought was of no use.
    pub(super) fn uncredit(&mut self, key: PeerKey, bytes: u64) {
        if let Some(peer) = self.peers.get_mut(&key) {
            peer.brought = peer.brought.saturating_sub(bytes);
        }
    }

    /// Counts a holder anew, since its word counts or does not any more.
    fn recount(&mut self, key: PeerKey) {
        if self.peers.get(&key).is_some_and(|peer| peer.counted.is_some()) {
            self.count(key, false);
            self.count(key, true);
        }
    }

    /// Tells who did what, for the log and the operator.
    pub(super) fn name(&self, key: PeerKey, misdeed: Misdeed, out: &mut Vec<Action>) {
        if let Some(peer) = self.peers.get(&key) {
            out.push(Action::Name {
                misdeed,
                ip: peer.addr.ip(),
                agent: peer.hello.as_ref().map(|hello| hello.agent.clone()),
            });
        }
    }
}
