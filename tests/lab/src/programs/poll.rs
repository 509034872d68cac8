//! Asking tracker and agents how they are, over HTTP.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::Request;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::Value;
use tokio::net::TcpStream;

/// The most that a status page may hold.
const MAX_ANSWER: usize = 8 << 20;

/// GET; the body of a good answer.
///
/// # Errors
/// No answer within `patience`, or another status than 200.
pub async fn get(addr: SocketAddr, path: &str, patience: Duration) -> Result<Bytes> {
    request("GET", addr, path, patience).await
}

/// A request without a body; the body of a good answer.
///
/// # Errors
/// No answer within `patience`, or another status than 200.
pub async fn request(method: &str, addr: SocketAddr, path: &str, patience: Duration) -> Result<Bytes> {
    authorized(method, addr, path, None, patience).await
}

/// The same with a token, as the agents' commands want it.
///
/// # Errors
/// No answer within `patience`, or another status than 200.
pub async fn authorized(
    method: &str,
    addr: SocketAddr,
    path: &str,
    token: Option<&str>,
    patience: Duration,
) -> Result<Bytes> {
    let ask = async {
        let stream = TcpStream::connect(addr).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(path).header("host", addr.to_string());
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(Empty::<Bytes>::new())?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
        connection.abort();
        let body = body.map_err(|error| anyhow::anyhow!("{error}"))?.to_bytes();
        if status != 200 {
            let said: String = String::from_utf8_lossy(&body).trim().chars().take(200).collect();
            bail!("answered {status} {said}");
        }
        Ok(body)
    };
    match tokio::time::timeout(patience, ask).await {
        Ok(answer) => answer.with_context(|| format!("http://{addr}{path}")),
        Err(_) => bail!(
            "http://{addr}{path} gives no answer within {} s",
            patience.as_secs_f64()
        ),
    }
}

/// What the lab reads of an agent's `GET /status`; further keys are for others.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct AgentStatus {
    /// The agent's id.
    pub id: String,
    /// Its site as the tracker named it; empty until then.
    pub site: Option<String>,
    /// Its contents.
    pub content: Vec<ContentStatus>,
}

/// One content of an agent.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ContentStatus {
    /// 40 hex digits, if it says: which content it is. Else they are in the order of the task.
    pub info_hash: String,
    /// `checking`, `fetching`, `seeding`, `paused`, `error`
    pub state: String,
    /// 0 to 1
    pub progress: f64,
    /// Bytes fetched from the own site since the start.
    pub bytes_lan: u64,
    /// Bytes fetched across links since the start.
    pub bytes_wan: u64,
    /// Bytes sent across links since the start, if the agent says.
    #[serde(alias = "uploaded_wan")]
    pub sent_wan: u64,
    /// Bytes fetched and thrown away, if the agent says.
    pub bytes_wasted: u64,
    /// `gateway`, `member`
    pub role: Option<String>,
    /// Bytes per second.
    pub rate_down: u64,
    /// Bytes per second.
    pub rate_up: u64,
    /// Why it is in state `error`.
    pub error: Option<String>,
}

impl ContentStatus {
    /// Whether everything is there.
    pub fn complete(&self) -> bool {
        self.state == "seeding" && self.progress >= 1.0
    }

    /// Whether it is its site's gateway.
    pub fn gateway(&self) -> bool {
        self.role.as_deref() == Some("gateway")
    }
}

/// Asks an agent.
///
/// # Errors
/// No answer, or one that is no status.
pub async fn agent(control: SocketAddr) -> Result<AgentStatus> {
    let body = get(control, "/status", Duration::from_secs(2)).await?;
    serde_json::from_slice(&body).with_context(|| format!("http://{control}/status is not as expected"))
}

/// What the lab reads of a swarm in the tracker's `GET /status`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct SwarmStatus {
    /// 40 hex digits.
    pub info_hash: String,
    /// Sites with peers.
    #[serde(default)]
    pub sites: Vec<SiteStatus>,
}

/// One site in a swarm.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct SiteStatus {
    /// Its name.
    pub site: String,
    /// The name of the site it is fed from.
    pub parent: Option<String>,
    /// The sites that its gateways fetch from now: several where the content comes in stripes.
    pub sources: Vec<SourceStatus>,
    /// Who fetches across links.
    pub gateways: Vec<GatewayStatus>,
    /// What its agents say they fetched across links.
    pub wan_bytes: u64,
}

