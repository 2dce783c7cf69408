//! Tells everybody what changed on the boards: a bounded log of recent events that readers follow at their own pace,
//! and one callback. Knows nothing of HTTP.
//!
//! Readers pull. Nothing is queued per reader, so a slow one costs no memory; one that falls behind the log is told so.

use super::clock;
use serde_json::{Map, Value};
use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::watch;

/// What happened to a board or to a task on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EventKind {
    /// There is a new one.
    Created,
    /// It says something else.
    Updated,
    /// It is in another list or at another place.
    Moved,
    /// It is gone.
    Deleted,
    /// The board has another name.
    BoardUpdated,
    /// The board is what it was in the beginning: who reads it reads it anew.
    BoardReset,
}

impl EventKind {
    /// The name clients know it by.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Created => "task_created",
            Self::Updated => "task_updated",
            Self::Moved => "task_moved",
            Self::Deleted => "task_deleted",
            Self::BoardUpdated => "board_updated",
            Self::BoardReset => "board_reset",
        }
    }
}

/// Something that changed on a board.
#[derive(Debug)]
pub(super) struct BoardEvent {
    /// Grows with each event, also over restarts of the program: the first is the time of the start in milliseconds.
    pub(super) id: u64,
    /// The board it happened on.
    pub(super) board: String,
    /// What happened.
    pub(super) kind: EventKind,
    /// The task it happened to, if it was one.
    pub(super) task_id: Option<String>,
    /// `{"type","boardId",…}` as clients get it.
    pub(super) json: Value,
}

/// Receives board id, event name and data of each event, in order, on the database thread. It must not block.
pub(super) type Publish = dyn Fn(&str, &str, Value) + Send + Sync;

/// Where the log stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// The id of the newest event; events to come are greater.
    pub(super) id: u64,
    /// Nothing will come any more.
    pub(super) closed: bool,
}

/// What a reader gets who asks for all after an id.
#[derive(Debug)]
pub(super) enum Since {
    /// These happened, perhaps none.
    Events {
        /// Oldest first.
        events: Vec<Arc<BoardEvent>>,
        /// Where the reader stands now: also past what happened on other boards.
        cursor: u64,
    },
    /// The log does not reach back that far, or never gave that id out: read the board anew.
    Unknown,
}

/// The log of recent events.
///
/// Invariant: `events` is ordered by id, without holes after `floor`, and its last id is the head's.
pub(super) struct Bus {
    log: Mutex<Log>,
    head: watch::Sender<Head>,
    publish: Box<Publish>,
    events_max: usize,
}

struct Log {
    events: VecDeque<Arc<BoardEvent>>,
    /// The greatest id that is not in the log any more.
    floor: u64,
}

impl Bus {
    /// An empty log that keeps `events_max` events and hands each to `publish`.
    pub(super) fn new(events_max: usize, publish: Box<Publish>) -> Self {
        let start = u64::try_from(clock::now_ms()).unwrap_or_default();
        let log = Mutex::new(Log { events: VecDeque::new(), floor: start });
        Self { log, head: watch::Sender::new(Head { id: start, closed: false }), publish, events_max }
    }

    /// Appends an event and wakes all readers.
    pub(super) fn publish(&self, kind: EventKind, about: About<'_>) {
        let mut json = Map::new();
        json.insert("type".into(), kind.as_str().into());
        json.insert("boardId".into(), about.board.into());
        json.extend(about.data.clone());
        {
            let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
            let id = self.head.borrow().id + 1;
            let (board, task_id) = (about.board.to_owned(), about.task_id.map(str::to_owned));
            log.events.push_back(Arc::new(BoardEvent { id, board, kind, task_id, json: Value::Object(json) }));
            if log.events.len() > self.events_max
                && let Some(oldest) = log.events.pop_front()
            {
                log.floor = oldest.id;
            }
            // Under the lock, so that whoever sees this head also finds its event.
            self.head.send_modify(|head| head.id = id);
        }
        (self.publish)(about.board, kind.as_str(), Value::Object(about.data));
    }

    /// Follows the head. Subscribe before reading the log: then no event can fall between the two.
    pub(super) fn subscribe(&self) -> watch::Receiver<Head> {
        self.head.subscribe()
    }

