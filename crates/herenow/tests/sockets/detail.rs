//! What a session has in a room besides its place: locks, a pointer, and a line of its own for who asks for sessions.
use crate::common::{LIMIT, SHARDS, TestServer, until, until_marker};
use herenow_client::{
    client::{self, Client, Events, Synced},
    detail::{Cursor, Point, Session},
    error::RequestError,
    frame::{Ack, Lock, LockNews, Roster, ServerFrame},
    request::{Join, Request},
};
use serde_json::json;
use std::time::{Duration, Instant};

const ROOM: &str = "board-1";

fn refused(result: Result<impl std::fmt::Debug, RequestError>) -> String {
    match result {
        Err(RequestError::Refused(error)) => error.code,
        other => panic!("not refused: {other:?}"),
    }
}

fn roster(synced: Synced) -> Roster {
    match synced {
        Synced::Roster(roster) => roster,
        other => panic!("no roster: {other:?}"),
    }
}

fn with_sessions() -> Join {
    Join { sessions: true, ..Join::default() }
}

/// Whether the lock was given, and the number of whoever has it.
fn answer(ack: Result<Ack, RequestError>) -> (bool, u64) {
    let ack = ack.unwrap();
    (ack.held.unwrap(), ack.fence.unwrap())
}

/// The next that is said of a lock, whatever else is said before it.
async fn lock_news(events: &mut Events) -> Lock {
    let heard = until(events, |frame| matches!(frame, ServerFrame::Lock(_))).await;
    let Some(ServerFrame::Lock(LockNews { lock, .. })) = heard.into_iter().last() else { panic!("no lock") };
    lock
}

fn holder(lock: &Lock) -> Option<(&str, &str)> {
    Some((lock.holder.as_ref()?.id.as_str(), lock.session.as_ref()?.as_str()))
}

/// Native clients in the room, each with what it will hear from here on.
async fn in_room<const N: usize>(server: &TestServer, users: [&str; N]) -> Vec<(Client, Events)> {
    let mut inside = Vec::new();
    for user in users {
        let native = server.native(user).await;
        native.0.join(ROOM).await.unwrap();
        inside.push(native);
    }
    server.mark(ROOM, 0).await;
    for (_, events) in &mut inside {
        until_marker(events, 0).await;
    }
    inside
}

#[tokio::test]
async fn t_98_a_lock_has_one_holder_passes_on_in_order_and_its_number_only_grows() {
    for shards in SHARDS {
        let server = TestServer::start(|config| {
            config.server.shards = Some(shards);
            config.presence.drop_grace = Duration::from_millis(500);
        });
        let server = server.await;
        let mut inside = in_room(&server, ["alice", "bob", "carol", "dave", "eve"]).await;
        let (eve, mut told) = inside.pop().unwrap();
        let mut clients = inside.into_iter().map(|(client, _)| client);
        let [alice, bob, carol, dave] = std::array::from_fn(|_| clients.next().unwrap());
        let (held, first) = answer(alice.lock(ROOM, "card", false).await);
        assert!(held);
        assert_eq!(answer(alice.lock(ROOM, "card", true).await), (true, first), "had already");
        let news = lock_news(&mut told).await;
        assert_eq!((holder(&news), news.fence), (Some(("alice", &*alice.welcome().session)), first));
        for waiting in [&bob, &carol, &dave] {
            assert_eq!(answer(waiting.lock(ROOM, "card", true).await), (false, first));
        }
        assert_eq!(answer(eve.lock(ROOM, "card", false).await), (false, first), "who does not wait is not in line");
        let late = roster(eve.sync(ROOM, None).await.unwrap());
        assert_eq!((late.locks.len(), holder(&late.locks[0])), (1, Some(("alice", &*alice.welcome().session))));
        // Given up by leaving the room; Bob has waited longest.
        alice.leave(ROOM).await.unwrap();
        let news = lock_news(&mut told).await;
        let second = news.fence;
        assert_eq!(holder(&news), Some(("bob", &*bob.welcome().session)));
        assert!(second > first);
        // Carol is not there to hear of her turn, so she has none; Bob keeps the lock for as long as his entry is kept.
        carol.abort().await;
        let session = bob.welcome().session.clone();
        let began = Instant::now();
        bob.abort().await;
        let news = lock_news(&mut told).await;
        let took = began.elapsed();
        assert_eq!(holder(&news), Some(("dave", &*dave.welcome().session)), "not {session}");
        assert!(news.fence > second && took > Duration::from_millis(400), "{took:?}");
        assert_eq!(refused(eve.unlock(ROOM, "card").await), "lock.not_held");
        dave.unlock(ROOM, "card").await.unwrap();
        let freed = lock_news(&mut told).await;
        assert_eq!((holder(&freed), freed.fence), (None, news.fence));
        // Numbers grow though nothing was kept of the lock.
        assert!(answer(eve.lock(ROOM, "card", false).await).1 > news.fence);
    }
}

