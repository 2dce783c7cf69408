//! The native dialect: welcome, rosters and diffs, answers, renewal, state, messages.
use crate::common::{Claims, LIMIT, Peer, TestServer, now_unix_s, token, until_marker};
use herenow::auth::rights::Rights;
use herenow_client::{
    client::{Client, Events, Synced},
    error::{Ended, RequestError},
    frame::{Ack, Diff, Roster, ServerFrame, Version, Viewer},
    request::{Addressing, Join, Request},
};
use serde_json::{Map, Value, json};
use std::time::Duration;

const ROOM: &str = "board-1";

/// Alice and Bob in a room, each with what they will hear from here on.
async fn alice_and_bob() -> (TestServer, (Client, Events), (Client, Events)) {
    let server = TestServer::start(|config| config.server.shards = Some(2)).await;
    let mut alice = server.native("alice").await;
    alice.0.join(ROOM).await.unwrap();
    let mut bob = server.native("bob").await;
    bob.0.join(ROOM).await.unwrap();
    server.mark(ROOM, 0).await;
    until_marker(&mut alice.1, 0).await;
    until_marker(&mut bob.1, 0).await;
    (server, alice, bob)
}

fn refused(result: Result<impl std::fmt::Debug, RequestError>) -> String {
    match result {
        Err(RequestError::Refused(error)) => error.code,
        other => panic!("not refused: {other:?}"),
    }
}

fn roster(synced: Synced) -> Roster {
    match synced {
        Synced::Roster(roster) => roster,
        Synced::Diff(diff) => panic!("no roster: {diff:?}"),
        Synced::Acked(ack) => panic!("no roster: {ack:?}"),
    }
}

fn diff(frame: &ServerFrame) -> &Diff {
    match frame {
        ServerFrame::Diff(diff) => diff,
        other => panic!("no diff: {other:?}"),
    }
}

/// The diff that is the only thing heard before the marker.
async fn only_diff(server: &TestServer, events: &mut Events, n: u64) -> Diff {
    server.mark(ROOM, n).await;
    let heard = until_marker(events, n).await;
    assert_eq!(heard.len(), 1, "{heard:?}");
    diff(&heard[0]).clone()
}

fn ids(viewers: &[Viewer]) -> Vec<&str> {
    viewers.iter().map(|viewer| viewer.user.id.as_str()).collect()
}

