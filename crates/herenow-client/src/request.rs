//! What a client asks in the native dialect, as types.
use crate::{detail::Point, frame::Version};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

/// One frame of the client. Without a number on it, the server answers only what it must.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Request<'a> {
    /// Says who this is (first frame), or renews the token.
    Auth {
        /// A JWT.
        token: &'a str,
        /// The secret of an earlier session's welcome.
        #[serde(skip_serializing_if = "Option::is_none")]
        resume: Option<&'a str>,
    },
    /// To be in a room.
    Join {
        /// Which room.
        room: &'a str,
        /// How.
        #[serde(flatten)]
        join: &'a Join,
    },
    /// To be out of a room.
    Leave {
        /// Which room.
        room: &'a str,
    },
    /// A key was pressed.
    Typing {
        /// Where.
        room: &'a str,
        /// Into what; `None` is the room as a whole.
        #[serde(skip_serializing_if = "Option::is_none")]
        target: Option<&'a str>,
    },
    /// Typing is over.
    StopTyping {
        /// Where.
        room: &'a str,
        /// Into what; `None` is the room as a whole.
        #[serde(skip_serializing_if = "Option::is_none")]
        target: Option<&'a str>,
    },
    /// Changes this session's state in a room.
    Update {
        /// Which room.
        room: &'a str,
        /// A merge patch: a null deletes its key.
        state: &'a Map<String, Value>,
    },
    /// Where this session's pointer is; `None` hides it.
    Cursor {
        /// Which room.
        room: &'a str,
        /// Where.
        #[serde(flatten, serialize_with = "place")]
        at: Option<&'a Point>,
    },
    /// To hold a lock.
    Lock {
        /// Which room.
        room: &'a str,
        /// Which lock.
        name: &'a str,
        /// Get in line where another session holds it.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        wait: bool,
    },
    /// To hold a lock, or wait for it, no more.
    Unlock {
        /// Which room.
        room: &'a str,
        /// Which lock.
        name: &'a str,
    },
    /// To hear whether users are online, and each change of that.
    Watch {
        /// User ids, 1 to 1,000.
        users: &'a [&'a str],
    },
    /// To hear of users no more.
    Unwatch {
        /// User ids, 1 to 1,000.
        users: &'a [&'a str],
    },
    /// A passing event to who is in a room.
    Message {
        /// Which room.
        room: &'a str,
        /// Its name.
        event: &'a str,
        /// What it carries.
        data: &'a Value,
        /// To whom.
        #[serde(flatten)]
        send: &'a Addressing,
    },
    /// The roster again, or what was missed.
    Sync {
        /// Which room.
        room: &'a str,
        /// The version that the client has.
        #[serde(skip_serializing_if = "Option::is_none")]
        since: Option<&'a Version>,
    },
    /// This session is `active` or `idle`.
    Status {
        /// Which.
        status: &'a str,
    },
    /// Asks for the server's clock.
    Ping,
}

impl Request<'_> {
    /// The frame as text, with a number on it if one is given.
    pub fn to_text(&self, id: Option<u64>) -> String {
        serde_json::to_string(&Numbered { request: self, id }).expect("maps with text keys always become JSON")
    }
}

/// Nowhere is an `x` of null.
fn place<S: Serializer>(at: &Option<&Point>, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Nowhere {
        x: (),
    }

    match at {
        Some(point) => point.serialize(serializer),
        None => Nowhere { x: () }.serialize(serializer),
    }
}

#[derive(Serialize)]
struct Numbered<'a> {
    #[serde(flatten)]
    request: &'a Request<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
}

/// How to be in a room. `Default`: as a viewer who hears what the room's gear says.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Join {
    /// `auto`, `full`, `count` or `none`; absent means `auto`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interest: Option<String>,
    /// Hear without being a viewer.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub observe: bool,
    /// First state in the room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<Map<String, Value>>,
    /// The version that the client has already; the answer can then be a diff.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Version>,
    /// Hear about single sessions and pointers too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub sessions: bool,
}

/// Whom a message is for. `Default`: everybody in the room but this session.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Addressing {
    /// Only this user's sessions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Also the session that sends.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub echo: bool,
}

#[cfg(test)]
mod tests {
    use super::{Addressing, Join, Request};
    use crate::frame::Version;
    use serde_json::json;

    fn read(request: &Request<'_>, id: Option<u64>) -> serde_json::Value {
        serde_json::from_str(&request.to_text(id)).unwrap()
    }

    #[test]
    fn what_is_not_asked_for_is_not_sent() {
        let join = Request::Join { room: "r", join: &Join::default() };
        assert_eq!(read(&join, None), json!({"type":"join","room":"r"}));
        assert_eq!(read(&Request::Ping, Some(3)), json!({"type":"ping","id":3}));
        assert_eq!(
            read(&Request::StopTyping { room: "r", target: None }, Some(1)),
            json!({"type":"stop_typing","room":"r","id":1})
        );
    }

    #[test]
    fn everything_that_is_asked_for_is_sent() {
        let state = serde_json::Map::from_iter([("x".to_owned(), json!(1))]);
        let join = Join {
            interest: Some("full".into()),
            observe: true,
            state: Some(state),
            since: Some(Version { epoch: "e".into(), number: 4 }),
            sessions: true,
        };
        assert_eq!(
            read(&Request::Join { room: "r", join: &join }, Some(9)),
            json!({"type":"join","room":"r","interest":"full","observe":true,"state":{"x":1},"since":["e",4],
                "sessions":true,"id":9})
        );
        let send = Addressing { to: Some("u".into()), echo: true };
        assert_eq!(
            read(&Request::Message { room: "r", event: "e", data: &json!([1]), send: &send }, None),
            json!({"type":"message","room":"r","event":"e","data":[1],"to":"u","echo":true})
        );
    }
}