#[tokio::test]
async fn t_98_who_comes_back_within_the_grace_has_the_lock_still() {
    let server = TestServer::start(|_| {}).await;
    let mut inside = in_room(&server, ["alice", "bob"]).await;
    let (bob, mut told) = inside.pop().unwrap();
    let (alice, _) = inside.pop().unwrap();
    let (_, fence) = answer(alice.lock(ROOM, "card", false).await);
    lock_news(&mut told).await;
    assert!(!answer(bob.lock(ROOM, "card", true).await).0);
    let secret = alice.welcome().resume.clone().unwrap();
    alice.close(Some(4900)).await;
    let again = client::connect(&server.url()).token(&crate::common::token("alice")).resume(&secret).open().await;
    let (alice, _) = again.unwrap();
    let seated = roster(alice.join(ROOM).await.unwrap());
    assert_eq!(holder(&seated.locks[0]), Some(("alice", &*alice.welcome().session)));
    assert_eq!(answer(alice.lock(ROOM, "card", false).await), (true, fence));
    server.mark(ROOM, 1).await;
    assert_eq!(until_marker(&mut told, 1).await, []);
    alice.unlock(ROOM, "card").await.unwrap();
    assert_eq!(holder(&lock_news(&mut told).await), Some(("bob", &*bob.welcome().session)));
}

#[tokio::test]
async fn a_session_may_hold_or_wait_for_32_locks() {
    let server = TestServer::start(|config| config.limits.rates.other = 0).await;
    let inside = in_room(&server, ["alice", "bob"]).await;
    let (alice, bob) = (&inside[0].0, &inside[1].0);
    for n in 0..32 {
        assert!(answer(alice.lock(ROOM, &format!("card-{n}"), false).await).0);
    }
    assert_eq!(refused(alice.lock(ROOM, "card-32", false).await), "lock.too_many");
    for n in 0..32 {
        assert!(!answer(bob.lock(ROOM, &format!("card-{n}"), true).await).0);
    }
    assert_eq!(refused(bob.lock(ROOM, "card-33", true).await), "lock.too_many");
    alice.unlock(ROOM, "card-31").await.unwrap();
    assert!(answer(alice.lock(ROOM, "card-32", false).await).0);
}

#[tokio::test]
async fn pointers_are_told_in_batches_to_who_asked_and_hidden_by_leaving() {
    for shards in SHARDS {
        let server = TestServer::start(|config| {
            config.server.shards = Some(shards);
            config.limits.rates.cursor = 0;
            config.limits.rates.other = 0;
        });
        let server = server.await;
        let mut inside = in_room(&server, ["bob", "carol", "dave"]).await;
        let (alice, mut told) = server.native("alice").await;
        alice.join_as(ROOM, &with_sessions()).await.unwrap();
        server.mark(ROOM, 1).await;
        until_marker(&mut told, 1).await;
        until_marker(&mut inside[0].1, 1).await;
        let sessions: Vec<String> = inside.iter().map(|(client, _)| client.welcome().session.clone()).collect();
        let began = Instant::now();
        let mut last = 0.0;
        for n in 0.. {
            last = f64::from(n % 1000) / 1000.0;
            for (client, _) in &inside[1..] {
                client.cursor(ROOM, Some(&Point { x: last, y: 0.5, on: Some("card".into()) })).await.unwrap();
            }
            if began.elapsed() > Duration::from_millis(600) {
                break;
            }
        }
        let (mut batches, mut places) = (0, std::collections::BTreeMap::new());
        while !sessions[1..].iter().all(|session| places.get(session) == Some(&Some(last))) {
            let next = tokio::time::timeout(LIMIT, told.next()).await.expect("the last place has to come").unwrap();
            let ServerFrame::Cursors(batch) = next else { panic!("{next:?}") };
            batches += 1;
            for Cursor { session, point } in batch.at {
                places.insert(session, point.map(|point| point.x));
            }
        }
        let allowed = began.elapsed().as_millis() / 50 + 2;
        assert!(batches > 3 && batches <= allowed, "{batches} batches where {allowed} are allowed");
        // By a leave, by the end of a connection, and by its client.
        inside[1].0.leave(ROOM).await.unwrap();
        inside.pop().unwrap().0.abort().await;
        let mut hidden = std::collections::BTreeSet::new();
        while hidden.len() < 2 {
            let heard = until(&mut told, |frame| matches!(frame, ServerFrame::Cursors(_))).await;
            let Some(ServerFrame::Cursors(batch)) = heard.last() else { panic!("no cursors") };
            for cursor in &batch.at {
                assert_eq!(cursor.point, None);
                assert!(hidden.insert(cursor.session.clone()), "hidden once");
            }
        }
        assert_eq!(hidden, sessions[1..].iter().cloned().collect());
        server.mark(ROOM, 2).await;
        let heard = until_marker(&mut inside[0].1, 2).await;
        assert!(!heard.iter().any(|frame| matches!(frame, ServerFrame::Cursors(_))), "Bob did not ask: {heard:?}");
        // Where pointers are is never told again.
        let (late, mut late_heard) = server.native("late").await;
        late.join_as(ROOM, &with_sessions()).await.unwrap();
        server.mark(ROOM, 3).await;
        let heard = until_marker(&mut late_heard, 3).await;
        assert!(!heard.iter().any(|frame| matches!(frame, ServerFrame::Cursors(_))), "{heard:?}");
    }
}