fn map(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn the_welcome_says_who_where_and_what_is_allowed() {
    let server = TestServer::start(|_| {}).await;
    let opening = herenow_client::raw::connect(&server.bearing(&token("alice"))).protocol("herenow.v1").open().await;
    let welcome = Peer(opening.unwrap()).hear().await;
    let expected = [
        "expires_at_ms",
        "limits",
        "node",
        "ping_interval_ms",
        "resume",
        "resumed",
        "session",
        "time_ms",
        "type",
        "user",
    ];
    assert_eq!(keys(&welcome), expected);
    assert_eq!(welcome["resumed"], false);
    assert_eq!(welcome["ping_interval_ms"], 20_000);
    assert_eq!((&welcome["user"]["id"], &welcome["user"]["name"]), (&json!("alice"), &json!("Alice")));
    assert_eq!(keys(&welcome["user"]), ["color", "id", "name"]);
    let limits = json!({"frame_bytes_max":16384,"state_bytes_max":4096,"rooms_max":50,"typing_lease_ms":6000});
    assert_eq!(welcome["limits"], limits);
    let left_ms = welcome["expires_at_ms"].as_u64().unwrap() - welcome["time_ms"].as_u64().unwrap();
    assert!((3_500_000..=3_600_000).contains(&left_ms), "{left_ms}");
    let (other, _) = server.native("alice").await;
    assert_ne!(json!(other.welcome().session), welcome["session"]);
}

#[tokio::test]
async fn frames_have_the_fields_that_are_promised_and_no_others() {
    let server = TestServer::start(|_| {}).await;
    let mut alice = server.native_raw("alice").await;
    let mut bob = server.native_raw("bob").await;
    alice.say(json!({"type":"join","room":ROOM,"id":"j1","state":{"x":1},"unknown":[1]})).await;
    let roster = alice.hear().await;
    let expected = ["count", "gear", "interest", "locks", "re", "room", "type", "typing", "v", "viewers"];
    assert_eq!((keys(&roster), &roster["re"]), (expected.to_vec(), &json!("j1")));
    assert_eq!(roster["count"], json!({"users":1,"sessions":1}));
    let viewer = &roster["viewers"][0];
    assert_eq!(keys(viewer), ["joined_at_ms", "sessions", "state", "status", "user"]);
    assert_eq!((&viewer["state"], &viewer["status"]), (&json!({"x":1}), &json!("active")));
    bob.say(json!({"type":"join","room":ROOM,"id":7})).await;
    assert_eq!(bob.hear().await["re"], 7);
    let diff = alice.hear().await;
    assert_eq!(keys(&diff), ["count", "from", "joined", "room", "type", "v"]);
    assert_eq!((&diff["from"], &diff["v"][0]), (&roster["v"][1], &roster["v"][0]));
    assert_eq!(diff["v"][1].as_u64().unwrap(), diff["from"].as_u64().unwrap() + 1);
    bob.say(json!({"type":"typing","room":ROOM,"target":"card-1"})).await;
    let typing = alice.hear().await;
    assert_eq!(keys(&typing), ["on", "room", "target", "type", "user"]);
    bob.say(json!({"type":"message","room":ROOM,"event":"hello","data":{"a":[null]}})).await;
    let stopped = alice.hear().await;
    assert_eq!((&stopped["type"], &stopped["on"]), (&json!("typing"), &json!(false)), "a message ends typing");
    let message = alice.hear().await;
    assert_eq!(keys(&message), ["data", "event", "from", "room", "type"]);
    assert_eq!((&message["data"], &message["from"]["id"]), (&json!({"a":[null]}), &json!("bob")));
    bob.say(json!({"type":"leave","room":ROOM,"id":8})).await;
    assert_eq!(bob.hear().await, json!({"type":"ack","re":8}));
    assert_eq!(alice.hear().await["left"], json!([{"id":"bob","reason":"left"}]));
}

#[tokio::test]
async fn each_request_with_an_id_is_answered_with_it() {
    let (_server, (alice, _), _bob) = alice_and_bob().await;
    assert!(alice.ping().await.unwrap().time_ms > 0);
    for ack in [
        alice.typing(ROOM, None).await,
        alice.stop_typing(ROOM, None).await,
        alice.update(ROOM, &map(json!({"a":1}))).await,
        alice.leave(ROOM).await,
    ] {
        let Ack { re, sessions, expires_at_ms, held: _, fence: _ } = ack.unwrap();
        assert!(re.is_some() && sessions.is_none() && expires_at_ms.is_none());
    }
    assert!(matches!(alice.request(&Request::Status { status: "idle" }).await, Ok(ServerFrame::Ack(_))));
    assert_eq!(refused(alice.leave(ROOM).await), "room.not_joined");
    assert_eq!(refused(alice.sync(ROOM, None).await), "room.not_joined");
    let renewal = Request::Auth { token: &token("alice"), resume: None };
    assert!(matches!(alice.request(&renewal).await, Ok(ServerFrame::Ack(ack)) if ack.expires_at_ms.is_some()));
}

#[tokio::test]
async fn t_53_what_was_missed_comes_as_one_diff_and_of_another_epoch_as_a_roster() {
    let (server, (alice, mut events), (bob, _)) = alice_and_bob().await;
    let before = roster(alice.sync(ROOM, None).await.unwrap()).v;
    bob.leave(ROOM).await.unwrap();
    let (carol, _carol_events) = server.native("carol").await;
    carol.join_as(ROOM, &Join { state: Some(map(json!({"x":1}))), ..Join::default() }).await.unwrap();
    carol.typing(ROOM, Some("title")).await.unwrap();
    let Synced::Diff(missed) = alice.sync(ROOM, Some(&before)).await.unwrap() else { panic!("no diff") };
    assert_eq!((missed.from, ids(&missed.joined), missed.left.len()), (before.number, vec!["carol"], 1));
    assert_eq!(missed.typing.as_ref().unwrap()[0].targets, [Some("title".to_owned())]);
    assert!(missed.v.number > before.number && missed.count.users == 2);
    let old = Version { epoch: "older".to_owned(), ..missed.v.clone() };
    assert_eq!(ids(&roster(alice.sync(ROOM, Some(&old)).await.unwrap()).viewers), ["alice", "carol"]);
    let future = Version { number: missed.v.number + 100, ..missed.v };
    assert_eq!(roster(alice.sync(ROOM, Some(&future)).await.unwrap()).count.users, 2);
    server.mark(ROOM, 1).await;
    until_marker(&mut events, 1).await;
    assert!(matches!(alice.join_as(ROOM, &Join { since: Some(before), ..Join::default() }).await, Ok(Synced::Diff(_))));
    server.mark(ROOM, 2).await;
    assert_eq!(until_marker(&mut events, 2).await.len(), 1, "joining again is no news but its answer");
}

#[tokio::test]
async fn a_renewed_token_with_another_name_is_an_update() {
    let (server, (_alice, mut events), (bob, _)) = alice_and_bob().await;
    let renamed = Claims { name: "Robert".to_owned(), ..Claims::of("bob") }.sign("bob");
    bob.request(&Request::Auth { token: &renamed, resume: None }).await.unwrap();
    let told = only_diff(&server, &mut events, 1).await;
    assert!(told.joined.is_empty() && told.left.is_empty());
    assert_eq!((told.updated[0].user.id.as_str(), told.updated[0].user.name.as_str()), ("bob", "Robert"));
}

#[tokio::test]
async fn a_renewal_that_lacks_a_room_removes_from_it_and_from_no_other() {
    let (server, (_alice, mut events), (bob, mut bob_events)) = alice_and_bob().await;
    bob.join("lobby").await.unwrap();
    let fewer = Claims { rooms: vec![("lobby", Rights::DEFAULT)], ..Claims::of("bob") }.sign("bob");
    bob.request(&Request::Auth { token: &fewer, resume: None }).await.unwrap();
    let told = only_diff(&server, &mut events, 1).await;
    assert_eq!((told.left[0].id.as_str(), told.left[0].reason.as_str()), ("bob", "kicked"));
    assert_eq!(refused(bob.join(ROOM).await), "room.forbidden");
    server.mark("lobby", 2).await;
    let heard = until_marker(&mut bob_events, 2).await;
    let removed = |frame: &&ServerFrame| matches!(frame, ServerFrame::Removed(removed) if removed.room == ROOM);
    assert_eq!(heard.iter().filter(removed).count(), 1, "{heard:?}");
    assert_eq!(roster(bob.join("lobby").await.unwrap()).count.users, 1);
}

#[tokio::test]
async fn a_renewal_that_ends_sooner_ends_the_connection_sooner() {
    let (server, (_alice, mut events), (bob, mut bob_events)) = alice_and_bob().await;
    // It ended 4 s ago; 5 s of difference between clocks are allowed for.
    let claims = Claims { now_unix_s: now_unix_s() - 14, ttl: Duration::from_secs(10), ..Claims::of("bob") };
    bob.request(&Request::Auth { token: &claims.sign("bob"), resume: None }).await.unwrap();
    let told = events.next_within(Duration::from_secs(4)).await.unwrap().expect("bob has to leave");
    assert_eq!((diff(&told).left[0].id.as_str(), diff(&told).left[0].reason.as_str()), ("bob", "expired"));
    assert!(matches!(bob_events.next().await, Ok(ServerFrame::Error(error)) if error.code == "auth.expired"));
    assert!(matches!(bob_events.next().await, Err(Ended::Closed { code: Some(4401), .. })));
    server.mark(ROOM, 1).await;
    assert_eq!(until_marker(&mut events, 1).await, []);
}

#[tokio::test]
async fn who_may_only_observe_after_a_renewal_is_no_viewer_any_more() {
    let (server, (_alice, mut events), (bob, mut bob_events)) = alice_and_bob().await;
    let (eye, mut seen) = server.native("eye").await;
    eye.join_as(ROOM, &Join { observe: true, ..Join::default() }).await.unwrap();
    for (user, client) in [("bob", &bob), ("eye", &eye)] {
        let looking = Claims { rooms: vec![("*", Rights::OBSERVE)], ..Claims::of(user) }.sign(user);
        client.request(&Request::Auth { token: &looking, resume: None }).await.unwrap();
    }
    let is_removed = |frame: &ServerFrame| matches!(frame, ServerFrame::Removed(_));
    let mut heard = vec![bob_events.next_within(LIMIT).await.unwrap().unwrap()];
    while !heard.last().is_some_and(is_removed) {
        heard.push(bob_events.next_within(LIMIT).await.unwrap().expect("removed has to come"));
    }
    assert_eq!(only_diff(&server, &mut events, 1).await.left[0].id, "bob");
    assert!(!until_marker(&mut seen, 1).await.iter().any(is_removed), "who observed may go on");
}

#[tokio::test]
async fn a_renewal_with_a_bad_or_foreign_token_changes_nothing() {
    let (_server, (alice, _), _bob) = alice_and_bob().await;
    for (token, code) in [
        (token("bob"), "auth.user_changed"),
        ("nonsense".to_owned(), "auth.invalid"),
        (Claims { now_unix_s: 1, ..Claims::of("alice") }.sign("alice"), "auth.expired"),
    ] {
        assert_eq!(refused(alice.request(&Request::Auth { token: &token, resume: None }).await), code);
        assert_eq!(roster(alice.sync(ROOM, None).await.unwrap()).count.users, 2);
    }
}

#[tokio::test]
async fn a_message_goes_to_whom_it_names_and_the_ack_counts_them() {
    let (server, (alice, mut alice_events), (_bob, mut bob_events)) = alice_and_bob().await;
    let (second, mut second_events) = server.native("bob").await;
    second.join(ROOM).await.unwrap();
    let data = json!("x");
    let mut counted = Vec::new();
    for (to, echo) in
        [(None, false), (None, true), (Some("bob"), false), (Some("alice"), true), (Some("nobody"), false)]
    {
        let send = &Addressing { to: to.map(str::to_owned), echo };
        let ServerFrame::Ack(ack) =
            alice.request(&Request::Message { room: ROOM, event: "hello", data: &data, send }).await.unwrap()
        else {
            panic!("no ack")
        };
        counted.push(ack.sessions.unwrap());
    }
    assert_eq!(counted, [2, 3, 2, 1, 0]);
    server.mark(ROOM, 1).await;
    for (events, expected) in [(&mut alice_events, 2), (&mut bob_events, 3), (&mut second_events, 3)] {
        let heard = until_marker(events, 1).await;
        let hello = |frame: &&ServerFrame| matches!(frame, ServerFrame::Message(message) if message.event == "hello");
        assert_eq!(heard.iter().filter(hello).count(), expected, "{heard:?}");
    }
}

#[tokio::test]
async fn t_23_a_user_is_idle_once_all_sessions_are() {
    let (server, (_alice, mut events), (bob, _)) = alice_and_bob().await;
    let (second, _second_events) = server.native("bob").await;
    second.join(ROOM).await.unwrap();
    bob.request(&Request::Status { status: "idle" }).await.unwrap();
    // The ack says that the server knows; the barrier that the room does.
    roster(bob.sync(ROOM, None).await.unwrap());
    server.mark(ROOM, 1).await;
    assert_eq!(until_marker(&mut events, 1).await, []);
    second.request(&Request::Status { status: "idle" }).await.unwrap();
    roster(second.sync(ROOM, None).await.unwrap());
    assert_eq!(only_diff(&server, &mut events, 2).await.updated[0].status, "idle");
    bob.request(&Request::Status { status: "active" }).await.unwrap();
    roster(bob.sync(ROOM, None).await.unwrap());
    assert_eq!(only_diff(&server, &mut events, 3).await.updated[0].status, "active");
    assert_eq!(refused(bob.request(&Request::Status { status: "away" }).await), "frame.bad_field");
}

#[tokio::test]
async fn an_idle_session_is_idle_in_each_room_that_it_joins() {
    let server = TestServer::start(|config| config.server.shards = Some(7)).await;
    let (bob, _events) = server.native("bob").await;
    bob.request(&Request::Status { status: "idle" }).await.unwrap();
    for n in 0..20 {
        let seen = roster(bob.join(&format!("room-{n}")).await.unwrap());
        assert_eq!(seen.viewers[0].status, "idle", "room-{n}");
    }
    bob.request(&Request::Status { status: "active" }).await.unwrap();
    for n in 10..30 {
        let seen = roster(bob.join(&format!("room-{n}")).await.unwrap());
        assert_eq!(seen.viewers[0].status, "active", "room-{n}");
    }
}

#[tokio::test]
async fn t_47_a_state_is_merged_over_keys_and_sessions() {
    let (server, (_alice, mut events), (bob, _)) = alice_and_bob().await;
    bob.update(ROOM, &map(json!({"tool":"pen","at":{"x":1}}))).await.unwrap();
    let told = only_diff(&server, &mut events, 1).await;
    assert_eq!(json!(told.updated[0].state), json!({"tool":"pen","at":{"x":1}}));
    bob.update(ROOM, &map(json!({"tool":null,"at":{"y":2}}))).await.unwrap();
    let told = only_diff(&server, &mut events, 2).await;
    assert_eq!(json!(told.updated[0].state), json!({"at":{"y":2}}), "keys are merged, not what is in them");
    let (second, _second_events) = server.native("bob").await;
    second.join_as(ROOM, &Join { state: Some(map(json!({"at":3,"color":"red"}))), ..Join::default() }).await.unwrap();
    let told = only_diff(&server, &mut events, 3).await;
    assert_eq!(json!(told.updated[0].state), json!({"at":3,"color":"red"}));
    second.leave(ROOM).await.unwrap();
    let told = only_diff(&server, &mut events, 4).await;
    assert_eq!(json!(told.updated[0].state), json!({"at":{"y":2}}));
    bob.update(ROOM, &map(json!({"at":{"y":2}}))).await.unwrap();
    server.mark(ROOM, 5).await;
    assert_eq!(until_marker(&mut events, 5).await, [], "the same again is no news");
}

#[tokio::test]
async fn who_observes_hears_and_is_in_no_roster() {
    let (server, (_alice, mut events), (bob, _)) = alice_and_bob().await;
    let (eye, mut seen) = server.native("eye").await;
    let join = Join { observe: true, ..Join::default() };
    let first = roster(eye.join_as(ROOM, &join).await.unwrap());
    assert_eq!((ids(&first.viewers), first.count.users), (vec!["alice", "bob"], 2));
    assert_eq!(refused(eye.typing(ROOM, None).await), "room.observing");
    assert_eq!(refused(eye.update(ROOM, &map(json!({"a":1}))).await), "room.observing");
    assert_eq!(refused(eye.message(ROOM, "hello", &json!(1)).await), "room.observing");
    bob.leave(ROOM).await.unwrap();
    server.mark(ROOM, 1).await;
    assert_eq!(diff(&until_marker(&mut seen, 1).await[1]).left[0].id, "bob");
    assert_eq!(diff(&until_marker(&mut events, 1).await[0]).left[0].id, "bob");
    eye.close(Some(1000)).await;
    let (unseen, _) = server.native("unseen").await;
    let plain = Claims { rooms: vec![("*", Rights::JOIN)], ..Claims::of("unseen") }.sign("unseen");
    unseen.request(&Request::Auth { token: &plain, resume: None }).await.unwrap();
    assert!(unseen.join_as(ROOM, &join).await.is_ok(), "whoever may join may look");
    assert_eq!(refused(unseen.typing(ROOM, None).await), "room.forbidden");
    server.mark(ROOM, 2).await;
    assert_eq!(until_marker(&mut events, 2).await, []);
}

#[tokio::test]
async fn a_viewer_may_turn_observer_and_back_and_a_counter_listener() {
    let (server, (_alice, mut events), (bob, mut bob_events)) = alice_and_bob().await;
    let observing = Join { observe: true, ..Join::default() };
    assert_eq!(ids(&roster(bob.join_as(ROOM, &observing).await.unwrap()).viewers), ["alice"]);
    assert_eq!(only_diff(&server, &mut events, 1).await.left[0].reason, "left");
    assert_eq!(ids(&roster(bob.join(ROOM).await.unwrap()).viewers), ["alice", "bob"]);
    assert_eq!(ids(&only_diff(&server, &mut events, 2).await.joined), ["bob"]);
    bob.join_as(ROOM, &Join { interest: Some("count".into()), ..Join::default() }).await.unwrap();
    bob.join(ROOM).await.unwrap();
    let (carol, _carol_events) = server.native("carol").await;
    carol.join(ROOM).await.unwrap();
    server.mark(ROOM, 3).await;
    let heard = until_marker(&mut bob_events, 3).await;
    assert_eq!(ids(&diff(heard.last().unwrap()).joined), ["carol"], "{heard:?}");
    let answers = |frame: &&ServerFrame| {
        matches!(frame, ServerFrame::Roster(_) | ServerFrame::Message(_) | ServerFrame::Count(_))
    };
    let others = heard.iter().filter(|frame| !answers(frame));
    assert_eq!(others.count(), 1, "nobody hears of themselves: {heard:?}");
}

#[tokio::test]
async fn a_client_may_ask_for_counts_or_for_messages_only() {
    let (server, _alice, (bob, _)) = alice_and_bob().await;
    let ask = |interest: &str| json!({"type":"join","room":ROOM,"interest":interest,"id":1});
    let mut counting = server.native_raw("counting").await;
    counting.say(ask("count")).await;
    assert_eq!(counting.hear().await["type"], "ack");
    assert_eq!(counting.hear().await["count"]["users"], 3);
    let mut silent = server.native_raw("silent").await;
    silent.say(ask("none")).await;
    assert_eq!(silent.hear().await["type"], "ack");
    assert_eq!(counting.hear().await["count"]["users"], 4);
    bob.typing(ROOM, None).await.unwrap();
    bob.leave(ROOM).await.unwrap();
    server.mark(ROOM, 1).await;
    let told = counting.hear().await;
    assert_eq!((&told["type"], &told["count"]["users"]), (&json!("count"), &json!(3)));
    for peer in [&mut counting, &mut silent] {
        let told = peer.hear().await;
        assert_eq!((&told["type"], &told["event"]), (&json!("message"), &json!("marker")), "nothing else came");
    }
}

#[tokio::test]
async fn t_56_joining_again_is_answered_and_no_news() {
    let (server, (_alice, mut events), (bob, _)) = alice_and_bob().await;
    for _ in 0..3 {
        assert_eq!(roster(bob.join(ROOM).await.unwrap()).count.sessions, 2);
    }
    server.mark(ROOM, 1).await;
    assert_eq!(until_marker(&mut events, 1).await, []);
}

#[tokio::test]
async fn t_55_a_room_that_was_empty_goes_on_with_higher_versions() {
    let server = TestServer::start(|config| config.server.shards = Some(1)).await;
    let (alice, mut events) = server.native("alice").await;
    let mut last = 0;
    for _ in 0..5 {
        let version = roster(alice.join(ROOM).await.unwrap()).v;
        assert!(version.number > last, "{version} after {last}");
        last = version.number;
        alice.leave(ROOM).await.unwrap();
        assert!(events.next_within(LIMIT).await.unwrap().is_some());
    }
    assert_eq!(server.presence.measure().await.rooms, 0);
}

#[tokio::test]
async fn t_83_typing_is_over_before_the_message_comes() {
    let (server, (_alice, mut events), (bob, _)) = alice_and_bob().await;
    bob.typing(ROOM, None).await.unwrap();
    bob.typing(ROOM, Some("title")).await.unwrap();
    bob.message(ROOM, "sent", &json!("hi")).await.unwrap();
    bob.stop_typing(ROOM, None).await.unwrap();
    server.mark(ROOM, 1).await;
    let heard: Vec<(bool, Option<String>)> = until_marker(&mut events, 1)
        .await
        .into_iter()
        .map(|frame| match frame {
            ServerFrame::Typing(typing) => (typing.on, typing.target),
            ServerFrame::Message(message) => (message.event == "sent", Some("the message".to_owned())),
            other => panic!("{other:?}"),
        })
        .collect();
    let title = Some("title".to_owned());
    let message = Some("the message".to_owned());
    assert_eq!(heard, [(true, None), (true, title.clone()), (false, None), (false, title), (true, message)]);
}

#[tokio::test]
async fn t_77_many_keystrokes_and_updates_are_merged_and_nobody_is_put_out() {
    let (_server, (_alice, mut events), (bob, _)) = alice_and_bob().await;
    for n in 0..500 {
        bob.send_raw(&json!({"type":"typing","room":ROOM}).to_string()).await.unwrap();
        bob.send_raw(&json!({"type":"update","room":ROOM,"state":{"n":n}}).to_string()).await.unwrap();
    }
    // The newest value comes, once it may; those between are not told.
    let (mut diffs, mut typing) = (0, 0);
    loop {
        match events.next_within(LIMIT).await.unwrap() {
            Some(ServerFrame::Diff(diff)) => {
                diffs += 1;
                if diff.updated[0].state.as_ref().unwrap()["n"] == 499 {
                    break;
                }
            }
            Some(ServerFrame::Typing(_)) => typing += 1,
            other => panic!("neither a change nor typing: {other:?}"),
        }
    }
    assert_eq!(typing, 1);
    assert!(diffs <= 25, "{diffs} of 500 changes were told");
    assert_eq!(roster(bob.sync(ROOM, None).await.unwrap()).viewers[1].state.as_ref().unwrap()["n"], 499);
}

#[tokio::test]
async fn t_05_each_start_has_an_epoch_of_its_own() {
    let mut epochs = Vec::new();
    for _ in 0..2 {
        let server = TestServer::start(|_| {}).await;
        let (alice, _events) = server.native("alice").await;
        epochs.push(roster(alice.join(ROOM).await.unwrap()).v.epoch);
        server.stop().await;
    }
    assert_ne!(epochs[0], epochs[1]);
}

#[tokio::test]
async fn t_94_who_one_is_comes_from_the_token_only() {
    let server = TestServer::start(|_| {}).await;
    let mut alice = server.native_raw("alice").await;
    let forged = json!({"type":"join","room":ROOM,"user":{"id":"ceo","name":"ADMIN"},"userId":"ceo","name":"ADMIN"});
    alice.say(forged).await;
    let roster = alice.hear().await;
    assert_eq!((&roster["viewers"][0]["user"]["id"], &roster["count"]["users"]), (&json!("alice"), &json!(1)));
    assert_eq!(roster["viewers"][0]["user"]["name"], "Alice");
}

#[tokio::test]
async fn t_97_without_the_right_to_read_nothing_of_the_room_is_told() {
    let (server, (alice, _), _bob) = alice_and_bob().await;
    let rights = Rights::TYPE.union(Rights::MESSAGE).union(Rights::UPDATE);
    let claims = Claims { rooms: vec![("board-*", rights)], ..Claims::of("mallory") }.sign("mallory");
    let url = server.url();
    let (mallory, mut events) = herenow_client::client::connect(&url).token(&claims).open().await.unwrap();
    let observe = Join { observe: true, ..Join::default() };
    assert_eq!(refused(mallory.join(ROOM).await), "room.forbidden");
    assert_eq!(refused(mallory.join_as(ROOM, &observe).await), "room.forbidden");
    assert_eq!(refused(mallory.sync(ROOM, None).await), "room.not_joined");
    assert_eq!(refused(mallory.message(ROOM, "x", &json!(1)).await), "room.not_joined");
    assert_eq!(refused(mallory.typing(ROOM, None).await), "room.not_joined");
    alice.typing(ROOM, None).await.unwrap();
    alice.message(ROOM, "secret", &json!(1)).await.unwrap();
    mallory.ping().await.unwrap();
    mallory.close(Some(1000)).await;
    assert!(events.next().await.is_err(), "nothing was told before the end");
}
