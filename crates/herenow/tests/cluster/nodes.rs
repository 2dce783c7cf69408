//! Three nodes on one Redis, as processes: what one of them knows the others know, and no fault of Redis tells a lie.
use crate::{
    process::{Node, Watcher},
    server::{LIMIT, Redis, place, room},
};
use herenow::cluster::redis::keyspace::Keyspace;
use herenow_client::{client::Events, frame::ServerFrame};
use std::time::{Duration, Instant};

const ROOM: &str = "board-1";

fn names(users: &[&str]) -> Vec<String> {
    let mut users: Vec<_> = users.iter().map(ToString::to_string).collect();
    users.sort();
    users
}

async fn settle(watchers: &[&Watcher], users: &[&str]) {
    for watcher in watchers {
        watcher.until_sees(&names(users)).await;
    }
}

/// Waits for as long as a fault would take to tell a lie: a lease, two audits, and more.
async fn quiet() {
    tokio::time::sleep(Duration::from_secs(12)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_joins_through_one_node_is_seen_through_the_others_and_so_is_who_leaves() {
    let redis = Redis::start(&[]);
    let nodes = Node::start_all(3, &redis).await;
    let [a, b, c] = [&nodes[0], &nodes[1], &nodes[2]];
    let alice = a.watcher("alice", ROOM).await;
    let bob = b.watcher("bob", ROOM).await;
    let carol = c.watcher("carol", ROOM).await;
    settle(&[&alice, &bob, &carol], &["alice", "bob", "carol"]).await;
    let mut delays = Vec::new();
    for n in 0..20 {
        let user = format!("guest-{n}");
        let guest = nodes[n % 2].watcher(&user, ROOM).await;
        let came = Instant::now();
        carol.until_sees(&names(&["alice", "bob", "carol", &user])).await;
        delays.push(came.elapsed());
        guest.leave().await;
        settle(&[&alice, &bob, &carol], &["alice", "bob", "carol"]).await;
    }
    delays.sort();
    println!("seen through another node: median {:?}, slowest of 20 {:?}", delays[10], delays[19]);
    // Another tab of the same user on another node is nobody new.
    let told = alice.told().len();
    let second = c.watcher("bob", ROOM).await;
    second.until_sees(&names(&["alice", "bob", "carol"])).await;
    bob.leave().await;
    quiet().await;
    assert_eq!(alice.told().len(), told, "{:?}", alice.told());
    for watcher in [&alice, &carol] {
        watcher.check();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_dies_is_missed_once_its_users_had_their_grace() {
    let redis = Redis::start(&[]);
    let mut nodes = Node::start_all(3, &redis).await;
    let alice = nodes[0].watcher("alice", ROOM).await;
    let bob = nodes[1].watcher("bob", ROOM).await;
    let mut there = Vec::new();
    for n in 0..20 {
        there.push(nodes[2].watcher(&format!("guest-{n}"), ROOM).await);
    }
    // One of them has another tab elsewhere, and stays.
    let elsewhere = nodes[1].watcher("guest-0", ROOM).await;
    let all: Vec<_> = (0..20).map(|n| format!("guest-{n}")).chain(["alice", "bob"].map(str::to_owned)).collect();
    let all: Vec<_> = all.iter().map(String::as_str).collect();
    settle(&[&alice, &bob, &elsewhere], &all).await;
    let died = Instant::now();
    nodes[2].kill();
    settle(&[&alice, &bob], &["alice", "bob", "guest-0"]).await;
    for watcher in [&alice, &bob] {
        watcher.check();
        let left: Vec<_> = watcher.told().into_iter().filter(|told| !told.joined).collect();
        assert_eq!(left.len(), 19, "{left:?}");
        assert!(left.iter().all(|told| told.reason == "node_lost"), "{left:?}");
        let after: Vec<_> = left.iter().map(|told| told.at.duration_since(died)).collect();
        let (first, last) = (after.iter().min().unwrap(), after.iter().max().unwrap());
        println!(
            "left after {:.1} s to {:.1} s, exactly {}, duplicates 0",
            first.as_secs_f64(),
            last.as_secs_f64(),
            left.len()
        );
        // The last sign of life may have been up to a second before.
        assert!(*first >= Duration::from_secs(9), "{first:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_loses_all_or_starts_anew_costs_no_event() {
    let mut redis = Redis::start(&[]);
    let nodes = Node::start_all(3, &redis).await;
    let alice = nodes[0].watcher("alice", ROOM).await;
    let bob = nodes[1].watcher("bob", ROOM).await;
    let carol = nodes[2].watcher("carol", ROOM).await;
    let all = [&alice, &bob, &carol];
    settle(&all, &["alice", "bob", "carol"]).await;
    let told: Vec<_> = all.iter().map(|watcher| watcher.told().len()).collect();
    redis.order(&["FLUSHALL"]);
    let lost = Instant::now();
    let at = room(ROOM);
    let key = Keyspace::default().meta(place(&at).partition, &at);
    // Whole again: the tag, and a section of each node.
    while redis.order(&["HLEN", &key]) != redis::Value::Int(4) {
        assert!(lost.elapsed() < Duration::from_secs(60), "not written again");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    println!("spurious left 0, joined 0; Redis rebuilt in {:.1} s", lost.elapsed().as_secs_f64());
    quiet().await;
    redis.kill();
    redis.restart(true);
    for node in &nodes {
        node.until(|ready| ready["status"] == "ready").await;
    }
    quiet().await;
    let now: Vec<_> = all.iter().map(|watcher| watcher.told().len()).collect();
    assert_eq!(now, told, "{:?}", all.map(Watcher::told));
    let dave = nodes[2].watcher("dave", ROOM).await;
    settle(&[&alice, &bob, &carol, &dave], &["alice", "bob", "carol", "dave"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_a_node_serves_its_own_and_says_so() {
    let mut redis = Redis::start(&[]);
    redis.kill();
    let nodes = [Node::start(&redis), Node::start(&redis)];
    let away = nodes[0].until(|ready| ready["cluster"]["problem"]["code"] == "redis.unreachable").await;
    assert_eq!((&away["status"], &away["cluster"]["state"]), (&"degraded".into(), &"joining".into()), "{away}");
    let alice = nodes[0].watcher("alice", ROOM).await;
    let anna = nodes[0].watcher("anna", ROOM).await;
    let bob = nodes[1].watcher("bob", ROOM).await;
    settle(&[&alice, &anna], &["alice", "anna"]).await;
    settle(&[&bob], &["bob"]).await;
    redis.restart(true);
    settle(&[&alice, &anna, &bob], &["alice", "anna", "bob"]).await;
    nodes[0].until(|ready| ready["status"] == "ready" && ready["cluster"]["nodes"] == 2).await;
    redis.kill();
    let away = nodes[0].until(|ready| ready["status"] == "degraded").await;
    assert_eq!(away["cluster"]["state"], "away", "{away}");
    // Nobody is declared gone, and who comes is seen by those on the same node.
    let dave = nodes[0].watcher("dave", ROOM).await;
    settle(&[&alice, &anna, &dave], &["alice", "anna", "bob", "dave"]).await;
    quiet().await;
    assert_eq!(bob.users(), names(&["alice", "anna", "bob"]));
    redis.restart(true);
    settle(&[&alice, &bob], &["alice", "anna", "bob", "dave"]).await;
    for watcher in [&alice, &anna, &bob, &dave] {
        watcher.check();
        assert!(watcher.told().iter().all(|told| told.joined), "{:?}", watcher.told());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_messages_change_no_roster() {
    let redis = Redis::start(&[]);
    let nodes = Node::start_all(2, &redis).await;
    let alice = nodes[0].watcher("alice", ROOM).await;
    let bob = nodes[1].watcher("bob", ROOM).await;
    settle(&[&alice, &bob], &["alice", "bob"]).await;
    let told = (alice.told().len(), bob.told().len());
    let at = room(ROOM);
    let (keys, partition) = (Keyspace::default(), place(&at).partition);
    let mut admin = redis.admin();
    let mut seed = 1_u64;
    for n in 0..5_000 {
        let mut bytes = Vec::new();
        for _ in 0..(n % 97) {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            bytes.push((seed >> 56) as u8);
        }
        // Half of them begin as a real one does.
        if n % 2 == 0 {
            let head =
                crate::fake::packed(&["D", "", "0000000000000009.1", "0000000000000009"].map(|text| text.into()));
            bytes.splice(0..0, head);
        }
        let channel = if n % 3 == 0 { keys.passing(partition, &at) } else { keys.news(partition, &at) };
        let () = redis::cmd("SPUBLISH").arg(channel).arg(bytes).query(&mut admin).unwrap();
    }
    quiet().await;
    assert_eq!((alice.told().len(), bob.told().len()), told);
    let carol = nodes[1].watcher("carol", ROOM).await;
    settle(&[&alice, &bob, &carol], &["alice", "bob", "carol"]).await;
    println!("5000 hostile messages: 0 panics, 0 roster change");
}

/// The next frame that is wanted.
async fn hear<T>(events: &mut Events, mut wanted: impl FnMut(ServerFrame) -> Option<T>) -> T {
    tokio::time::timeout(LIMIT, async {
        loop {
            if let Some(found) = wanted(events.next().await.unwrap()) {
                return found;
            }
        }
    })
    .await
    .expect("it is heard")
}

#[tokio::test(flavor = "multi_thread")]
async fn typing_messages_and_locks_pass_between_nodes() {
    let redis = Redis::start(&[]);
    let nodes = Node::start_all(2, &redis).await;
    let (alice, _hears) = nodes[0].connect("alice").await;
    let (bob, mut bob_hears) = nodes[1].connect("bob").await;
    alice.join(ROOM).await.unwrap();
    bob.join(ROOM).await.unwrap();
    let carol = nodes[1].watcher("carol", ROOM).await;
    settle(&[&carol], &["alice", "bob", "carol"]).await;
    alice.typing(ROOM, Some("card")).await.unwrap();
    hear(&mut bob_hears, |frame| matches!(frame, ServerFrame::Typing(typing) if typing.on).then_some(())).await;
    alice.message(ROOM, "ring", &serde_json::json!({ "n": 1 })).await.unwrap();
    let data = hear(&mut bob_hears, |frame| match frame {
        ServerFrame::Message(message) if message.event == "ring" => Some(message.data),
        _ => None,
    });
    assert_eq!(data.await, serde_json::json!({ "n": 1 }));
    let first = alice.lock(ROOM, "card", false).await.unwrap();
    assert_eq!(first.held, Some(true));
    let refused = bob.lock(ROOM, "card", false).await.unwrap();
    assert_eq!((refused.held, refused.fence), (Some(false), first.fence));
    alice.unlock(ROOM, "card").await.unwrap();
    let began = Instant::now();
    loop {
        let again = bob.lock(ROOM, "card", false).await.unwrap();
        if again.held == Some(true) {
            assert!(again.fence > first.fence, "{:?} after {:?}", again.fence, first.fence);
            break;
        }
        assert!(began.elapsed() < LIMIT, "the lock is not free");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_or_a_redis_that_stands_still_for_a_moment_is_no_news() {
    let redis = Redis::start(&[]);
    let nodes = Node::start_all(3, &redis).await;
    let alice = nodes[0].watcher("alice", ROOM).await;
    let bob = nodes[1].watcher("bob", ROOM).await;
    let carol = nodes[2].watcher("carol", ROOM).await;
    let all = [&alice, &bob, &carol];
    settle(&all, &["alice", "bob", "carol"]).await;
    let told: Vec<_> = all.iter().map(|watcher| watcher.told().len()).collect();
    nodes[1].signal("-STOP");
    tokio::time::sleep(Duration::from_secs(2)).await;
    nodes[1].signal("-CONT");
    redis.signal("-STOP");
    tokio::time::sleep(Duration::from_secs(8)).await;
    redis.signal("-CONT");
    for node in &nodes {
        node.until(|ready| ready["status"] == "ready" && ready["cluster"]["nodes"] == 3).await;
    }
    quiet().await;
    let now: Vec<_> = all.iter().map(|watcher| watcher.told().len()).collect();
    assert_eq!(now, told, "{:?}", all.map(Watcher::told));
    println!("node still 2 s: 0 events; Redis still 8 s: claims 0, left 0");
}
