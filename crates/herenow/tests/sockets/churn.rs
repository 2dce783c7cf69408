//! Many who come and go at once: rosters and diffs that fit together, and nothing left behind.
use crate::common::{LIMIT, Peer, SHARDS, TestServer, token};
use herenow::shard::ShardLoad;
use herenow_client::{
    client::{Events, Synced},
    frame::ServerFrame,
    raw,
    roster::{Outcome, RoomState},
};
use serde_json::json;
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::task::JoinSet;

const ROOM: &str = "board-1";

/// Follows a room until the marker, and says who is in it then. A gap or a contradiction is a broken promise.
async fn follow(mut events: Events, n: u64) -> (RoomState, usize) {
    let (mut state, mut diffs) = (RoomState::new(ROOM), 0);
    loop {
        let frame = tokio::time::timeout(LIMIT * 2, events.next()).await.expect("the marker has to come").unwrap();
        if matches!(&frame, ServerFrame::Message(message) if message.event == "marker" && message.data["n"] == n) {
            return (state, diffs);
        }
        match state.apply(&frame) {
            Outcome::Gap { have, from } => panic!("a diff from {from} came at {have:?}"),
            Outcome::Contradiction { user } => panic!("contradicted about {user}: {frame:?}"),
            Outcome::Removed => panic!("removed"),
            Outcome::Changed(_) => diffs += 1,
            Outcome::Ignored | Outcome::Unchanged | Outcome::Synced(_) => {}
        }
    }
}

