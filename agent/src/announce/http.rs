//! One request to a tracker, over HTTP, in the clear or over TLS. No redirect is followed: who may be announced to is for the
//! configuration to say.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use narrows_protocol::AnnounceUrl;
use narrows_tls::Fault;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use super::error::TrackerError;
use super::trusted::Trusted;
use crate::net::connect_from;

/// For the connection alone.
const CONNECT: Duration = Duration::from_secs(5);

/// The largest reply that is read, in bytes.
const MAX_BODY: usize = 1 << 20;

/// An announce URL taken apart.
pub(super) struct Target {
    pub(super) host: String,
    pub(super) port: u16,
    /// How to speak TLS there; none: in the clear.
    tls: Option<Arc<ClientConfig>>,
    authority: String,
    path: String,
}

impl Target {
    /// The URL with `query` appended.
    ///
    /// # Errors
    /// That it is none that announces go to.
    pub(super) fn parse(url: &str, query: &str, trusted: &Trusted) -> Result<Self, TrackerError> {
        let url: AnnounceUrl = url.parse()?;
        let tls = trusted.tls(&url)?;
        let joint = match url.path.contains('?') {
            _ if query.is_empty() => "",
            true => "&",
            false => "?",
        };
        Ok(Self {
            tls,
            authority: url.authority().to_owned(),
            path: format!("{}{joint}{query}", url.path),
            host: url.host,
            port: url.port,
        })
    }
}

/// One GET, from an address of ours: the only place where a tracker is spoken to.
///
/// # Errors
/// That there is no connection, or no HTTP on it. The caller sets a limit in time.
pub(super) async fn get(
    from: IpAddr,
    address: SocketAddr,
    target: &Target,
) -> Result<(StatusCode, Bytes), TrackerError> {
    let stream = connect_from(from, address, CONNECT).await.map_err(TrackerError::Connect)?;
    let Some(tls) = &target.tls else {
        return exchange(stream, target).await;
    };
    let name = ServerName::try_from(target.host.clone())
        .map_err(|_| TrackerError::Tls(Fault::Other(format!("{:?} is no name of a server", target.host))))?;
    let stream = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await;
    exchange(
        stream.map_err(|error| TrackerError::Tls(Fault::of(&error)))?,
        target,
    )
    .await
}

/// The GET itself, over a connection that stands.
async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    target: &Target,
) -> Result<(StatusCode, Bytes), TrackerError> {
    let http = |error: hyper::Error| TrackerError::Http(error.into());
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(http)?;
    let request = Request::get(&target.path)
        .header(header::HOST, &target.authority)
        .header(
            header::USER_AGENT,
            concat!("narrows-agent/", env!("CARGO_PKG_VERSION")),
        )
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| TrackerError::Http(error.into()))?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(http)?;
        let status = response.status();
        let body =
            Limited::new(response.into_body(), MAX_BODY).collect().await.map_err(TrackerError::Http)?;
        Ok((status, body.to_bytes()))
    };
    // the connection ends with this future, whichever is done first
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_is_appended_to_what_the_url_has() {
        let target = |url| {
            let target = Target::parse(url, "info_hash=x", &Trusted::default()).ok()?;
            Some((target.host, target.port, target.path))
        };
        let expected = |host: &str, port, path: &str| Some((host.to_owned(), port, path.to_owned()));
        assert_eq!(
            target("http://t:6969/announce"),
            expected("t", 6969, "/announce?info_hash=x")
        );
        assert_eq!(
            target("http://[::1]/announce?key=1"),
            expected("::1", 80, "/announce?key=1&info_hash=x")
        );
        assert_eq!(target("https://t/announce"), None, "none is trusted");
        assert_eq!(target("udp://t:1/announce"), None);
        assert_eq!(target("not a url"), None);
    }
}
