//! Answers requests to the control port.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode, header};
use narrows_protocol::query::decode_text;
use serde_json::json;

use super::{Access, Token, metrics};
use crate::resources::Offence;
use crate::supervisor::Agent;

type Reply = Response<Full<Bytes>>;

/// What requests are answered from.
pub(crate) struct Control {
    pub(crate) agent: Arc<Agent>,
    /// What commands need.
    pub(crate) token: Token,
    /// Who may ask.
    pub(crate) access: Access,
    /// The folder whose free space is a metric.
    pub(crate) data: PathBuf,
}

impl Control {
    /// Answers a request of the client at `ip`.
    pub(super) async fn answer(&self, request: &Request<Incoming>, ip: IpAddr) -> Reply {
        if let Err(foreign) = self.access.admit(request.uri(), request.headers()) {
            self.offends(Offence::ForeignHost, ip);
            return error(foreign.status, foreign.problem);
        }
        match (request.method(), request.uri().path()) {
            (&Method::GET, "/status") => json_reply(StatusCode::OK, &self.agent.status().await),
            (&Method::GET, "/metrics") => self.metrics().await,
            (&Method::GET, "/explain") => self.explain(request.uri().query()).await,
            (&Method::POST, path @ ("/pause" | "/resume" | "/verify" | "/look" | "/reload")) => {
                if !self.is_authorized(request) {
                    return unauthorized();
                }
                match path {
                    "/reload" => self.reload().await,
                    _ => self.command(path, request.uri().query()).await,
                }
            }
            (
                _,
                "/status" | "/metrics" | "/explain" | "/pause" | "/resume" | "/verify" | "/look" | "/reload",
            ) => error(
                StatusCode::METHOD_NOT_ALLOWED,
                "GET for status, metrics and explain, POST for commands",
            ),
            _ => error(
                StatusCode::NOT_FOUND,
                "there are /status, /metrics, /explain, /pause, /resume, /verify, /look, /reload",
            ),
        }
    }

    /// The client at `ip` does what honest ones do not.
    pub(super) fn offends(&self, offence: Offence, ip: IpAddr) {
        self.agent.offends(offence, ip);
    }

    /// The agent's time.
    pub(super) fn now(&self) -> Duration {
        self.agent.now()
    }

    fn is_authorized(&self, request: &Request<Incoming>) -> bool {
        let given = request.headers().get(header::AUTHORIZATION);
        given.is_some_and(|given| self.token.matches(given.as_bytes()))
    }

    async fn metrics(&self) -> Reply {
        let status = self.agent.status().await;
        match metrics::render(&status, &self.data) {
            Ok(text) => reply(StatusCode::OK, "text/plain; version=0.0.4", text),
            Err(problem) => error(StatusCode::INTERNAL_SERVER_ERROR, &problem.to_string()),
        }
    }

    async fn explain(&self, query: Option<&str>) -> Reply {
        let which = match content_of(query.unwrap_or("")) {
            Ok(which) => which,
            Err(problem) => return error(StatusCode::BAD_REQUEST, problem),
        };
        match self.agent.explain(which.as_deref()).await {
            Some(explained) => json_reply(StatusCode::OK, &explained),
            None => no_content(which.as_deref()),
        }
    }

    async fn reload(&self) -> Reply {
        match self.agent.reload().await {
            Ok(done) => json_reply(StatusCode::OK, &done),
            Err(problem) => {
                tracing::error!("reload refused, everything runs as before: {problem}");
                error(StatusCode::UNPROCESSABLE_ENTITY, &problem.to_string())
            }
        }
    }

    async fn command(&self, path: &str, query: Option<&str>) -> Reply {
        let which = match content_of(query.unwrap_or("")) {
            Ok(which) => which,
            Err(problem) => return error(StatusCode::BAD_REQUEST, problem),
        };
        let which = which.as_deref();
        let done = match path {
            "/pause" => self.agent.pause(which).await,
            "/resume" => self.agent.resume(which).await,
            "/look" => Ok(self.agent.look(which).await),
            _ => Ok(self.agent.verify(which).await),
        };
        let done = match done {
            Ok(done) => done,
            Err(problem) => {
                let status = match problem.is_full() {
                    true => StatusCode::INSUFFICIENT_STORAGE,
                    false => StatusCode::SERVICE_UNAVAILABLE,
                };
                return error(status, &problem.to_string());
            }
        };
        match done {
            Some(names) => json_reply(StatusCode::OK, &json!({ "content": names })),
            None => no_content(which),
        }
    }
}

fn no_content(which: Option<&str>) -> Reply {
    let problem = format!("there is no content `{}` here", which.unwrap_or(""));
    error(StatusCode::NOT_FOUND, &problem)
}

/// The value of `content=` in a query; no other key is known.
fn content_of(query: &str) -> Result<Option<String>, &'static str> {
    let mut which = None;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("content", value)) => {
                which = Some(decode_text(value).ok_or("`content` is not percent-encoded UTF-8")?);
            }
            _ => return Err("the only key of the query is `content`"),
        }
    }
    Ok(which)
}

/// For a machine that asks too often.
pub(super) fn too_many_requests() -> Reply {
    error(
        StatusCode::TOO_MANY_REQUESTS,
        "this machine asks too often; more than 32 requests a second are refused",
    )
}

fn unauthorized() -> Reply {
    let mut reply = error(
        StatusCode::UNAUTHORIZED,
        "commands want the header `Authorization: Bearer <token>`, the token being in the file control.token of the state folder",
    );
    reply.headers_mut().insert(
        header::WWW_AUTHENTICATE,
        header::HeaderValue::from_static("Bearer"),
    );
    reply
}

fn error(status: StatusCode, problem: &str) -> Reply {
    json_reply(status, &json!({ "error": problem }))
}

fn json_reply(status: StatusCode, value: &impl serde::Serialize) -> Reply {
    match serde_json::to_string(value) {
        Ok(text) => reply(status, "application/json", text),
        Err(problem) => reply(
            StatusCode::INTERNAL_SERVER_ERROR,
            "text/plain",
            problem.to_string(),
        ),
    }
}

fn reply(status: StatusCode, kind: &'static str, text: String) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from(text)));
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_may_be_named_with_any_characters() {
        assert_eq!(content_of(""), Ok(None));
        assert_eq!(
            content_of("content=B%C3%BCro%202+x"),
            Ok(Some("Büro 2 x".to_owned()))
        );
        for bad in ["content=%", "content=%zz", "content=%ff", "contents=x", "x"] {
            assert!(content_of(bad).is_err(), "{bad}");
        }
    }
}