/// One of the crowd: joins, types, leaves and comes back in an order of its own, and ends as its number says.
async fn restless(server: Arc<TestServer>, n: usize) -> Option<herenow_client::client::Client> {
    let (client, events) = server.native(&format!("user-{n}")).await;
    drop(events);
    for round in 0..6 {
        client.join(ROOM).await.unwrap();
        match (n + round) % 4 {
            0 => drop(client.typing(ROOM, None).await.unwrap()),
            1 => drop(client.message(ROOM, "hello", &json!(round)).await.unwrap()),
            2 => drop(client.update(ROOM, json!({"round":round}).as_object().unwrap()).await.unwrap()),
            _ => {}
        }
        if round % 3 != n % 3 || round == 5 {
            client.leave(ROOM).await.unwrap();
        }
    }
    match n % 5 {
        // Half of the fifths end inside the room, the others outside, each in a way of its own.
        0 | 1 => {
            client.join(ROOM).await.unwrap();
            Some(client)
        }
        2 => {
            client.join(ROOM).await.unwrap();
            client.close(Some(1000)).await;
            None
        }
        3 => {
            client.abort().await;
            None
        }
        _ => Some(client),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn t_20_t_49_every_observer_ends_with_the_true_set_whatever_the_order() {
    for shards in SHARDS {
        let server = Arc::new(TestServer::start(|config| config.server.shards = Some(shards)).await);
        let mut observers = Vec::new();
        let mut watching = JoinSet::new();
        for n in 0..3 {
            let (client, events) = server.native(&format!("observer-{n}")).await;
            client.join(ROOM).await.unwrap();
            observers.push(client);
            watching.spawn(follow(events, 1));
        }
        let crowd: JoinSet<_> = (0..50).map(|n| restless(Arc::clone(&server), n)).collect();
        let stayed: Vec<_> = crowd.join_all().await.into_iter().flatten().collect();
        server.mark(ROOM, 1).await;
        let expected: BTreeSet<String> = (0..50)
            .filter(|n| n % 5 < 2)
            .map(|n| format!("user-{n}"))
            .chain((0..3).map(|n| format!("observer-{n}")))
            .collect();
        for (state, diffs) in watching.join_all().await {
            let seen: BTreeSet<String> = state.user_ids().into_iter().map(str::to_owned).collect();
            assert_eq!((&seen, state.count().users as usize), (&expected, expected.len()), "{shards} shards");
            assert!(diffs >= expected.len() - 3, "{diffs} diffs: some has to have come one by one");
        }
        drop((stayed, observers));
    }
}

/// Sends much without waiting for any answer; whether the user is in the room at the end.
async fn hasty(server: Arc<TestServer>, n: usize) -> (herenow_client::client::Client, bool) {
    let (client, mut events) = server.native(&format!("user-{n}")).await;
    let mut inside = false;
    for step in 0..60 {
        let text = match (n * 7 + step * step + step) % 9 {
            0 | 1 | 5 => {
                inside = true;
                json!({"type":"join","room":ROOM,"state":{"step":step % 3}})
            }
            2 | 6 => {
                inside = false;
                json!({"type":"leave","room":ROOM})
            }
            3 => json!({"type":"typing","room":ROOM,"target":format!("card-{}", step % 3)}),
            4 => json!({"type":"stop_typing","room":ROOM,"target":format!("card-{}", step % 3)}),
            7 => json!({"type":"update","room":ROOM,"state":{"step":step % 3,"n":n}}),
            _ => json!({"type":"status","status":if step % 2 == 0 { "idle" } else { "active" }}),
        };
        client.send_raw(&text.to_string()).await.unwrap();
    }
    // Answered once all before it is done, or refused then.
    let answer = client.sync(ROOM, None).await;
    assert_eq!(answer.is_ok(), inside, "{answer:?}");
    tokio::spawn(async move { while events.next().await.is_ok() {} });
    (client, inside)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn t_20_what_observers_put_together_is_what_a_new_roster_says_typing_and_states_too() {
    for shards in SHARDS {
        let server = TestServer::start(|config| {
            config.server.shards = Some(shards);
            config.presence.typing_lease = Duration::from_secs(60);
        });
        let server = Arc::new(server.await);
        let mut observers = Vec::new();
        for n in 0..3 {
            let (client, events) = server.native(&format!("observer-{n}")).await;
            client.join(ROOM).await.unwrap();
            observers.push((client, tokio::spawn(follow(events, 1))));
        }
        let crowd: JoinSet<_> = (0..30).map(|n| hasty(Arc::clone(&server), n)).collect();
        let crowd = crowd.join_all().await;
        server.mark(ROOM, 1).await;
        for (client, following) in &mut observers {
            let (state, _) = following.await.unwrap();
            let mut fresh = RoomState::new(ROOM);
            let Ok(Synced::Roster(roster)) = client.sync(ROOM, None).await else { panic!("no roster") };
            fresh.apply(&ServerFrame::Roster(roster));
            assert_eq!(state.viewers(), fresh.viewers(), "{shards} shards");
            assert_eq!((state.typing(), state.count()), (fresh.typing(), fresh.count()), "{shards} shards");
            assert_eq!(state.version(), fresh.version());
            assert_eq!(state.viewers().len(), 3 + crowd.iter().filter(|(_, inside)| *inside).count());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_request_is_answered_once_however_many_are_under_way() {
    for shards in SHARDS {
        let server = TestServer::start(|config| {
            config.server.shards = Some(shards);
            config.presence.typing_lease = Duration::from_millis(200);
        })
        .await;
        for round in 0..5 {
            let mut alice = server.native_raw("alice").await;
            // Fewer than the refusals that are borne.
            let mut waiting: BTreeSet<u64> = (0..100).collect();
            for id in &waiting {
                let kind = ["join", "leave", "typing", "sync", "update", "join", "message", "stop_typing", "status"];
                let (kind, room) = (kind[(id * 31 + id / 7 + round) as usize % kind.len()], id * id % 5);
                let mut frame = json!({"type":kind,"room":format!("room-{room}"),"id":id,"state":{"id":id}});
                frame["event"] = json!("e");
                frame["data"] = json!(id);
                frame["status"] = json!("idle");
                alice.say(frame).await;
            }
            while !waiting.is_empty() {
                let frame = alice.hear().await;
                match frame["re"].as_u64() {
                    Some(re) => assert!(waiting.remove(&re), "answered twice: {frame}"),
                    // To hear of oneself as joined would be to hear it twice.
                    None => assert!(frame.get("joined").is_none(), "{frame}"),
                }
            }
            alice.close(Some(1000)).await;
        }
        assert_eq!(server.rest().await, ShardLoad::default());
    }
}

/// How one of the fast reloads ends.
async fn hammer(server: &TestServer, n: usize) {
    let url = server.bearing(&token(&format!("user-{}", n % 7)));
    let room = format!("board-{}", n % 13);
    let mut peer = Peer(raw::connect(&url).open().await.unwrap());
    let join = json!({"type":"join","boardId":room}).to_string();
    match n % 8 {
        // A close that is meant, one that is not, a reset, a drop: each after the join was answered.
        0..=3 => {
            peer.hear().await;
            peer.join(&room).await;
            match n % 8 {
                0 => peer.close(Some(1000)).await,
                1 => peer.close(Some(4900)).await,
                2 => peer.0.abort(),
                _ => drop(peer),
            }
        }
        // Before the join is answered.
        4 => {
            peer.0.text(&join).await.unwrap();
            peer.0.abort();
        }
        5 => {
            peer.0.text(&join).await.unwrap();
            peer.0.close(Some(1000)).await.unwrap();
        }
        // Between the handshake and the join.
        6 => peer.0.abort(),
        _ => peer.0.close(None).await.unwrap(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn t_04_a_thousand_fast_reloads_leave_nothing_behind() {
    for shards in SHARDS {
        let server = TestServer::start(|config| {
            config.server.shards = Some(shards);
            config.presence.leave_grace = Duration::from_millis(300);
            config.presence.drop_grace = Duration::from_millis(600);
        })
        .await;
        let server = Arc::new(server);
        let mut lanes = JoinSet::new();
        for lane in 0..8 {
            let server = Arc::clone(&server);
            lanes.spawn(async move {
                for n in (lane..1000).step_by(8) {
                    // Every lane takes every kind in turn.
                    hammer(&server, n / 8 + lane).await;
                }
            });
        }
        lanes.join_all().await;
        assert_eq!(server.rest().await, ShardLoad::default(), "{shards} shards");
        let mut here = BTreeSet::new();
        for (room, user, came) in server.moves.lock().unwrap().drain(..) {
            let entry = (room, user);
            let alternates = if came { here.insert(entry.clone()) } else { here.remove(&entry) };
            assert!(alternates, "{entry:?} came {came} twice in a row");
        }
        assert_eq!(here, BTreeSet::new(), "who came has left");
        let mut late = server.board("late").await;
        for n in 0..13 {
            assert_eq!(late.join(&format!("board-{n}")).await["count"], 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn t_13_a_leave_right_behind_the_join_leaves_nobody_behind() {
    for shards in SHARDS {
        let server = TestServer::start(|config| config.server.shards = Some(shards)).await;
        let mut bob = server.board_in("bob", ROOM).await;
        let mut alice = server.board("alice").await;
        let mut answers = 0;
        for _ in 0..100 {
            alice.0.text(&json!({"type":"join","boardId":ROOM}).to_string()).await.unwrap();
            alice.0.text(&json!({"type":"leave","boardId":ROOM}).to_string()).await.unwrap();
        }
        alice.0.text(&json!({"type":"stop_typing","boardId":ROOM}).to_string()).await.unwrap();
        // The last frame is refused, since she is not in the room: everything before it is done then.
        while alice.hear().await["type"] != "error" {
            answers += 1;
        }
        assert!(answers <= 100, "{answers} rosters");
        server.mark(ROOM, 1).await;
        let mut joined = 0;
        loop {
            let frame = bob.hear().await;
            match frame["type"].as_str().unwrap() {
                "user_joined" => joined += 1,
                "user_left" => joined -= 1,
                "marker" => break,
                other => panic!("{other}"),
            }
            assert!((0..=1).contains(&joined), "joined and left take turns");
        }
        assert_eq!((joined, &bob.join(ROOM).await["count"]), (0, &json!(1)));
    }
}
