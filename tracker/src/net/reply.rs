//! Requests, and what they are answered with.

use std::borrow::Cow;

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use serde::Serialize;

use crate::net::events::EventStream;
use crate::net::query::QueryError;

pub(crate) type Request = hyper::Request<Incoming>;
/// Whole, or a stream that goes on.
pub(crate) type Response = hyper::Response<Either<Full<Bytes>, EventStream>>;

/// Why a request is not answered as asked: a status, and a sentence that says what to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) sentence: Cow<'static, str>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, sentence: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            sentence: sentence.into(),
        }
    }

    /// The request itself is wrong.
    pub(crate) fn bad_request(sentence: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, sentence)
    }

    /// What the request names is not there.
    pub(crate) fn not_found(sentence: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, sentence)
    }

    /// What was asked for is known, and cannot be put into words.
    pub(crate) fn broken() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the answer could not be written",
        )
    }

    /// The tracker ends.
    pub(crate) fn stopping() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "the tracker stops")
    }

    /// It would take too long until the request has its turn.
    pub(crate) fn busy(sentence: &'static str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, sentence)
    }

    /// The sentence on a line of its own.
    pub(crate) fn into_response(self) -> Response {
        let body = format!("{}\n", self.sentence);
        typed(self.status, "text/plain; charset=utf-8", body.into())
    }
}

impl From<QueryError> for Refusal {
    fn from(error: QueryError) -> Self {
        Self::bad_request(error.to_string())
    }
}

/// A content type and what it is the type of, or why there is none.
pub(crate) type Answer = Result<(&'static str, Vec<u8>), Refusal>;

/// A value as JSON.
pub(crate) fn json(value: &impl Serialize) -> Answer {
    let body = serde_json::to_vec(value).map_err(|_| Refusal::broken())?;
    Ok(("application/json", body))
}

/// An answer as a response.
pub(crate) fn answered(answer: Answer) -> Response {
    match answer {
        Ok((kind, body)) => typed(StatusCode::OK, kind, body.into()),
        Err(refusal) => refusal.into_response(),
    }
}

/// A response that is whole, with its content type.
pub(crate) fn typed(status: StatusCode, kind: &'static str, body: Bytes) -> Response {
    let mut response = Response::new(Either::Left(Full::new(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// A response that goes on until the stream ends.
pub(crate) fn streamed(kind: &'static str, stream: EventStream) -> Response {
    let mut response = Response::new(Either::Right(stream));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
