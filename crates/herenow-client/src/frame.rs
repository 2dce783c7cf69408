//! What the server says in the native dialect, as types. Fields that a server may leave out have a default; fields that
//! this crate does not know are dropped; frames of a type that it does not know are kept whole.
use crate::detail::{Cursors, Session, Sessions, Statuses};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{borrow::Cow, fmt};

/// One frame of the server.
#[derive(Clone, Debug, PartialEq)]
pub enum ServerFrame {
    /// The first frame.
    Welcome(Welcome),
    /// The whole truth about a room.
    Roster(Roster),
    /// What changed between two versions of a room.
    Diff(Diff),
    /// How many are in a room, and some faces.
    Count(CountNews),
    /// A user began or stopped typing.
    Typing(Typing),
    /// All sessions of one user in a room.
    Sessions(Sessions),
    /// Where pointers have moved.
    Cursors(Cursors),
    /// A lock changed hands.
    Lock(LockNews),
    /// Whether users who are watched are online.
    Statuses(Statuses),
    /// A passing event of the app or of a viewer.
    Message(Message),
    /// This session is out of a room.
    Removed(Removed),
    /// A request was done.
    Ack(Ack),
    /// A request was refused, or a frame was bad.
    Error(Error),
    /// Answer to a ping.
    Pong(Pong),
    /// The node's view of a room may be old.
    Stale(Stale),
    /// The node's view of a room is good again.
    Fresh(Fresh),
    /// The server is about to stop.
    Draining(Draining),
    /// A frame of another type.
    Other {
        /// Its type.
        kind: String,
        /// All of it.
        json: Value,
    },
}

impl ServerFrame {
    /// Reads one text frame.
    ///
    /// # Errors
    /// Where it is no JSON object with a text `type`, or lacks what its type must have.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        let head: Head<'_> = serde_json::from_str(text)?;
        Ok(match head.kind.as_ref() {
            "welcome" => Self::Welcome(serde_json::from_str(text)?),
            "roster" => Self::Roster(serde_json::from_str(text)?),
            "diff" => Self::Diff(serde_json::from_str(text)?),
            "count" => Self::Count(serde_json::from_str(text)?),
            "typing" => Self::Typing(serde_json::from_str(text)?),
            "sessions" => Self::Sessions(serde_json::from_str(text)?),
            "cursors" => Self::Cursors(serde_json::from_str(text)?),
            "lock" => Self::Lock(serde_json::from_str(text)?),
            "statuses" => Self::Statuses(serde_json::from_str(text)?),
            "message" => Self::Message(serde_json::from_str(text)?),
            "removed" => Self::Removed(serde_json::from_str(text)?),
            "ack" => Self::Ack(serde_json::from_str(text)?),
            "error" => Self::Error(serde_json::from_str(text)?),
            "pong" => Self::Pong(serde_json::from_str(text)?),
            "stale" => Self::Stale(serde_json::from_str(text)?),
            "fresh" => Self::Fresh(serde_json::from_str(text)?),
            "draining" => Self::Draining(serde_json::from_str(text)?),
            other => Self::Other { kind: other.to_owned(), json: serde_json::from_str(text)? },
        })
    }

    /// The client's number of the request that this frame answers.
    pub fn re(&self) -> Option<&RequestId> {
        match self {
            Self::Roster(frame) => frame.re.as_ref(),
            Self::Diff(frame) => frame.re.as_ref(),
            Self::Ack(frame) => frame.re.as_ref(),
            Self::Error(frame) => frame.re.as_ref(),
            Self::Pong(frame) => frame.re.as_ref(),
            Self::Welcome(_)
            | Self::Count(_)
            | Self::Typing(_)
            | Self::Sessions(_)
            | Self::Cursors(_)
            | Self::Lock(_)
            | Self::Statuses(_)
            | Self::Message(_)
            | Self::Removed(_)
            | Self::Stale(_)
            | Self::Fresh(_)
            | Self::Draining(_)
            | Self::Other { .. } => None,
        }
    }

    /// The room that this frame is about.
    pub fn room(&self) -> Option<&str> {
        match self {
            Self::Roster(frame) => Some(&frame.room),
            Self::Diff(frame) => Some(&frame.room),
            Self::Count(frame) => Some(&frame.room),
            Self::Typing(frame) => Some(&frame.room),
            Self::Sessions(frame) => Some(&frame.room),
            Self::Cursors(frame) => Some(&frame.room),
            Self::Lock(frame) => Some(&frame.room),
            Self::Message(frame) => Some(&frame.room),
            Self::Removed(frame) => Some(&frame.room),
            Self::Stale(frame) => Some(&frame.room),
            Self::Fresh(frame) => Some(&frame.room),
            Self::Error(frame) => frame.room.as_deref(),
            Self::Other { json, .. } => json.get("room").and_then(Value::as_str),
            Self::Welcome(_) | Self::Statuses(_) | Self::Ack(_) | Self::Pong(_) | Self::Draining(_) => None,
        }
    }
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
}

