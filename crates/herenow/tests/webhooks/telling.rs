//! What a backend is told while all is well.
use crate::{
    common::{SECRET, TestServer, kinds, told},
    receiver::{Mood, Receiver},
};
use serde_json::json;
use std::{collections::BTreeSet, time::Duration};

#[tokio::test]
async fn t_88_t_92_who_comes_and_goes_is_told_with_times_and_reason() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start());
    let server = TestServer::start(&folder, &receiver, |config| {
        config.webhooks.events = kinds(&["room_occupied", "room_vacated", "user_joined", "user_left", "user_updated"]);
    })
    .await;
    let (alice, _events) = server.client_in("alice", "board-1").await;
    let (_bob, _) = server.client_in("bob", "board-1").await;
    alice.update("board-1", json!({ "card": 7 }).as_object().unwrap()).await.unwrap();
    receiver.wait_for(4).await;
    alice.leave("board-1").await.unwrap();
    let events = receiver.wait_for(5).await;
    assert_eq!(
        told(&events),
        [
            "room_occupied board-1 -",
            "user_joined board-1 alice",
            "user_joined board-1 bob",
            "user_updated board-1 alice",
            "user_left board-1 alice"
        ]
    );
    // Numbers of versions go up by one, and what is of one change has one.
    let numbers: Vec<u64> = events.iter().map(|event| event["v"][1].as_u64().unwrap()).collect();
    assert_eq!(numbers, [1, 1, 2, 3, 4]);
    let epochs: BTreeSet<&str> = events.iter().map(|event| event["v"][0].as_str().unwrap()).collect();
    assert_eq!(epochs.len(), 1);
    let keys: BTreeSet<&str> = events.iter().map(|event| event["key"].as_str().unwrap()).collect();
    assert_eq!(keys.len(), 5, "each event has a key of its own");
    let (joined, left) = (&events[1], &events[4]);
    assert_eq!((&left["reason"], &left["joined_at_ms"]), (&json!("left"), &joined["at_ms"]));
    let (at, since) = (left["at_ms"].as_u64().unwrap(), left["joined_at_ms"].as_u64().unwrap());
    assert_eq!(left["duration_ms"], at - since);
    assert!(joined.get("reason").is_none() && joined.get("joined_at_ms").is_none());
    // Nothing but ids: a name is nobody's business who did not ask for it.
    assert!(receiver.all().iter().all(|event| event.get("name").is_none()));
    drop(server);
}

#[tokio::test]
async fn t_89_who_comes_back_within_the_grace_is_no_news() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start());
    let server =
        TestServer::start(&folder, &receiver, |config| config.presence.drop_grace = Duration::from_secs(60)).await;
    let (first, _events) = server.client_in("alice", "board-1").await;
    receiver.wait_for(2).await;
    for _ in 0..3 {
        // A second tab comes, and one of them breaks without a word.
        let (tab, _) = server.client_in("alice", "board-1").await;
        drop(tab);
    }
    // Whatever was to be told of those is told before this: the room is the same.
    server.put("board-1", "bob").await;
    let events = receiver.wait_for(3).await;
    assert_eq!(told(&events)[2], "user_joined board-1 bob");
    drop(first);
}

#[tokio::test]
async fn only_what_was_asked_for_is_told() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start());
    let server = TestServer::start(&folder, &receiver, |config| {
        config.webhooks.rooms = Some(vec![herenow_core::pattern::Pattern::parse("board-*").unwrap()]);
        config.webhooks.events = kinds(&["room_vacated"]);
    })
    .await;
    for room in ["lobby", "board-1", "board-2"] {
        server.put(room, "alice").await;
        server.put(room, "bob").await;
        server.delete(room, "alice").await;
        server.delete(room, "bob").await;
    }
    let mut events = told(&receiver.wait_for(2).await);
    events.sort_unstable();
    assert_eq!(events, ["room_vacated board-1 -", "room_vacated board-2 -"]);
    server.stop().await;
    assert_eq!(receiver.all().len(), 2);
}

