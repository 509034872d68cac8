//! One announce: over HTTP, from the listen address, to the first tracker that answers (BEP 12).

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use narrows_host::Repeats;
use narrows_protocol::{
    AnnounceReply, AnnounceRequest, AnnounceResponse, AnnounceUrl, AnnounceUrlError, Failure,
};
use narrows_swarm::Assigned;
use tokio::time::timeout;

use crate::content::Shared;
use crate::net::connect_from;

/// For name, connection, request and reply together.
const TIMEOUT: Duration = Duration::from_secs(10);

/// For the connection alone.
const CONNECT: Duration = Duration::from_secs(5);

/// The largest reply that is read, in bytes.
const MAX_BODY: usize = 1 << 20;

/// How much of a tracker's reason, and of a body that is no announce reply, a person is shown, in characters.
const MAX_REASON: usize = 500;
const MAX_QUOTED: usize = 200;

/// The trackers of a content in tiers; in each tier the one that answered last comes first.
#[derive(Debug, Clone)]
pub(crate) struct Trackers(Arc<Mutex<Vec<Vec<String>>>>);

impl Trackers {
    pub(crate) fn new(tiers: Vec<Vec<String>>) -> Self {
        Self(Arc::new(Mutex::new(tiers)))
    }

    fn in_order(&self) -> Vec<(usize, String)> {
        let tiers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tiers
            .iter()
            .enumerate()
            .flat_map(|(tier, urls)| urls.iter().map(move |url| (tier, url.clone())))
            .collect()
    }

    fn promote(&self, tier: usize, url: &str) {
        let mut tiers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tier) = tiers.get_mut(tier)
            && let Some(at) = tier.iter().position(|known| known == url)
        {
            tier[..=at].rotate_right(1);
        }
    }
}

/// Sends announces of one content.
#[derive(Clone)]
pub(crate) struct Announcer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) trackers: Trackers,
    warnings: Arc<Mutex<Repeats>>,
}

impl Announcer {
    /// Of a content with these trackers.
    pub(crate) fn new(shared: Arc<Shared>, trackers: Trackers) -> Self {
        Self {
            shared,
            trackers,
            warnings: Arc::default(),
        }
    }

    /// Announces to the first tracker that takes it.
    ///
    /// # Errors
    /// What each of them said, for a person.
    pub(crate) async fn announce(&self, request: &AnnounceRequest) -> Result<Assigned, String> {
        let query = request.to_query();
        let mut errors = Vec::new();
        for (tier, url) in self.trackers.in_order() {
            match self.ask(&url, &query).await {
                Ok(assigned) => {
                    self.trackers.promote(tier, &url);
                    return Ok(assigned);
                }
                Err(error) => errors.push(format!("{url}: {error}")),
            }
        }
        if errors.is_empty() {
            errors.push("the .torrent names no tracker".to_owned());
        }
        Err(errors.join("; "))
    }

    /// Asks one tracker; over both address families where we listen on both (BEP 7).
    async fn ask(&self, url: &str, query: &str) -> Result<Assigned, String> {
        let target = Target::parse(url, query)?;
        let addresses = timeout(
            TIMEOUT,
            tokio::net::lookup_host((target.host.as_str(), target.port)),
        )
        .await
        .map_err(|_| "name lookup timed out".to_owned())?
        .map_err(|error| format!("name lookup: {error}"))?;
        let (v4, v6): (Vec<SocketAddr>, Vec<SocketAddr>) = addresses.partition(SocketAddr::is_ipv4);
        let shared = &self.shared;
        let both = tokio::join!(
            self.ask_family(if shared.v4 { &v4 } else { &[] }, &target),
            self.ask_family(if shared.v6 { &v6 } else { &[] }, &target),
        );
        for answer in [&both.0, &both.1].into_iter().flatten().flatten() {
            self.heed(url, answer.warning.as_deref());
            shared.restarts.heard(url, answer.narrows.as_ref(), Instant::now());
        }
        match both {
            (None, None) => Err("its name has no address of our address family".to_owned()),
            (Some(one), None) | (None, Some(one)) => one.map(assigned),
            (Some(Ok(one)), Some(Ok(other))) => Ok(merged(assigned(one), assigned(other))),
            (Some(Ok(one)), Some(Err(_))) | (Some(Err(_)), Some(Ok(one))) => Ok(assigned(one)),
            (Some(Err(one)), Some(Err(other))) => Err(format!("{one}; {other}")),
        }
    }

    /// Says what a tracker warns of, once.
    fn heed(&self, url: &str, warning: Option<&str>) {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(warning) = warning else {
            warnings.went_well();
            return;
        };
        let warning = printable(warning.as_bytes(), MAX_REASON);
        if let Some(times) = warnings.failed(&warning, self.shared.now()) {
            tracing::warn!(url, warning, times, "the tracker warns");
        }
    }