/// The next list of a user's sessions.
async fn list_of(events: &mut Events, user: &str) -> Vec<Session> {
    let heard = until(events, |frame| matches!(frame, ServerFrame::Sessions(_))).await;
    let Some(ServerFrame::Sessions(sessions)) = heard.into_iter().last() else { panic!("no sessions") };
    assert_eq!(sessions.user, user);
    sessions.list
}

fn ids(list: &[Session]) -> Vec<&str> {
    list.iter().map(|session| session.id.as_str()).collect()
}

#[tokio::test]
async fn t_35_who_asks_for_sessions_hears_of_each_and_the_others_hear_nothing_of_them() {
    for shards in SHARDS {
        let server = TestServer::start(|config| {
            config.server.shards = Some(shards);
            config.presence.leave_grace = Duration::from_millis(300);
        });
        let server = server.await;
        let mut inside = in_room(&server, ["bob"]).await;
        let (bob, mut bob_heard) = inside.pop().unwrap();
        let (alice, mut told) = server.native("alice").await;
        let seen = roster(alice.join_as(ROOM, &with_sessions()).await.unwrap());
        let lists: Vec<_> = seen.viewers.iter().map(|viewer| viewer.session_list.clone().unwrap()).collect();
        assert_eq!(lists.iter().map(Vec::len).sum::<usize>(), 2);
        server.mark(ROOM, 1).await;
        until_marker(&mut told, 1).await;
        until_marker(&mut bob_heard, 1).await;
        let (second, _) = server.native("bob").await;
        let plain = roster(second.join(ROOM).await.unwrap());
        assert!(plain.viewers.iter().all(|viewer| viewer.session_list.is_none()));
        let (first_id, second_id) = (&*bob.welcome().session, &*second.welcome().session);
        assert_eq!(ids(&list_of(&mut told, "bob").await), [first_id, second_id]);
        second.request(&Request::Status { status: "idle" }).await.unwrap();
        let list = list_of(&mut told, "bob").await;
        assert_eq!((list[0].status.as_str(), list[1].status.as_str()), ("active", "idle"));
        // Bob is as active as before, and nobody is told otherwise.
        server.mark(ROOM, 2).await;
        assert_eq!(until_marker(&mut bob_heard, 2).await, []);
        second.update(ROOM, json!({"page":2}).as_object().unwrap()).await.unwrap();
        let list = list_of(&mut told, "bob").await;
        assert_eq!((&list[0].state, list[1].state.as_ref().unwrap()), (&None, json!({"page":2}).as_object().unwrap()));
        second.close(Some(4900)).await;
        let after_grace = loop {
            let list = list_of(&mut told, "bob").await;
            if list.len() == 1 {
                break list;
            }
        };
        assert_eq!(ids(&after_grace), [first_id]);
        bob.close(Some(1000)).await;
        let heard = until(&mut told, |frame| matches!(frame, ServerFrame::Diff(diff) if !diff.left.is_empty())).await;
        assert!(heard.len() <= 3, "{heard:?}");
    }
}
