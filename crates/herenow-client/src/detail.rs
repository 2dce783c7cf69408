//! What the server says beside who is in a room: single sessions, their pointers, and who is online at all.
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// One session of a viewer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Its public name.
    pub id: String,
    /// `active` or `idle`.
    #[serde(default)]
    pub status: String,
    /// What it shares; `None` where nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Map<String, Value>>,
}

/// All sessions of one user in a room; the last such frame counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sessions {
    /// Where.
    pub room: String,
    /// User id.
    pub user: String,
    /// In the order of their coming; empty where the user is gone.
    pub list: Vec<Session>,
}

/// A place, as fractions of the width and height of what it is on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// From the left edge, 0 to 1.
    pub x: f64,
    /// From the top edge, 0 to 1.
    pub y: f64,
    /// A thing in the room; `None` is the room as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<String>,
}

/// Where pointers have moved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cursors {
    /// Where.
    pub room: String,
    /// Those that moved, this session's own included; the last place of each counts.
    pub at: Vec<Cursor>,
}

/// Where the pointer of a session is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Value>", into = "Vec<Value>")]
pub struct Cursor {
    /// Public name of the session.
    pub session: String,
    /// Where; `None` where it is hidden.
    pub point: Option<Point>,
}

impl TryFrom<Vec<Value>> for Cursor {
    type Error = &'static str;

    fn try_from(items: Vec<Value>) -> Result<Self, Self::Error> {
        let (session, point) = match items.as_slice() {
            [Value::String(session), Value::Null, ..] => (session, None),
            [Value::String(session), Value::Number(x), Value::Number(y), rest @ ..] => {
                let (Some(x), Some(y)) = (x.as_f64(), y.as_f64()) else { return Err(NO_CURSOR) };
                (session, Some(Point { x, y, on: rest.first().and_then(Value::as_str).map(str::to_owned) }))
            }
            _ => return Err(NO_CURSOR),
        };
        Ok(Self { session: session.clone(), point })
    }
}

impl From<Cursor> for Vec<Value> {
    fn from(cursor: Cursor) -> Self {
        match cursor.point {
            None => vec![json!(cursor.session), Value::Null],
            Some(Point { x, y, on: None }) => vec![json!(cursor.session), json!(x), json!(y)],
            Some(Point { x, y, on: Some(on) }) => vec![json!(cursor.session), json!(x), json!(y), json!(on)],
        }
    }
}

/// Whether users who are watched are online.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statuses {
    /// By user id: all that a `watch` named, or those that changed.
    pub users: BTreeMap<String, Dot>,
}

/// Whether a user is online, in whatever room or none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dot {
    /// `active`, `idle` or `offline`.
    pub status: String,
    /// When the last connection of a user ended who is offline; only where the server tells that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen_ms: Option<u64>,
}

const NO_CURSOR: &str = "a cursor is a session, and null or two numbers";

#[cfg(test)]
mod tests {
    use super::{Cursor, Point};

    #[test]
    fn a_cursor_comes_and_goes_as_a_list() {
        let hidden = Cursor { session: "s".into(), point: None };
        let at = |on: Option<&str>| Cursor {
            session: "s".into(),
            point: Some(Point { x: 0.25, y: 1.0, on: on.map(str::to_owned) }),
        };
        for (text, cursor) in [
            (r#"["s",null]"#, hidden),
            (r#"["s",0.25,1.0]"#, at(None)),
            (r#"["s",0.25,1.0,"card-3"]"#, at(Some("card-3"))),
        ] {
            assert_eq!(serde_json::from_str::<Cursor>(text).unwrap(), cursor, "{text}");
            assert_eq!(serde_json::to_string(&cursor).unwrap(), text);
        }
        assert_eq!(serde_json::from_str::<Cursor>(r#"["s",0.25,1]"#).unwrap(), at(None), "whole numbers too");
    }

    #[test]
    fn half_a_place_is_none() {
        for text in ["[]", r#"["s"]"#, r#"["s",0.5]"#, r#"["s",0.5,null]"#, r#"[1,0.5,0.5]"#, r#"["s","a",0.5]"#] {
            assert!(serde_json::from_str::<Cursor>(text).is_err(), "{text}");
        }
    }
}
