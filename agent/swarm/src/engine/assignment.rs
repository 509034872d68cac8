//! What a good announce changes.

use super::Swarm;
use crate::policy::gateway::{Duty, myself};
use crate::{Action, Assigned, PeerKey, Time};

impl Swarm {
    pub(super) fn assigned(&mut self, assigned: Assigned, now: Time, out: &mut Vec<Action>) {
        let Assigned {
            local,
            assignment,
            interval,
            min_interval,
            external_ip,
        } = assigned;
        let was_fetching_wan = self.is_fetching_wan();
        self.foreign = assignment.is_none();
        let role = self.duty.role;
        self.in_doubt = false;
        let told = assignment.as_ref().and_then(|assignment| assignment.told.as_ref());
        self.set_braked(told.is_some_and(|told| told.braked), now, out);
        let mut duty = match &assignment {
            Some(assignment) => Duty::new(assignment, self.config.gateway, now),
            None => Duty::default(),
        };
        self.forgotten = duty.keep_upstreams(&self.duty);
        if (duty.role, &duty.roster) != (self.duty.role, &self.duty.roster) {
            self.doubts = 0;
        }
        self.duty = duty;
        if role != self.duty.role {
            self.role_since = now;
        }
        self.announcer.answered(interval, min_interval, self.duty.lease_ends, now);
        if self.paused {
            return;
        }
        self.me = myself(self.config.listen, external_ip, self.duty.role, &self.duty.roster);
        self.silence.set_roster(&self.duty.roster, now);
        self.brought.retain(|gateway, _| self.duty.roster.contains(gateway));
        self.set_parents(now, out);
        self.leave_upstreams(now, out);
        self.tell_role(out);
        self.list(&local, now);
        let keys: Vec<PeerKey> = self.peers.keys().copied().collect();
        for key in keys {
            self.reclassify(key, now, out);
        }
        if was_fetching_wan != self.is_fetching_wan() {
            self.last_progress = now;
        }
        self.choose_upstream(now, out);
        self.fill_all(now, out);
        self.dial(now, out);
        self.check_starved(now, out);
        self.next_housekeeping = self.next_housekeeping.min(self.announcer.next());
    }
}
