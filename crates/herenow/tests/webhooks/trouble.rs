//! Receivers that fail, and spools that are full.
use crate::{
    common::{TestServer, told},
    receiver::{Mood, Receiver},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

/// Who is in which room, as a backend knows it that was told these events.
#[track_caller]
pub fn fold(events: &[Value]) -> BTreeMap<String, Vec<String>> {
    let mut rooms: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for event in events {
        let (room, user) = (event["room"].as_str().unwrap(), event["user"].as_str().map(str::to_owned));
        let users = rooms.entry(room.to_owned()).or_default();
        let place = |users: &Vec<String>| users.iter().position(|known| Some(known) == user.as_ref());
        match event["event"].as_str().unwrap() {
            "room_occupied" => assert!(users.is_empty(), "{event}"),
            "room_vacated" => assert!(users.is_empty(), "{event}"),
            "user_joined" => {
                assert_eq!(place(users), None, "joined twice: {event}");
                users.push(user.unwrap());
            }
            "user_left" => drop(users.remove(place(users).unwrap_or_else(|| panic!("was not there: {event}")))),
            _ => {}
        }
    }
    rooms.retain(|_, users| !users.is_empty());
    rooms.values_mut().for_each(|users| users.sort_unstable());
    rooms
}

#[tokio::test]
async fn t_91_a_receiver_that_was_down_learns_all_in_order() {
    let (folder, mut receiver) = (tempfile::tempdir().unwrap(), Receiver::start());
    let server = TestServer::start(&folder, &receiver, |_| {}).await;
    receiver.die();
    for at in 0..120 {
        let (room, user) = (format!("board-{}", at % 5), format!("user-{}", at % 11));
        server.put(&room, &user).await;
        if at % 3 == 0 {
            server.delete(&room, &user).await;
        }
    }
    server.until("down", |health| health["failures"].as_u64() > Some(1) && health["problem"].is_string()).await;
    receiver.revive();
    server.until("told", |health| health["unwritten"] == 0 && health["pending"] == 0).await;
    let events = receiver.unique();
    for (room, users) in fold(&events) {
        let shown = server.call(&format!("GET /v1/rooms/{room}"), None).await;
        let mut here: Vec<&str> =
            shown["viewers"].as_array().unwrap().iter().map(|viewer| viewer["user"]["id"].as_str().unwrap()).collect();
        here.sort_unstable();
        assert_eq!(users, here, "{room}");
        // The last version that it was told is that of the room.
        let last = events.iter().rev().find(|event| event["room"] == room.as_str()).unwrap();
        assert_eq!(last["v"], shown["v"]);
    }
    assert_eq!(fold(&events).len(), 5);
}

#[tokio::test]
async fn failures_of_each_kind_cost_repeats_with_the_same_key_and_nothing_else() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start());
    let timeout = |config: &mut herenow::config::settings::Config| {
        config.webhooks.timeout = Duration::from_millis(300);
    };
    let server = TestServer::start(&folder, &receiver, timeout).await;
    let mut expected = 0;
    for (at, mood) in
        [Mood::Answers(500), Mood::TakesAndFails, Mood::Answers(302), Mood::Hangs, Mood::Answers(401), Mood::Takes]
            .into_iter()
            .enumerate()
    {
        receiver.feel(mood.clone());
        let calls = receiver.calls();
        for user in 0..4 {
            server.put(&format!("board-{at}"), &format!("user-{user}")).await;
        }
        expected += 5;
        if mood != Mood::Takes {
            server.until("failing", |health| health["failures"].as_u64() > Some(1)).await;
        }
        assert!(receiver.calls() >= calls);
        receiver.feel(Mood::Takes);
        receiver.wait_for(expected).await;
        server.until("well", |health| health["failures"] == 0 && health["problem"].is_null()).await;
    }
    let (unique, all) = (receiver.unique(), receiver.all());
    assert_eq!(fold(&unique).len(), 6);
    assert!(all.len() > unique.len(), "what was taken and not acknowledged came again");
}

#[tokio::test]
async fn a_receiver_that_says_when_to_come_again_is_left_alone_until_then() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start());
    let retry = |config: &mut herenow::config::settings::Config| config.webhooks.retry_max = Duration::from_secs(60);
    let server = TestServer::start(&folder, &receiver, retry).await;
    receiver.feel(Mood::IsBusyFor(4));
    server.put("board-1", "alice").await;
    server.until("busy", |health| health["failures"] == 1).await;
    receiver.feel(Mood::Takes);
    // By itself it would have come again after a second at the latest.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(receiver.calls(), 1);
    receiver.wait_for(2).await;
    assert_eq!(receiver.calls(), 2);
}