    /// The first of these addresses that answers; `None` if there are none.
    async fn ask_family(
        &self,
        addresses: &[SocketAddr],
        target: &Target,
    ) -> Option<Result<AnnounceResponse, String>> {
        let mut last = None;
        for address in addresses {
            let shared = &self.shared;
            shared.sources.announcing_to(*address, shared.listen.ip());
            let reply = timeout(TIMEOUT, self.exchange(*address, target)).await;
            match reply.unwrap_or_else(|_| Err("no answer within 10 s".to_owned())) {
                Ok(response) => return Some(Ok(response)),
                Err(error) => last = Some(Err(error)),
            }
        }
        last
    }

    async fn exchange(&self, address: SocketAddr, target: &Target) -> Result<AnnounceResponse, String> {
        let (status, body) = fetch(self.shared.listen.ip(), address, target).await?;
        match AnnounceReply::decode(&body) {
            Ok(AnnounceReply::Ok(response)) => Ok(response),
            Ok(AnnounceReply::Failure(failure)) => Err(refusal(&failure)),
            Err(_) if !status.is_success() => Err(format!("HTTP status {status}{}", quoted(&body))),
            Err(error) => Err(format!("not a tracker's answer: {error}{}", quoted(&body))),
        }
    }
}

/// Looks at the number of a tracker's run; `None`: it tells none.
///
/// # Errors
/// No answer, for a person.
pub(crate) async fn look(shared: &Shared, url: &str) -> Result<Option<u32>, String> {
    let target = Target::parse(url, "")?;
    let look = async {
        let mut addresses = tokio::net::lookup_host((target.host.as_str(), target.port))
            .await
            .map_err(|error| format!("name lookup: {error}"))?;
        let ours = addresses.find(|address| if address.is_ipv4() { shared.v4 } else { shared.v6 });
        let address = ours.ok_or("its name has no address of our address family")?;
        let (status, body) = fetch(shared.listen.ip(), address, &target).await?;
        let number = std::str::from_utf8(&body).ok().and_then(|text| text.trim().parse().ok());
        Ok(number.filter(|_| status.is_success()))
    };
    timeout(TIMEOUT, look).await.unwrap_or_else(|_| Err("no answer within 10 s".to_owned()))
}

/// One GET, from an address of ours.
async fn fetch(from: IpAddr, address: SocketAddr, target: &Target) -> Result<(StatusCode, Bytes), String> {
    let stream =
        connect_from(from, address, CONNECT).await.map_err(|error| format!("cannot connect: {error}"))?;
    let http = |error: hyper::Error| format!("HTTP: {error}");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(http)?;
    let request = Request::get(&target.path)
        .header(header::HOST, &target.authority)
        .header(
            header::USER_AGENT,
            concat!("narrows-agent/", env!("CARGO_PKG_VERSION")),
        )
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(http)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_BODY).collect().await;
        let body = body.map_err(|error| format!("HTTP: {error}"))?.to_bytes();
        Ok((status, body))
    };
    // the connection ends with this future, whoever is done first
    tokio::pin!(exchange, connection);
    tokio::select! {
        biased;
        reply = &mut exchange => reply,
        closed = &mut connection => match closed {
            Ok(()) => exchange.await,
            Err(error) => Err(http(error)),
        },
    }
}

/// What a tracker says to someone it refuses, and where it saw us, if it says so (BEP 24): a machine may have
/// several addresses.
fn refusal(failure: &Failure) -> String {
    let reason = printable(failure.reason.as_bytes(), MAX_REASON);
    match failure.external_ip {
        Some(ip) if !reason.contains(&ip.to_string()) => {
            format!("the tracker refuses: {reason} (it sees this agent at {ip})")
        }
        _ => format!("the tracker refuses: {reason}"),
    }
}

/// The beginning of a body that is no announce reply, for a person; nothing if it has none.
fn quoted(body: &[u8]) -> String {
    match printable(body, MAX_QUOTED) {
        text if text.is_empty() => text,
        text => format!(": {text:?}"),
    }
}

/// What of foreign bytes may be shown on a terminal and in a log: the first `most` characters that are
/// visible, with one blank for any run of others.
fn printable(bytes: &[u8], most: usize) -> String {
    // a character has 4 bytes at most
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(8 * most)]);
    let visible = |c: char| {
        !c.is_control()
            && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || !visible(c)).filter(|word| !word.is_empty()).collect();
    words.join(" ").chars().take(most).collect()
}

