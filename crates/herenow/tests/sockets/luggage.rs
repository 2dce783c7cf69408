//! What a session has besides its places goes on with it: whom it watches, and whether it is idle.
use crate::common::{LIMIT, Peer, SHARDS, TestServer, token, token_saying};
use herenow_client::raw;
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

const ROOM: &str = "board-1";

/// A native connection that goes on with a session where there is a secret of one; its welcome.
async fn open(server: &TestServer, token: &str, resume: &str) -> (Peer, Value) {
    let url = format!("{}&resume={resume}", server.bearing(token));
    let mut peer = Peer(raw::connect(&url).protocol("herenow.v1").open().await.unwrap());
    let welcome = peer.hear().await;
    assert_eq!((&welcome["type"], &welcome["resumed"]), (&json!("welcome"), &json!(!resume.is_empty())), "{welcome}");
    (peer, welcome)
}

fn secret_of(welcome: &Value) -> String {
    welcome["resume"].as_str().unwrap().to_owned()
}

/// What is told of so many users, in one frame or several, and of nothing else.
async fn dots(peer: &mut Peer, users: usize) -> BTreeMap<String, String> {
    let mut known = BTreeMap::new();
    while known.len() < users {
        let frame = peer.hear().await;
        assert_eq!(frame["type"], "statuses", "{frame}");
        let told = frame["users"].as_object().unwrap().iter();
        known.extend(told.map(|(user, dot)| (user.clone(), dot["status"].as_str().unwrap().to_owned())));
    }
    known
}

fn known<const N: usize>(dots: [(&str, &str); N]) -> BTreeMap<String, String> {
    dots.map(|(user, status)| (user.to_owned(), status.to_owned())).into()
}

/// Asks, and waits for the `ack`; what is told before that.
async fn ask(peer: &mut Peer, frame: Value) -> Vec<Value> {
    let id = frame["id"].clone();
    peer.say(frame).await;
    let mut heard = Vec::new();
    loop {
        let next = peer.hear().await;
        match next["type"] == "ack" && next["re"] == id {
            true => return heard,
            false => heard.push(next),
        }
    }
}

/// Hears of nothing that the shards have decided up to now.
async fn expect_silence(server: &TestServer, peer: &mut Peer) {
    // What the first turn says is written before the next one begins.
    for _ in 0..2 {
        server.presence.measure().await;
    }
    peer.say(json!({"type":"ping"})).await;
    assert_eq!(peer.hear().await["type"], "pong");
}

#[tokio::test]
async fn a_session_that_goes_on_watches_whom_it_watched_and_is_idle_still() {
    for shards in SHARDS {
        let server = TestServer::start(|config| {
            config.server.shards = Some(shards);
            config.presence.drop_grace = Duration::from_secs(2);
        });
        let server = server.await;
        let mut carol = server.native_raw("carol").await;
        ask(&mut carol, json!({"type":"watch","users":["watcher"],"id":1})).await;
        assert_eq!(dots(&mut carol, 1).await, known([("watcher", "offline")]));
        carol.say(json!({"type":"join","room":ROOM,"interest":"full"})).await;
        assert_eq!(carol.hear().await["type"], "roster");

        let (mut watcher, welcome) = open(&server, &token("watcher"), "").await;
        watcher.say(json!({"type":"watch","users":["alice","bob","dora"]})).await;
        assert_eq!(dots(&mut watcher, 3).await.len(), 3);
        ask(&mut watcher, json!({"type":"unwatch","users":["dora"],"id":2})).await;
        watcher.say(json!({"type":"join","room":ROOM,"id":3})).await;
        let seated = watcher.hear().await;
        ask(&mut watcher, json!({"type":"status","status":"idle","id":4})).await;
        let mut heard = BTreeMap::new();
        while heard.len() < 4 {
            let frame = carol.hear().await;
            let what = match frame["type"].as_str().unwrap() {
                "diff" => frame.get("joined").or(frame.get("updated")).unwrap()[0]["status"].clone(),
                "statuses" => frame["users"]["watcher"]["status"].clone(),
                other => panic!("{other}: {frame}"),
            };
            heard.insert((frame["type"].to_string(), what.to_string()), ());
        }

        // Lost without a word, and closed as by a reload: both within the grace.
        let mut secret = secret_of(&welcome);
        for loses in [true, false] {
            if loses {
                watcher.0.abort();
            } else {
                watcher.close(Some(4900)).await;
            }
            let (mut alice, _) = open(&server, &token("alice"), "").await;
            let (again, welcome) = open(&server, &token("watcher"), &secret).await;
            (watcher, secret) = (again, secret_of(&welcome));
            assert_eq!(
                dots(&mut watcher, 2).await,
                known([("alice", "active"), ("bob", "offline")]),
                "as it is by now"
            );
            watcher.say(json!({"type":"join","room":ROOM,"since":seated["v"],"id":5})).await;
            let back = watcher.hear().await;
            let own = back["updated"].as_array().unwrap().iter().find(|viewer| viewer["user"]["id"] == "watcher");
            assert_eq!(own.unwrap()["status"], "idle", "{shards} shards: {back}");
            // Told of what changes now, too.
            alice.close(Some(1000)).await;
            let told = dots(&mut watcher, 1).await;
            assert_eq!(told, known([("alice", "offline")]), "{shards} shards");
        }
        // Neither the room nor those who watch heard of any of it.
        expect_silence(&server, &mut carol).await;
        // A new session begins anew.
        let (mut other, _) = open(&server, &token("watcher"), "").await;
        assert_eq!(dots(&mut carol, 1).await, known([("watcher", "active")]));
        expect_silence(&server, &mut other).await;
    }
}

