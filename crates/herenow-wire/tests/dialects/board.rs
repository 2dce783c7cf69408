//! The board dialect, both ways.
use crate::{
    files::{assert_decodes, assert_encodes, frames},
    people::{
        BOB_S, TWO, alice, alice_viewing, bob, bob_in_detail, bob_viewing, empty_room, full_room, lock, no_change,
        profile, re, room, target, user, version,
    },
};
use herenow_core::{
    command::{Interest, Message, Reason},
    event::{CountView, Event, FIRST_MAX, Gear, RosterView, StepView},
    id::RequestId,
    people::Dot,
    profile::Profile,
    refusal::Refusal,
    version::Version,
};
use herenow_wire::{
    board,
    code::Code,
    message::RESERVED_EVENTS,
    problem::Problem,
    request::{Asked, Request},
};
use serde_json::Value;
use std::{sync::Arc, time::Duration};

#[test]
fn client_frames_are_read_as_they_are_meant() {
    let join = || Request::Join {
        room: room(),
        interest: Interest::Listed,
        observe: false,
        state: None,
        since: None,
        sessions: false,
    };
    let cases = [
        ("auth", Request::Auth { token: "a.b.c".into(), resume: None }),
        ("join", join()),
        ("join_room", join()),
        ("join_both", join()),
        ("leave", Request::Leave { room: room() }),
        ("typing", Request::StartTyping { room: room(), target: None }),
        ("typing_target", Request::StartTyping { room: room(), target: target("card-3") }),
        ("stop_typing", Request::StopTyping { room: room(), target: None }),
        ("stop_typing_target", Request::StopTyping { room: room(), target: target("card-3") }),
        ("unknown_fields", join()),
    ];
    let expected = cases.map(|(name, request)| (name, Ok(Asked { re: None, request })));
    assert_decodes("board/client", board::decode, &expected);
}

#[test]
fn server_frames_are_written_as_they_stand() {
    let mut all = room_frames();
    all.extend(problems());
    assert_encodes("board/server", &all);
}

fn encoded(event: &Event) -> String {
    board::encode(event).unwrap()
}

