//! Clients that ask too often: what is merged, dropped or refused, and that only what was refused 100 times ends a
//! connection.
use crate::common::{Peer, TestServer, token};
use herenow::rate::RateLimits;
use herenow_client::raw;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const ROOM: &str = "board-1";

/// A native client in the room, and Bob, who hears single sessions too. Both are told of all that came before.
async fn alice_and_bob(server: &TestServer) -> (Peer, Peer) {
    let mut bob = server.native_raw("bob").await;
    bob.say(json!({"type":"join","room":ROOM,"sessions":true,"id":1})).await;
    assert_eq!(bob.hear().await["type"], "roster");
    let mut alice = server.native_raw("alice").await;
    alice.say(json!({"type":"join","room":ROOM,"id":1})).await;
    assert_eq!(alice.hear().await["type"], "roster");
    until_marker(server, &mut bob, 0).await;
    until_marker(server, &mut alice, 0).await;
    (alice, bob)
}

/// What a peer hears before the marker.
async fn until_marker(server: &TestServer, peer: &mut Peer, n: u64) -> Vec<Value> {
    server.mark(ROOM, n).await;
    let mut heard = Vec::new();
    loop {
        let frame = peer.hear().await;
        if frame["event"] == "marker" && frame["data"]["n"] == n {
            return heard;
        }
        heard.push(frame);
    }
}

/// What a peer hears before the answer to this request, once all before it is done; and the answer.
async fn synced(peer: &mut Peer, id: u64) -> (Vec<Value>, Value) {
    peer.say(json!({"type":"sync","room":ROOM,"id":id})).await;
    let mut heard = Vec::new();
    loop {
        let frame = peer.hear().await;
        if frame["re"] == id {
            return (heard, frame);
        }
        heard.push(frame);
    }
}

/// The next that a peer hears, markers aside.
async fn heard_but_markers(peer: &mut Peer) -> Value {
    loop {
        let frame = peer.hear().await;
        if frame["event"] != "marker" {
            return frame;
        }
    }
}

fn limited(frames: &[Value]) -> Vec<&Value> {
    frames.iter().filter(|frame| frame["code"] == "rate.limited").collect()
}

fn retry_after(frame: &Value) -> u64 {
    frame["retry_after_ms"].as_u64().unwrap_or_else(|| panic!("no time: {frame}"))
}

#[tokio::test]
async fn messages_over_the_rate_are_refused_with_a_time_and_those_within_are_handed_on() {
    let server = TestServer::start(|_| {}).await;
    let (mut alice, mut bob) = alice_and_bob(&server).await;
    let began = Instant::now();
    for n in 0..100 {
        alice.say(json!({"type":"message","room":ROOM,"event":"hello","data":n})).await;
    }
    let (heard, _) = synced(&mut alice, 2).await;
    let refused = limited(&heard);
    let more = began.elapsed().as_millis() as usize * 20 / 1000 + 2;
    // Twice a second's worth at once, and what came back meanwhile.
    assert!((100 - 40 - more..=60).contains(&refused.len()), "{} refused of 100", refused.len());
    assert!(refused.iter().all(|frame| (1..=2000).contains(&retry_after(frame))));
    let heard = until_marker(&server, &mut bob, 1).await;
    let messages: Vec<u64> = heard.iter().filter_map(|frame| frame["data"].as_u64()).collect();
    assert_eq!(messages.len(), 100 - refused.len());
    assert!(messages.is_sorted() && messages[..40] == (0..40).collect::<Vec<u64>>());
    // By the time that was said, there is room again.
    tokio::time::sleep(Duration::from_millis(retry_after(refused.last().unwrap()))).await;
    alice.say(json!({"type":"message","room":ROOM,"event":"hello","data":"again","id":3})).await;
    let answer = heard_but_markers(&mut alice).await;
    assert_eq!((&answer["type"], &answer["re"], &answer["sessions"]), (&json!("ack"), &json!(3), &json!(1)));
}

#[tokio::test]
async fn messages_that_go_on_while_they_are_refused_end_the_connection_with_4429() {
    let server = TestServer::start(|config| config.limits.rates.message = 1).await;
    let (mut alice, mut bob) = alice_and_bob(&server).await;
    // A client that reads each answer: nothing waits, and the size of no buffer matters.
    let mut answers = Vec::new();
    while answers.last() != Some(&json!("rate.flood")) {
        assert!(answers.len() < 1000, "never told");
        alice.say(json!({"type":"message","room":ROOM,"event":"hello","data":1,"id":1})).await;
        let answer = heard_but_markers(&mut alice).await;
        answers.push(answer["code"].clone());
    }
    assert_eq!(alice.close_code().await, Some(4429));
    let of = |code: &Value| answers.iter().filter(|answer| *answer == code).count();
    // Ten seconds begin again with the first that is refused after them.
    let refused = of(&json!("rate.limited"));
    assert!((100..200).contains(&refused), "{refused} refused");
    let handed_on = of(&Value::Null);
    let heard = until_marker(&server, &mut bob, 1).await;
    assert_eq!(heard.iter().filter(|frame| frame["data"] == 1).count(), handed_on);
}