    /// Where the log stands now.
    pub(super) fn head(&self) -> Head {
        *self.head.borrow()
    }

    /// What happened on any of `boards` after the event `cursor`. Costs a walk over the log.
    pub(super) fn since(&self, cursor: u64, boards: &[String]) -> Since {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let head = self.head.borrow().id;
        if cursor < log.floor || cursor > head {
            return Since::Unknown;
        }
        let start = log.events.partition_point(|event| event.id <= cursor);
        let events = log.events.range(start..).filter(|event| boards.contains(&event.board)).cloned().collect();
        Since::Events { events, cursor: head }
    }

    /// Ends all readers, for a shutdown that waits for open requests.
    pub(super) fn close(&self) {
        self.head.send_modify(|head| head.closed = true);
    }
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bus").field("head", &self.head()).field("events_max", &self.events_max).finish_non_exhaustive()
    }
}

/// What an event is about.
#[derive(Debug)]
pub(super) struct About<'a> {
    /// The board it happened on.
    pub(super) board: &'a str,
    /// The task it happened to, if it was one.
    pub(super) task_id: Option<&'a str>,
    /// What clients are told besides type and board.
    pub(super) data: Map<String, Value>,
}

#[cfg(test)]
mod tests {
    use super::{About, Bus, EventKind, Since};
    use serde_json::{Map, Value, json};
    use std::sync::{Arc, Mutex};

    fn tell(bus: &Bus, board: &str, task_id: &str) {
        let mut data = Map::new();
        data.insert("taskId".into(), task_id.into());
        bus.publish(EventKind::Deleted, About { board, task_id: Some(task_id), data });
    }

    fn tasks(since: Since) -> Vec<String> {
        match since {
            Since::Events { events, .. } => events.iter().filter_map(|event| event.task_id.clone()).collect(),
            Since::Unknown => panic!("the log knows this cursor"),
        }
    }

    #[test]
    fn a_reader_gets_what_came_after_its_cursor_on_its_boards() {
        let bus = Bus::new(10, Box::new(|_, _, _| {}));
        let start = bus.head().id;
        tell(&bus, "a", "1");
        tell(&bus, "b", "2");
        tell(&bus, "a", "3");
        assert_eq!(tasks(bus.since(start, &["a".into()])), ["1", "3"]);
        assert_eq!(tasks(bus.since(start + 1, &["a".into(), "b".into()])), ["2", "3"]);
        assert_eq!(tasks(bus.since(start + 3, &["a".into()])), [""; 0]);
    }

    #[test]
    fn a_cursor_outside_the_log_is_unknown() {
        let bus = Bus::new(2, Box::new(|_, _, _| {}));
        let start = bus.head().id;
        for task in ["1", "2", "3"] {
            tell(&bus, "a", task);
        }
        assert!(matches!(bus.since(start, &["a".into()]), Since::Unknown), "event 1 was dropped");
        assert_eq!(tasks(bus.since(start + 1, &["a".into()])), ["2", "3"]);
        assert!(matches!(bus.since(start + 4, &["a".into()]), Since::Unknown), "never given out");
        assert!(matches!(bus.since(42, &["a".into()]), Since::Unknown), "from before the start");
    }

    #[tokio::test]
    async fn whoever_subscribes_before_reading_misses_nothing() {
        let bus = Bus::new(10, Box::new(|_, _, _| {}));
        let mut head = bus.subscribe();
        let start = bus.head().id;
        assert_eq!(tasks(bus.since(start, &["a".into()])), [""; 0]);
        tell(&bus, "a", "1");
        head.changed().await.unwrap();
        assert_eq!(tasks(bus.since(start, &["a".into()])), ["1"]);
    }

    #[test]
    fn the_callback_hears_each_event_in_order() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&heard);
        let publish = move |board: &str, event: &str, data: Value| {
            told.lock().unwrap().push(json!([board, event, data]));
        };
        let bus = Bus::new(10, Box::new(publish));
        tell(&bus, "a", "1");
        tell(&bus, "b", "2");
        let heard = heard.lock().unwrap();
        assert_eq!(heard[0], json!(["a", "task_deleted", {"taskId": "1"}]));
        assert_eq!(heard[1], json!(["b", "task_deleted", {"taskId": "2"}]));
    }
}
