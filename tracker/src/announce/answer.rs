//! GET /announce and GET /scrape, from query to bencode.

use std::borrow::Cow;
use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use narrows_assignment::{Announce, Decision, Outcome, Refusal};
use narrows_protocol::{
    AnnounceEvent, AnnounceRequest, AnnounceResponse, Assignment, Failure, Parent, Peer, RetryIn, ScrapeFile,
    ScrapeRequest, ScrapeResponse, Told,
};
use narrows_topology::SiteMap;
use tracing::debug;

use crate::announce::port::Port;
use crate::announce::proxies;
use crate::metrics::AnnounceOutcome;
use crate::net::offences::Offence;
use crate::state::begun::Full;
use crate::state::store::Denied;
use crate::state::tracker::{Listing, Tracker};

const TOO_MANY: &str = "this address has begun as many torrents as one may here, or there are as many as this tracker keeps; \
                        ask the operator, who can list those that are tracked (`torrents` in tracker.yaml)";

const NOT_TRACKED: &str = "this torrent is not tracked here; ask the operator to publish it";

/// How many minutes a refused client waits where the operator can change the reason at any time.
const RETRY_MINUTES: u32 = 1;

thread_local! {
    /// Replies are written here and copied out at their exact size.
    static REPLY: RefCell<Vec<u8>> = RefCell::new(Vec::with_capacity(4096));
}

/// What HTTP says of a request.
pub(crate) struct Source<'h, H> {
    /// The address of the socket.
    pub(crate) socket: IpAddr,
    /// It has a header that proxies add to what they pass on.
    pub(crate) relayed: bool,
    /// The values of the X-Forwarded-For headers.
    pub(crate) forwarded: H,
    /// After the `?`.
    pub(crate) query: &'h str,
}

/// Answers an announce: always with bencode.
pub(crate) fn announce<'h, H>(port: &Port, source: Source<'h, H>) -> Bytes
where
    H: DoubleEndedIterator<Item = &'h [u8]>,
{
    let answered = accept(port, source);
    reply(|out| match answered {
        Ok((outcome, request, response)) => {
            port.tracker.metrics.announce(outcome);
            response.encode(request.compact, request.no_peer_id, out);
        }
        Err((outcome, failure)) => {
            port.tracker.metrics.announce(outcome);
            failure.encode(out);
        }
    })
}

/// Answers a scrape: always with bencode.
pub(crate) fn scrape(tracker: &Tracker, query: &str) -> Bytes {
    let answered = ScrapeRequest::parse(query);
    reply(|out| match answered {
        Ok(request) => {
            tracker.metrics.scrape(true);
            let files = request.info_hashes.into_iter().filter_map(|hash| {
                if matches!(tracker.listing(&hash), Listing::Unlisted) {
                    return None;
                }
                let counts = tracker.store.counts(hash);
                let (complete, downloaded, incomplete) =
                    (counts.complete, counts.downloaded, counts.incomplete);
                Some((
                    hash,
                    ScrapeFile {
                        complete,
                        downloaded,
                        incomplete,
                    },
                ))
            });
            files.collect::<ScrapeResponse>().encode(out);
        }
        Err(error) => {
            tracker.metrics.scrape(false);
            Failure::new(error.reason()).encode(out);
        }
    })
}

/// A refusal that concerns the request itself, not what it asks for.
pub(crate) fn refuse(reason: &'static str) -> Bytes {
    reply(|out| Failure::new(reason).encode(out))
}

type Accepted = (AnnounceOutcome, AnnounceRequest, AnnounceResponse);
type Refused = (AnnounceOutcome, Failure);