#[tokio::test]
async fn t_77_who_types_and_points_too_often_is_warned_once_and_never_closed() {
    let server = TestServer::start(|_| {}).await;
    let (mut alice, mut bob) = alice_and_bob(&server).await;
    for n in 0..300 {
        alice.say(json!({"type":"typing","room":ROOM})).await;
        alice.say(json!({"type":"cursor","room":ROOM,"x":0.5,"y":f64::from(n) / 300.0})).await;
        alice.say(json!({"type":"status","status":if n % 2 == 0 { "idle" } else { "active" }})).await;
        alice.say(json!({"type":"update","room":ROOM,"state":{"n":n}})).await;
    }
    let (heard, _) = synced(&mut alice, 2).await;
    let warned = limited(&heard);
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert!(warned[0].get("re").is_none() && retry_after(warned[0]) > 0);
    let heard = until_marker(&server, &mut bob, 1).await;
    let starts = heard.iter().filter(|frame| frame["type"] == "typing").count();
    let updates = heard.iter().filter(|frame| frame.get("updated").is_some()).count();
    assert!(starts == 1 && updates <= 30, "{starts} starts of typing, {updates} updates");
    // Stops are free, so that nobody is left typing.
    for _ in 0..100 {
        alice.say(json!({"type":"stop_typing","room":ROOM})).await;
    }
    let (heard, _) = synced(&mut alice, 3).await;
    assert_eq!(limited(&heard).len(), 0);
    let heard = until_marker(&server, &mut bob, 2).await;
    assert_eq!(heard.iter().filter(|frame| frame["on"] == false).count(), 1);
}

#[tokio::test]
async fn a_request_with_a_number_is_answered_each_time_whether_it_is_done_held_or_dropped() {
    let server = TestServer::start(|config| {
        config.limits.rates = RateLimits { update: 1, typing: 1, cursor: 1, ..RateLimits::default() };
    });
    let server = server.await;
    let (mut alice, _bob) = alice_and_bob(&server).await;
    let kinds = ["typing", "cursor", "update", "typing", "cursor", "update"].repeat(4);
    for (id, kind) in (10..).zip(&kinds) {
        alice.say(json!({"type":kind,"room":ROOM,"state":{"id":id},"x":0.5,"y":0.5,"id":id})).await;
    }
    let mut answers = Vec::new();
    while answers.len() < 24 {
        let frame = alice.hear().await;
        // She hears of her own updates as well, and the marker.
        if frame.get("re").is_some() {
            answers.push(frame);
        }
    }
    for answer in &answers {
        let id = answer["re"].as_u64().unwrap();
        match kinds[id as usize - 10] {
            // Two at once; the others are not done, and nothing older is to be made good.
            "typing" if id > 13 => {
                assert_eq!((&answer["code"], retry_after(answer) <= 2000), (&json!("rate.limited"), true))
            }
            _ => assert_eq!(answer["type"], "ack", "{answer}"),
        }
    }
    let mut ids: Vec<u64> = answers.iter().map(|frame| frame["re"].as_u64().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, (10..34).collect::<Vec<u64>>());
}

#[tokio::test]
async fn what_is_held_for_a_room_is_forgotten_by_leaving_it() {
    let server = TestServer::start(|config| config.limits.rates.update = 1).await;
    let (mut alice, mut bob) = alice_and_bob(&server).await;
    for n in 0..20 {
        alice.say(json!({"type":"update","room":ROOM,"state":{"n":n}})).await;
    }
    alice.say(json!({"type":"leave","room":ROOM,"id":2})).await;
    alice.say(json!({"type":"join","room":ROOM,"state":{"n":"new"},"id":3})).await;
    while alice.hear().await["re"] != 3 {}
    // Longer than anything is held.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    alice.say(json!({"type":"sync","room":ROOM,"id":4})).await;
    let roster = loop {
        let frame = alice.hear().await;
        if frame["re"] == 4 {
            break frame;
        }
    };
    let states = roster["viewers"].as_array().unwrap().iter().filter_map(|viewer| viewer.get("state"));
    assert_eq!(states.collect::<Vec<_>>(), [&json!({"n":"new"})]);
    until_marker(&server, &mut bob, 1).await;
}

