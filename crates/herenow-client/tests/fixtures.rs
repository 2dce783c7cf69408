//! The fixtures of the native dialect: what servers say is read, what clients ask is written just so.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]
use herenow_client::{
    detail::{Cursor, Point, Session},
    frame::{ServerFrame, Version},
    request::{Addressing, Join, Request},
};
use serde_json::{Map, Value, json};
use std::{fs, path::PathBuf};

fn folder(side: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/native").join(side)
}

fn frame(path: PathBuf) -> Value {
    let fixture: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    fixture["frame"].clone()
}

#[test]
fn every_server_frame_is_read_as_its_type() {
    let mut read = 0;
    for entry in fs::read_dir(folder("server")).unwrap() {
        let path = entry.unwrap().path();
        let json = frame(path.clone());
        let parsed = ServerFrame::parse(&json.to_string());
        // What is only said without WebSocket, where a close and a ping have no frames of their own.
        if ["closed", "ping"].contains(&json["type"].as_str().unwrap()) {
            assert!(matches!(parsed, Ok(ServerFrame::Other { .. })), "{}: {parsed:?}", path.display());
            continue;
        }
        assert!(!matches!(parsed, Err(_) | Ok(ServerFrame::Other { .. })), "{}: {parsed:?}", path.display());
        read += 1;
    }
    assert!(read > 10, "only {read} fixtures were found");
}

fn read(name: &str) -> ServerFrame {
    ServerFrame::parse(&frame(folder("server").join(format!("{name}.json"))).to_string()).unwrap()
}

#[test]
fn details_are_read_for_what_they_say() {
    let (ServerFrame::Roster(roster), ServerFrame::Sessions(sessions)) = (read("roster_sessions"), read("sessions"))
    else {
        panic!("other frames")
    };
    assert_eq!(roster.viewers[0].session_list.as_ref(), Some(&sessions.list));
    let bare = Session { id: "00000000000000ff".into(), status: "idle".into(), state: None };
    assert_eq!(roster.viewers[1].session_list, Some(vec![bare]));
    let (lock, holder) = (&roster.locks[0], &roster.viewers[0]);
    assert_eq!(lock.holder.as_ref(), Some(&holder.user));
    assert_eq!((lock.name.as_str(), lock.session.as_ref(), lock.fence), ("card-3", Some(&sessions.list[0].id), 7));

    let ServerFrame::Cursors(moved) = read("cursors") else { panic!("other frame") };
    let on = |x, y, on: Option<&str>| Some(Point { x, y, on: on.map(str::to_owned) });
    let cursor = |session: &str, point| Cursor { session: session.to_owned(), point };
    let alice = cursor("0a11ce0000000001", on(0.25, 0.66667, None));
    assert_eq!(moved.at, [alice, cursor("00000000000000ff", on(0.00001, 0.9999, Some("card-3")))]);
    let ServerFrame::Cursors(hidden) = read("cursors_hidden") else { panic!("other frame") };
    assert_eq!(hidden.at[0], cursor("0a11ce0000000001", None));

    let ServerFrame::Statuses(statuses) = read("statuses") else { panic!("other frame") };
    let dots: Vec<_> = statuses.users.iter().map(|(user, dot)| (user.as_str(), dot.status.as_str())).collect();
    assert_eq!(dots, [("u\"9", "offline"), ("u1", "active"), ("u2", "idle")]);
    let ServerFrame::Ack(taken) = read("ack_lock_taken") else { panic!("other frame") };
    assert_eq!((taken.held, taken.fence), (Some(false), Some(7)));
    let ServerFrame::Removed(removed) = read("removed_block") else { panic!("other frame") };
    assert_eq!(removed.block_ms, Some(60_000));
}

#[test]
fn client_frames_are_written_as_the_fixtures_say() {
    let since = Version { epoch: "k3x9".into(), number: 41 };
    let state = Map::from_iter([("cursor".to_owned(), Value::Null), ("editing".to_owned(), json!("card-3"))]);
    let everything = Join {
        interest: Some("full".into()),
        observe: true,
        state: Some(state),
        since: Some(since.clone()),
        sessions: true,
    };
    let sessions = Join { sessions: true, ..Join::default() };
    let corner = Point { x: 0.0, y: 1.0, on: Some("card-3".into()) };
    let to = Addressing { to: Some("u2".into()), echo: true };
    let requests = [
        ("join", Request::Join { room: "board-1", join: &Join::default() }),
        ("join_everything", Request::Join { room: "board-1", join: &everything }),
        ("leave", Request::Leave { room: "board-1" }),
        ("typing", Request::Typing { room: "board-1", target: None }),
        ("typing_target", Request::Typing { room: "board-1", target: Some("card-3") }),
        ("stop_typing", Request::StopTyping { room: "board-1", target: None }),
        ("stop_typing_target", Request::StopTyping { room: "board-1", target: Some("card-3") }),
        ("join_sessions", Request::Join { room: "board-1", join: &sessions }),
        ("cursor_on", Request::Cursor { room: "board-1", at: Some(&corner) }),
        ("cursor_hidden", Request::Cursor { room: "board-1", at: None }),
        ("lock", Request::Lock { room: "board-1", name: "card-3", wait: false }),
        ("lock_wait", Request::Lock { room: "board-1", name: "card-3", wait: true }),
        ("unlock", Request::Unlock { room: "board-1", name: "card-3" }),
        ("watch", Request::Watch { users: &["u2", "u1", "u2", "u9"] }),
        ("unwatch", Request::Unwatch { users: &["u9"] }),
        ("message_to", Request::Message { room: "board-1", event: "wave", data: &Value::Null, send: &to }),
        ("sync", Request::Sync { room: "board-1", since: None }),
        ("sync_since", Request::Sync { room: "board-1", since: Some(&since) }),
        ("status_idle", Request::Status { status: "idle" }),
        ("ping", Request::Ping),
    ];
    for (name, request) in requests {
        let mut expected = frame(folder("client").join(format!("{name}.json")));
        // Which number a client puts on a frame is its own business.
        expected.as_object_mut().unwrap().remove("id");
        if name == "cursor_hidden" {
            // Nothing but `x` counts there.
            expected.as_object_mut().unwrap().remove("y");
        }
        assert_eq!(serde_json::from_str::<Value>(&request.to_text(None)).unwrap(), expected, "{name}");
    }
}

#[test]
fn an_answer_carries_back_whatever_number_was_sent() {
    for id in ["7", "18446744073709551615", "-7", "0.5", "1e-3", "\"seven\""] {
        let text = format!(r#"{{"type":"ack","re":{id}}}"#);
        let frame = ServerFrame::parse(&text).unwrap();
        let re = serde_json::to_value(frame.re().unwrap()).unwrap();
        assert_eq!(re, serde_json::from_str::<Value>(id).unwrap());
    }
}
