//! What the disk says, and when it is asked to make things durable.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use narrows_storage::{StorageError, Stored};
use narrows_swarm::{Assigned, Event, Time};

use super::Session;
use crate::content::Work;

/// What has been stored is made durable after so many bytes or so much time: a machine that is switched off
/// loses no more, and the end of a rollout waits for no long flush.
const SYNC_BYTES: u64 = 16 << 20;
const SYNC_TIME: Duration = Duration::from_secs(5);

/// What has come across the WAN is written down after so many bytes or so much time: of a gateway that is
/// killed, the tracker does not learn of more. Not more often than [`TICK`](super::TICK), so that a fast link
/// does not mean many writes.
const NOTE_BYTES: u64 = 1 << 20;
const NOTE_TIME: Duration = Duration::from_secs(1);

/// How often a disk that refused is asked whether it takes data again.
const PROBE: Duration = Duration::from_secs(3);

impl Session {
    pub(super) fn done(&mut self, work: Work, now: Time) {
        match work {
            Work::Stored {
                piece,
                bytes,
                result: Ok(Stored::Ok),
            } => {
                self.disk.unsynced += bytes;
                self.feed(Event::Verified { piece, ok: true }, now);
            }
            Work::Stored {
                piece,
                result: Ok(Stored::HashWrong),
                ..
            } => {
                if let Some(times) = self.disk.hash_failures.failed("wrong hash", now) {
                    tracing::warn!(content = %self.name, piece, times, "a piece came with a wrong hash");
                }
                self.feed(Event::Verified { piece, ok: false }, now);
            }
            Work::Stored {
                piece,
                result: Err(error),
                ..
            } => self.store_failed(piece, &error, now),
            Work::Probed(result) => self.probed(result, now),
            Work::Synced(result) => {
                self.disk.syncing = false;
                match result {
                    Ok(()) => {
                        if self.disk.sync_failures.went_well() {
                            tracing::info!(content = %self.name, "data is made durable again");
                        }
                    }
                    Err(error) => {
                        if let Some(times) = self.disk.sync_failures.failed(&error.to_string(), now) {
                            tracing::error!(content = %self.name, %error, times, "cannot make data durable");
                        }
                    }
                }
            }
            Work::Published(result) => self.published(result, now),
            Work::Announced(Ok(assigned)) => {
                self.tracker_error = None;
                if self.announce_failures.went_well() {
                    tracing::info!(content = %self.name, "a tracker takes announces again");
                }
                self.schedule.succeeded(now, assigned.min_interval);
                self.restarted = false;
                self.services.network.name(self.info_hash, named(&assigned));
                self.take_sites(now);
                self.feed(Event::Assigned(assigned), now);
            }
            Work::Announced(Err(error)) => {
                if let Some(times) = self.announce_failures.failed(&error.to_string(), now) {
                    tracing::warn!(content = %self.name, %error, times, "no tracker took the announce");
                }
                self.tracker_error = Some(error);
                self.schedule.failed();
                self.feed(Event::AnnounceFailed, now);
            }
            // the actor handles what it found wrong
            Work::Looked { all: true, since, .. } => self.watch.looked_at_all(since),
            Work::Looked { .. } => self.watch.looked(now),
            Work::Rechecked(_) => self.watch.rechecked(),
            Work::Scrubbed(_) => self.scrub.hashed(),
            // the actor takes these
            Work::Opened(_) | Work::Checked(_) => {}
        }
    }

    pub(super) fn store_failed(&mut self, piece: u32, error: &StorageError, now: Time) {
        // a full disk is one cause, whichever file it was noticed at
        let text = error.to_string();
        let cause = if error.is_full() { "full" } else { &text };
        if let Some(times) = self.disk.store_failures.failed(cause, now) {
            tracing::error!(content = %self.name, %error, times, "cannot store; trying again every few seconds");
        }
        self.disk.fault = Some(error.to_string());
        self.disk.next_probe = now + PROBE;
        self.feed(
            Event::StoreFailed {
                piece,
                full: error.is_full(),
            },
            now,
        );
    }