fn room_frames() -> Vec<(&'static str, String)> {
    let typing = |target, on| encoded(&Event::Typing { room: room(), profile: bob(), target, on });
    let passing = |event: &str, data: &str| {
        let message = Message { event: event.into(), data: data.into(), to: None, echo: false };
        encoded(&Event::Message { room: room(), from: Some(bob()), message: Arc::new(message) })
    };
    vec![
        ("connected", board::connected(&alice())),
        ("presence", board::presence(&full_room(), None)),
        ("presence_own_typing", board::presence(&full_room(), Some(&user("u1")))),
        ("presence_empty", board::presence(&empty_room(), None)),
        ("user_joined", encoded(&step(version(42), bob(), None))),
        ("user_left", encoded(&step(version(43), profile("u3", "Carol"), Some(Reason::Closed)))),
        ("user_typing", typing(None, true)),
        ("user_typing_target", typing(target("card-3"), true)),
        ("user_stopped_typing", typing(target("card-3"), false)),
        ("message", passing("task_moved", r#"{"task":{"id":"task-5","listId":"list-done"}}"#)),
        ("message_own_names", passing("note", r#"{"type":"presence","text":"hi","\u0072oom":"r","boardId":"b"}"#)),
        ("message_plain", passing("tick", "[1,2]")),
        ("removed", encoded(&Event::Removed { room: room(), reason: Reason::Expired, block: None })),
    ]
}

fn step(version: Version, profile: Arc<Profile>, left: Option<Reason>) -> Event {
    let first = [alice_viewing(), bob_viewing()].into();
    Event::Step(Arc::new(StepView { room: room(), version, profile, left, first, count: TWO }))
}

fn problems() -> Vec<(&'static str, String)> {
    let not_json = board::decode("{").unwrap_err();
    let retry_after = Some(Duration::from_millis(1500));
    let blocked = Refusal::Blocked { retry_after: Duration::from_secs(60) };
    vec![
        ("error_json", board::error(&not_json)),
        ("error_blocked", encoded(&Event::Refused { re: None, room: room(), refusal: blocked })),
        ("error_not_joined", encoded(&Event::Refused { re: re("1"), room: room(), refusal: Refusal::NotJoined })),
        ("error_retry", board::error(&Problem { retry_after, ..Problem::new(Code::RateLimited) })),
        ("unauthorized", board::error(&Problem::new(Code::AuthMissing))),
        ("invalid_session", board::error(&Problem::new(Code::AuthInvalid))),
    ]
}

#[test]
fn a_roster_is_told_as_presence() {
    let event = Event::Roster { re: re("7"), interest: Interest::Listed, is_answer: true, view: full_room() };
    assert_eq!(encoded(&event), frames("board/server")["presence"]);
}

#[test]
fn only_those_who_type_need_a_presence_of_their_own() {
    for (id, differs) in [("u0", false), ("u1", true), ("u2", true), ("u3", false)] {
        let (view, id) = (full_room(), user(id));
        assert_eq!(board::presence_differs(&view, &id), differs, "{id}");
        assert_eq!(board::presence(&view, Some(&id)) != board::presence(&view, None), differs, "{id}");
    }
}

#[test]
fn a_list_ends_at_its_limit_and_the_count_does_not() {
    let users = FIRST_MAX + 1;
    let viewers = vec![bob_viewing(); users];
    let count = herenow_core::event::Count { users, sessions: users };
    let view = RosterView { viewers, count, ..(*full_room()).clone() };
    let frame: Value = serde_json::from_str(&board::presence(&view, None)).unwrap();
    assert_eq!(frame["viewers"].as_array().unwrap().len(), FIRST_MAX);
    assert_eq!(frame["count"], users);
}

#[test]
fn how_long_a_removed_one_is_kept_out_is_not_told() {
    let removed = |block| encoded(&Event::Removed { room: room(), reason: Reason::Kicked, block });
    assert_eq!(removed(Some(Duration::from_secs(60))), removed(None));
}

#[test]
fn what_cannot_be_asked_for_is_refused_all_the_same() {
    let refused = Event::WatchRefused { re: re("1"), refusal: Refusal::TooManyWatched { watched_max: 1000 } };
    let frame: Value = serde_json::from_str(&encoded(&refused)).unwrap();
    assert_eq!((&frame["type"], &frame["code"]), (&Value::from("error"), &Value::from("watch.too_many")));
    assert_eq!(frame.get("room"), None);
}

#[test]
fn what_only_other_dialects_know_is_not_told() {
    let counted = CountView { room: room(), version: version(1), gear: Gear::Live, count: TWO, faces: Vec::new() };
    let untold = [
        Event::Diff { re: None, view: Arc::new(no_change()), typing: None, locks: None },
        Event::Count { view: Arc::new(counted), locks: None },
        Event::Sessions { room: room(), user: user("u2"), list: bob_in_detail() },
        Event::Cursors { room: room(), at: vec![(BOB_S, None)] },
        Event::Statuses([Dot { user: user("u2"), status: None, last_seen: None }].into()),
        Event::Lock { room: room(), lock: lock("card-3", None, 7) },
        Event::LockAnswer { re: RequestId("1".into()), held: true, fence: 7 },
        Event::Ack { re: RequestId("1".into()), sessions: None },
    ];
    for event in untold {
        assert_eq!(board::encode(&event), None, "{event:?}");
    }
}

#[test]
fn no_event_can_have_the_type_of_a_frame() {
    for (name, frame) in frames("board/server") {
        let frame: Value = serde_json::from_str(&frame).unwrap();
        let kind = frame["type"].as_str().unwrap();
        assert_eq!(RESERVED_EVENTS.contains(&kind), !name.starts_with("message"), "{name}");
    }
}