fn accept<'h, H>(port: &Port, source: Source<'h, H>) -> Result<Accepted, Refused>
where
    H: DoubleEndedIterator<Item = &'h [u8]>,
{
    let Port {
        tracker,
        trusted_proxies,
        odd_clients,
        probes,
    } = port;
    let request = AnnounceRequest::parse(source.query)
        .map_err(|error| (AnnounceOutcome::Invalid, Failure::new(error.reason())))?;
    let is_untrusted_proxy = source.relayed && !proxies::is_trusted(source.socket, trusted_proxies);
    if is_untrusted_proxy {
        tracker.metrics.untrusted_proxy.inc();
        let now = tracker.store.conditions().uptime();
        odd_clients.untrusted_proxy(source.socket.to_canonical(), now);
    }
    let ip = proxies::client(source.socket, source.forwarded, request.ip, trusted_proxies)
        .map_err(|error| (AnnounceOutcome::Proxy, Failure::new(error.reason())))?;
    let size = match tracker.listing(&request.info_hash) {
        Listing::Open => None,
        Listing::Listed(size) => Some(size),
        Listing::Unlisted => return Err((AnnounceOutcome::NotTracked, later(tracker, NOT_TRACKED))),
    };
    let announce = Announce {
        key: request.key,
        addr: SocketAddr::new(ip, request.port),
        peer_id: request.peer_id,
        left: lacked(request.left, size),
        downloaded: request.downloaded,
        uploaded: request.uploaded,
        event: request.event,
        numwant: request.numwant,
        agent: request.narrows.as_ref(),
    };
    let stops = request.event == AnnounceEvent::Stopped;
    let fetcher = (request.info_hash, announce.addr, request.key.unwrap_or(0));
    let reporting = (fetcher, tracker.store.conditions().uptime(), stops);
    let answered = tracker.store.announce(request.info_hash, size, &announce, |map, decision| {
        tracker.metrics.decision(map, &decision, reporting, || tracker.label(&request.info_hash));
        if let (Some(other), Some(report)) = (decision.outcome.double, announce.agent) {
            let now = tracker.store.conditions().uptime();
            odd_clients.double(&report.agent, announce.addr, other, now);
        }
        name_offences(tracker, &announce, &decision.outcome);
        if is_worth_keeping(&decision.outcome) {
            tracker.worth_keeping.notify_one();
        }
        probes.dial(tracker, request.info_hash, &decision.outcome.probe);
        if decision.outcome.beside_others {
            let now = tracker.store.conditions().uptime();
            odd_clients.shared_address(announce.addr, now);
        }
        debug!(info_hash = %request.info_hash, addr = %announce.addr, ?decision, "announce");
        let told = announce
            .agent
            .and_then(|report| tracker.store.conditions().view().told(report, ip, &request.info_hash));
        response(
            map,
            decision,
            ip,
            (announce.agent.is_some(), told),
            tracker.watched(),
        )
    });
    if let (Ok(_), Some(report)) = (&answered, announce.agent)
        && !report.offenders.is_empty()
    {
        tracker.reported.note(ip, &report.offenders, tracker.store.conditions().uptime());
    }
    match answered {
        Ok(response) => Ok((AnnounceOutcome::from(request.event), request, response)),
        Err(Denied::By(refusal @ Refusal::UnmappedAddress(ip))) => {
            // one behind a proxy is named as such already
            let tell = (!is_untrusted_proxy).then(|| tracker.store.conditions().uptime());
            tracker.metrics.unmapped(ip, tell);
            let failure = if is_untrusted_proxy {
                later(tracker, UNTRUSTED_PROXY)
            } else {
                later(tracker, refusal.to_string())
            };
            let failure = Failure {
                external_ip: Some(ip),
                ..failure
            };
            Err((AnnounceOutcome::Unmapped, failure))
        }
        Err(Denied::NoRoom(full)) => {
            if full == Full::OfHost {
                let agent = announce.agent.map(|report| report.agent.as_str());
                let now = tracker.store.conditions().uptime();
                tracker.offences.record(Offence::CrowdedAddress, ip, agent, now);
            }
            Err((AnnounceOutcome::NotTracked, later(tracker, TOO_MANY)))
        }
    }
}

/// What a client lacks: no more than there is, if it says it.
fn lacked(left: u64, size: Option<u64>) -> u64 {
    match size {
        Some(size) if left != u64::MAX => left.min(size),
        _ => left,
    }
}

