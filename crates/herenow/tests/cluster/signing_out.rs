//! A user who is put out by one node, and where they are.
use crate::{
    process::{Node, token},
    server::{LIMIT, Redis, store},
};
use herenow::{
    auth::revoked::{Revocations, Withdrawal},
    cluster::redis::revoke::WITHDRAWALS_MAX,
};
use herenow_client::{
    client::Events,
    error::{ConnectError, Ended},
};
use herenow_core::id::UserId;
use std::time::{Duration, Instant};

const ROOM: &str = "board-1";

/// The close code that ends a connection.
async fn ended(mut events: Events) -> Option<u16> {
    let end = async {
        loop {
            match events.next().await {
                Ok(_) => {}
                Err(Ended::Closed { code, .. }) => return code,
                Err(other) => panic!("{other:?}"),
            }
        }
    };
    tokio::time::timeout(LIMIT, end).await.expect("it ends")
}

/// Why a token is refused; `None` where it is taken.
async fn refusal(node: &Node, token: &str) -> Option<String> {
    match node.connector("alice").token(token).open().await {
        Ok((client, _)) => {
            client.close(Some(1000)).await;
            None
        }
        Err(ConnectError::Refused(error)) => Some(error.code.to_string()),
        Err(other) => panic!("{other:?}"),
    }
}

async fn until_refused(node: &Node, token: &str) {
    let began = Instant::now();
    while refusal(node, token).await.as_deref() != Some("auth.revoked") {
        assert!(began.elapsed() < LIMIT, "the token is good still");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_is_put_out_by_one_node_is_put_out_of_all() {
    let redis = Redis::start(&[]);
    let mut nodes = Node::start_all(3, &redis).await;
    let bob = nodes[1].watcher("bob", ROOM).await;
    let old = token("alice");
    let mut alices = Vec::new();
    for node in &nodes {
        let (client, events) = node.connector("alice").token(&old).open().await.unwrap();
        client.join(ROOM).await.unwrap();
        alices.push((client, events));
    }
    // One that is in no room, where no news of a room comes by.
    let (lonely, lonely_events) = nodes[2].connector("alice").token(&old).open().await.unwrap();
    bob.until_sees(&["alice", "bob"].map(str::to_owned)).await;
    let put_out = Instant::now();
    nodes[0].call("DELETE /v1/users/alice", None).await;
    let mut kept = vec![lonely];
    let mut endings = vec![lonely_events];
    for (client, events) in alices {
        kept.push(client);
        endings.push(events);
    }
    for events in endings {
        assert_eq!(ended(events).await, Some(4403));
    }
    println!("revoke 3 nodes {:.1} s", put_out.elapsed().as_secs_f64());
    bob.until_sees(&["bob".to_owned()]).await;
    bob.check();
    let left: Vec<_> = bob.told().into_iter().filter(|told| !told.joined).collect();
    assert_eq!(left.len(), 1, "once, however many tabs and nodes: {left:?}");
    for node in &nodes {
        until_refused(node, &old).await;
    }
    drop(kept);

    // A node that comes later has it from the store.
    nodes.push(Node::start(&redis));
    nodes[3].until(|ready| ready["status"] == "ready").await;
    until_refused(&nodes[3], &old).await;

    // Who signs in again is welcome everywhere, and is not put out by what is old.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let new = token("alice");
    let (client, mut events) = nodes[3].connector("alice").token(&new).open().await.unwrap();
    client.join(ROOM).await.unwrap();
    for node in &nodes[..3] {
        assert_eq!(refusal(node, &new).await, None);
    }

    // What the store loses, those who know it note there again; and nobody is put out who came since.
    redis.order(&["FLUSHALL"]);
    redis.order(&["CLIENT", "KILL", "TYPE", "normal"]);
    nodes.push(Node::start(&redis));
    nodes[4].until(|ready| ready["cluster"]["nodes"].as_u64() >= Some(5)).await;
    until_refused(&nodes[4], &old).await;
    let still = events.next_within(Duration::from_secs(3)).await;
    assert!(still.is_ok(), "{still:?}");
    client.ping().await.unwrap();
    bob.check();
    let left = bob.told().into_iter().filter(|told| !told.joined).count();
    assert_eq!(left, 1, "alice came back, and stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_withdrawn_is_told_in_parts_and_the_oldest_is_forgotten_where_it_is_too_much() {
    let redis = Redis::start(&[]);
    let a = store(&redis, 1).await;
    let one = |n: usize| Withdrawal { user: UserId::parse(&format!("user-{n}")).unwrap(), before_s: n as u64 };
    let all: Vec<Withdrawal> = (0..Revocations::ENTRIES_MAX + 700).map(one).collect();
    for part in all.chunks(WITHDRAWALS_MAX) {
        // Twice, as where nobody knew whether it was done.
        for _ in 0..2 {
            a.revoke(0, "n1", part).await.unwrap();
        }
    }
    let b = store(&redis, 2).await;
    let (mut seen, mut heard, mut calls) = (0, Vec::new(), 0);
    loop {
        let told = b.revoke(seen, "n2", &[]).await.unwrap();
        assert_eq!((told.name.as_slice(), told.senseless), (&b"n1"[..], 0));
        assert!(told.withdrawals.len() <= WITHDRAWALS_MAX);
        heard.extend(told.withdrawals);
        (seen, calls) = (told.seen, calls + 1);
        if !told.is_part {
            break;
        }
    }
    assert!(heard == all[700..], "{} heard, from {:?} on", heard.len(), heard.first());
    assert_eq!(calls, Revocations::ENTRIES_MAX / WITHDRAWALS_MAX + 1);
    assert_eq!(b.revoke(seen, "n2", &[]).await.unwrap().withdrawals, []);
}
