//! What goes wrong with a connection that was good, and what its owner learns of it.
use crate::server::{LIMIT, Redis, place, put, room, route, section, store, write};
use herenow::cluster::redis::{
    keyspace::Keyspace,
    link::{Link, Push, Route},
    store::Store,
};
use herenow_core::cluster::{
    door::{NodeId, Outcome},
    signs::Sign,
};
use std::time::Duration;

async fn ear(redis: &Redis) -> (Store, herenow::cluster::redis::link::Inbox) {
    let (ear, inbox) = Link::open_ear(&route(redis.address()), false).await.unwrap();
    (Store::new(ear, Keyspace::default(), NodeId(1)), inbox)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demoted_primary_refuses_what_only_looks_as_well() {
    let (redis, other) = (Redis::start(&[]), Redis::start(&[]));
    let (a, room) = (store(&redis, 1).await, room("board-1"));
    a.apply(place(&room), write(1, 1, 1), &[put(1, "alice")]).await.unwrap();
    redis.order(&["REPLICAOF", "127.0.0.1", &other.port().to_string()]);
    let partition = place(&room).partition;
    let audit = a.audit(partition, std::slice::from_ref(&room), false).await.unwrap_err();
    assert!(audit.is_lost() && audit.to_string().contains("ReadOnly"), "{audit}");
    let snapshot = a.snapshot(place(&room), &[]).await.unwrap_err();
    assert!(snapshot.is_lost(), "{snapshot}");
    assert!(a.apply(place(&room), write(1, 1, 2), &[]).await.unwrap_err().is_lost());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_server_still_takes_who_comes_and_who_goes() {
    let redis = Redis::start(&[]);
    let (a, room) = (store(&redis, 1).await, room("board-1"));
    redis.order(&["CONFIG", "SET", "maxmemory", "1"]);
    let plain: redis::RedisResult<()> = redis::cmd("SET").arg("k").arg("v").query(&mut redis.admin());
    assert_eq!(plain.unwrap_err().code(), Some("OOM"));
    assert_eq!(a.apply(place(&room), write(1, 1, 1), &[put(1, "alice")]).await.unwrap(), Outcome::Done);
    assert_eq!(a.sync(place(&room), write(1, 1, 2), &section(1_200)).await.unwrap(), Outcome::Done);
    let sign = Sign { inc: 1, counter: 1, is_leaving: false, is_resyncing: false, features: (1, 1) };
    a.renew(&sign).await.unwrap().unwrap();
    a.snapshot(place(&room), &[]).await.unwrap();
    a.audit(place(&room).partition, std::slice::from_ref(&room), true).await.unwrap();
    assert!(a.reap(place(&room), NodeId(1), 1, write(1, 1, 3).tag).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stands_still_is_lost_in_time() {
    let redis = Redis::start(&[]);
    let quick = Route { answer_timeout: Duration::from_millis(200), ..route(redis.address()) };
    let (link, _) = Link::open(&quick).await.unwrap();
    let (a, room) = (Store::new(link, Keyspace::default(), NodeId(1)), room("board-1"));
    redis.signal("-STOP");
    let error = a.apply(place(&room), write(1, 1, 1), &[put(1, "alice")]).await.unwrap_err();
    assert!(error.is_lost(), "{error}");
    let error = Link::open(&quick).await.map(drop).unwrap_err();
    assert_eq!(error.code(), "redis.unreachable", "{error}");
    redis.signal("-CONT");
    // What was asked while it stood still may have been done, and the same again is told from something new.
    let (link, _) = Link::open(&route(redis.address())).await.unwrap();
    let a = Store::new(link, Keyspace::default(), NodeId(1));
    assert_eq!(a.apply(place(&room), write(1, 1, 1), &[put(1, "alice")]).await.unwrap(), Outcome::Done);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_was_cut_is_told() {
    let mut redis = Redis::start(&[]);
    let room = room("board-1");
    let (ear_a, mut inbox) = ear(&redis).await;
    ear_a.subscribe(place(&room)).await.unwrap();
    redis.order(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    assert_eq!(tokio::time::timeout(LIMIT, inbox.next()).await.unwrap(), None);
    assert_eq!(inbox.next().await, None, "and stays so");
    let (ear_a, mut inbox) = ear(&redis).await;
    ear_a.subscribe(place(&room)).await.unwrap();
    redis.kill();
    assert_eq!(tokio::time::timeout(LIMIT, inbox.next()).await.unwrap(), None);
    redis.restart(true);
    let (ear_a, mut inbox) = ear(&redis).await;
    ear_a.subscribe(place(&room)).await.unwrap();
    store(&redis, 2).await.publish(place(&room), b"hello").await.unwrap();
    let heard = tokio::time::timeout(LIMIT, inbox.next()).await.unwrap();
    assert!(matches!(heard, Some(Push::Message { .. })), "{heard:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_keep_up_with_the_news_is_told_that_some_are_lost() {
    let redis = Redis::start(&[]);
    let room = room("board-1");
    let (ear, mut inbox) = ear(&redis).await;
    ear.subscribe(place(&room)).await.unwrap();
    let a = store(&redis, 2).await;
    for _ in 0..20 {
        let many = (0..1_000).map(|_| a.publish(place(&room), b"x"));
        futures_util::future::try_join_all(many).await.unwrap();
    }
    ear.ping().await.unwrap();
    assert_eq!(inbox.next().await, None);
}