/// A site that another fetches from.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct SourceStatus {
    /// Its name.
    pub site: String,
}

/// One gateway.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct GatewayStatus {
    /// The agent's id.
    pub agent: Option<String>,
    /// The upstreams that it was handed.
    pub upstream: Vec<SocketAddr>,
}

/// Asks the tracker about swarms; one that it does not know of yet is empty.
///
/// # Errors
/// No answer, or one that is no status.
pub async fn swarms(admin: SocketAddr, info_hashes: &[String]) -> Result<Vec<SwarmStatus>> {
    let body = get(admin, "/status", Duration::from_secs(2)).await?;
    let value: Value =
        serde_json::from_slice(&body).with_context(|| format!("http://{admin}/status is not JSON"))?;
    let one = |hash: &String| match find(&value, hash) {
        Some(swarm) => serde_json::from_value(swarm.clone())
            .with_context(|| format!("http://{admin}/status is not as expected")),
        None => Ok(SwarmStatus::default()),
    };
    info_hashes.iter().map(one).collect()
}

/// The swarm wherever it stands in the page.
fn find<'v>(value: &'v Value, info_hash: &str) -> Option<&'v Value> {
    match value {
        Value::Array(list) => list.iter().find_map(|value| find(value, info_hash)),
        Value::Object(map) if map.get("info_hash").and_then(Value::as_str) == Some(info_hash) => Some(value),
        Value::Object(map) => map.values().find_map(|value| find(value, info_hash)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// Answers one request with this text.
    async fn fake(answer: String) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        });
        addr
    }

    fn ok(body: &str) -> String {
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    }

    #[tokio::test]
    async fn a_status_is_read_and_unknown_keys_are_for_others() {
        let body = r#"{"id":"b1-0","site":"b1","paused":false,"new":1,"content":[{"name":"rollout",
            "state":"fetching","progress":0.25,"bytes":10,"bytes_lan":3,"bytes_wan":7,"role":"gateway",
            "peers":2,"rate_down":5,"rate_up":1,"error":null}]}"#;
        let status = agent(fake(ok(body)).await).await.unwrap();
        assert_eq!((status.id.as_str(), status.content.len()), ("b1-0", 1));
        let content = &status.content[0];
        assert!(content.gateway() && !content.complete());
        assert_eq!(
            (content.bytes_lan, content.bytes_wan, content.progress),
            (3, 7, 0.25)
        );
    }

    #[tokio::test]
    async fn the_swarm_is_found_among_others() {
        let body = r#"{"uptime":1,"swarms":[{"info_hash":"aa","sites":[]},{"info_hash":"bb","peers":3,"sites":[
            {"site":"b1","parent":"hq","route":["hq-b1"],"sources":[{"site":"hq","route":["hq-b1"],"rate":5}],"gateways":[{"agent":"b1-2","address":"127.2.0.12:6881",
            "since_seconds":1,"upstream":["127.1.0.10:6881"]}],"wan_bytes":5},{"site":"hq","parent":null}]}]}"#;
        let hashes = ["bb".to_owned(), "cc".to_owned()];
        let both = swarms(fake(ok(body)).await, &hashes).await.unwrap();
        let found = &both[0];
        assert_eq!(found.sites[0].parent.as_deref(), Some("hq"));
        assert_eq!(
            found.sites[0].gateways[0].upstream,
            ["127.1.0.10:6881".parse().unwrap()]
        );
        assert_eq!(found.sites[0].sources[0].site, "hq");
        assert_eq!(found.sites[1].parent, None);
        assert_eq!(both[1], SwarmStatus::default());
    }

    #[tokio::test]
    async fn no_status_is_an_error_that_names_the_page() {
        let refused = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n".to_owned();
        for answer in [refused, ok("[1"), "nonsense\r\n\r\n".to_owned()] {
            let error = format!("{:#}", agent(fake(answer).await).await.unwrap_err());
            assert!(error.contains("/status"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_server_that_says_nothing_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let error = get(listener.local_addr().unwrap(), "/", Duration::from_millis(50)).await.unwrap_err();
        assert!(error.to_string().contains("no answer"), "{error}");
    }
}
