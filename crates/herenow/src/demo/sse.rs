//! Board events as server-sent events. A reader pulls from the log, so it never has more than one batch in memory.

use super::bus::{BoardEvent, Bus, Head, Since};
use axum::response::{
    IntoResponse, Response,
    sse::{Event, KeepAlive, Sse},
};
use futures_util::stream;
use http::{HeaderMap, HeaderValue};
use std::{collections::VecDeque, convert::Infallible, sync::Arc, time::Duration};
use tokio::sync::{OwnedSemaphorePermit, watch};

/// What a reader wants to follow.
pub(super) struct Follow {
    pub(super) bus: Arc<Bus>,
    /// The boards, which exist.
    pub(super) boards: Vec<String>,
    /// The id of the last event it has; absent for a new reader, [`Resume::Unknown`] if it makes no sense.
    pub(super) resume: Resume,
    /// Held as long as the reader reads.
    pub(super) permit: OwnedSemaphorePermit,
}

/// Where a reader left off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resume {
    /// Nowhere: it starts with what comes next.
    Now,
    /// After this event.
    After(u64),
    /// It says something that is no event id of ours.
    Unknown,
}

impl Resume {
    /// What a browser says by itself when it reconnects counts more than what stands in the address, which is from
    /// its first connect.
    pub(super) fn from_request(headers: &HeaderMap, since: Option<&str>) -> Self {
        let last = headers.get("last-event-id").map(|value| value.to_str().unwrap_or("?"));
        match last.filter(|id| !id.is_empty()).or(since) {
            None => Self::Now,
            Some(id) => id.parse().map_or(Self::Unknown, Self::After),
        }
    }
}

/// Answers with a stream that ends when the reader goes or the bus closes.
pub(super) fn respond(follow: Follow) -> Response {
    let keep_alive = KeepAlive::new().interval(HEARTBEAT).text("heartbeat");
    let stream = stream::unfold(Reader::new(follow), |mut reader| async move {
        let event = reader.next().await?;
        Some((Ok::<_, Infallible>(event), reader))
    });
    let mut response = Sse::new(stream).keep_alive(keep_alive).into_response();
    // nginx would otherwise hold events back until its buffer is full.
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

struct Reader {
    bus: Arc<Bus>,
    boards: Vec<String>,
    head: watch::Receiver<Head>,
    /// Everything up to here was put into `ready`.
    cursor: u64,
    /// To be sent next. Refilled only when empty, so it is no longer than the log.
    ready: VecDeque<Arc<BoardEvent>>,
    greeted: bool,
    _permit: OwnedSemaphorePermit,
}

impl Reader {
    fn new(follow: Follow) -> Self {
        let Follow { bus, boards, resume, permit } = follow;
        let head = bus.subscribe();
        let cursor = match resume {
            Resume::Now => bus.head().id,
            Resume::After(id) => id,
            Resume::Unknown => 0,
        };
        Self { bus, boards, head, cursor, ready: VecDeque::new(), greeted: false, _permit: permit }
    }

    async fn next(&mut self) -> Option<Event> {
        if !self.greeted {
            self.greeted = true;
            // With an id, so that a browser that loses us before the first event can say where it was.
            let hello = Event::default().data(r#"{"type":"connected"}"#);
            return Some(hello.id(self.cursor.to_string()).retry(RETRY));
        }
        loop {
            if let Some(event) = self.ready.pop_front() {
                let id = event.id.to_string();
                return Some(Event::default().event(event.kind.as_str()).id(id).data(event.json.to_string()));
            }
            if self.head.borrow_and_update().closed {
                return None;
            }
            match self.bus.since(self.cursor, &self.boards) {
                Since::Events { events, cursor } => {
                    self.cursor = cursor;
                    self.ready = events.into();
                }
                Since::Unknown => {
                    self.cursor = self.bus.head().id;
                    let reset = Event::default().event("reset").id(self.cursor.to_string());
                    return Some(reset.data(r#"{"type":"reset"}"#));
                }
            }
            if self.ready.is_empty() {
                self.head.changed().await.ok()?;
            }
        }
    }
}

/// Shorter than the 60 s after which common proxies cut an idle connection.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How long a browser waits before it connects again.
const RETRY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::Resume;
    use http::{HeaderMap, HeaderValue};

    #[test]
    fn the_browsers_last_event_counts_more_than_the_address() {
        let mut headers = HeaderMap::new();
        assert_eq!(Resume::from_request(&headers, None), Resume::Now);
        assert_eq!(Resume::from_request(&headers, Some("7")), Resume::After(7));
        headers.insert("last-event-id", HeaderValue::from_static(""));
        assert_eq!(Resume::from_request(&headers, Some("7")), Resume::After(7));
        headers.insert("last-event-id", HeaderValue::from_static("42"));
        assert_eq!(Resume::from_request(&headers, Some("7")), Resume::After(42));
        headers.insert("last-event-id", HeaderValue::from_static("x"));
        assert_eq!(Resume::from_request(&headers, Some("7")), Resume::Unknown);
    }
}
