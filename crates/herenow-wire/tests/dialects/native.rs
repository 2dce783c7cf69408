//! The native dialect, both ways.
use crate::{
    files::{assert_decodes, assert_encodes, frames},
    people::{
        ALICE_S, ALICE_S_TOO, BOB_S, NOBODY, NOON, TWO, alice, alice_in_detail, alice_viewing, bob, bob_in_detail,
        bob_viewing, empty_room, full_room, lock, no_change, profile, re, room, target, typist, user, version,
    },
};
use herenow_core::{
    command::{Interest, Message, Patch, Reason},
    cursors::Point,
    event::{Count, CountView, DiffView, Event, Gear, RosterView, StepView},
    id::{LockName, RequestId, RoomId, SessionId},
    people::Dot,
    profile::{Profile, Status},
    refusal::Refusal,
    time::Time,
};
use herenow_wire::{
    code::Code,
    message::RESERVED_EVENTS,
    native::{self, Welcome, WelcomeLimits},
    problem::Problem,
    request::{Asked, Request},
};
use std::{sync::Arc, time::Duration};

#[test]
fn client_frames_are_read_as_they_are_meant() {
    let mut all = client_frames();
    all.extend(detail_requests());
    assert_decodes("native/client", native::decode, &all);
}

fn client_frames() -> Vec<(&'static str, Result<Asked, Problem>)> {
    let resume = Some("00000000000000ff.secret".to_owned());
    let everything = Request::Join {
        room: room(),
        interest: Interest::Full,
        observe: true,
        state: Some(Patch(vec![("cursor".into(), None), ("editing".into(), Some("\"card-3\"".into()))])),
        since: Some(version(41)),
        sessions: true,
    };
    let patch = Patch(vec![
        ("editing".into(), Some("{\"card\": 3}".into())),
        ("mood".into(), None),
        ("size".into(), Some("1.50".into())),
    ]);
    let moved = Message { to: None, ..message("task_moved", r#"{"task":{"id":"task-5","listId":"list-done"}}"#) };
    let wave = Message { to: Some(user("u2")), echo: true, ..message("wave", "null") };
    let cafe = RoomId::parse("café \"1\"").unwrap();
    let cases = [
        ("auth", None, Request::Auth { token: "a.b.c".into(), resume: None }),
        ("auth_resume", re("1"), Request::Auth { token: "a.b.c".into(), resume }),
        ("join", re("7"), join(Interest::Auto)),
        ("join_everything", re("\"j-1\""), everything),
        ("join_count", None, join(Interest::Count)),
        ("join_none", None, join(Interest::None)),
        ("join_nulls", None, join(Interest::Auto)),
        ("leave", re("8"), Request::Leave { room: room() }),
        ("typing", None, Request::StartTyping { room: room(), target: None }),
        ("typing_target", None, Request::StartTyping { room: room(), target: target("card-3") }),
        ("stop_typing", None, Request::StopTyping { room: room(), target: None }),
        ("stop_typing_target", None, Request::StopTyping { room: room(), target: target("card-3") }),
        ("update", re("9"), Request::Update { room: room(), patch }),
        ("status_idle", None, Request::SetStatus { status: Status::Idle }),
        ("status_active", None, Request::SetStatus { status: Status::Active }),
        ("message", re("10"), Request::Send { room: room(), message: moved }),
        ("message_to", None, Request::Send { room: room(), message: wave }),
        ("sync", re("11"), Request::Sync { room: room(), since: None }),
        ("sync_since", None, Request::Sync { room: room(), since: Some(version(41)) }),
        ("ping", re("12"), Request::Ping),
        ("unknown_fields", None, Request::StartTyping { room: room(), target: None }),
        ("escapes", None, Request::StartTyping { room: cafe, target: target("😀") }),
        ("layout", None, Request::Send { room: room(), message: message("note", "{\"a\":[1,2]}") }),
    ];
    cases.into_iter().map(|(name, re, request)| (name, Ok(Asked { re, request }))).collect()
}

fn detail_requests() -> Vec<(&'static str, Result<Asked, Problem>)> {
    let name = || LockName::parse("card-3").unwrap();
    let sessions = Request::Join {
        room: room(),
        interest: Interest::Auto,
        observe: false,
        state: None,
        since: None,
        sessions: true,
    };
    let cases = [
        ("join_sessions", re("7"), sessions),
        ("cursor", None, point(25_000, 66_667, None)),
        ("cursor_on", None, point(0, Point::WHOLE, Some("card-3"))),
        ("cursor_hidden", re("13"), Request::Point { room: room(), point: None }),
        ("lock", re("14"), Request::Lock { room: room(), name: name(), wait: false }),
        ("lock_wait", re("15"), Request::Lock { room: room(), name: name(), wait: true }),
        ("unlock", re("16"), Request::Unlock { room: room(), name: name() }),
        ("watch", re("17"), Request::Watch { users: ["u1", "u2", "u9"].map(user).into() }),
        ("unwatch", re("18"), Request::Unwatch { users: vec![user("u9")] }),
    ];
    cases.into_iter().map(|(name, re, request)| (name, Ok(Asked { re, request }))).collect()
}

fn point(x: u32, y: u32, on: Option<&str>) -> Request {
    Request::Point { room: room(), point: Some(Point { x, y, on: on.and_then(target) }) }
}

fn join(interest: Interest) -> Request {
    Request::Join { room: room(), interest, observe: false, state: None, since: None, sessions: false }
}

fn message(event: &str, data: &str) -> Message {
    Message { event: event.into(), data: data.into(), to: None, echo: false }
}

#[test]
fn server_frames_are_written_as_they_stand() {
    let mut all = roster_frames();
    all.extend(diff_frames());
    all.extend(other_frames());
    all.extend(detail_frames());
    all.extend(answers());
    assert_encodes("native/server", &all);
}

fn encoded(event: &Event) -> String {
    native::encode(event).unwrap()
}

fn roster_frames() -> Vec<(&'static str, String)> {
    let counted =
        CountView { room: room(), version: version(42), gear: Gear::Live, count: TWO, faces: vec![alice(), bob()] };
    let crowd = CountView {
        version: version(1043),
        gear: Gear::Crowd,
        count: Count { users: 1001, sessions: 1100 },
        faces: vec![alice()],
        ..counted.clone()
    };
    let counted = Arc::new(counted);
    let held = Arc::clone(&full_room().locks);
    let detailed = RosterView {
        gear: Gear::Batched,
        sessions: Some(vec![alice_in_detail(), bob_in_detail()]),
        ..(*full_room()).clone()
    };
    let many = RosterView { gear: Gear::Crowd, ..(*empty_room()).clone() };
    let roster = |re: Option<RequestId>, interest, view: &RosterView| {
        native::roster_head(re.as_ref(), interest) + &native::roster_body(view)
    };
    vec![
        ("roster", roster(re("7"), Interest::Auto, &full_room())),
        ("roster_empty", roster(None, Interest::Full, &empty_room())),
        ("roster_sessions", roster(re("7"), Interest::Auto, &detailed)),
        ("roster_crowd", roster(None, Interest::Full, &many)),
        ("count", encoded(&Event::Count { view: Arc::clone(&counted), locks: None })),
        ("count_locks", encoded(&Event::Count { view: counted, locks: Some(held) })),
        ("count_crowd", encoded(&Event::Count { view: Arc::new(crowd), locks: None })),
    ]
}

fn diff_frames() -> Vec<(&'static str, String)> {
    let reasons = [
        Reason::Left,
        Reason::Closed,
        Reason::Lost,
        Reason::TimedOut,
        Reason::Kicked,
        Reason::Expired,
        Reason::Drained,
    ];
    let all_left = (1..).zip(reasons).map(|(number, reason)| (user(&format!("u{number}")), reason)).collect();
    let mixed = DiffView {
        version: version(45),
        joined: vec![bob_viewing()],
        left: vec![(user("u3"), Reason::Left), (user("u4"), Reason::TimedOut)],
        updated: vec![alice_viewing()],
        ..no_change()
    };
    let joined = DiffView { version: version(43), joined: vec![bob_viewing()], ..no_change() };
    let batched = DiffView { version: version(43), joined: vec![bob_viewing()], gear: Gear::Batched, ..no_change() };
    let reasons = DiffView { version: version(49), left: all_left, count: NOBODY, ..no_change() };
    let missed = DiffView { from: 41, updated: vec![bob_viewing()], ..no_change() };
    let answer = Event::Diff {
        re: re("\"j-1\""),
        view: Arc::new(missed),
        typing: Some([typist(alice(), vec![None])].into()),
        locks: Some([lock("card-3", Some((alice(), ALICE_S)), 7), lock("title", Some((bob(), BOB_S)), 9)].into()),
    };
    let nothing = Event::Diff {
        re: re("11"),
        view: Arc::new(no_change()),
        typing: Some(Arc::default()),
        locks: Some(Arc::default()),
    };
    vec![
        ("diff", encoded(&diff(mixed))),
        ("diff_joined", encoded(&diff(joined))),
        ("diff_batched", encoded(&diff(batched))),
        ("diff_reasons", encoded(&diff(reasons))),
        ("diff_answer", encoded(&answer)),
        ("diff_nothing", encoded(&nothing)),
    ]
}

fn diff(view: DiffView) -> Event {
    Event::Diff { re: None, view: Arc::new(view), typing: None, locks: None }
}

fn other_frames() -> Vec<(&'static str, String)> {
    let typing = |target, on| encoded(&Event::Typing { room: room(), profile: bob(), target, on });
    let passing = |from, message| encoded(&Event::Message { room: room(), from, message: Arc::new(message) });
    let removed = |reason, block| encoded(&Event::Removed { room: room(), reason, block });
    let wild = Event::Typing {
        room: RoomId::parse("a \"room\"").unwrap(),
        profile: profile("u\\1", "\\\" <b> \u{202e}evil\u{2028}\u{2069} 😀 \0\n"),
        target: target("card\u{202e}"),
        on: true,
    };
    vec![
        ("typing", typing(None, true)),
        ("typing_target", typing(target("card-3"), true)),
        ("typing_off", typing(target("card-3"), false)),
        ("names", encoded(&wild)),
        ("message", passing(Some(bob()), message("wave", r#"{"to":["everybody"]}"#))),
        ("message_app", passing(None, message("task_deleted", "null"))),
        ("removed", removed(Reason::Kicked, None)),
        ("removed_block", removed(Reason::Kicked, Some(Duration::from_secs(60)))),
    ]
}

fn detail_frames() -> Vec<(&'static str, String)> {
    let sessions = |id, list| encoded(&Event::Sessions { room: room(), user: user(id), list });
    let cursors = |at| encoded(&Event::Cursors { room: room(), at });
    let changed = |lock| encoded(&Event::Lock { room: room(), lock });
    let point = |x, y, on: Option<&str>| Some(Point { x, y, on: on.and_then(target) });
    let dots = |dots: &[(&str, Option<Status>)]| {
        let dot = |(id, status): &(&str, _)| Dot { user: user(id), status: *status, last_seen: None };
        encoded(&Event::Statuses(dots.iter().map(dot).collect()))
    };
    let seen = Dot { user: user("u2"), status: None, last_seen: Some(Time::from_millis(1_893_456_001_500)) };
    vec![
        ("sessions", sessions("u1", alice_in_detail())),
        ("sessions_none", sessions("u1", Vec::new())),
        ("statuses_last_seen", encoded(&Event::Statuses([seen].into()))),
        ("cursors", cursors(vec![(ALICE_S, point(25_000, 66_667, None)), (BOB_S, point(1, 99_990, Some("card-3")))])),
        ("cursors_hidden", cursors(vec![(ALICE_S, None), (ALICE_S_TOO, point(0, Point::WHOLE, None))])),
        ("lock", changed(lock("card-3", Some((bob(), BOB_S)), 8))),
        ("lock_free", changed(lock("card-3", None, 8))),
        ("statuses", dots(&[("u1", Some(Status::Active)), ("u2", Some(Status::Idle)), ("u\"9", None)])),
        ("statuses_change", dots(&[("u1", None)])),
    ]
}

fn answers() -> Vec<(&'static str, String)> {
    let an_hour_on = Some(NOON + Duration::from_secs(3600));
    let refused = |id, refusal| encoded(&Event::Refused { re: re(id), room: room(), refusal });
    let unwatched = Event::WatchRefused { re: re("17"), refusal: Refusal::TooManyWatched { watched_max: 1000 } };
    let lock = |held| encoded(&Event::LockAnswer { re: RequestId("14".into()), held, fence: 7 });
    let retry_after = Some(Duration::from_millis(1500));
    let retry = Problem { retry_after, ..Problem::new(Code::RateLimited) };
    vec![
        ("welcome", native::welcome(&welcome(&bob(), None))),
        (
            "welcome_resumed",
            native::welcome(&Welcome {
                resume: Some("00000000000000ff.secret"),
                resumed: true,
                ..welcome(&alice(), an_hour_on)
            }),
        ),
        (
            "welcome_send",
            native::welcome(&Welcome {
                resume: Some("00000000000000ff.secret"),
                send: Some("00000000000000ff.other"),
                ping_interval: Duration::from_secs(15),
                ..welcome(&bob(), None)
            }),
        ),
        ("ping", native::ping()),
        ("draining", native::draining(Duration::from_secs(10))),
        ("closed", native::closed(Some(4401), "auth.expired")),
        ("closed_plain", native::closed(None, "")),
        ("ack", encoded(&Event::Ack { re: RequestId("8".into()), sessions: None })),
        ("ack_message", encoded(&Event::Ack { re: RequestId("10".into()), sessions: Some(4) })),
        ("ack_auth", native::renewed(re("1").as_ref(), an_hour_on)),
        ("pong", native::pong(re("12").as_ref(), NOON)),
        ("pong_plain", native::pong(None, NOON)),
        ("ack_lock", lock(true)),
        ("ack_lock_taken", lock(false)),
        ("error", refused("9", Refusal::StateTooLarge { bytes: 5000, bytes_max: 4096 })),
        ("error_blocked", refused("7", Refusal::Blocked { retry_after: Duration::from_secs(60) })),
        ("error_lock", refused("16", Refusal::LockNotHeld)),
        ("error_locks", refused("14", Refusal::TooManyLocks { locks_max: 32 })),
        ("error_watch", encoded(&unwatched)),
        ("error_retry", native::error(&retry)),
    ]
}

fn welcome(profile: &Profile, expires_at: Option<Time>) -> Welcome<'_> {
    Welcome {
        session: SessionId(255),
        resume: None,
        send: None,
        resumed: false,
        profile,
        node: "n1",
        now: NOON,
        ping_interval: Duration::from_secs(20),
        expires_at,
        limits: WelcomeLimits {
            frame_bytes_max: 16_384,
            state_bytes_max: 4096,
            rooms_max: 50,
            typing_lease: Duration::from_secs(6),
        },
    }
}

#[test]
fn a_whole_roster_is_its_two_parts() {
    let event = Event::Roster { re: re("7"), interest: Interest::Auto, is_answer: true, view: full_room() };
    assert_eq!(encoded(&event), frames("native/server")["roster"]);
}

#[test]
fn an_acknowledgement_of_ours_looks_like_the_core_s() {
    assert_eq!(native::ack(&RequestId("8".into())), frames("native/server")["ack"]);
}

#[test]
fn steps_are_not_told() {
    let step =
        StepView { room: room(), version: version(42), profile: bob(), left: None, first: Arc::default(), count: TWO };
    assert_eq!(native::encode(&Event::Step(Arc::new(step))), None);
}

#[test]
fn no_event_can_have_the_type_of_a_frame() {
    for (name, frame) in frames("native/server") {
        let frame: serde_json::Value = serde_json::from_str(&frame).unwrap();
        assert!(RESERVED_EVENTS.contains(&frame["type"].as_str().unwrap()), "{name}");
    }
}
