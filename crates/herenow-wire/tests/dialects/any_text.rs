//! Whatever a client sends, reading it ends in a request or a problem; whatever a name holds, it arrives.
use crate::people::{bob_viewing, full_room, target};
use herenow_core::{
    command::{Interest, Message},
    event::{Event, RosterView, Typist, Viewer},
    id::RoomId,
    profile::Profile,
};
use herenow_wire::{
    board, native,
    problem::Problem,
    request::{Asked, Request},
};
use proptest::{
    collection::{btree_map, vec},
    prelude::{Just, Strategy, any, prop_oneof, proptest},
    sample::select,
};
use serde_json::Value;
use std::sync::Arc;

const FIELDS: &[&str] = &[
    "boardId", "data", "echo", "event", "id", "interest", "observe", "resume", "room", "sessions", "since", "state",
    "status", "target", "to", "token", "type", "other",
];
const TYPES: &[&str] =
    &["auth", "join", "leave", "typing", "stop_typing", "update", "status", "message", "sync", "ping", "nothing"];

/// JSON that may have layout, escapes, halves of surrogate pairs and numbers out of range.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        select(&["null", "true", "false", "0", "-1.5e3", "1e999", r#""\ud800""#, r#""\u0061""#, r#""a b""#, "nul"][..])
            .prop_map(str::to_owned),
        any::<String>().prop_map(|text| Value::from(text).to_string()),
        any::<u64>().prop_map(|number| number.to_string()),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(",\n"))),
            btree_map(any::<String>(), inner, 0..4).prop_map(|members| {
                let members = members.iter().map(|(key, value)| format!("{} :\t{value}", Value::from(key.as_str())));
                format!("{{{}}}", members.collect::<Vec<_>>().join(","))
            }),
        ]
    })
}

/// Objects with fields of ours, right or wrong.
fn frame() -> impl Strategy<Value = String> {
    let kind = prop_oneof![9 => select(TYPES).prop_map(|kind| format!("\"{kind}\"")), 1 => json()];
    let fields = vec((select(FIELDS), prop_oneof![json(), Just("\"board-1\"".to_owned())]), 0..6);
    (kind, fields).prop_map(|(kind, fields)| {
        let fields = fields.iter().map(|(name, value)| format!(",\"{name}\":{value}"));
        format!("{{\"type\":{kind}{}}}", fields.collect::<String>())
    })
}

/// What comes of a text can be answered, and what is passed on can be read by whoever gets it.
fn check(answer: Result<Asked, Problem>) {
    match answer {
        Err(problem) => {
            serde_json::from_str::<Value>(&native::error(&problem)).unwrap();
            serde_json::from_str::<Value>(&board::error(&problem)).unwrap();
        }
        Ok(Asked { re, request }) => {
            if let Some(re) = re {
                serde_json::from_str::<Value>(&native::ack(&re)).unwrap();
            }
            if let Request::Send { room, message } = request {
                let event = Event::Message { room, from: None, message: Arc::new(message) };
                for frame in [native::encode(&event), board::encode(&event)] {
                    let frame = frame.unwrap();
                    assert!(!frame.contains(['\n', '\r']), "{frame}");
                    serde_json::from_str::<Value>(&frame).unwrap();
                }
            }
        }
    }
}

fn named(name: &str) -> RosterView {
    let profile = Arc::new(Profile { name: name.into(), ..(*bob_viewing().profile).clone() });
    let typing = [Typist { profile: profile.clone(), targets: vec![None, target("card-3")] }].into();
    RosterView { viewers: vec![Viewer { profile, ..bob_viewing() }], typing, ..(*full_room()).clone() }
}

proptest! {
    #[test]
    fn any_text_is_a_request_or_a_problem(text in any::<String>()) {
        check(native::decode(&text));
        check(board::decode(&text));
    }

    #[test]
    fn any_json_is_a_request_or_a_problem(text in json()) {
        check(native::decode(&text));
        check(board::decode(&text));
    }

    #[test]
    fn any_frame_is_a_request_or_a_problem(text in frame()) {
        check(native::decode(&text));
        check(board::decode(&text));
    }

    #[test]
    fn a_frame_that_is_cut_is_a_problem(text in frame(), cut in 0.0..1.0_f64) {
        let mut end = (text.len() as f64 * cut) as usize;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        native::decode(&text[..end]).unwrap_err();
        board::decode(&text[..end]).unwrap_err();
    }

    #[test]
    fn any_name_arrives_as_it_is(
        name in "([\"\\\\\u{0}-\u{1f}\u{7f}<>&'/\u{202a}-\u{202e}\u{2028}\u{2029}\u{2066}-\u{2069}\u{feff}😀👩‍👩‍👧é]|.){0,40}",
    ) {
        let view = named(&name);
        let native = native::roster_head(None, Interest::Auto) + &native::roster_body(&view);
        let native: Value = serde_json::from_str(&native).unwrap();
        assert_eq!(native["viewers"][0]["user"]["name"], name);
        assert_eq!(native["typing"][0]["user"]["name"], name);
        let board: Value = serde_json::from_str(&board::presence(&view, None)).unwrap();
        assert_eq!(board["viewers"][0]["name"], name);
        assert_eq!(board["typing"][0]["name"], name);
    }

    #[test]
    fn any_readable_data_arrives_as_it_is(data in json()) {
        let text = format!(r#"{{"type":"message","room":"r","event":"e","data":{data}}}"#);
        let Ok(Asked { request: Request::Send { message, .. }, .. }) = native::decode(&text) else { return Ok(()) };
        let sent: Value = serde_json::from_str(&data).unwrap();
        let Message { data, .. } = &message;
        assert_eq!(serde_json::from_str::<Value>(data).unwrap(), sent);
        let event =
            Event::Message { room: RoomId::parse("r").unwrap(), from: None, message: Arc::new(message.clone()) };
        let frame: Value = serde_json::from_str(&native::encode(&event).unwrap()).unwrap();
        assert_eq!(frame["data"], sent);
    }
}
