//! What a request carries: so many bytes at most, within so long.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::StatusCode;
use hyper::body::Body;
use tokio::time::timeout;

/// How long a client may take to send a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Why there is no body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BodyError {
    /// It is longer than it may be.
    TooLong {
        /// The most bytes.
        max: usize,
    },
    /// It did not arrive in time, or not at all.
    Late,
}

impl BodyError {
    /// The status that says so (RFC 9110, 15.5.9 and 15.5.14).
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::TooLong { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Late => StatusCode::REQUEST_TIMEOUT,
        }
    }
}

/// The whole body of at most `max` bytes.
///
/// # Errors
/// If it is longer, or did not arrive within [`BODY_TIMEOUT`].
pub(crate) async fn collect<B>(body: B, max: usize) -> Result<Bytes, BodyError>
where
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let max_hint = u64::try_from(max).unwrap_or(u64::MAX);
    if body.size_hint().lower() > max_hint {
        return Err(BodyError::TooLong { max });
    }
    match timeout(BODY_TIMEOUT, Limited::new(body, max).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(BodyError::TooLong { max }),
        Ok(Err(_)) | Err(_) => Err(BodyError::Late),
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use http_body_util::Full;
    use hyper::body::Frame;

    use super::*;

    /// A body of which nothing ever arrives.
    struct Never;

    impl Body for Never {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Pending
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_arrive_is_given_up() {
        assert_eq!(collect(Never, 100).await, Err(BodyError::Late));
    }

    #[tokio::test]
    async fn a_body_has_a_greatest_length() {
        let body = |length| Full::new(Bytes::from(vec![b'x'; length]));
        assert_eq!(collect(body(100), 100).await.map(|body| body.len()), Ok(100));
        assert_eq!(
            collect(body(101), 100).await,
            Err(BodyError::TooLong { max: 100 })
        );
    }
}
