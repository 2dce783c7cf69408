//! What a passing event may be called and carry, whoever sends it.
use crate::{code::Code, problem::Problem, raw};
use std::sync::Arc;

/// Longest name of an event, in bytes.
pub const EVENT_BYTES_MAX: usize = 64;

/// Takes the name of an event: 1 to [`EVENT_BYTES_MAX`] bytes without control characters, and not one of
/// [`RESERVED_EVENTS`].
///
/// # Errors
/// [`Code::FrameBadField`] or [`Code::MessageReservedEvent`].
pub fn event_name(text: &str) -> Result<Arc<str>, Problem> {
    let bytes = text.len();
    if bytes == 0 || bytes > EVENT_BYTES_MAX {
        let detail = format!("event has {bytes} bytes, 1 to {EVENT_BYTES_MAX} are allowed");
        return Err(Problem::with_detail(Code::FrameBadField, detail));
    }
    if text.chars().any(char::is_control) {
        return Err(Problem::with_detail(Code::FrameBadField, "event holds a control character"));
    }
    if RESERVED_EVENTS.contains(&text) {
        let detail = format!("event is \"{text}\", which is the name of one of the server's frames");
        return Err(Problem::with_detail(Code::MessageReservedEvent, detail));
    }
    Ok(text.into())
}

/// Takes what an event carries: any JSON value that every client can read. Kept as text, on one line.
///
/// # Errors
/// [`Code::FrameBadField`].
pub fn data(json: &str) -> Result<Arc<str>, Problem> {
    match raw::readable(json) {
        Some(text) => Ok(text.as_ref().into()),
        None => Err(Problem::with_detail(
            Code::FrameBadField,
            "data is no JSON, or holds half a surrogate pair or a number out of range",
        )),
    }
}

/// The types of this server's own frames in all dialects, those that are planned included: in the board dialect an
/// event arrives with its name as the type, and must not be taken for one of these.
pub const RESERVED_EVENTS: &[&str] = &[
    "ack",
    "closed",
    "connected",
    "count",
    "cursors",
    "diff",
    "draining",
    "error",
    "fresh",
    "lock",
    "message",
    "ping",
    "pong",
    "presence",
    "removed",
    "roster",
    "sessions",
    "stale",
    "statuses",
    "typing",
    "user_joined",
    "user_left",
    "user_stopped_typing",
    "user_typing",
    "welcome",
];

#[cfg(test)]
mod tests {
    use super::{EVENT_BYTES_MAX, data, event_name};
    use crate::code::Code;

    #[test]
    fn names_have_a_limit() {
        let longest = "e".repeat(EVENT_BYTES_MAX);
        assert_eq!(&*event_name(&longest).unwrap(), longest);
        for name in ["", "a\nb", &format!("{longest}e")] {
            assert_eq!(event_name(name).unwrap_err().code, Code::FrameBadField, "{name:?}");
        }
    }

    #[test]
    fn frames_of_the_server_cannot_be_made_up() {
        for name in ["presence", "roster", "error"] {
            assert_eq!(event_name(name).unwrap_err().code, Code::MessageReservedEvent);
        }
    }

    #[test]
    fn data_is_any_readable_value() {
        for json in ["null", "1", "\"\"", "[]", "{\"a\":null}"] {
            assert_eq!(&*data(json).unwrap(), json);
        }
        assert_eq!(data("{").unwrap_err().code, Code::FrameBadField);
    }
}
