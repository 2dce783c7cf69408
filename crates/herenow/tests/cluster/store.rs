//! A node's way into the store: what is written is read, and each refusal is what it is.
use crate::server::{LIMIT, Redis, entry, place, put, room, route, section, store, write};
use herenow::{
    cluster::redis::{
        keyspace::Keyspace,
        link::{Link, Push},
        news,
        script::Script,
        store::{CALL_ENTRIES_MAX, Renewal, Store},
    },
    partition::Partition,
};
use herenow_core::{
    cluster::{
        door::{Held, LockDecision, NodeId, Outcome, Section, SectionChange, Stamp, Tag, Written},
        signs::Sign,
    },
    command::Reason,
    id::{LockName, SessionId},
};

const A: u64 = 0xa;
const B: u64 = 0xb;

fn sign(inc: u64, counter: u64) -> Sign {
    Sign { inc, counter, is_leaving: true, is_resyncing: false, features: (1, 2) }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_node_writes_another_reads_and_hears() {
    let redis = Redis::start(&[]);
    let (a, b, room) = (store(&redis, A).await, store(&redis, B).await, room("board-1"));
    let (ear, mut inbox) = Link::open_ear(&route(redis.address()), false).await.unwrap();
    let ear = Store::new(ear, Keyspace::default(), NodeId(B));
    ear.subscribe(place(&room)).await.unwrap();

    let changes = [put(1, "alice"), put(2, "bob"), SectionChange::Remove(SessionId(3), Reason::Closed)];
    assert_eq!(a.apply(place(&room), write(A, 1, 1), &changes).await.unwrap(), Outcome::Done);
    assert_eq!(a.apply(place(&room), write(A, 1, 1), &changes).await.unwrap(), Outcome::Done, "the same again");
    assert_eq!(a.apply(place(&room), write(A, 1, 3), &[]).await.unwrap(), Outcome::Resync, "one is missing");
    let whole = Section { entries: vec![entry(2, "bob")], gone: vec![(SessionId(1), Reason::Left)] };
    assert_eq!(b.sync(place(&room), write(B, 1, 1), &whole).await.unwrap(), Outcome::Done);
    assert_eq!(b.sync(place(&room), write(B, 1, 0), &whole).await.unwrap(), Outcome::Stale(Stamp { inc: 1, seq: 1 }));
    a.publish(place(&room), b"passing").await.unwrap();

    let snapshot = b.snapshot(place(&room), &[]).await.unwrap();
    assert_eq!(snapshot.tag, Some(write(B, 1, 1).tag));
    let [(NodeId(A), Held::Live(first), Some(entries)), (NodeId(B), ..)] = snapshot.sections.as_slice() else {
        panic!("{snapshot:?}")
    };
    assert_eq!((*first, entries.as_slice()), (Stamp { inc: 1, seq: 1 }, &[entry(1, "alice"), entry(2, "bob")][..]));
    let known = b.snapshot(place(&room), &[(NodeId(A), *first)]).await.unwrap();
    assert_eq!(known.sections[0], (NodeId(A), Held::Live(*first), None), "what is known is not sent again");

    assert_eq!(b.index(Partition::of(&room), NodeId(A)).await.unwrap(), [b"board-1"]);
    let dead = Tag { node: NodeId(B), number: 7 };
    assert!(!b.reap(place(&room), NodeId(A), 0, dead).await.unwrap(), "a later incarnation is left alone");
    assert!(b.reap(place(&room), NodeId(A), 1, dead).await.unwrap());
    assert_eq!(a.apply(place(&room), write(A, 1, 2), &[]).await.unwrap(), Outcome::Fenced(1));
    assert_eq!(a.apply(place(&room), write(A, 2, 2), &[]).await.unwrap(), Outcome::Resync);
    let audit = a.audit(Partition::of(&room), std::slice::from_ref(&room), true).await.unwrap();
    assert_eq!(audit, [(Some(dead), Some(Held::Tomb(1)))]);
    assert!(b.index(Partition::of(&room), NodeId(A)).await.unwrap().is_empty());

    let mut heard = Vec::new();
    while heard.len() < 4 {
        match tokio::time::timeout(LIMIT, inbox.next()).await.unwrap().unwrap() {
            Push::Message { channel, payload } if channel.windows(3).any(|part| part == b":e:") => {
                assert_eq!(payload, b"passing");
                heard.push(None);
            }
            Push::Message { payload, .. } => heard.push(Some(news::decode(&payload).unwrap())),
            Push::Unsubscribed { .. } => panic!("unsubscribed"),
        }
    }
    let written: Vec<_> = heard.iter().flatten().map(|news| (news.before, news.tag, &news.what)).collect();
    let [first, second] = [write(A, 1, 1).tag, write(B, 1, 1).tag];
    assert_eq!(
        written,
        [
            (None, first, &Written::Changes(changes.to_vec())),
            (Some(first), second, &Written::Whole(whole)),
            (Some(second), dead, &Written::Reaped),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_section_is_written_in_parts_and_read_in_pages_and_nobody_sees_half_of_it() {
    let redis = Redis::start(&[]);
    let (a, b, room) = (store(&redis, A).await, store(&redis, B).await, room("stadium"));
    let (ear, mut inbox) = Link::open_ear(&route(redis.address()), false).await.unwrap();
    let ear = Store::new(ear, Keyspace::default(), NodeId(B));
    ear.subscribe(place(&room)).await.unwrap();
    a.sync(place(&room), write(A, 1, 1), &section(3)).await.unwrap();

    let all = section(4 * CALL_ENTRIES_MAX as u64 + 7);
    let puts: Vec<_> = all.entries.iter().cloned().map(SectionChange::Put).collect();
    assert_eq!(a.apply(place(&room), write(A, 1, 2), &puts).await.unwrap(), Outcome::Resync, "too much for one call");
    let writing = tokio::spawn({
        let (a, room, all) = (a.clone(), room.clone(), all.clone());
        async move { a.sync(place(&room), write(A, 1, 2), &all).await.unwrap() }
    });
    let mut seen = Vec::new();
    while seen.last() != Some(&all.entries.len()) {
        let snapshot = b.snapshot(place(&room), &[]).await.unwrap();
        let (_, _, entries) = &snapshot.sections[0];
        seen.push(entries.as_ref().unwrap().len());
    }
    assert_eq!(writing.await.unwrap(), Outcome::Done);
    assert!(seen.iter().all(|count| [3, all.entries.len()].contains(count)), "{seen:?}");
    let snapshot = b.snapshot(place(&room), &[]).await.unwrap();
    let mut read = snapshot.sections[0].2.clone().unwrap();
    read.sort_by_key(|entry| entry.session);
    assert_eq!(read, all.entries);

    let mut news = Vec::new();
    while news.len() < 2 {
        if let Push::Message { payload, .. } = tokio::time::timeout(LIMIT, inbox.next()).await.unwrap().unwrap() {
            news.push(news::decode(&payload).unwrap().what);
        }
    }
    assert_eq!(news, [Written::Whole(section(3)), Written::TooLarge]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_section_that_was_evicted_is_missed_by_its_owner() {
    let redis = Redis::start(&[]);
    let (a, room) = (store(&redis, A).await, room("board-1"));
    a.apply(place(&room), write(A, 1, 1), &[put(1, "alice")]).await.unwrap();
    let key = Keyspace::default().section(Partition::of(&room), &room, NodeId(A));
    redis.order(&["DEL", &key]);
    let audit = a.audit(Partition::of(&room), std::slice::from_ref(&room), false).await.unwrap();
    assert_eq!(audit, [(Some(write(A, 1, 1).tag), None)]);
    let changed = a.apply(place(&room), write(A, 1, 2), &[put(2, "bob")]).await.unwrap();
    assert_eq!(changed, Outcome::Resync, "no half of a section is made");
}

#[tokio::test(flavor = "multi_thread")]
async fn signs_are_seen_by_all_and_a_silent_node_is_fenced_unless_it_spoke_since() {
    let redis = Redis::start(&[]);
    let (a, b) = (store(&redis, A).await, store(&redis, B).await);
    let renewed = |signs| Renewal::Done(signs);
    assert_eq!(a.renew(&sign(1, 1)).await.unwrap().unwrap(), renewed(vec![(NodeId(A), sign(1, 1))]));
    b.renew(&sign(1, 5)).await.unwrap().unwrap();
    a.renew(&sign(1, 2)).await.unwrap().unwrap();
    assert!(!b.claim(NodeId(A), Some(&sign(1, 1)), 1).await.unwrap(), "it spoke since");
    assert!(b.claim(NodeId(A), Some(&sign(1, 2)), 1).await.unwrap());
    assert_eq!(a.renew(&sign(1, 3)).await.unwrap().unwrap(), Renewal::Fenced(1));
    let mut both = vec![(NodeId(A), sign(2, 3)), (NodeId(B), sign(1, 5))];
    let Renewal::Done(mut signs) = a.renew(&sign(2, 3)).await.unwrap().unwrap() else { panic!("fenced") };
    signs.sort_by_key(|(node, _)| *node);
    both.sort_by_key(|(node, _)| *node);
    assert_eq!(signs, both);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_is_one_sessions_and_its_number_grows_over_a_loss_too() {
    let redis = Redis::start(&[]);
    let (a, b, room) = (store(&redis, A).await, store(&redis, B).await, room("board-1"));
    let (name, one, two) = (LockName::parse("card-1").unwrap(), SessionId(1), SessionId(2));
    a.apply(place(&room), write(A, 1, 1), &[put(1, "alice")]).await.unwrap();
    assert_eq!(a.take_lock(place(&room), (&name, one, 0)).await.unwrap(), LockDecision::Granted(1));
    assert_eq!(a.take_lock(place(&room), (&name, one, 0)).await.unwrap(), LockDecision::Granted(1), "the same again");
    assert_eq!(b.take_lock(place(&room), (&name, two, 0)).await.unwrap(), LockDecision::Taken(1));
    b.free_lock(place(&room), (&name, two, 1)).await.unwrap();
    assert_eq!(b.take_lock(place(&room), (&name, two, 0)).await.unwrap(), LockDecision::Taken(1), "it was not theirs");
    a.free_lock(place(&room), (&name, one, 1)).await.unwrap();
    assert_eq!(b.take_lock(place(&room), (&name, two, 0)).await.unwrap(), LockDecision::Granted(2));
    // The section of the holder does not name it, so it died with its node.
    assert_eq!(a.take_lock(place(&room), (&name, one, 0)).await.unwrap(), LockDecision::Granted(3));
    assert_eq!(a.snapshot(place(&room), &[]).await.unwrap().fence, 3);
    redis.order(&["FLUSHALL"]);
    assert_eq!(b.take_lock(place(&room), (&name, two, 3)).await.unwrap(), LockDecision::Granted(4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lost_its_scripts_is_given_them_again() {
    let redis = Redis::start(&[]);
    let (a, room) = (store(&redis, A).await, room("board-1"));
    redis.order(&["SCRIPT", "FLUSH"]);
    assert_eq!(a.apply(place(&room), write(A, 1, 1), &[put(1, "alice")]).await.unwrap(), Outcome::Done);
    let known = redis.order(&["SCRIPT", "EXISTS", Script::Renew.hash(), Script::Apply.hash()]);
    assert_eq!(known, redis::Value::Array(vec![redis::Value::Int(1), redis::Value::Int(1)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_tombstone_is_swept_and_nothing_is_left_of_the_room() {
    let redis = Redis::start(&[]);
    let (a, b, room) = (store(&redis, A).await, store(&redis, B).await, room("board-1"));
    a.sync(place(&room), write(A, 1, 1), &section(2)).await.unwrap();
    assert!(
        !b.sweep(place(&room), NodeId(A), Held::Live(Stamp { inc: 1, seq: 1 })).await.unwrap(),
        "somebody is in it"
    );
    a.sync(place(&room), write(A, 1, 2), &Section::default()).await.unwrap();
    assert!(a.sweep(place(&room), NodeId(A), Held::Live(Stamp { inc: 1, seq: 2 })).await.unwrap());
    assert_eq!(redis.order(&["KEYS", "*"]), redis::Value::Array(Vec::new()));
}
