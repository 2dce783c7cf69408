//! Whatever a client sends, reading it ends in a request or a problem; whatever a name holds, it arrives.
use crate::people::{BOB_S, bob, bob_viewing, full_room, target};
use herenow_core::{
    command::{Interest, Message},
    cursors::Point,
    event::{Event, LockView, RosterView, Typist, Viewer},
    id::RoomId,
    people::Dot,
    profile::{Profile, Status},
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
use std::{collections::BTreeSet, sync::Arc};

const FIELDS: &[&str] = &[
    "boardId", "data", "echo", "event", "id", "interest", "name", "observe", "on", "resume", "room", "sessions",
    "since", "state", "status", "target", "to", "token", "type", "users", "wait", "x", "y", "other",
];
const TYPES: &[&str] = &[
    "auth",
    "join",
    "leave",
    "typing",
    "stop_typing",
    "update",
    "cursor",
    "lock",
    "unlock",
    "status",
    "message",
    "watch",
    "unwatch",
    "sync",
    "ping",
    "nothing",
];

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
    let likely = prop_oneof![Just("\"board-1\""), Just("0.25"), Just("true"), Just("[\"u1\",\"u1\"]")];
    let fields = vec((select(FIELDS), prop_oneof![json(), likely.prop_map(str::to_owned)]), 0..6);
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
            let passed_on = passed_on(request);
            for frame in passed_on.iter().flat_map(|event| [native::encode(event), board::encode(event)]).flatten() {
                assert!(!frame.contains(['\n', '\r']), "{frame}");
                serde_json::from_str::<Value>(&frame).unwrap();
            }
        }
    }
}

/// What others may hear of a request, without asking whether it is granted.
fn passed_on(request: Request) -> Option<Event> {
    match request {
        Request::Send { room, message } => Some(Event::Message { room, from: None, message: Arc::new(message) }),
        Request::StartTyping { room, target } => Some(Event::Typing { room, profile: bob(), target, on: true }),
        Request::StopTyping { room, target } => Some(Event::Typing { room, profile: bob(), target, on: false }),
        Request::Point { room, point } => Some(Event::Cursors { room, at: vec![(BOB_S, point)] }),
        Request::Lock { room, name, .. } => {
            Some(Event::Lock { room, lock: LockView { name, holder: Some((bob(), BOB_S)), fence: 1 } })
        }
        Request::Unlock { room, name } => Some(Event::Lock { room, lock: LockView { name, holder: None, fence: 1 } }),
        Request::Watch { users } | Request::Unwatch { users } => Some(Event::Statuses(
            users.into_iter().map(|user| Dot { user, status: Some(Status::Idle), last_seen: None }).collect(),
        )),
        Request::Auth { .. }
        | Request::Join { .. }
        | Request::Leave { .. }
        | Request::Update { .. }
        | Request::SetStatus { .. }
        | Request::Sync { .. }
        | Request::Ping => None,
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

    #[test]
    fn a_pointer_arrives_where_it_is_to_five_decimals(x in 0.0..=1.0_f64, y in 0.0..=1.0_f64) {
        let text = format!(r#"{{"type":"cursor","room":"r","x":{x:e},"y":{y}}}"#);
        let Asked { request, .. } = native::decode(&text).unwrap();
        let frame: Value = serde_json::from_str(&native::encode(&passed_on(request).unwrap()).unwrap()).unwrap();
        for (at, sent) in [(1, x), (2, y)] {
            let told = frame["at"][0][at].as_f64().unwrap();
            assert!((0.0..=1.0).contains(&told) && (told - sent).abs() <= 0.500_001 / f64::from(Point::WHOLE), "{frame}");
            assert!(frame["at"][0][at].to_string().len() <= "0.00000".len(), "{frame}");
        }
    }

    #[test]
    fn users_arrive_once_each(ids in vec("[a-c\"\\\\😀]{1,2}", 1..20)) {
        let text = format!(r#"{{"type":"watch","users":{}}}"#, Value::from(ids.clone()));
        let Asked { request, .. } = native::decode(&text).unwrap();
        let frame = native::encode(&passed_on(request).unwrap()).unwrap();
        let told: Value = serde_json::from_str(&frame).unwrap();
        let (told, sent): (BTreeSet<_>, BTreeSet<_>) =
            (told["users"].as_object().unwrap().keys().collect(), ids.iter().collect());
        assert_eq!(frame.matches("\"status\"").count(), sent.len());
        assert_eq!(told, sent);
    }
}
