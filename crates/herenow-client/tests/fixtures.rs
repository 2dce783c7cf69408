//! The fixtures of the native dialect: what servers say is read, what clients ask is written just so.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]
use herenow_client::{
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
        assert!(!matches!(parsed, Err(_) | Ok(ServerFrame::Other { .. })), "{}: {parsed:?}", path.display());
        read += 1;
    }
    assert!(read > 10, "only {read} fixtures were found");
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
    let to = Addressing { to: Some("u2".into()), echo: true };
    let requests = [
        ("join", Request::Join { room: "board-1", join: &Join::default() }),
        ("join_everything", Request::Join { room: "board-1", join: &everything }),
        ("leave", Request::Leave { room: "board-1" }),
        ("typing", Request::Typing { room: "board-1", target: None }),
        ("typing_target", Request::Typing { room: "board-1", target: Some("card-3") }),
        ("stop_typing", Request::StopTyping { room: "board-1", target: None }),
        ("stop_typing_target", Request::StopTyping { room: "board-1", target: Some("card-3") }),
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
        assert_eq!(serde_json::from_str::<Value>(&request.to_text(None)).unwrap(), expected, "{name}");
    }
}
