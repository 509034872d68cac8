//! A broadcast of bytes to answers that go on, as server-sent events do (WHATWG HTML, 9.2). Who publishes,
//! and what, is not known here.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{self, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::sync::{mpsc, watch};

/// What a stream begins with: how long a browser waits, in milliseconds, before it asks again.
const PREAMBLE: &[u8] = b"retry: 2000\n\n";

/// Brings each event to all who subscribed. A slow subscriber misses events and delays no other.
pub(crate) struct Broadcast {
    max_subscribers: usize,
    channel: Mutex<Channel>,
}

#[derive(Default)]
enum Channel {
    /// Without a subscriber.
    #[default]
    Idle,
    /// With the last event; empty until there is one.
    Open(watch::Sender<Bytes>),
    /// For good.
    Closed,
}

/// Why no stream begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unavailable {
    /// There are as many subscribers as there may be.
    Full,
    /// The broadcast has ended for good.
    Closed,
}

/// A stream that has begun.
pub(crate) struct Subscription {
    pub(crate) stream: EventStream,
    /// Whether there was no other: a publisher has to [begin](Broadcast::publish) now.
    pub(crate) is_first: bool,
}

/// The body of an answer that goes on. It ends when the broadcast does.
pub(crate) struct EventStream(mpsc::Receiver<Bytes>);

impl Body for EventStream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = self.0.poll_recv(cx);
        next.map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

impl Broadcast {
    pub(crate) fn new(max_subscribers: usize) -> Self {
        Self {
            max_subscribers,
            channel: Mutex::default(),
        }
    }

    /// Begins a stream. Called within the runtime.
    ///
    /// # Errors
    /// If there are too many, or the broadcast is closed.
    pub(crate) fn subscribe(&self) -> Result<Subscription, Unavailable> {
        let mut channel = self.channel.lock().unwrap_or_else(PoisonError::into_inner);
        let (events, is_first) = match &*channel {
            Channel::Closed => return Err(Unavailable::Closed),
            Channel::Open(events) if events.receiver_count() >= self.max_subscribers => {
                return Err(Unavailable::Full);
            }
            Channel::Open(events) => (events.subscribe(), false),
            Channel::Idle => {
                let (sender, events) = watch::channel(Bytes::new());
                *channel = Channel::Open(sender);
                (events, true)
            }
        };
        // one event waits for a slow subscriber, who misses those meanwhile
        let (out, stream) = mpsc::channel(1);
        tokio::spawn(forward(events, out));
        Ok(Subscription {
            stream: EventStream(stream),
            is_first,
        })
    }

    /// Brings an event to all subscribers. Whether there is one: without, the broadcast is idle, and its
    /// publisher has to end, since the next subscriber is [the first](Subscription::is_first) again.
    pub(crate) fn publish(&self, event: Bytes) -> bool {
        let mut channel = self.channel.lock().unwrap_or_else(PoisonError::into_inner);
        let arrives = matches!(&*channel, Channel::Open(events) if events.send(event).is_ok());
        if !arrives {
            channel.end();
        }
        arrives
    }

    /// Ends all streams; new ones may begin.
    pub(crate) fn end_streams(&self) {
        self.channel.lock().unwrap_or_else(PoisonError::into_inner).end();
    }

    /// Ends all streams, for good.
    pub(crate) fn close(&self) {
        *self.channel.lock().unwrap_or_else(PoisonError::into_inner) = Channel::Closed;
    }
}

impl Channel {
    fn end(&mut self) {
        if let Self::Open(_) = self {
            *self = Self::Idle;
        }
    }
}

/// Brings one subscriber the events, until it goes or the broadcast ends.
async fn forward(mut events: watch::Receiver<Bytes>, out: mpsc::Sender<Bytes>) {
    if out.send(Bytes::from_static(PREAMBLE)).await.is_err() {
        return;
    }
    events.mark_changed();
    loop {
        tokio::select! {
            () = out.closed() => return,
            changed = events.changed() => {
                if changed.is_err() {
                    return;
                }
            }
        }
        let event = events.borrow_and_update().clone();
        if !event.is_empty() && out.send(event).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_streams_get_each_event_and_end_with_the_broadcast() {
        let broadcast = Broadcast::new(2);
        let mut first = broadcast.subscribe().unwrap();
        let mut second = broadcast.subscribe().unwrap();
        assert!(first.is_first && !second.is_first);
        assert!(matches!(broadcast.subscribe(), Err(Unavailable::Full)));
        assert!(broadcast.publish(Bytes::from_static(b"one")));
        for subscription in [&mut first, &mut second] {
            assert_eq!(subscription.stream.0.recv().await.unwrap(), PREAMBLE);
            assert_eq!(subscription.stream.0.recv().await.unwrap(), "one");
        }
        broadcast.close();
        assert!(first.stream.0.recv().await.is_none() && second.stream.0.recv().await.is_none());
        assert!(matches!(broadcast.subscribe(), Err(Unavailable::Closed)));
    }

    #[tokio::test]
    async fn without_a_subscriber_nothing_is_published_and_the_next_one_is_the_first() {
        let broadcast = Broadcast::new(2);
        assert!(!broadcast.publish(Bytes::from_static(b"unheard")));
        let mut only = broadcast.subscribe().unwrap();
        broadcast.end_streams();
        assert_eq!(only.stream.0.recv().await.unwrap(), PREAMBLE);
        assert!(only.stream.0.recv().await.is_none());
        assert!(broadcast.subscribe().unwrap().is_first);
    }
}
