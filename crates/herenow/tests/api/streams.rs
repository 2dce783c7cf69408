//! Server-sent events and long polls.
use crate::common::{TestServer, bearing, ids, token, token_for, token_with};
use herenow::auth::rights::Rights;
use herenow_client::frame::ServerFrame;
use serde_json::json;
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_stream_goes_on_where_it_was_cut() {
    let server = TestServer::start(|_| {}).await;
    let mut stream = server.watch("board-1").await;
    let roster = stream.expect("roster").await;
    let (_alice, _) = server.client_in("alice", "board-1").await;
    let joined = stream.expect("diff").await;
    assert_eq!((ids(&joined.data["joined"]), &joined.data["from"]), (vec!["alice".to_owned()], &roster.data["v"][1]));
    let id = joined.id.unwrap();
    assert_eq!(id, format!("{}.{}", joined.data["v"][0].as_str().unwrap(), joined.data["v"][1]));
    drop(stream);
    let (_bob, _) = server.client_in("bob", "board-1").await;
    let path = "/v1/rooms/board-1/events";
    let resume = format!("{}Last-Event-ID: {id}\r\n", bearing(&server.all));
    let mut stream = server.events(path, &resume).await.unwrap();
    let missed = stream.expect("diff").await;
    assert_eq!((ids(&missed.data["joined"]), &missed.data["from"]), (vec!["bob".to_owned()], &joined.data["v"][1]));
    for unknown in ["x.1", "nonsense", &format!("{}.999999", id.split('.').next().unwrap())] {
        let resume = format!("{}Last-Event-ID: {unknown}\r\n", bearing(&server.all));
        let mut stream = server.events(path, &resume).await.unwrap();
        assert_eq!(ids(&stream.expect("roster").await.data["viewers"]), ["alice", "bob"], "{unknown}");
    }
    let mut stream = server.events(&format!("{path}?last_event_id={id}"), &bearing(&server.all)).await.unwrap();
    stream.expect("diff").await;
}

#[tokio::test]
async fn several_rooms_come_on_one_stream_and_go_on_together() {
    let server = TestServer::start(|_| {}).await;
    let path = "/v1/events?room=a&room=b&room=a";
    let mut stream = server.events(path, &bearing(&server.all)).await.unwrap();
    let rooms =
        [stream.expect("roster").await.data["room"].clone(), stream.expect("roster").await.data["room"].clone()];
    assert_eq!(rooms, [json!("a"), json!("b")]);
    let (_alice, _) = server.client_in("alice", "b").await;
    let id = stream.expect("diff").await.id.unwrap();
    drop(stream);
    let (_bob, _) = server.client_in("bob", "a").await;
    let resume = format!("{}Last-Event-ID: {id}\r\n", bearing(&server.all));
    let mut stream = server.events(path, &resume).await.unwrap();
    let (a, b) = (stream.expect("diff").await.data, stream.expect("diff").await.data);
    assert_eq!((ids(&a["joined"]), b.get("joined")), (vec!["bob".to_owned()], None));
}

#[tokio::test]
async fn a_reader_who_is_present_is_a_viewer_and_the_others_are_not() {
    let server = TestServer::start(|_| {}).await;
    let mut watcher = server.watch("board-1").await;
    watcher.expect("roster").await;
    let path = "/v1/rooms/board-1/events";
    let unseen = server.events(path, &bearing(&token("carol"))).await.unwrap();
    let mut alice = server.events(&format!("{path}?present=1&token={}", token("alice")), "").await.unwrap();
    assert_eq!(ids(&alice.expect("roster").await.data["viewers"]), ["alice"]);
    assert_eq!(ids(&watcher.expect("diff").await.data["joined"]), ["alice"]);
    assert_eq!(server.get("/v1/users/alice").await.json(200)["status"], "active");
    assert_eq!(server.get("/v1/users/carol").await.json(200)["status"], "offline");
    server.call("DELETE /v1/rooms/board-1/viewers/alice?reason=kicked", &server.all, None).await.done(204);
    assert_eq!(alice.expect("removed").await.data["reason"], "kicked");
    assert_eq!(alice.next().await, None, "the stream ends");
    assert_eq!(watcher.expect("diff").await.data["left"], json!([{"id":"alice","reason":"kicked"}]));
    drop(unseen);
}

