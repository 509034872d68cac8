//! A broadcast of bytes to answers that go on, as server-sent events do (WHATWG HTML, 9.2). Who publishes,
//! and what, is not known here.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{self, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use narrows_protocol::Host;
use tokio::sync::{Notify, mpsc, watch};

/// What a stream begins with: how long a browser waits, in milliseconds, before it asks again.
const PREAMBLE: &[u8] = b"retry: 2000\n\n";

/// Brings each event to all who subscribed. A slow subscriber misses events and delays no other. Where there
/// are too many, a host with many streams gives its oldest up for one with fewer.
pub(crate) struct Broadcast(Arc<Mutex<State>>);

struct State {
    max_subscribers: usize,
    channel: Channel,
    next: u64,
    /// By number: the oldest first.
    subscribers: BTreeMap<u64, Subscriber>,
}

struct Subscriber {
    host: Host,
    end: Arc<Notify>,
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
        Self(Arc::new(Mutex::new(State {
            max_subscribers,
            channel: Channel::default(),
            next: 0,
            subscribers: BTreeMap::new(),
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a stream for a client at `address`. Called within the runtime.
    ///
    /// # Errors
    /// If there are too many, or the broadcast is closed.
    pub(crate) fn subscribe(&self, address: IpAddr) -> Result<Subscription, Unavailable> {
        let host = Host::of(address);
        let mut state = self.state();
        if matches!(state.channel, Channel::Closed) {
            return Err(Unavailable::Closed);
        }
        if state.subscribers.len() >= state.max_subscribers && !state.make_room_for(host) {
            return Err(Unavailable::Full);
        }
        let (events, is_first) = match &state.channel {
            Channel::Open(events) => (events.subscribe(), false),
            Channel::Idle | Channel::Closed => {
                let (sender, events) = watch::channel(Bytes::new());
                state.channel = Channel::Open(sender);
                (events, true)
            }
        };
        let (number, end) = (state.next, Arc::new(Notify::new()));
        state.next += 1;
        state.subscribers.insert(
            number,
            Subscriber {
                host,
                end: Arc::clone(&end),
            },
        );
        // one event waits for a slow subscriber, who misses those meanwhile
        let (out, stream) = mpsc::channel(1);
        let shared = Arc::clone(&self.0);
        tokio::spawn(async move {
            tokio::select! {
                () = end.notified() => {}
                () = forward(events, out) => {}
            }
            shared.lock().unwrap_or_else(PoisonError::into_inner).subscribers.remove(&number);
        });
        Ok(Subscription {
            stream: EventStream(stream),
            is_first,
        })
    }

    /// Brings an event to all subscribers. Whether there is one: without, the broadcast is idle, and its
    /// publisher has to end, since the next subscriber is [the first](Subscription::is_first) again.
    pub(crate) fn publish(&self, event: Bytes) -> bool {
        let mut state = self.state();
        let arrives = matches!(&state.channel, Channel::Open(events) if events.send(event).is_ok());
        if !arrives {
            state.channel.end();
        }
        arrives
    }

    /// Ends all streams; new ones may begin.
    pub(crate) fn end_streams(&self) {
        self.state().channel.end();
    }

    /// Ends all streams, for good.
    pub(crate) fn close(&self) {
        self.state().channel = Channel::Closed;
    }
}

impl State {
    /// Ends the oldest stream of the host with most, if `host` then still has no more than that one.
    fn make_room_for(&mut self, host: Host) -> bool {
        let mut counts: BTreeMap<Host, usize> = BTreeMap::new();
        for subscriber in self.subscribers.values() {
            *counts.entry(subscriber.host).or_default() += 1;
        }
        let own = counts.get(&host).copied().unwrap_or(0);
        let Some((most, many)) = counts.into_iter().max_by_key(|(_, count)| *count) else {
            return false;
        };
        if own + 1 >= many {
            return false;
        }
        let oldest = self.subscribers.iter().find(|(_, subscriber)| subscriber.host == most);
        let Some(ended) =
            oldest.map(|(number, _)| *number).and_then(|number| self.subscribers.remove(&number))
        else {
            return false;
        };
        ended.end.notify_one();
        true
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

    fn address(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    #[tokio::test]
    async fn a_machine_with_all_the_streams_gives_its_oldest_up_for_another_machine() {
        let broadcast = Broadcast::new(3);
        let mut greedy: Vec<_> = (0..3).map(|_| broadcast.subscribe(address(1)).unwrap()).collect();
        for subscription in &mut greedy {
            assert_eq!(subscription.stream.0.recv().await.unwrap(), PREAMBLE);
        }
        assert_eq!(
            broadcast.subscribe(address(1)).err(),
            Some(Unavailable::Full),
            "not for itself"
        );
        let mut other = broadcast.subscribe(address(2)).unwrap();
        assert!(greedy[0].stream.0.recv().await.is_none(), "the oldest has ended");
        assert!(broadcast.publish(Bytes::from_static(b"event")));
        assert_eq!(other.stream.0.recv().await.unwrap(), PREAMBLE);
        for subscription in greedy.iter_mut().skip(1).chain([&mut other]) {
            assert_eq!(subscription.stream.0.recv().await.unwrap(), "event");
        }
        assert_eq!(
            broadcast.subscribe(address(2)).err(),
            Some(Unavailable::Full),
            "it would have as many"
        );
        drop(greedy);
        while broadcast.state().subscribers.len() > 1 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn all_streams_get_each_event_and_end_with_the_broadcast() {
        let broadcast = Broadcast::new(2);
        let mut first = broadcast.subscribe(address(1)).unwrap();
        let mut second = broadcast.subscribe(address(1)).unwrap();
        assert!(first.is_first && !second.is_first);
        assert!(matches!(broadcast.subscribe(address(1)), Err(Unavailable::Full)));
        assert!(broadcast.publish(Bytes::from_static(b"one")));
        for subscription in [&mut first, &mut second] {
            assert_eq!(subscription.stream.0.recv().await.unwrap(), PREAMBLE);
            assert_eq!(subscription.stream.0.recv().await.unwrap(), "one");
        }
        broadcast.close();
        assert!(first.stream.0.recv().await.is_none() && second.stream.0.recv().await.is_none());
        assert!(matches!(
            broadcast.subscribe(address(1)),
            Err(Unavailable::Closed)
        ));
    }

    #[tokio::test]
    async fn without_a_subscriber_nothing_is_published_and_the_next_one_is_the_first() {
        let broadcast = Broadcast::new(2);
        assert!(!broadcast.publish(Bytes::from_static(b"unheard")));
        let mut only = broadcast.subscribe(address(1)).unwrap();
        broadcast.end_streams();
        assert_eq!(only.stream.0.recv().await.unwrap(), PREAMBLE);
        assert!(only.stream.0.recv().await.is_none());
        assert!(broadcast.subscribe(address(1)).unwrap().is_first);
    }
}