#[tokio::test]
async fn a_session_that_was_half_open_or_lost_its_places_takes_them_along_as_well() {
    let server = TestServer::start(|config| {
        config.presence.leave_grace = Duration::from_millis(200);
        config.presence.drop_grace = Duration::from_millis(200);
        config.presence.resume_window = Duration::from_secs(20);
    })
    .await;
    let (mut watcher, welcome) = open(&server, &token("watcher"), "").await;
    let mut carol = server.native_raw("carol").await;
    carol.say(json!({"type":"watch","users":["watcher"]})).await;
    assert_eq!(dots(&mut carol, 1).await, known([("watcher", "active")]));
    ask(&mut watcher, json!({"type":"status","status":"idle","id":1})).await;
    assert_eq!(dots(&mut carol, 1).await, known([("watcher", "idle")]));
    watcher.say(json!({"type":"watch","users":["alice"]})).await;
    assert_eq!(dots(&mut watcher, 1).await, known([("alice", "offline")]));
    // Nobody reads what the old connection is asked, so that it is taken for dead and replaced.
    let silent = watcher;
    let (mut watcher, welcome) = open(&server, &token("watcher"), &secret_of(&welcome)).await;
    assert_eq!(dots(&mut watcher, 1).await, known([("alice", "offline")]));
    drop(silent);
    // After the grace it is offline, and comes back as it was.
    watcher.close(Some(4900)).await;
    assert_eq!(dots(&mut carol, 1).await, known([("watcher", "offline")]), "and nothing before that");
    let (mut watcher, welcome) = open(&server, &token("watcher"), &secret_of(&welcome)).await;
    assert_eq!(dots(&mut watcher, 1).await, known([("alice", "offline")]));
    assert_eq!(dots(&mut carol, 1).await, known([("watcher", "idle")]));
    let (_alice, _) = open(&server, &token("alice"), "").await;
    assert_eq!(dots(&mut watcher, 1).await, known([("alice", "active")]));
    // Said too often, so held for a while and acknowledged: not lost with the connection.
    ask(&mut watcher, json!({"type":"status","status":"active","id":2})).await;
    for n in 0..60 {
        ask(&mut watcher, json!({"type":"status","status":(if n % 2 == 0 {"active"} else {"idle"}),"id":n})).await;
    }
    watcher.0.abort();
    let mut last = String::new();
    while last != "offline" {
        last = dots(&mut carol, 1).await.remove("watcher").unwrap();
    }
    let (_watcher, _) = open(&server, &token("watcher"), &secret_of(&welcome)).await;
    assert_eq!(dots(&mut carol, 1).await, known([("watcher", "idle")]));
}

#[tokio::test]
async fn whom_a_new_token_does_not_let_be_watched_is_told_no_more() {
    let server = TestServer::start(|_| {}).await;
    let narrow = token_saying("watcher", json!({"watch":["alice"]}));
    let (mut watcher, welcome) = open(&server, &token("watcher"), "").await;
    watcher.say(json!({"type":"watch","users":["alice","bob"]})).await;
    assert_eq!(dots(&mut watcher, 2).await, known([("alice", "offline"), ("bob", "offline")]));
    // On another connection.
    watcher.close(Some(4900)).await;
    let (mut watcher, welcome) = open(&server, &narrow, &secret_of(&welcome)).await;
    assert_eq!(dots(&mut watcher, 1).await, known([("alice", "offline")]));
    let (mut bob, _) = open(&server, &token("bob"), "").await;
    let (_alice, _) = open(&server, &token("alice"), "").await;
    assert_eq!(dots(&mut watcher, 1).await, known([("alice", "active")]), "not a word of bob");
    watcher.close(Some(4900)).await;
    let (mut watcher, _) = open(&server, &token("watcher"), &secret_of(&welcome)).await;
    assert_eq!(dots(&mut watcher, 1).await, known([("alice", "active")]), "bob is forgotten, whatever comes later");
    // On a live connection.
    watcher.say(json!({"type":"watch","users":["bob"]})).await;
    assert_eq!(dots(&mut watcher, 1).await, known([("bob", "active")]));
    ask(&mut watcher, json!({"type":"auth","token":narrow,"id":1})).await;
    bob.close(Some(1000)).await;
    let (mut second, _) = open(&server, &token("alice"), "").await;
    second.close(Some(1000)).await;
    let began = std::time::Instant::now();
    while server.presence.connections() > 2 {
        assert!(began.elapsed() < LIMIT, "bob does not end");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    expect_silence(&server, &mut watcher).await;
}
