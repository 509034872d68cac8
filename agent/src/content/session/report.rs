//! What a session tells the tracker and `/status`.

use std::time::Duration;

use narrows_host::OffenceKind as _;
use narrows_protocol::{
    AgentReport, AnnounceEvent, AnnounceRequest, GatewayPreference, MAX_SEEN_OFFENDERS, SeenOffender,
};
use narrows_storage::WanTotals;
use narrows_swarm::explanation::Explanation;
use narrows_swarm::{Report, State, Status, Time};

use super::Session;
use crate::content::{ContentState, ContentStatus, UnreachablePeer};

/// For so long the tracker is told of a peer that did what honest ones do not: seeders announce each quarter of
/// an hour.
const LATELY: Duration = Duration::from_secs(20 * 60);

impl Session {
    /// An announce; what it says of the WAN is in the WAN history, too, and has to be
    /// [saved](crate::content::work::announce) first.
    pub(super) fn request(&mut self, event: AnnounceEvent) -> AnnounceRequest {
        let report = self.swarm.report();
        let fetched = self.note(&report);
        let held = self.services.network.told().held();
        AnnounceRequest {
            info_hash: self.info_hash,
            peer_id: self.services.me.peer_id,
            port: self.services.me.listen.port(),
            uploaded: report.uploaded,
            downloaded: report.downloaded,
            left: report.left,
            event,
            compact: true,
            no_peer_id: true,
            numwant: None,
            key: Some(self.services.me.key),
            ip: None,
            narrows: Some(AgentReport {
                agent: self.services.me.id.clone(),
                role: report.role,
                gateway: report.gateway,
                wan: fetched.bytes,
                reused: fetched.reused,
                wanted: fetched.wanted,
                stalled: report.stalled,
                restarted: self.restarted,
                lost: report.lost,
                // an agent that cannot fetch is no gateway
                preference: if report.able {
                    self.gateway
                } else {
                    GatewayPreference::Never
                },
                share: self.sharing,
                gone: report.gone,
                sources: fetched.by_site.into_iter().collect(),
                brought: report.brought,
                metrics: self.services.me.metrics,
                networks: held.map(|(networks, _)| networks),
                rates: held.map(|(_, rates)| rates).filter(|_| report.sends_across),
                offenders: self.seen_offenders(),
            }),
        }
    }

    /// The peers that lately did what honest ones do not, those that did last first.
    fn seen_offenders(&self) -> Vec<SeenOffender> {
        let now = self.services.clock.now();
        let known = self.services.resources.offences.offenders().into_iter();
        known
            .filter(|offender| now.saturating_sub(offender.last) <= LATELY)
            .filter_map(|offender| SeenOffender::new(offender.kind.as_str(), offender.ip))
            .take(MAX_SEEN_OFFENDERS)
            .collect()
    }

    /// Tells the WAN history what was fetched; [`WanHistory::save`](narrows_storage::WanHistory::save) writes it down.
    pub(in crate::content) fn note_wan(&mut self) {
        self.note(&self.swarm.report());
    }

    /// What was fetched across the WAN, over all runs, as the WAN history knows from now on.
    fn note(&mut self, report: &Report) -> WanTotals {
        self.noted_wan = report.wan;
        let totals = self.fetched_before.plus(report.wan, report.from.iter().cloned());
        self.content.wan_history().set(totals.clone());
        totals
    }

    pub(in crate::content) fn swarm_status(&self, now: Time) -> Status {
        self.swarm.status(now)
    }

    /// The peers that the tracker names and that cannot be connected to.
    pub(in crate::content) fn unreachable_peers(&self, now: Time) -> Vec<UnreachablePeer> {
        self.swarm.unreachable().map(|peer| UnreachablePeer::new(peer, now)).collect()
    }

    /// Why the last announce failed, if it did.
    pub(in crate::content) fn tracker_error(&self) -> Option<String> {
        self.tracker_error.as_ref().map(ToString::to_string)
    }

    pub(in crate::content) fn explanation(&self, now: Time) -> Explanation {
        self.swarm.explain(now)
    }

    /// Writes what `status` and the disk say.
    pub(in crate::content) fn fill(&self, status: &Status, out: &mut ContentStatus, now: Time) {
        out.state = match status.state {
            State::Paused => ContentState::Paused,
            State::Error => ContentState::Error,
            State::Seeding if self.disk.publish_error.is_some() => ContentState::Error,
            // what is not at its target yet is not there for any program
            State::Seeding if !self.content.is_published() => ContentState::Fetching,
            State::Seeding => ContentState::Seeding,
            State::Fetching => ContentState::Fetching,
        };
        out.error = match status.state {
            State::Error => self.disk.fault.clone().or(status.fault.map(|fault| fault.to_string())),
            _ => self.disk.publish_error.clone(),
        };
        out.progress = status.progress;
        out.bytes_reused = self.fetched_before.reused;
        out.bytes_done = status.total - status.left.min(status.total);
        out.role = status.role;
        out.site = status.site.clone();
        out.peers = status.peers;
        out.peers_local = status.peers_local;
        out.peers_upstream = status.peers_upstream;
        out.peers_remote = status.peers_remote;
        out.rate_down = status.rate_down;
        out.rate_up = status.rate_up;
        out.verified = self.content.is_published().then(|| self.watch.age(now).as_secs());
        out.unreachable = self.unreachable_peers(now);
        out.tracker_error = self.tracker_error();
    }
}
