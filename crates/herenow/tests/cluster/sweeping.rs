//! What nobody misses is taken out of the store, so that its memory does not grow.
use crate::server::{LIMIT, Redis, place, put, room, section, store, write};
use herenow::cluster::sweeper::{SweepTimes, Sweeper};
use herenow_core::{
    cluster::door::{Held, NodeId, Outcome, Section, SectionChange},
    command::Reason,
    id::SessionId,
};
use std::time::{Duration, Instant};

fn keys(redis: &Redis) -> i64 {
    redis::from_redis_value(redis.order(&["DBSIZE"])).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn rooms_that_emptied_and_nodes_that_died_leave_nothing_behind() {
    let redis = Redis::start(&[]);
    let (a, b) = (store(&redis, 0xa).await, store(&redis, 0xb).await);
    let sweeper = Sweeper::new(SweepTimes { empty: Duration::ZERO, tomb: Duration::ZERO });
    let before = keys(&redis);
    let rooms: Vec<_> = (0..500).map(|n| room(&format!("board-{n}"))).collect();
    for (n, room) in rooms.iter().enumerate() {
        assert_eq!(a.apply(place(room), write(0xa, 1, 1), &[put(1, "alice")]).await.unwrap(), Outcome::Done);
        // Half of them have the section of a node that dies as well.
        if n % 2 == 0 {
            b.sync(place(room), write(0xb, 1, 1), &section(3)).await.unwrap();
            assert!(a.reap(place(room), NodeId(0xb), 1, write(0xa, 1, 9).tag).await.unwrap());
            sweeper.note_tomb(room, NodeId(0xb), 1);
        }
    }
    let full = keys(&redis);
    // One by one as from the sessions of a hub, or at once.
    for (n, room) in rooms.iter().enumerate() {
        let done = if n % 3 == 0 {
            a.sync(place(room), write(0xa, 1, 2), &Section::default()).await
        } else {
            let gone = [SectionChange::Remove(SessionId(1), Reason::Left)];
            a.apply(place(room), write(0xa, 1, 2), &gone).await
        };
        assert_eq!(done.unwrap(), Outcome::Done);
        sweeper.note_left(room);
    }
    let began = Instant::now();
    let mut swept = 0;
    while swept < 750 {
        swept += sweeper.sweep(&a, 200).await.unwrap();
        assert!(began.elapsed() < LIMIT, "{swept} swept");
    }
    println!("keys: {before} before, {full} with 500 rooms, {} after", keys(&redis));
    assert_eq!(keys(&redis), before);
    // What is swept is as if it had never been: a section begins anew.
    assert_eq!(a.apply(place(&rooms[0]), write(0xa, 1, 3), &[put(1, "alice")]).await.unwrap(), Outcome::Resync);
    assert_eq!(a.sync(place(&rooms[0]), write(0xa, 1, 4), &section(1)).await.unwrap(), Outcome::Done);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_use_or_was_written_anew_is_not_swept() {
    let redis = Redis::start(&[]);
    let (a, b) = (store(&redis, 0xa).await, store(&redis, 0xb).await);
    let sweeper = Sweeper::new(SweepTimes { empty: Duration::ZERO, tomb: Duration::ZERO });
    let room = room("board-1");
    let at = place(&room);
    a.apply(at, write(0xa, 1, 1), &[put(1, "alice")]).await.unwrap();
    sweeper.note_left(&room);
    b.sync(at, write(0xb, 1, 1), &section(3)).await.unwrap();
    a.reap(at, NodeId(0xb), 1, write(0xa, 1, 9).tag).await.unwrap();
    sweeper.note_tomb(&room, NodeId(0xb), 1);
    // The node was not dead after all, and came back under a later incarnation.
    assert_eq!(b.sync(at, write(0xb, 2, 2), &section(3)).await.unwrap(), Outcome::Done);
    assert_eq!(sweeper.sweep(&a, 200).await.unwrap(), 0);
    let snapshot = a.snapshot(at, &[]).await.unwrap();
    let counts: Vec<_> = snapshot
        .sections
        .iter()
        .map(|(_, held, all)| (matches!(held, Held::Live(_)), all.as_ref().map(Vec::len)))
        .collect();
    assert_eq!(counts, [(true, Some(1)), (true, Some(3))]);
    // Not yet old enough: it waits.
    let patient = Sweeper::new(SweepTimes::default());
    a.apply(at, write(0xa, 1, 2), &[SectionChange::Remove(SessionId(1), Reason::Left)]).await.unwrap();
    patient.note_left(&room);
    assert_eq!(patient.sweep(&a, 200).await.unwrap(), 0);
}