/// An announce URL taken apart.
struct Target {
    host: String,
    port: u16,
    authority: String,
    path: String,
}

impl Target {
    fn parse(url: &str, query: &str) -> Result<Self, String> {
        let url: AnnounceUrl = url.parse().map_err(|error: AnnounceUrlError| error.to_string())?;
        let joint = match url.path.contains('?') {
            _ if query.is_empty() => "",
            true => "&",
            false => "?",
        };
        Ok(Self {
            authority: url.authority().to_owned(),
            path: format!("{}{joint}{query}", url.path),
            host: url.host,
            port: url.port,
        })
    }
}

fn assigned(response: AnnounceResponse) -> Assigned {
    let again = response.narrows.as_ref().map_or(0, |assignment| assignment.again);
    let interval = match again {
        0 => Duration::from_secs(response.interval.into()),
        again => Duration::from_millis(again.into()),
    };
    Assigned {
        local: response.peers.into_iter().map(|peer| peer.addr).collect(),
        assignment: response.narrows,
        interval,
        min_interval: Duration::from_secs(response.min_interval.into()).min(interval),
        external_ip: response.external_ip,
    }
}

/// What the tracker said over two address families, as one: it is one agent.
fn merged(mut one: Assigned, other: Assigned) -> Assigned {
    extend(&mut one.local, other.local);
    one.interval = one.interval.min(other.interval);
    one.min_interval = one.min_interval.max(other.min_interval);
    match (&mut one.assignment, other.assignment) {
        (Some(one), Some(other)) => {
            extend(&mut one.gateways, other.gateways);
            extend(&mut one.upstream, other.upstream);
            for parent in other.parents {
                match one.parents.iter_mut().find(|known| known.site == parent.site) {
                    Some(known) => extend(&mut known.upstreams, parent.upstreams),
                    None => one.parents.push(parent),
                }
            }
        }
        (mine, other) => *mine = mine.take().or(other),
    }
    one
}

fn extend(list: &mut Vec<SocketAddr>, more: Vec<SocketAddr>) {
    for addr in more {
        if !list.contains(&addr) {
            list.push(addr);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_is_appended_to_what_the_url_has() {
        let target =
            |url| Target::parse(url, "info_hash=x").map(|target| (target.host, target.port, target.path));
        let expected = |host: &str, port, path: &str| Ok((host.to_owned(), port, path.to_owned()));
        assert_eq!(
            target("http://t:6969/announce"),
            expected("t", 6969, "/announce?info_hash=x")
        );
        assert_eq!(
            target("http://[::1]/announce?key=1"),
            expected("::1", 80, "/announce?key=1&info_hash=x")
        );
        assert!(target("udp://t:1/announce").is_err());
        assert!(target("not a url").is_err());
    }

    #[test]
    fn a_refusal_says_where_the_tracker_saw_us_once() {
        let named = Failure {
            external_ip: "10.9.8.7".parse().ok(),
            ..Failure::new("your address 10.9.8.7 belongs to no site")
        };
        let text = refusal(&named);
        assert_eq!(
            text,
            "the tracker refuses: your address 10.9.8.7 belongs to no site"
        );
        let unnamed = Failure {
            external_ip: "10.9.8.7".parse().ok(),
            ..Failure::new("unknown peer")
        };
        let text = refusal(&unnamed);
        assert!(
            text.ends_with("unknown peer (it sees this agent at 10.9.8.7)"),
            "{text}"
        );
    }

    #[test]
    fn of_foreign_bytes_the_first_two_hundred_visible_characters_are_shown() {
        let text = quoted(b"not found: this tracker serves /announce\n");
        assert_eq!(text, ": \"not found: this tracker serves /announce\"");
        assert_eq!(quoted(b" \r\n\0"), "");
        let evil = format!("a\x1b[31mb\u{202e}c{}", "\u{e4}".repeat(1000));
        let text = printable(evil.as_bytes(), MAX_QUOTED);
        assert!(
            text.starts_with("a [31mb c\u{e4}") && text.chars().count() == MAX_QUOTED,
            "{text}"
        );
        assert!(printable(&[0xff; 5000], MAX_QUOTED).chars().count() == MAX_QUOTED);
    }

    #[test]
    fn the_tracker_that_answered_comes_first_in_its_tier() {
        let tiers = vec![
            vec!["a".to_owned(), "b".to_owned(), "c".to_owned()],
            vec!["d".to_owned()],
        ];
        let trackers = Trackers::new(tiers);
        trackers.promote(0, "c");
        let order: Vec<String> = trackers.in_order().into_iter().map(|(_, url)| url).collect();
        assert_eq!(order, ["c", "a", "b", "d"]);
    }
}
