//! Three nodes on one Redis: what people do with each other whichever node they are on.
use crate::{
    process::Node,
    server::{LIMIT, Redis},
};
use herenow_client::{
    client::{Client, Events},
    error::RequestError,
    frame::ServerFrame,
};
use serde_json::json;
use std::time::{Duration, Instant};

const ROOM: &str = "board-1";

/// The next frame that is wanted.
async fn hear<T>(events: &mut Events, mut wanted: impl FnMut(ServerFrame) -> Option<T>) -> T {
    tokio::time::timeout(2 * LIMIT, async {
        loop {
            if let Some(found) = wanted(events.next().await.unwrap()) {
                return found;
            }
        }
    })
    .await
    .expect("it is heard")
}

async fn enter(node: &Node, user: &str) -> (Client, Events) {
    let (client, events) = node.connect(user).await;
    client.join(ROOM).await.unwrap();
    (client, events)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_comes_back_on_another_node_is_no_news_for_anybody() {
    let redis = Redis::start(&[]);
    let nodes = Node::start_all(3, &redis).await;
    let alice = nodes[1].watcher("alice", ROOM).await;
    let carol = nodes[2].watcher("carol", ROOM).await;
    let (bob, _) = enter(&nodes[0], "bob").await;
    let all = ["alice", "bob", "carol"].map(str::to_owned);
    for watcher in [&alice, &carol] {
        watcher.until_sees(&all).await;
    }
    let told = [alice.told().len(), carol.told().len()];
    let mut secret = bob.welcome().resume.clone().unwrap();
    bob.abort().await;
    // From node to node, as a balancer may send it; no node but the first knows the session.
    for node in [1, 2, 1] {
        let (bob, _) = nodes[node].connector("bob").resume(&secret).open().await.unwrap();
        assert!(!bob.welcome().resumed, "another node begins a new session");
        secret = bob.welcome().resume.clone().unwrap();
        bob.join(ROOM).await.unwrap();
        bob.abort().await;
    }
    let (bob, _) = nodes[2].connector("bob").resume(&secret).open().await.unwrap();
    bob.join(ROOM).await.unwrap();
    // Longer than the grace of each of the connections that were lost.
    tokio::time::sleep(Duration::from_secs(17)).await;
    assert_eq!([alice.told().len(), carol.told().len()], told, "{:?} {:?}", alice.told(), carol.told());
    let room = nodes[0].call(&format!("GET /v1/rooms/{ROOM}"), None).await;
    assert_eq!(room["count"], json!({ "users": 3, "sessions": 3 }), "{room}");
    bob.close(Some(1000)).await;
    for watcher in [&alice, &carol] {
        watcher.until_sees(&["alice", "carol"].map(str::to_owned)).await;
        watcher.check();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_is_waited_for_on_other_nodes_is_passed_on_also_by_a_node_that_dies() {
    let redis = Redis::start(&[]);
    let mut nodes = Node::start_all(3, &redis).await;
    let (alice, mut heard) = enter(&nodes[0], "alice").await;
    let (carol, _carol_hears) = enter(&nodes[2], "carol").await;
    let (dave, _dave_hears) = enter(&nodes[1], "dave").await;
    let first = alice.lock(ROOM, "card", false).await.unwrap();
    assert_eq!(first.held, Some(true));
    let is_held_by = |user: &'static str| {
        move |frame| match frame {
            ServerFrame::Lock(news) => news.lock.holder.filter(|holder| holder.id == user).map(|_| news.lock.fence),
            _ => None,
        }
    };
    let mut fence = hear(&mut heard, is_held_by("alice")).await;
    let mut grew = |next: u64| assert!(next > std::mem::replace(&mut fence, next), "{next}");
    let answer = carol.lock(ROOM, "card", true).await.unwrap();
    assert_eq!(answer.held, Some(false));
    alice.unlock(ROOM, "card").await.unwrap();
    grew(hear(&mut heard, is_held_by("carol")).await);
    let answer = dave.lock(ROOM, "card", true).await.unwrap();
    assert_eq!(answer.held, Some(false));
    // The node of the holder dies: who waits has it once that node's users have had their grace.
    let died = Instant::now();
    nodes[2].kill();
    grew(hear(&mut heard, is_held_by("dave")).await);
    println!("lock of a dead node passed on after {:.1} s", died.elapsed().as_secs_f64());
    drop((carol, dave));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_put_out_for_a_time_is_out_on_all_nodes_for_that_time() {
    let redis = Redis::start(&[]);
    let nodes = Node::start_all(3, &redis).await;
    let alice = nodes[2].watcher("alice", ROOM).await;
    let (bob, mut bob_hears) = enter(&nodes[0], "bob").await;
    let (twin, mut twin_hears) = enter(&nodes[1], "bob").await;
    alice.until_sees(&["alice", "bob"].map(str::to_owned)).await;
    nodes[2].call(&format!("DELETE /v1/rooms/{ROOM}/viewers/bob?block_ms=6000"), None).await;
    let began = Instant::now();
    for events in [&mut bob_hears, &mut twin_hears] {
        let removed = hear(events, |frame| match frame {
            ServerFrame::Removed(removed) => Some(removed),
            _ => None,
        });
        assert_eq!(removed.await.reason, "kicked");
    }
    alice.until_sees(&["alice".to_owned()]).await;
    for client in [&bob, &twin] {
        match client.join(ROOM).await {
            Err(RequestError::Refused(error)) => assert_eq!(error.code, "room.blocked"),
            other => panic!("{other:?}"),
        }
    }
    // When the time is over they may come back, and not before.
    let back = loop {
        match twin.join(ROOM).await {
            Ok(_) => break began.elapsed(),
            Err(RequestError::Refused(error)) => assert_eq!(error.code, "room.blocked"),
            Err(other) => panic!("{other}"),
        }
        assert!(began.elapsed() < LIMIT, "still out");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert!(back >= Duration::from_secs(5), "{back:?}");
    alice.until_sees(&["alice", "bob"].map(str::to_owned)).await;
    alice.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_green_dot_is_seen_on_another_node_and_goes_out_there() {
    let redis = Redis::start(&[]);
    let mut nodes = Node::start_all(3, &redis).await;
    let (alice, mut hears) = nodes[0].connect("alice").await;
    alice.watch(&["bob"]).await.unwrap();
    let dot = |wanted: &'static str| {
        move |frame: ServerFrame| match frame {
            ServerFrame::Statuses(news) => {
                let dot = news.users.get("bob").map(|dot| dot.status.clone());
                (dot.as_deref() == Some(wanted)).then_some(())
            }
            _ => None,
        }
    };
    hear(&mut hears, dot("offline")).await;
    let (bob, _) = nodes[1].connect("bob").await;
    hear(&mut hears, dot("active")).await;
    // As long as he is on one node he is online, wherever else he leaves.
    let (twin, _) = nodes[2].connect("bob").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    bob.close(Some(1000)).await;
    let quiet = hears.next_within(Duration::from_secs(3)).await.unwrap();
    assert!(!matches!(quiet, Some(ServerFrame::Statuses(_))), "{quiet:?}");
    nodes[2].kill();
    hear(&mut hears, dot("offline")).await;
    drop(twin);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_over_three_nodes_is_counted_exactly_on_each() {
    let redis = Redis::start(&[]);
    let nodes = Node::start_all(3, &redis).await;
    let each = 350;
    let fill = futures_util::future::join_all(nodes.iter().enumerate().map(|(n, node)| async move {
        for user in 0..each {
            // One of ten is on two nodes: one user, two sessions.
            let of = if user % 10 == 0 { (n + 1) % 3 } else { n };
            let line = format!("PUT /v1/rooms/{ROOM}/viewers/user-{of}-{user}");
            node.call(&line, Some(json!({ "ttl_ms": 600_000 }))).await;
        }
        for user in (0..each).step_by(10) {
            let line = format!("PUT /v1/rooms/{ROOM}/viewers/user-{n}-{user}");
            node.call(&line, Some(json!({ "ttl_ms": 600_000 }))).await;
        }
    }));
    fill.await;
    let (users, sessions) = (3 * each, 3 * (each + each / 10));
    let began = Instant::now();
    for node in &nodes {
        loop {
            let room = node.call(&format!("GET /v1/rooms/{ROOM}"), None).await;
            if room["count"] == json!({ "users": users, "sessions": sessions }) {
                let faces = room["faces"].as_array().unwrap().len();
                assert_eq!((room["gear"].as_str(), faces), (Some("crowd"), 30), "{room}");
                break;
            }
            assert!(began.elapsed() < LIMIT, "still {}", room["count"]);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    println!("crowd of {users} users and {sessions} sessions: exact on 3 of 3 nodes, 30 faces");
    let (alice, mut hears) = nodes[0].connect("alice").await;
    alice.join(ROOM).await.unwrap();
    let all = users as u64 + 1;
    hear(&mut hears, |frame| match frame {
        ServerFrame::Count(news) if news.count.users == all => Some(()),
        _ => None,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_redis_cluster_of_three_primaries_who_comes_and_goes_is_seen_on_all_nodes() {
    let primaries = crate::access::redis_cluster().await;
    let ports: Vec<String> = primaries.iter().map(|redis| format!("127.0.0.1:{}", redis.port())).collect();
    let address = format!("redis+cluster://{}", ports.join(","));
    let nodes: Vec<Node> = (0..3).map(|_| Node::start_with(&address)).collect();
    Node::until_all_hear(&nodes).await;
    let rooms: Vec<String> = (0..12).map(|n| format!("board-{n}")).collect();
    let all = ["alice", "bob", "carol"];
    let mut there = Vec::new();
    for room in &rooms {
        for (node, user) in nodes.iter().zip(all) {
            there.push(node.watcher(user, room).await);
        }
    }
    for watcher in &there {
        watcher.until_sees(&all.map(str::to_owned)).await;
    }
    // Each primary has some of the rooms.
    let kept: Vec<i64> =
        primaries.iter().map(|redis| redis::from_redis_value(redis.order(&["DBSIZE"])).unwrap()).collect();
    assert!(kept.iter().all(|keys| *keys > 0), "{kept:?}");
    let rooms_listed = nodes[0].call("GET /v1/rooms?prefix=board-", None).await;
    assert_eq!(rooms_listed["rooms"].as_array().unwrap().len(), rooms.len());
    let (mut stay, mut go) = (Vec::new(), Vec::new());
    there
        .into_iter()
        .enumerate()
        .for_each(|(n, watcher)| if n % 3 == 1 { go.push(watcher) } else { stay.push(watcher) });
    for watcher in go {
        watcher.leave().await;
    }
    for watcher in &stay {
        watcher.until_sees(&["alice", "carol"].map(str::to_owned)).await;
        watcher.check();
    }
    println!("Redis Cluster: 12 rooms over 3 primaries ({kept:?} keys), 36 joins and 12 leaves seen on 3 nodes");
}