/// The number or text that a client put on a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RequestId {
    /// What [`crate::client::Client`] uses.
    Number(u64),
    /// What others may use.
    Text(String),
    /// A number that is no whole one, or not one of 64 bits; [`crate::client::Client::send_raw`] may carry it.
    OtherNumber(serde_json::Number),
}

/// A version of a room: its epoch, and a number that grows within it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(String, u64)", into = "(String, u64)")]
pub struct Version {
    /// The life of the node that counts. Versions of different epochs do not compare.
    pub epoch: String,
    /// Grows by one with each transition of a viewer.
    pub number: u64,
}

impl From<(String, u64)> for Version {
    fn from((epoch, number): (String, u64)) -> Self {
        Self { epoch, number }
    }
}

impl From<Version> for (String, u64) {
    fn from(version: Version) -> Self {
        (version.epoch, version.number)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.number)
    }
}

/// A person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Who, for machines.
    pub id: String,
    /// Who, for people.
    #[serde(default)]
    pub name: String,
    /// One of 12, as `#rrggbb`; steady for the id.
    #[serde(default)]
    pub color: String,
    /// Address of a picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar: Option<String>,
}

/// A user in a room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Viewer {
    /// Who.
    pub user: User,
    /// The most present of the user's sessions: `active` or `idle`.
    #[serde(default)]
    pub status: String,
    /// When the user's first session came, in milliseconds since the Unix epoch.
    #[serde(default)]
    pub joined_at_ms: u64,
    /// Sessions, as of the viewer's last change.
    #[serde(default)]
    pub sessions: u64,
    /// Merge over the user's sessions; `None` where nothing is shared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<serde_json::Map<String, Value>>,
    /// The user's sessions, in the order of their coming; only in rosters, for those who asked for sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_list: Option<Vec<Session>>,
}

/// How many are in a room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Users.
    pub users: u64,
    /// Sessions.
    #[serde(default)]
    pub sessions: u64,
}

/// A user who types, and into what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Typist {
    /// Who.
    pub user: User,
    /// Into what; `None` is the room as a whole.
    #[serde(default)]
    pub targets: Vec<Option<String>>,
}

/// Says who the server took this connection for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Welcome {
    /// Public name of this session.
    pub session: String,
    /// Secret with which a later connection continues this session; single use.
    #[serde(default)]
    pub resume: Option<String>,
    /// Whether an earlier session continues.
    #[serde(default)]
    pub resumed: bool,
    /// Who this is.
    pub user: User,
    /// Which server process answered.
    #[serde(default)]
    pub node: String,
    /// The server's clock, in milliseconds since the Unix epoch.
    #[serde(default)]
    pub time_ms: u64,
    /// How often the server pings, in milliseconds.
    #[serde(default)]
    pub ping_interval_ms: Option<u64>,
    /// When the token expires, in milliseconds since the Unix epoch.
    #[serde(default)]
    pub expires_at_ms: Option<u64>,
    /// What the server allows.
    #[serde(default)]
    pub limits: Value,
}