#[tokio::test]
async fn a_reader_who_goes_is_lost_after_grace() {
    let server = TestServer::start(|config| config.presence.drop_grace = Duration::from_millis(50)).await;
    let mut watcher = server.watch("board-1").await;
    watcher.expect("roster").await;
    let path = format!("/v1/rooms/board-1/events?present=1&token={}", token("alice"));
    let mut alice = server.events(&path, "").await.unwrap();
    alice.expect("roster").await;
    watcher.expect("diff").await;
    drop(alice);
    assert_eq!(watcher.expect("diff").await.data["left"], json!([{"id":"alice","reason":"lost"}]));
}

#[tokio::test]
async fn typing_and_messages_are_heard() {
    let server = TestServer::start(|_| {}).await;
    let mut stream = server.watch("board-1").await;
    stream.expect("roster").await;
    let (alice, _) = server.client_in("alice", "board-1").await;
    stream.expect("diff").await;
    alice.typing("board-1", Some("card-1")).await.unwrap();
    let typing = stream.expect("typing").await;
    assert_eq!(
        (typing.id, &typing.data["user"]["id"], &typing.data["target"]),
        (None, &json!("alice"), &json!("card-1"))
    );
    let said = json!({"event":"note","data":{"text":"line\nbreak"}});
    server.call("POST /v1/rooms/board-1/messages", &server.write, Some(said)).await.done(202);
    assert_eq!(stream.expect("message").await.data["data"], json!({"text":"line\nbreak"}));
}

#[tokio::test]
async fn a_token_that_ends_ends_its_stream() {
    let server = TestServer::start(|_| {}).await;
    let token = token_for("alice", &[("*", Rights::DEFAULT)], Duration::from_secs(1));
    let mut stream = server.events("/v1/rooms/board-1/events", &bearing(&token)).await.unwrap();
    stream.expect("roster").await;
    assert_eq!(stream.expect("error").await.data["code"], "auth.expired");
    assert_eq!(stream.next().await, None);
}

#[tokio::test]
async fn an_address_has_so_many_streams_and_no_more() {
    let server = TestServer::start(|config| config.api.streams_per_address = 2).await;
    let (one, _two) = (server.watch("a").await, server.watch("b").await);
    server.events("/v1/rooms/c/events", &bearing(&server.all)).await.err().unwrap().refused(429, "rate.streams");
    server.get("/v1/rooms/c/poll?wait=1").await.refused(429, "rate.streams");
    drop(one);
    while server.get("/metrics").await.text.contains("herenow_readers 2") {}
    server.watch("c").await;
}

