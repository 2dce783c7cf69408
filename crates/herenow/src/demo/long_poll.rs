//! The fallback for readers that cannot keep a stream open: a request that waits until something happens.

use super::{
    bus::{BoardEvent, Bus, Since},
    database::Database,
    error::StoreError,
    model::Task,
    store::Store,
};
use serde::Serialize;
use serde_json::{Map, Value};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, timeout_at};

/// What a reader has seen already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// All that happened until the request arrived.
    Now,
    /// All up to this event.
    Event(u64),
    /// All up to this time. Deletions are not found this way, as in the short poll.
    Time(String),
}

impl Seen {
    /// A number is an event id, anything else has to be a time.
    pub(super) fn parse(since: Option<String>) -> Self {
        match since {
            None => Self::Now,
            Some(text) => match text.parse() {
                Ok(id) => Self::Event(id),
                Err(_) => Self::Time(text),
            },
        }
    }
}

/// What the reader is told. `cursor` is what to ask with next.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Answer {
    /// The tasks that were made or changed, as they are now; all of the board's after a reset.
    data: Vec<Task>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<String>,
    /// What happened, oldest first.
    events: Vec<Value>,
    cursor: u64,
    /// Nothing happened for as long as we wait.
    #[serde(skip_serializing_if = "is_false")]
    timeout: bool,
    /// What was missed is not known any more: forget the board and take `data`.
    #[serde(skip_serializing_if = "is_false")]
    reset: bool,
}

/// How long a request waits.
pub(super) const WAIT: Duration = Duration::from_secs(30);

/// A reader of one board.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) bus: Arc<Bus>,
    pub(super) store: Store,
    pub(super) board: String,
}

impl Reader {
    /// Waits until something happens on the board that the reader has not seen, at most [`WAIT`].
    pub(super) async fn poll(&self, seen: Seen) -> Result<Answer, StoreError> {
        // Before anything else: from here on no event goes unnoticed.
        let mut head = self.bus.subscribe();
        let now = head.borrow().id;
        self.check_board().await?;
        let mut cursor = match seen {
            Seen::Now => now,
            Seen::Event(id) => id,
            Seen::Time(time) => match self.changes(Some(time)).await? {
                answer if answer.data.is_empty() => answer.cursor,
                answer => return Ok(answer),
            },
        };
        let deadline = Instant::now() + WAIT;
        let boards = [self.board.clone()];
        loop {
            let closed = head.borrow_and_update().closed;
            match self.bus.since(cursor, &boards) {
                Since::Events { events, .. } if !events.is_empty() => return self.tell(events).await,
                Since::Events { cursor: head, .. } => cursor = head,
                Since::Unknown => return Ok(Answer { reset: true, ..self.changes(None).await? }),
            }
            if closed || timeout_at(deadline, head.changed()).await.is_err() {
                return Ok(Answer {
                    data: vec![],
                    timestamp: None,
                    events: vec![],
                    cursor,
                    timeout: true,
                    reset: false,
                });
            }
        }
    }

    async fn check_board(&self) -> Result<(), StoreError> {
        let board = self.board.clone();
        self.store.run(move |database| database.check_board(&board)).await
    }

    /// The board as far as it changed since a time, and the cursor that goes with it.
    async fn changes(&self, since: Option<String>) -> Result<Answer, StoreError> {
        let (bus, board) = (Arc::clone(&self.bus), self.board.clone());
        let work = move |database: &mut Database| {
            let changes = database.changes(&board, since.as_deref())?;
            // Events are published on this very thread, so data and cursor belong together.
            Ok((changes, bus.head().id))
        };
        let (changes, cursor) = self.store.run(work).await?;
        let (data, timestamp) = (changes.tasks, Some(changes.timestamp));
        Ok(Answer { data, timestamp, events: vec![], cursor, timeout: false, reset: false })
    }

    async fn tell(&self, events: Vec<Arc<BoardEvent>>) -> Result<Answer, StoreError> {
        let cursor = events.last().map(|event| event.id).unwrap_or_default();
        let mut ids: Vec<_> = events.iter().filter_map(|event| event.task_id.clone()).collect();
        ids.sort();
        ids.dedup();
        let (data, timestamp) = self.store.run(move |database| database.tasks_by_id(&ids)).await?;
        let events = events.iter().map(|event| with_id(event)).collect();
        Ok(Answer { data, timestamp: Some(timestamp), events, cursor, timeout: false, reset: false })
    }
}

fn with_id(event: &BoardEvent) -> Value {
    let mut fields = Map::new();
    fields.insert("id".into(), event.id.into());
    if let Value::Object(rest) = &event.json {
        fields.extend(rest.clone());
    }
    Value::Object(fields)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}