    pub(super) fn probed(&mut self, result: Result<(), StorageError>, now: Time) {
        self.disk.probing = false;
        self.disk.next_probe = now + PROBE;
        match result {
            Ok(()) => {
                if self.disk.fault.take().is_some() {
                    if self.disk.store_failures.went_well() {
                        tracing::info!(content = %self.name, "the disk takes data again");
                    }
                    self.feed(Event::StoreHealed, now);
                }
            }
            Err(error) => {
                let first_missing = self.swarm.have().iter_missing().next();
                match first_missing {
                    Some(piece) if self.disk.fault.is_none() => self.store_failed(piece, &error, now),
                    _ => self.disk.fault = Some(error.to_string()),
                }
            }
        }
    }

    pub(super) fn published(&mut self, result: Result<(), StorageError>, now: Time) {
        self.disk.publishing = false;
        match result {
            Ok(()) => {
                self.disk.publish_error = None;
                self.disk.publish_failures.went_well();
                tracing::info!(content = %self.name, "whole and at its target");
            }
            Err(error) => {
                if let Some(times) = self.disk.publish_failures.failed(&error.to_string(), now) {
                    tracing::error!(
                        content = %self.name, %error, times,
                        "cannot move the content to its target; it is tried again every few seconds"
                    );
                }
                self.disk.publish_error = Some(error.to_string());
                self.disk.next_publish = now + PROBE;
            }
        }
    }

    /// Writes down what has come across the WAN when it is time to.
    pub(super) fn keep_wan_history(&mut self, now: Time) {
        let new = self.swarm.bytes_wan() - self.noted_wan;
        if new >= NOTE_BYTES || (new > 0 && now >= self.last_note + NOTE_TIME) {
            self.last_note = now;
            self.note_wan();
            self.jobs.save_wan_history(self.content.clone());
        }
    }

    /// Looks at published files and hashes doubtful pieces when it is time to.
    pub(super) fn keep_watch(&mut self, now: Time) {
        if self.content.is_published()
            && let Some(files) = self.watch.look(now)
        {
            self.jobs.look(self.content.clone(), Some(files), now);
        }
        if self.content.is_published()
            && let Some((pieces, save)) = self.scrub.begin(now)
        {
            self.jobs.scrub(self.content.clone(), pieces, save);
        }
        if let Some(pieces) = self.watch.recheck(now) {
            self.jobs.recheck(self.content.clone(), pieces);
        }
    }

    /// Asks whether the disk takes what is still missing.
    pub(super) fn probe(&mut self) {
        self.disk.probing = true;
        self.jobs.probe(self.content.clone());
    }

    /// Publishes, syncs and probes when it is time to.
    pub(super) fn care_for_disk(&mut self, now: Time) {
        let disk = &mut self.disk;
        if self.swarm.have().is_full() {
            if !self.content.is_published() && !disk.publishing && disk.next_publish <= now {
                disk.publishing = true;
                disk.unsynced = 0;
                self.jobs.publish(self.content.clone());
            }
            return;
        }
        if disk.fault.is_some() && !disk.probing && disk.next_probe <= now {
            self.probe();
        }
        let disk = &mut self.disk;
        let old = disk.unsynced > 0 && now >= disk.last_sync + SYNC_TIME;
        if (old || disk.unsynced >= SYNC_BYTES) && !disk.syncing {
            (disk.syncing, disk.unsynced, disk.last_sync) = (true, 0, now);
            self.jobs.sync(self.content.clone());
        }
    }
}

/// All addresses of a reply.
fn named(assigned: &Assigned) -> impl Iterator<Item = IpAddr> {
    let assignment = assigned.assignment.iter();
    let others = assignment.flat_map(|assignment| {
        let parents = assignment.parents.iter().flat_map(|parent| &parent.upstreams);
        assignment.gateways.iter().chain(&assignment.upstream).chain(parents)
    });
    assigned.local.iter().chain(others).map(SocketAddr::ip)
}