#[tokio::test]
async fn t_77_of_a_burst_of_updates_the_newest_value_is_what_stays() {
    let server = TestServer::start(|_| {}).await;
    let (mut alice, mut bob) = alice_and_bob(&server).await;
    for n in 0..200 {
        alice.say(json!({"type":"update","room":ROOM,"state":{"n":n}})).await;
        alice.say(json!({"type":"cursor","room":ROOM,"x":0.5,"y":f64::from(n) / 200.0})).await;
    }
    let (mut state, mut place) = (Value::Null, Value::Null);
    let began = Instant::now();
    while (&state, &place) != (&json!(199), &json!(0.995)) {
        assert!(began.elapsed() < Duration::from_secs(3), "left at {state} and {place}");
        let Ok(text) = bob.0.next_text(Duration::from_millis(200)).await else { continue };
        let frame: Value = serde_json::from_str(&text).unwrap();
        if let Some(updated) = frame.pointer("/updated/0/state/n") {
            state = updated.clone();
        }
        if let Some(moved) = frame.pointer("/at/0/2") {
            place = moved.clone();
        }
    }
}

#[tokio::test]
async fn joins_over_the_rate_are_refused_and_a_page_with_many_rooms_is_not() {
    let server = TestServer::start(|config| config.limits.rooms_per_connection = 1000).await;
    let mut alice = server.native_raw("alice").await;
    for n in 0..200 {
        alice.say(json!({"type":"join","room":format!("room-{n}"),"id":n})).await;
    }
    let mut answers = Vec::new();
    while answers.len() < 200 {
        answers.push(alice.hear().await);
    }
    let done = answers.iter().filter(|frame| frame["type"] == "roster").count();
    assert!((120..=170).contains(&done), "{done} of 200 at once");
    let refused = limited(&answers);
    assert!(refused.len() == 200 - done && refused.iter().all(|frame| retry_after(frame) <= 5000));
    alice.say(json!({"type":"message","room":"room-0","event":"e","data":1,"id":"m"})).await;
    assert_eq!(alice.hear().await["re"], "m", "other kinds have a rate of their own");
}

#[tokio::test]
async fn a_board_client_over_the_rate_is_warned_once_and_never_closed() {
    let server = TestServer::start(|_| {}).await;
    let mut bob = server.board_in("bob", ROOM).await;
    let mut alice = Peer(raw::connect(&server.bearing(&token("alice"))).open().await.unwrap());
    assert_eq!(alice.hear().await["type"], "connected");
    alice.join(ROOM).await;
    for _ in 0..500 {
        alice.say(json!({"type":"typing","boardId":ROOM})).await;
    }
    alice.say(json!({"type":"stop_typing","boardId":ROOM})).await;
    let warned = alice.hear().await;
    assert_eq!((&warned["code"], retry_after(&warned) > 0), (&json!("rate.limited"), true));
    for kind in ["user_joined", "user_typing", "user_stopped_typing"] {
        assert_eq!(bob.hear().await["type"], kind);
    }
    server.mark(ROOM, 1).await;
    alice.expect_silence_until(ROOM, 1).await;
    bob.expect_silence_until(ROOM, 1).await;
    assert_eq!(alice.join(ROOM).await["count"], 2);
}

#[tokio::test]
async fn updates_that_never_stop_go_on_at_their_rate_and_no_faster() {
    let server = TestServer::start(|_| {}).await;
    let (mut alice, mut bob) = alice_and_bob(&server).await;
    let began = Instant::now();
    let counting = tokio::spawn(async move {
        let mut updates = 0;
        loop {
            let frame = bob.hear().await;
            if frame["data"]["n"] == 1 {
                return updates;
            }
            updates += usize::from(frame.get("updated").is_some());
        }
    });
    let mut sent = 0;
    while began.elapsed() < Duration::from_secs(3) {
        alice.say(json!({"type":"update","room":ROOM,"state":{"n":sent}})).await;
        sent += 1;
        tokio::time::sleep(Duration::from_millis(4)).await;
    }
    server.mark(ROOM, 1).await;
    let updates = counting.await.unwrap();
    let allowed = 20 + 10 * began.elapsed().as_millis() as usize / 1000 + 2;
    assert!((20..=allowed).contains(&updates), "{updates} of {sent} told where {allowed} are allowed");
}

#[tokio::test]
async fn what_was_acknowledged_and_waits_is_not_lost_with_the_connection() {
    let server =
        TestServer::start(|config| config.limits.rates = RateLimits { update: 1, ..config.limits.rates }).await;
    let (mut alice, mut bob) = alice_and_bob(&server).await;
    for n in 1..=20 {
        alice.say(json!({"type":"update","room":ROOM,"state":{"n":n},"id":n})).await;
    }
    while alice.hear().await["re"] != 20 {}
    // With a grace: her page was closed, or reloaded.
    alice.close(Some(4900)).await;
    loop {
        let frame = bob.hear().await;
        let updated = frame["updated"][0].clone();
        if updated["state"]["n"] == 20 {
            break;
        }
        assert_eq!(frame.get("left"), None, "{frame}");
    }
}
