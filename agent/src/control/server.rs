//! Answers requests to the control port.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use narrows_host::Repeats;
use narrows_protocol::query::decode_text;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::{Token, metrics};
use crate::supervisor::Agent;

/// Connections at a time; more wait.
const CONNECTIONS: usize = 64;

/// How long a client may take to send the head of a request.
const HEAD: Duration = Duration::from_secs(10);

type Reply = Response<Full<Bytes>>;

/// Serves the control port for ever. `data` is the folder whose free space is a metric.
pub(crate) async fn serve(listener: TcpListener, agent: Arc<Agent>, token: Token, data: PathBuf) {
    let control = Arc::new(Control { agent, token, data });
    let connections = Arc::new(Semaphore::new(CONNECTIONS));
    let (mut failures, began) = (Repeats::default(), Instant::now());
    loop {
        let permit = connections.clone().acquire_owned().await.ok();
        let stream = match listener.accept().await {
            Ok((stream, _)) => {
                if failures.went_well() {
                    tracing::info!("connections to the control port are accepted again");
                }
                stream
            }
            Err(error) => {
                if let Some(times) = failures.failed(&error.to_string(), began.elapsed()) {
                    tracing::warn!(%error, times, "cannot accept connections to the control port");
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            }
        };
        let control = control.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let control = control.clone();
                async move { Ok::<_, Infallible>(control.answer(&request).await) }
            });
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD)
                .serve_connection(TokioIo::new(stream), service)
                .await;
            if let Err(error) = served {
                tracing::debug!(%error, "control connection");
            }
            drop(permit);
        });
    }
}

struct Control {
    agent: Arc<Agent>,
    token: Token,
    data: PathBuf,
}

impl Control {
    async fn answer(&self, request: &Request<Incoming>) -> Reply {
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