#[tokio::test]
async fn a_receiver_that_knows_either_secret_is_told() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start());
    let new = "another secret of the tests, long enough";
    let server = TestServer::start(&folder, &receiver, |config| {
        config.webhooks.second_secret = herenow::auth::secret::Secret::parse(new).ok();
    })
    .await;
    server.put("board-1", "alice").await;
    receiver.wait_for(2).await;
    receiver.trust(new);
    server.put("board-1", "bob").await;
    receiver.wait_for(3).await;
    // With any other it refuses, and is told once it knows better.
    receiver.trust("a third secret that nobody configured!");
    server.put("board-1", "carol").await;
    server.until("told of the refusal", |health| health["failures"].as_u64() > Some(0)).await;
    receiver.trust(new);
    assert_eq!(told(&receiver.wait_for(4).await)[3], "user_joined board-1 carol");
}

#[tokio::test]
async fn presence_does_not_wait_for_a_receiver_that_hangs() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start());
    receiver.feel(Mood::Hangs);
    let server = TestServer::start(&folder, &receiver, |config| {
        config.webhooks.timeout = Duration::from_secs(60);
    })
    .await;
    // 100 joins and leaves, each answered, though not one call was.
    for at in 0..100 {
        server.put(&format!("board-{}", at % 7), "alice").await;
        server.delete(&format!("board-{}", at % 7), "alice").await;
    }
    let health = server.until("all written", |health| health["unwritten"] == 0 && health["behind"] == false).await;
    assert_eq!(health["pending"], 400);
    receiver.wait_for_calls(1).await;
    assert!(receiver.all().is_empty() && receiver.calls() <= 4, "{} calls", receiver.calls());
}

#[tokio::test]
async fn who_is_online_at_all_is_told_once_however_many_rooms_and_tabs() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start());
    let server = TestServer::start(&folder, &receiver, |config| {
        config.webhooks.events = kinds(&["user_online", "user_offline"]);
    })
    .await;
    let (first, _events) = server.client_in("alice", "board-1").await;
    let (second, _more) = server.client_in("alice", "board-2").await;
    server.put("board-1", "bob").await;
    receiver.wait_for(2).await;
    first.leave("board-1").await.unwrap();
    second.leave("board-2").await.unwrap();
    server.delete("board-1", "bob").await;
    let events = receiver.wait_for(3).await;
    let mut said = told(&events);
    said.sort_unstable();
    // Who left all rooms is online still.
    assert_eq!(said, ["user_offline - bob", "user_online - alice", "user_online - bob"]);
    drop((first, second, _events, _more));
    let events = receiver.wait_for(4).await;
    let offline = &events[3];
    assert_eq!(told(&events)[3], "user_offline - alice");
    let online = events.iter().find(|event| event["event"] == "user_online" && event["user"] == "alice").unwrap();
    assert_eq!(offline["joined_at_ms"], online["at_ms"]);
    let duration = offline["at_ms"].as_u64().unwrap() - online["at_ms"].as_u64().unwrap();
    assert_eq!(offline["duration_ms"], duration);
}

#[test]
fn a_check_of_the_configuration_says_what_webhooks_lack() {
    use clap::Parser;
    use herenow::cli::{Cli, Command};
    let check = |variables: &[(&str, &str)]| {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        match Cli::try_parse_from(["herenow", "config", "check"]).unwrap().into_command() {
            Command::Config(config) => config.run(variables),
            other => panic!("{other:?}"),
        }
    };
    let url = ("HERENOW_WEBHOOKS__URL", "http://10.0.0.7/hook");
    let error = check(&[url]).unwrap_err().message;
    assert!(error.contains("webhooks.secret is not") && error.contains("HERENOW_WEBHOOKS__SECRET"), "{error}");
    let secret = ("HERENOW_WEBHOOKS__SECRET", SECRET);
    assert_eq!(check(&[url, secret]).unwrap().stderr, "");
    let spool = ("HERENOW_WEBHOOKS__SPOOL", "/no/such/folder/spool.db");
    let noted = check(&[url, secret, spool]).unwrap().stderr;
    assert_eq!(noted, "note: the folder /no/such/folder of webhooks.spool does not exist");
    let wrong = check(&[("HERENOW_WEBHOOKS__EVENTS", "user_joined,user_jumped")]).unwrap_err().message;
    assert!(wrong.contains("a list of events out of room_occupied, room_vacated"), "{wrong}");
}