#[tokio::test]
async fn a_stop_ends_streams_and_polls_at_once() {
    let server = TestServer::start(|_| {}).await;
    let mut stream = server.watch("board-1").await;
    stream.expect("roster").await;
    let (took, draining) = tokio::join!(server.stop(), stream.expect("draining"));
    assert!(draining.data["reconnect_within_ms"].is_u64());
    assert_eq!(stream.next().await, None);
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[tokio::test]
async fn a_poll_waits_for_news_and_no_longer_than_it_is_told() {
    let server = TestServer::start(|_| {}).await;
    let roster = server.get("/v1/rooms/board-1/poll").await.json(200);
    assert_eq!((&roster["type"], &roster["viewers"]), (&json!("roster"), &json!([])));
    let since = |v: &serde_json::Value| format!("{}.{}", v[0].as_str().unwrap(), v[1]);
    let known = since(&roster["v"]);
    let nothing = server.get(&format!("/v1/rooms/board-1/poll?since={known}&wait=0")).await.json(200);
    assert_eq!(nothing, json!({"timeout":true,"v":roster["v"]}));
    let path = format!("/v1/rooms/board-1/poll?since={known}&wait=30");
    let (news, alice) = tokio::join!(server.get(&path), server.client_in("alice", "board-1"));
    let diff = news.json(200);
    assert_eq!((&diff["type"], ids(&diff["joined"])), (&json!("diff"), vec!["alice".to_owned()]));
    let missed = server.get(&format!("/v1/rooms/board-1/poll?since={known}")).await.json(200);
    assert_eq!((&missed["type"], ids(&missed["joined"])), (&json!("diff"), vec!["alice".to_owned()]));
    drop(alice);
}

#[tokio::test]
async fn a_version_of_another_life_gets_a_roster_once_a_second() {
    let server = TestServer::start(|_| {}).await;
    let poll = || server.get("/v1/rooms/board-1/poll?since=other.7&wait=30");
    let began = Instant::now();
    assert_eq!(poll().await.json(200)["type"], "roster");
    assert!(began.elapsed() < Duration::from_millis(900), "the first one at once");
    assert_eq!(poll().await.json(200)["type"], "roster");
    assert!(began.elapsed() >= Duration::from_millis(900), "the second one after a second");
}

#[tokio::test]
async fn a_slow_reader_gets_one_roster_for_what_it_missed() {
    let server = TestServer::start(|config| config.limits.outbox_bytes = 16 << 10).await;
    let mut stream = server.watch("board-1").await;
    stream.expect("roster").await;
    let put = |at: usize| {
        let body = json!({"ttl_ms":600_000,"state":{"n":at,"pad":"x".repeat(3500)}});
        server.call("PUT /v1/rooms/board-1/viewers/bot", &server.write, Some(body))
    };
    // More than the buffers of both sockets and the outbox take, while nobody reads.
    let mut at = 0;
    while at < 2500 {
        put(at).await.done(204);
        at += 1;
    }
    let (mut version, mut rosters) = (0, 0);
    loop {
        let event = stream.next().await.unwrap();
        let viewer = match event.kind.as_str() {
            "roster" => {
                rosters += 1;
                event.data["viewers"][0].clone()
            }
            "diff" => {
                assert_eq!(event.data["from"], version, "no gap");
                let changed = if event.data["joined"].is_array() { "joined" } else { "updated" };
                event.data[changed][0].clone()
            }
            other => panic!("{other}"),
        };
        version = event.data["v"][1].as_u64().unwrap();
        if viewer["state"]["n"] == at - 1 {
            break;
        }
    }
    assert!(rosters >= 1, "it fell behind");
    let room = server.get("/v1/rooms/board-1").await.json(200);
    assert_eq!(room["v"][1], version);
}

#[tokio::test]
async fn who_does_not_read_at_all_is_gone_and_then_cut_off() {
    let server = TestServer::start(|config| {
        config.limits.drain_timeout = Duration::from_secs(1);
        config.presence.request_lease = Duration::from_secs(1);
        config.presence.drop_grace = Duration::ZERO;
    })
    .await;
    let alice = token("alice");
    let _unread = server.events("/v1/rooms/board-1/events?present=1", &bearing(&alice)).await.unwrap();
    let viewers = async || ids(&server.get("/v1/rooms/board-1").await.json(200)["viewers"]);
    assert_eq!(viewers().await, ["alice"]);
    let began = Instant::now();
    let mut at = 0;
    // More than the buffers of both sockets take. Bots have no connection, and stay.
    while viewers().await != ["bot"] {
        let body = json!({"ttl_ms":600_000,"state":{"n":at,"pad":"x".repeat(3500)}});
        server.call("PUT /v1/rooms/board-1/viewers/bot", &server.write, Some(body)).await.done(204);
        at += 1;
        assert!(began.elapsed() < Duration::from_secs(60), "still a viewer after {at} changes");
    }
    let readers = async || {
        let text = server.get("/metrics").await.text;
        text.lines().find_map(|line| line.strip_prefix("herenow_readers ")?.parse::<usize>().ok())
    };
    // It was not read, so its connection is there until it is cut.
    while readers().await != Some(0) {
        assert!(began.elapsed() < Duration::from_secs(60), "never cut off");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn an_observer_hears_what_a_client_of_its_rights_hears() {
    let server = TestServer::start(|_| {}).await;
    let (_alice, mut events) = server.client_in("alice", "board-1").await;
    let observer = token_with("carol", Rights::OBSERVE);
    let mut stream = server.events("/v1/rooms/board-1/events", &bearing(&observer)).await.unwrap();
    let roster = stream.expect("roster").await;
    assert_eq!(ids(&roster.data["viewers"]), ["alice"]);
    let (_bob, _) = server.client_in("bob", "board-1").await;
    let diff = stream.expect("diff").await.data;
    let heard = loop {
        match events.next().await.unwrap() {
            ServerFrame::Diff(diff) => break diff,
            _ => continue,
        }
    };
    assert_eq!((diff["v"][1].as_u64(), diff["from"].as_u64()), (Some(heard.v.number), Some(heard.from)));
    let present = format!("/v1/rooms/board-1/events?present=1&token={observer}");
    server.events(&present, "").await.err().unwrap().refused(403, "room.forbidden");
}
