//! Frames of clients in both dialects, and the choice between these.
use herenow_client::frame::ServerFrame;
use herenow_core::{
    command::{Interest, Message, Patch},
    cursors::Point,
    id::{RoomId, Target, UserId},
    profile::Status,
    version::Version,
};
use herenow_wire::{
    board,
    dialect::Dialect,
    native,
    problem::Problem,
    request::{Asked, Request},
};
use serde_json::Value;

/// A frame of the native dialect: what was understood is understood alike when it is written anew, and a refusal is an
/// error frame that clients can read.
pub fn native_frames(data: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(data) else { return false };
    match native::decode(text) {
        Ok(asked) => {
            let anew = native_text(&asked);
            assert_eq!(native::decode(&anew).as_ref(), Ok(&asked), "written anew as {anew}");
            true
        }
        Err(problem) => {
            let told = native::error(&problem);
            match ServerFrame::parse(&told) {
                Ok(ServerFrame::Error(error)) => assert_eq!(error.code, problem.code.as_str()),
                other => panic!("{told} was read as {other:?}"),
            }
            assert_told(&problem, &told);
            false
        }
    }
}

/// A frame of the board dialect; as [`native_frames`].
pub fn board_frames(data: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(data) else { return false };
    match board::decode(text) {
        Ok(asked) => {
            let anew = board_text(&asked);
            assert_eq!(board::decode(&anew).as_ref(), Ok(&asked), "written anew as {anew}");
            true
        }
        Err(problem) => {
            assert_told(&problem, &board::error(&problem));
            false
        }
    }
}

/// A value of `Sec-WebSocket-Protocol`: what is echoed was offered.
pub fn subprotocols(data: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(data) else { return false };
    match Dialect::from_subprotocol(Some(text)) {
        Ok(choice) => {
            let is_offered = |name: &str| text.split(',').any(|offered| offered.trim() == name);
            assert!(choice.echo.is_none_or(is_offered), "{:?} was not offered", choice.echo);
            choice.echo.is_some()
        }
        Err(error) => {
            assert!(!error.to_string().contains(char::is_control), "would forge a line of a log");
            false
        }
    }
}

/// An error frame is one line of JSON, and not much longer than what was wrong.
fn assert_told(problem: &Problem, told: &str) {
    let value: Value = serde_json::from_str(told).unwrap_or_else(|error| panic!("{told} is no JSON: {error}"));
    assert_eq!(value["type"], "error");
    assert_eq!(value["code"], problem.code.as_str());
    assert!(!told.contains(['\n', '\r']), "{told} has several lines");
    assert!(told.len() <= ERROR_BYTES_MAX, "{} bytes answer a bad frame", told.len());
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn room(room: &RoomId) -> String {
    format!(",\"room\":{}", quoted(room.as_str()))
}

fn target(target: Option<&Target>) -> String {
    target.map_or_else(String::new, |target| format!(",\"target\":{}", quoted(target.as_str())))
}

fn since(since: Option<&Version>) -> String {
    since.map_or_else(String::new, |version| {
        format!(",\"since\":[{},{}]", quoted(version.epoch.as_str()), version.number)
    })
}

fn state(patch: &Patch) -> String {
    let members = patch.0.iter().map(|(key, value)| format!("{}:{}", quoted(key), value.as_deref().unwrap_or("null")));
    format!(",\"state\":{{{}}}", members.collect::<Vec<_>>().join(","))
}

fn users(users: &[UserId]) -> String {
    let ids = users.iter().map(|user| quoted(user.as_str()));
    format!(",\"users\":[{}]", ids.collect::<Vec<_>>().join(","))
}

fn point(point: Option<&Point>) -> String {
    let part = |parts: u32| f64::from(parts) / f64::from(Point::WHOLE);
    match point {
        None => ",\"x\":null".to_owned(),
        Some(Point { x, y, on }) => {
            let on = on.as_ref().map_or_else(String::new, |on| format!(",\"on\":{}", quoted(on.as_str())));
            format!(",\"x\":{},\"y\":{}{on}", part(*x), part(*y))
        }
    }
}

fn message(message: &Message) -> String {
    let Message { event, data, to, echo } = message;
    let to = to.as_ref().map_or_else(String::new, |to| format!(",\"to\":{}", quoted(to.as_str())));
    format!(",\"event\":{},\"data\":{data},\"echo\":{echo}{to}", quoted(event))
}

fn interest(interest: Interest) -> &'static str {
    match interest {
        Interest::Auto => "auto",
        Interest::Full => "full",
        Interest::Count => "count",
        Interest::None => "none",
        Interest::Listed => panic!("the native dialect has no such interest"),
    }
}