/// The whole truth about a room at a version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Roster {
    /// The request that it answers.
    #[serde(default)]
    pub re: Option<RequestId>,
    /// The interest in force: `auto`, `full`, `count` or `none`.
    #[serde(default)]
    pub interest: String,
    /// Which room.
    pub room: String,
    /// As of when.
    pub v: Version,
    /// How the room tells its news: `live`, `batched` or `crowd`.
    #[serde(default)]
    pub gear: String,
    /// Everyone, by joined time, then user id.
    pub viewers: Vec<Viewer>,
    /// How many.
    pub count: Count,
    /// Who types.
    #[serde(default)]
    pub typing: Vec<Typist>,
    /// Locks that are held.
    #[serde(default)]
    pub locks: Vec<Lock>,
}

/// What changed between two versions of a room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Diff {
    /// The request that it answers.
    #[serde(default)]
    pub re: Option<RequestId>,
    /// Which room.
    pub room: String,
    /// The number of the version that it applies to, of the epoch of `v`.
    pub from: u64,
    /// The version after it.
    pub v: Version,
    /// Who came.
    #[serde(default)]
    pub joined: Vec<Viewer>,
    /// Who is gone.
    #[serde(default)]
    pub left: Vec<Left>,
    /// Who changed.
    #[serde(default)]
    pub updated: Vec<Viewer>,
    /// How many now.
    pub count: Count,
    /// How the room tells its news now; `live` where it is not said.
    #[serde(default)]
    pub gear: Option<String>,
    /// Who types now, whole; only where the diff answers a join or a sync.
    #[serde(default)]
    pub typing: Option<Vec<Typist>>,
    /// Locks that are held now, whole; as `typing`.
    #[serde(default)]
    pub locks: Option<Vec<Lock>>,
}

/// A user who is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// User id.
    pub id: String,
    /// Why: `left`, `closed`, `lost`, `timeout`, `kicked`, `expired`, `drained` or `node_lost`.
    #[serde(default)]
    pub reason: String,
}

/// How many are in a room, and some of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CountNews {
    /// Which room.
    pub room: String,
    /// As of when.
    pub v: Version,
    /// How the room tells its news.
    #[serde(default)]
    pub gear: String,
    /// How many.
    pub count: Count,
    /// Some of them.
    #[serde(default)]
    pub faces: Vec<User>,
    /// Locks that are held now, whole; only for who just came, or could not be written to for a while.
    #[serde(default)]
    pub locks: Option<Vec<Lock>>,
}

/// A user began or stopped typing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Typing {
    /// Where.
    pub room: String,
    /// Who.
    pub user: User,
    /// Into what; `None` is the room as a whole.
    #[serde(default)]
    pub target: Option<String>,
    /// Began, or stopped.
    pub on: bool,
}

/// A lock of a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// Its name.
    pub name: String,
    /// Who holds it; `None` where it is free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<User>,
    /// In which session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The number of the holder, or of the last one; each holder's is larger than the one before.
    pub fence: u64,
}

/// A lock changed hands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockNews {
    /// Where.
    pub room: String,
    /// Which, and who has it now.
    #[serde(flatten)]
    pub lock: Lock,
}

/// A passing event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Where.
    pub room: String,
    /// Its name.
    pub event: String,
    /// What it carries.
    #[serde(default)]
    pub data: Value,
    /// Who sent it; `None` where the app did.
    #[serde(default)]
    pub from: Option<User>,
}

/// This session is out of a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// Which room.
    pub room: String,
    /// Why.
    #[serde(default)]
    pub reason: String,
    /// How long it may not come back, in milliseconds.
    #[serde(default)]
    pub block_ms: Option<u64>,
}

/// A request was done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// The request that it answers.
    #[serde(default)]
    pub re: Option<RequestId>,
    /// To how many sessions of the node a message was handed.
    #[serde(default)]
    pub sessions: Option<u64>,
    /// Whether this session holds the lock that it asked for.
    #[serde(default)]
    pub held: Option<bool>,
    /// The number of whoever holds that lock.
    #[serde(default)]
    pub fence: Option<u64>,
    /// When a renewed token expires, in milliseconds since the Unix epoch.
    #[serde(default)]
    pub expires_at_ms: Option<u64>,
}

