//! Three nodes on one Redis: what a backend reads on one of them that nobody came in through.
use crate::{
    process::Node,
    server::{LIMIT, Redis},
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;

/// Reads until the answer is as wanted: what was just written by another node is on its way.
async fn read_until(node: &Node, line: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let began = Instant::now();
    loop {
        let answer = node.call(line, None).await;
        if is_so(&answer) {
            return answer;
        }
        assert!(began.elapsed() < LIMIT, "{line}: still {answer}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn users(answer: &Value) -> Vec<&str> {
    let viewers = answer["viewers"].as_array().unwrap();
    viewers.iter().map(|viewer| viewer["user"]["id"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_is_read_on_a_node_that_has_nobody_in_it() {
    let mut redis = Redis::start(&[]);
    let nodes = Node::start_all(3, &redis).await;
    let [a, b, c] = [&nodes[0], &nodes[1], &nodes[2]];
    let alice = a.watcher("alice", "board-1").await;
    let bob = b.watcher("bob", "board-1").await;
    for watcher in [&alice, &bob] {
        watcher.until_sees(&["alice", "bob"].map(str::to_owned)).await;
    }
    // Both are written by now, so that the very first answer has to have them.
    let room = c.call("GET /v1/rooms/board-1", None).await;
    assert_eq!((&room["count"], users(&room)), (&json!({ "users": 2, "sessions": 2 }), vec!["alice", "bob"]));
    assert_eq!(room.get("stale_since_ms"), None, "{room}");
    let page = c.call("GET /v1/rooms/board-1/viewers?limit=1", None).await;
    assert_eq!(users(&page), ["alice"]);
    let next = page["next"].as_str().unwrap();
    let rest = c.call(&format!("GET /v1/rooms/board-1/viewers?limit=1&cursor={next}"), None).await;
    assert_eq!((users(&rest), &rest["next"]), (vec!["bob"], &Value::Null));
    let why = c.call("GET /v1/debug/rooms/board-1/users/alice", None).await;
    assert_eq!((&why["is_viewer"], why["entries"].as_array().unwrap().len()), (&true.into(), 1), "{why}");
    assert_eq!(users(&c.call("GET /v1/rooms/board-2", None).await), [""; 0]);

    // From now on the room is followed for a while: who comes is seen, and by a long poll at once.
    let since = format!("{}.{}", room["v"][0].as_str().unwrap(), room["v"][1]);
    let poll = format!("GET /v1/rooms/board-1/poll?wait=30&since={since}");
    let carol = async { a.watcher("carol", "board-1").await };
    let (news, _carol) = tokio::join!(c.call(&poll, None), carol);
    assert_eq!(news["joined"][0]["user"]["id"], "carol", "{news}");

    // Where Redis is away, what was last heard is shown, and that it may be old.
    redis.kill();
    let old = read_until(c, "GET /v1/rooms/board-1", |room| room["stale_since_ms"].is_u64()).await;
    assert_eq!(users(&old), ["alice", "bob", "carol"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_a_room_that_only_other_nodes_have_viewers_in_tells_of_them() {
    let redis = Redis::start(&[]);
    let nodes = Node::start_all(3, &redis).await;
    let alice = nodes[0].watcher("alice", "board-1").await;
    alice.until_sees(&["alice".to_owned()]).await;
    let mut stream = nodes[2].ask("GET /v1/rooms/board-1/events", None).await;
    let (mut told, mut piece) = (String::new(), [0; 4096]);
    let mut read_to = async |mark: &str| {
        while !told.contains(mark) {
            let read = tokio::time::timeout(LIMIT, stream.read(&mut piece)).await.expect("the stream tells").unwrap();
            assert!(read > 0, "the stream ended after {told}");
            told.push_str(std::str::from_utf8(&piece[..read]).unwrap());
        }
    };
    read_to("event: roster").await;
    read_to(r#""id":"alice""#).await;
    let bob = nodes[1].watcher("bob", "board-1").await;
    read_to(r#""id":"bob""#).await;
    bob.leave().await;
    read_to(r#""left":[{"id":"bob""#).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_name_the_rooms_of_all_nodes_and_users_are_found_on_any() {
    let redis = Redis::start(&[]);
    let nodes = Node::start_all(3, &redis).await;
    let mut there = Vec::new();
    for n in 0..12 {
        there.push(nodes[n % 2].watcher("alice", &format!("board-{n:02}")).await);
    }
    there.push(nodes[1].watcher("bob", "other*").await);
    there.push(nodes[2].watcher("carol", "board-12").await);
    let names = |answer: &Value| -> Vec<String> {
        let rooms = answer["rooms"].as_array().unwrap().iter();
        rooms
            .inspect(|room| assert_eq!(room["count"]["users"], 1))
            .map(|room| room["room"].as_str().unwrap().to_owned())
            .collect()
    };
    read_until(&nodes[2], "GET /v1/rooms", |answer| names(answer).len() == 14).await;
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = nodes[2].call(&format!("GET /v1/rooms?prefix=board-&limit=5{cursor}"), None).await;
        seen.push(names(&page));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen.iter().map(Vec::len).collect::<Vec<_>>(), [5, 5, 3]);
    assert_eq!(seen.concat(), (0..13).map(|n| format!("board-{n:02}")).collect::<Vec<_>>());
    assert_eq!(names(&nodes[2].call("GET /v1/rooms?prefix=other*", None).await), ["other*"]);

    let alice = nodes[2].call("GET /v1/users/alice", None).await;
    assert_eq!((&alice["status"], alice["sessions"].as_array().unwrap().len()), (&"active".into(), 12), "{alice}");
    let asked = json!({ "ids": ["alice", "bob", "carol", "nobody"] });
    let answer = nodes[2].call("POST /v1/users/statuses", Some(asked)).await;
    let status = |user: &str| answer["users"][user]["status"].as_str().unwrap();
    assert_eq!(["alice", "bob", "carol", "nobody"].map(status), ["active", "active", "active", "offline"]);
    // Nobody is in a room any more whose last viewer has left, on whichever node.
    there.remove(0).leave().await;
    read_until(&nodes[2], "GET /v1/rooms", |answer| names(answer).len() == 13).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t_64_a_node_that_stands_still_holds_up_no_read_on_another() {
    let redis = Redis::start(&[]);
    let nodes = Node::start_all(3, &redis).await;
    let alice = nodes[0].watcher("alice", "board-1").await;
    let bob = nodes[1].watcher("bob", "board-1").await;
    for watcher in [&alice, &bob] {
        watcher.until_sees(&["alice", "bob"].map(str::to_owned)).await;
    }
    nodes[0].signal("-STOP");
    let began = Instant::now();
    // Not longer than it may be silent: then its viewers would be given up, rightly.
    let mut reads = 0;
    while began.elapsed() < Duration::from_secs(5) {
        for node in &nodes[1..] {
            let room = node.call("GET /v1/rooms/board-1", None).await;
            assert_eq!(users(&room), ["alice", "bob"]);
            let rooms = node.call("GET /v1/rooms", None).await;
            assert_eq!(rooms["rooms"][0]["room"], "board-1", "{rooms}");
            reads += 2;
        }
    }
    nodes[0].signal("-CONT");
    println!("a node stood still for 5 s: {reads} reads on two others meanwhile, each whole");
    // What would wait for that node would have been one or two.
    assert!(reads >= 20, "{reads}");
}
