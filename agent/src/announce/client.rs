//! Speaks to trackers: announces from the listen address to the first one that answers (BEP 12), and notices
//! what changes on the way.

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use narrows_protocol::{AnnounceReply, AnnounceRequest, AnnounceResponse, InfoHash};
use narrows_swarm::Assigned;
use narrows_tls::Trust;
use tokio::net::lookup_host;
use tokio::sync::watch;
use tokio::time::timeout;

use super::Trackers;
use super::error::{AnnounceError, MAX_REASON, TrackerError, printable, quoted};
use super::http::{Target, get};
use super::reply::{assigned, merged};
use super::restarts::Restarts;
use super::source::{Moved, Sources};
use super::trusted::Trusted;
use crate::clock::Clock;
use crate::identity::Identity;
use crate::net::Told;

/// For name, connection, request and reply together.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Speaks to the trackers of all contents of an agent.
#[derive(Debug)]
pub(crate) struct Client {
    me: Arc<Identity>,
    clock: Clock,
    /// What trackers tell of the map.
    told: Arc<Told>,
    /// Which run of each tracker we announced to.
    restarts: Restarts,
    /// Which addresses announces leave from.
    sources: Sources,
    /// Which machines are believed to be trackers.
    trusted: Trusted,
}

impl Client {
    /// Has spoken to no tracker yet.
    pub(crate) fn new(me: Arc<Identity>, clock: Clock, told: Arc<Told>) -> Self {
        Self {
            me,
            clock,
            told,
            restarts: Restarts::default(),
            sources: Sources::default(),
            trusted: Trusted::default(),
        }
    }

    /// Believes these from now on; false if that is as before.
    pub(crate) fn trust(&self, trust: &Trust) -> bool {
        self.trusted.set(trust)
    }

    /// Announces to the first of these trackers that takes it.
    ///
    /// # Errors
    /// What became of it at each of them.
    pub(crate) async fn announce(
        &self,
        trackers: &Trackers,
        request: &AnnounceRequest,
    ) -> Result<Assigned, AnnounceError> {
        let query = request.to_query();
        let mut asked = Vec::new();
        for (tier, url) in trackers.in_order() {
            match self.ask(trackers, &url, &query, request.info_hash).await {
                Ok(assigned) => {
                    trackers.promote(tier, &url);
                    return Ok(assigned);
                }
                Err(error) => asked.push((url, error)),
            }
        }
        Err(AnnounceError { asked })
    }

    /// Asks one tracker; over both address families where we listen on both (BEP 7).
    async fn ask(
        &self,
        trackers: &Trackers,
        url: &str,
        query: &str,
        content: InfoHash,
    ) -> Result<Assigned, TrackerError> {
        let target = Target::parse(url, query, &self.trusted)?;
        let (v4, v6): (Vec<SocketAddr>, Vec<SocketAddr>) =
            timeout(TIMEOUT, lookup_host((target.host.as_str(), target.port)))
                .await
                .map_err(|_| TrackerError::LookupTimeout)?
                .map_err(TrackerError::Lookup)?
                .filter(|address| self.me.speaks(address))
                .partition(SocketAddr::is_ipv4);
        let both = tokio::join!(self.ask_family(&v4, &target), self.ask_family(&v6, &target));
        for answer in [&both.0, &both.1].into_iter().flatten().flatten() {
            self.told.heard(content, answer);
            self.heed(trackers, url, answer.warning.as_deref());
            self.restarts.announced(url, answer.narrows.as_ref(), Instant::now());
        }
        match both {
            (None, None) => Err(TrackerError::NoAddress),
            (Some(one), None) | (None, Some(one)) => one.map(assigned),
            (Some(Ok(one)), Some(Ok(other))) => Ok(merged(assigned(one), assigned(other))),
            (Some(Ok(one)), Some(Err(_))) | (Some(Err(_)), Some(Ok(one))) => Ok(assigned(one)),
            (Some(Err(one)), Some(Err(other))) => {
                Err(TrackerError::BothFamilies(Box::new(one), Box::new(other)))
            }
        }
    }

    /// Logs what a tracker warns of, once.
    fn heed(&self, trackers: &Trackers, url: &str, warning: Option<&str>) {
        let mut warnings = trackers.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(warning) = warning else {
            warnings.went_well();
            return;
        };
        let warning = printable(warning.as_bytes(), MAX_REASON);
        if let Some(times) = warnings.failed(&warning, self.clock.now()) {
            tracing::warn!(url, warning, times, "the tracker warns");
        }
    }

    /// The first of these addresses that answers; `None` if there are none.
    async fn ask_family(
        &self,
        addresses: &[SocketAddr],
        target: &Target,
    ) -> Option<Result<AnnounceResponse, TrackerError>> {
        let mut last = None;
        for address in addresses {
            self.sources.announcing_to(*address, self.me.listen.ip());
            let reply = timeout(TIMEOUT, self.exchange(*address, target)).await;
            match reply.unwrap_or(Err(TrackerError::Timeout)) {
                Ok(response) => return Some(Ok(response)),
                Err(error) => last = Some(Err(error)),
            }
        }
        last
    }

    async fn exchange(&self, address: SocketAddr, target: &Target) -> Result<AnnounceResponse, TrackerError> {
        let (status, body) = get(self.me.listen.ip(), address, target).await?;
        match AnnounceReply::decode(&body) {
            Ok(AnnounceReply::Ok(response)) => Ok(response),
            Ok(AnnounceReply::Failure(failure)) => Err(TrackerError::Refused(failure)),
            Err(_) if status.is_redirection() => Err(TrackerError::Redirect(status)),
            Err(_) if !status.is_success() => Err(TrackerError::Status(status, quoted(&body))),
            Err(error) => Err(TrackerError::Reply(error, quoted(&body))),
        }
    }

    /// Asks a tracker for the number of its run, and remembers it. One that tells none is not asked again.
    ///
    /// # Errors
    /// There is no answer.
    pub(crate) async fn look(&self, url: &str) -> Result<(), TrackerError> {
        let look = timeout(TIMEOUT, self.epoch(url)).await;
        match look.unwrap_or(Err(TrackerError::Timeout))? {
            Some(epoch) => self.restarts.looked(url, epoch, Instant::now()),
            None => self.restarts.forget(url),
        }
        Ok(())
    }

    async fn epoch(&self, url: &str) -> Result<Option<u32>, TrackerError> {
        let target = Target::parse(url, "", &self.trusted)?;
        let address = lookup_host((target.host.as_str(), target.port))
            .await
            .map_err(TrackerError::Lookup)?
            .find(|address| self.me.speaks(address))
            .ok_or(TrackerError::NoAddress)?;
        let (status, body) = get(self.me.listen.ip(), address, &target).await?;
        let number = std::str::from_utf8(&body).ok().and_then(|text| text.trim().parse().ok());
        Ok(number.filter(|_| status.is_success()))
    }

    /// Which URLs to [look](Self::look) at, and after how long; `None` if there are none.
    pub(crate) fn look_due(&self) -> Option<(Vec<String>, Duration)> {
        self.restarts.due()
    }

    /// Changes with each restart of a tracker that is noticed.
    pub(crate) fn restarts(&self) -> watch::Receiver<u64> {
        self.restarts.subscribe()
    }

    /// How the addresses have changed that announces leave from since the last call, by tracker.
    pub(crate) fn moved(&self) -> Vec<(SocketAddr, Moved)> {
        self.sources.look(self.me.listen.ip())
    }
}