#[tokio::test]
async fn an_event_that_is_refused_is_given_up_alone_and_can_be_sent_again() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start());
    let server = TestServer::start(&folder, &receiver, |_| {}).await;
    receiver.feel(Mood::Refuses("mallory"));
    for user in ["alice", "mallory", "bob"] {
        server.put("board-1", user).await;
    }
    let events = receiver.wait_for(3).await;
    assert_eq!(told(&events), ["room_occupied board-1 -", "user_joined board-1 alice", "user_joined board-1 bob"]);
    server.until("given up", |health| health["dead"] == 1 && health["pending"] == 0).await;
    let list = server.call("GET /v1/webhooks/dead?limit=1", None).await;
    let dead = &list["events"][0];
    assert_eq!((&dead["event"]["user"], &dead["problem"]), (&json!("mallory"), &json!("the receiver answered 400")));
    assert_eq!((&dead["key"], &list["next"]), (&dead["event"]["key"], &json!(null)));
    receiver.feel(Mood::Takes);
    let no = server.call("POST /v1/webhooks/dead/replay", Some(json!({ "keys": ["no such key"] }))).await;
    assert_eq!(no, json!({ "replayed": 0 }));
    let yes = server.call("POST /v1/webhooks/dead/replay", Some(json!({ "keys": [dead["key"]] }))).await;
    assert_eq!(yes, json!({ "replayed": 1 }));
    assert_eq!(receiver.wait_for(4).await[3], dead["event"]);
    let again = server.call("POST /v1/webhooks/dead/replay", Some(json!({}))).await;
    assert_eq!(again, json!({ "replayed": 0 }));
}

#[tokio::test]
async fn what_is_too_old_is_given_up_and_can_be_forgotten() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start());
    let change = |config: &mut herenow::config::settings::Config| config.webhooks.give_up = Duration::from_secs(1);
    let server = TestServer::start(&folder, &receiver, change).await;
    receiver.feel(Mood::Answers(503));
    for room in 0..9 {
        server.put(&format!("board-{room}"), "alice").await;
    }
    server.until("given up", |health| health["dead"] == 18 && health["pending"] == 0).await;
    let first = server.call("GET /v1/webhooks/dead?limit=10", None).await;
    let rest = format!("GET /v1/webhooks/dead?limit=10&cursor={}", first["next"].as_str().unwrap());
    let rest = server.call(&rest, None).await;
    assert_eq!((first["events"].as_array().unwrap().len(), rest["events"].as_array().unwrap().len()), (10, 8));
    assert_eq!(rest["next"], json!(null));
    let forgotten = server.call("POST /v1/webhooks/dead/forget", Some(json!({}))).await;
    assert_eq!(forgotten, json!({ "forgotten": 18 }));
    assert_eq!(server.call("GET /v1/webhooks", None).await["dead"], 0);
}

#[tokio::test]
async fn a_full_spool_leaves_out_events_and_never_the_truth() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start());
    let change = |config: &mut herenow::config::settings::Config| config.webhooks.spool_events = 100;
    let server = TestServer::start(&folder, &receiver, change).await;
    server.put("board-0", "early").await;
    receiver.wait_for(2).await;
    receiver.feel(Mood::Answers(500));
    for at in 0..150 {
        server.put(&format!("board-{}", at % 7), &format!("user-{at}")).await;
    }
    server.delete("board-0", "early").await;
    for at in (0..150).step_by(2) {
        server.delete(&format!("board-{}", at % 7), &format!("user-{at}")).await;
    }
    let full = server.until("behind", |health| health["unwritten"] == 0 && health["behind"] == true).await;
    assert!(full["pending"].as_u64().unwrap() <= 100, "{full}");
    let metrics = crate::common::call(server.address, "GET /metrics", None).await.unwrap();
    let dropped = metrics.lines().find_map(|line| line.strip_prefix("herenow_webhook_notices_dropped_total "));
    assert!(dropped.unwrap().parse::<u64>().unwrap() > 0, "what was left out is counted");
    receiver.feel(Mood::Takes);
    server.until("made good", |health| health["behind"] == false && health["pending"] == 0).await;
    let mut truth: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for at in (1..150).step_by(2) {
        truth.entry(format!("board-{}", at % 7)).or_default().push(format!("user-{at}"));
    }
    truth.values_mut().for_each(|users| users.sort_unstable());
    assert_eq!(fold(&receiver.unique()), truth);
}

#[tokio::test]
async fn the_body_of_an_answer_does_not_matter() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start());
    let server = TestServer::start(&folder, &receiver, |_| {}).await;
    for (at, mood) in [Mood::TakesWithBody(1 << 20), Mood::TakesWithoutEnd, Mood::Takes].into_iter().enumerate() {
        receiver.feel(mood);
        server.put(&format!("board-{at}"), "alice").await;
        receiver.wait_for(2 * (at + 1)).await;
        server.until("taken", |health| health["pending"] == 0 && health["failures"] == 0).await;
    }
    assert_eq!(receiver.all().len(), 6, "nothing came twice");
}