/// Whether a tracker that is killed should know of it afterwards: who has a lease, or was last in line for one.
fn is_worth_keeping(outcome: &Outcome) -> bool {
    outcome.elected || outcome.revoked || outcome.no_progress.is_some()
}

/// Names a client that did what honest ones do not.
fn name_offences(tracker: &Tracker, announce: &Announce<'_>, outcome: &Outcome) {
    let agent = announce.agent.map(|report| report.agent.as_str());
    let (ip, now) = (announce.addr.ip(), tracker.store.conditions().uptime());
    for (offence, happened) in [
        (Offence::IdTaken, outcome.id_taken.is_some()),
        (Offence::ImpossibleCounters, outcome.impossible),
        (Offence::CrowdedAddress, outcome.crowded_out),
    ] {
        if happened {
            tracker.offences.record(offence, ip, agent, now);
        }
    }
    if let Some((ip, agent)) = &outcome.no_progress {
        tracker.offences.record(Offence::NoProgress, *ip, agent.as_deref(), now);
    }
}

/// Intervals below this are given in milliseconds too.
const COARSE: Duration = Duration::from_secs(3);

/// What an unmapped address is refused with where the operator forgot a proxy.
const UNTRUSTED_PROXY: &str = "your announce came through a proxy whose own address belongs to no site of this tracker's site \
                               map; ask the operator to add the proxy to trusted_proxies in tracker.yaml";

/// Agents get their assignment apart and only local peers; others one list, local peers first.
fn response(
    map: &SiteMap,
    decision: Decision,
    ip: IpAddr,
    (is_agent, told): (bool, Option<Told>),
    (epoch, watch): (u32, u16),
) -> AnnounceResponse {
    let mut peers = decision.local;
    let narrows = if is_agent {
        Some(Assignment {
            role: decision.role,
            site: map.name(decision.site).into_owned(),
            gateways: decision.gateways,
            lease: seconds(decision.lease),
            rate: decision.rate.bytes_per_second().unwrap_or(0),
            paused: decision.paused,
            slow_supply: decision.slow_supply,
            epoch,
            watch,
            upstream: addresses(&decision.upstream),
            again: again(decision.interval),
            dscp: decision.dscp,
            stripes: decision.stripes,
            parents: decision.parents.into_iter().map(|parent| on_wire(map, parent)).collect(),
            told: told.map(Box::new),
        })
    } else {
        peers.extend(decision.upstream);
        None
    };
    AnnounceResponse {
        interval: seconds(decision.interval).max(1),
        min_interval: seconds(decision.min_interval).max(1),
        complete: decision.complete,
        incomplete: decision.incomplete,
        downloaded: decision.downloaded,
        external_ip: Some(ip),
        peers,
        warning: None,
        narrows,
    }
}

fn on_wire(map: &SiteMap, parent: narrows_assignment::Parent) -> Parent {
    Parent {
        site: map.name(parent.site).into_owned(),
        rate: parent.rate.bytes_per_second().unwrap_or(0),
        paused: parent.paused,
        upstreams: addresses(&parent.upstreams),
        stripes: parent.stripes,
    }
}

fn addresses(peers: &[Peer]) -> Vec<SocketAddr> {
    peers.iter().map(|peer| peer.addr).collect()
}

/// A refusal that may be lifted at any time.
fn later(tracker: &Tracker, reason: impl Into<Cow<'static, str>>) -> Failure {
    let interval = seconds(tracker.store.conditions().policy().intervals.leecher);
    Failure {
        interval: Some(interval),
        retry_in: Some(RetryIn::Minutes(RETRY_MINUTES)),
        ..Failure::new(reason)
    }
}

/// The interval in milliseconds, if whole seconds say too little of it.
fn again(interval: Duration) -> u32 {
    if interval < COARSE {
        u32::try_from(interval.as_millis()).unwrap_or(u32::MAX)
    } else {
        0
    }
}

fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

fn reply(write: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    REPLY.with_borrow_mut(|out| {
        out.clear();
        write(out);
        Bytes::copy_from_slice(out)
    })
}