/// A request as a client would write it.
fn native_text(Asked { re, request }: &Asked) -> String {
    let (kind, fields) = match request {
        Request::Auth { token, resume } => {
            let resume = resume.as_ref().map_or_else(String::new, |resume| format!(",\"resume\":{}", quoted(resume)));
            ("auth", format!(",\"token\":{}{resume}", quoted(token)))
        }
        Request::Join { room: id, interest: how, observe, state: first, since: version, sessions } => {
            let (how, first) = (interest(*how), first.as_ref().map_or_else(String::new, state));
            let flags = format!(",\"interest\":\"{how}\",\"observe\":{observe},\"sessions\":{sessions}");
            ("join", room(id) + &flags + &first + &since(version.as_ref()))
        }
        Request::Leave { room: id } => ("leave", room(id)),
        Request::StartTyping { room: id, target: on } => ("typing", room(id) + &target(on.as_ref())),
        Request::StopTyping { room: id, target: on } => ("stop_typing", room(id) + &target(on.as_ref())),
        Request::Update { room: id, patch } => ("update", room(id) + &state(patch)),
        Request::Point { room: id, point: at } => ("cursor", room(id) + &point(at.as_ref())),
        Request::Lock { room: id, name, wait } => {
            ("lock", room(id) + &format!(",\"name\":{},\"wait\":{wait}", quoted(name.as_str())))
        }
        Request::Unlock { room: id, name } => ("unlock", room(id) + &format!(",\"name\":{}", quoted(name.as_str()))),
        Request::Watch { users: ids } => ("watch", users(ids)),
        Request::Unwatch { users: ids } => ("unwatch", users(ids)),
        Request::SetStatus { status: Status::Active } => ("status", ",\"status\":\"active\"".to_owned()),
        Request::SetStatus { status: Status::Idle } => ("status", ",\"status\":\"idle\"".to_owned()),
        Request::Send { room: id, message: what } => ("message", room(id) + &message(what)),
        Request::Sync { room: id, since: version } => ("sync", room(id) + &since(version.as_ref())),
        Request::Ping => ("ping", String::new()),
    };
    let id = re.as_ref().map_or_else(String::new, |re| format!(",\"id\":{}", re.0));
    format!("{{\"type\":\"{kind}\"{fields}{id}}}")
}

/// As [`native_text`], for the requests that the board dialect has.
fn board_text(Asked { re, request }: &Asked) -> String {
    assert_eq!(*re, None, "requests of the board dialect have no number");
    let (kind, fields) = match request {
        Request::Auth { token, resume: None } => ("auth", format!(",\"token\":{}", quoted(token))),
        Request::Join { room: id, interest: Interest::Listed, .. } => ("join", room(id)),
        Request::Leave { room: id } => ("leave", room(id)),
        Request::StartTyping { room: id, target: on } => ("typing", room(id) + &target(on.as_ref())),
        Request::StopTyping { room: id, target: on } => ("stop_typing", room(id) + &target(on.as_ref())),
        other => panic!("the board dialect does not ask for {other:?}"),
    };
    format!("{{\"type\":\"{kind}\"{fields}}}")
}

/// Room for a room's name of 255 bytes with an escape for each, a shortened value, and fixed words.
const ERROR_BYTES_MAX: usize = 4096;
