//! How the program's commands talk to a running agent.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper::{Method, Request, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Token;

/// For one exchange; a reload stops content, which takes up to four seconds.
const TIMEOUT: Duration = Duration::from_secs(15);

/// The largest answer that is read, in bytes.
const MAX_BODY: usize = 64 << 20;

/// What keeps an answer from coming.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    /// It takes too long.
    #[error("no answer in time")]
    Timeout,
    /// There is no connection.
    #[error(transparent)]
    Connect(#[from] io::Error),
    /// It is not HTTP, or it broke off.
    #[error(transparent)]
    Http(#[from] hyper::Error),
    /// The request cannot be asked like this.
    #[error(transparent)]
    Request(#[from] hyper::http::Error),
    /// The body broke off, or is too large.
    #[error(transparent)]
    Body(Box<dyn std::error::Error + Send + Sync>),
}

/// A running agent's control port.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    address: SocketAddr,
    token: Option<Token>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// No program listens there, or none that speaks HTTP.
    #[error("no agent answers at {address}: {problem}; is it running?")]
    Unreachable {
        /// The control address.
        address: SocketAddr,
        /// What went wrong.
        problem: Problem,
    },
    /// The agent said no, and this.
    #[error("{0}")]
    Refused(String),
}

impl Client {
    /// A client of the agent whose control port is `address`; commands need `token`.
    pub(crate) fn new(address: SocketAddr, token: Option<Token>) -> Self {
        let ip = match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        Self {
            address: SocketAddr::new(ip, address.port()),
            token,
        }
    }

    /// `GET path`: the body of a good answer.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub(crate) async fn get(&self, path: &str) -> Result<Bytes, ClientError> {
        self.ask(Method::GET, path).await
    }

    /// `POST path`: the body of a good answer.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub(crate) async fn post(&self, path: &str) -> Result<Bytes, ClientError> {
        self.ask(Method::POST, path).await
    }

    async fn ask(&self, method: Method, path: &str) -> Result<Bytes, ClientError> {
        let unreachable = |problem| ClientError::Unreachable {
            address: self.address,
            problem,
        };
        let answer = timeout(TIMEOUT, self.exchange(method, path)).await;
        let (is_success, body) = answer.map_err(|_| unreachable(Problem::Timeout))?.map_err(unreachable)?;
        if is_success {
            return Ok(body);
        }
        let problem = serde_json::from_slice::<serde_json::Value>(&body)
            .ok()
            .and_then(|value| value["error"].as_str().map(str::to_owned));
        Err(ClientError::Refused(
            problem.unwrap_or_else(|| String::from_utf8_lossy(&body).into_owned()),
        ))
    }

    async fn exchange(&self, method: Method, path: &str) -> Result<(bool, Bytes), Problem> {
        let stream = TcpStream::connect(self.address).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let driver = tokio::spawn(connection);
        let mut request =
            Request::builder().method(method).uri(path).header(header::HOST, self.address.to_string());
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, token.header());
        }
        let request = request.body(Empty::<Bytes>::new())?;
        let response = sender.send_request(request).await?;
        let is_success = response.status().is_success();
        let body = Limited::new(response.into_body(), MAX_BODY).collect().await.map_err(Problem::Body)?;
        driver.abort();
        Ok((is_success, body.to_bytes()))
    }
}
