//! What a request carries: so many bytes at most, within so long.

use std::pin::pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
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

/// So much of a body that is too long is read and thrown away: a client that is still sending when its
/// connection closes does not see the answer (RFC 9112, 9.6).
const MAX_DISCARDED: usize = 1 << 20;

/// The whole body of at most `max` bytes.
///
/// # Errors
/// If it is longer, or did not arrive within [`BODY_TIMEOUT`].
pub(crate) async fn collect<B: Body<Data = Bytes>>(body: B, max: usize) -> Result<Bytes, BodyError> {
    let most = max + MAX_DISCARDED;
    if body.size_hint().lower() > u64::try_from(most).unwrap_or(u64::MAX) {
        return Err(BodyError::TooLong { max });
    }
    timeout(BODY_TIMEOUT, read(body, max, most)).await.unwrap_or(Err(BodyError::Late))
}

async fn read<B: Body<Data = Bytes>>(body: B, max: usize, most: usize) -> Result<Bytes, BodyError> {
    let (mut body, mut whole, mut length) = (pin!(body), BytesMut::new(), 0);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| BodyError::Late)?.into_data() else {
            continue;
        };
        length += data.len();
        if length > most {
            break;
        }
        if length <= max {
            whole.extend_from_slice(&data);
        }
    }
    if length > max {
        return Err(BodyError::TooLong { max });
    }
    Ok(whole.freeze())
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