/// A request was refused, or a frame was bad.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Error {
    /// The request that it answers.
    #[serde(default)]
    pub re: Option<RequestId>,
    /// Stable name of what is wrong.
    pub code: String,
    /// The same for people.
    #[serde(default)]
    pub message: String,
    /// What to do about it.
    #[serde(default)]
    pub hint: Option<String>,
    /// Which room it was about.
    #[serde(default)]
    pub room: Option<String>,
    /// When to try again, in milliseconds from now.
    #[serde(default)]
    pub retry_after_ms: Option<u64>,
}

/// Answer to a ping.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pong {
    /// The request that it answers, where the server says so.
    #[serde(default)]
    pub re: Option<RequestId>,
    /// The server's clock, in milliseconds since the Unix epoch.
    pub time_ms: u64,
}

/// The node's view of a room may be old.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stale {
    /// Which room.
    pub room: String,
    /// Since when, in milliseconds since the Unix epoch.
    #[serde(default)]
    pub since_ms: u64,
}

/// The node's view of a room is good again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fresh {
    /// Which room.
    pub room: String,
}

/// The server is about to stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draining {
    /// Connect elsewhere at a random moment within this time, in milliseconds.
    #[serde(default)]
    pub reconnect_within_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::{RequestId, ServerFrame, Version};

    #[test]
    fn a_roster_is_read_with_what_may_be_left_out() {
        let text = r#"{"type":"roster","re":7,"room":"board-1","v":["e",3],"viewers":[
            {"user":{"id":"u1","name":"Ann","color":"teal"},"status":"idle","joined_at_ms":5,"sessions":2,"state":{"x":1}}],
            "count":{"users":1,"sessions":2},"typing":[{"user":{"id":"u1"},"targets":[null,"card-1"]}],"new_field":[]}"#;
        let ServerFrame::Roster(roster) = ServerFrame::parse(text).unwrap() else { panic!("not a roster") };
        assert_eq!(roster.re, Some(RequestId::Number(7)));
        assert_eq!(roster.v, Version { epoch: "e".into(), number: 3 });
        assert_eq!(roster.viewers[0].state.as_ref().unwrap()["x"], 1);
        assert_eq!(roster.typing[0].user.id, "u1");
        assert_eq!(roster.typing[0].targets, [None, Some("card-1".to_owned())]);
    }

    #[test]
    fn an_unknown_type_is_kept_whole() {
        let text = r#"{"type":"sparkles","room":"r","at":[["s",0.5,0.5]]}"#;
        let frame = ServerFrame::parse(text).unwrap();
        assert_eq!(frame.room(), Some("r"));
        let ServerFrame::Other { kind, json } = frame else { panic!("not kept") };
        assert_eq!((kind.as_str(), &json["at"][0][1]), ("sparkles", &serde_json::json!(0.5)));
    }

    #[test]
    fn a_lock_is_read_with_and_without_a_holder() {
        let read = |text: &str| match ServerFrame::parse(text) {
            Ok(ServerFrame::Lock(news)) => (news.lock.holder.map(|user| user.id), news.lock.session, news.lock.fence),
            other => panic!("{other:?}"),
        };
        let held = r#"{"type":"lock","room":"r","name":"n","holder":{"id":"u1"},"session":"s","fence":8}"#;
        assert_eq!(read(held), (Some("u1".to_owned()), Some("s".to_owned()), 8));
        assert_eq!(read(r#"{"type":"lock","room":"r","name":"n","fence":8}"#), (None, None, 8));
    }

    #[test]
    fn a_known_type_without_its_fields_is_an_error() {
        let half_a_cursor = r#"{"type":"cursors","room":"r","at":[["s",0.5]]}"#;
        for text in [half_a_cursor, r#"{"type":"diff","room":"r"}"#, r#"{"type":7}"#, "{}", "[]", "nonsense"] {
            assert!(ServerFrame::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_escaped_type_is_read() {
        assert!(matches!(ServerFrame::parse(r#"{"type":"\u0061ck","re":"a"}"#), Ok(ServerFrame::Ack(_))));
    }
}
