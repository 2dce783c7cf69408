//! What takes many to be seen: how long after its last sign of life the users of a node that was killed are told to have left,
//! and that a Redis with much in it may lose all of it.
use crate::{
    process::{Node, Told, Watcher},
    server::Redis,
};
use futures_util::{StreamExt, stream};
use redis::Commands;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

const ROOM: &str = "board-1";

/// When the store last took a sign of life of each node, as far as one who looks all the time can see.
struct Signs {
    last: Arc<Mutex<LastSigns>>,
    is_over: Arc<AtomicBool>,
}

/// By node: the sign, and when it was first seen.
type LastSigns = BTreeMap<String, (Vec<u8>, Instant)>;

impl Signs {
    fn watch(redis: &Redis) -> Self {
        let signs = Self { last: Arc::default(), is_over: Arc::default() };
        let (last, is_over, mut admin) = (Arc::clone(&signs.last), Arc::clone(&signs.is_over), redis.admin());
        std::thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                let live: BTreeMap<String, Vec<u8>> = admin.hgetall("{ps:reg}:live").unwrap();
                let (now, mut last) = (Instant::now(), last.lock().unwrap());
                for (node, sign) in live {
                    if last.get(&node).is_none_or(|(before, _)| *before != sign) {
                        last.insert(node, (sign, now));
                    }
                }
                drop(last);
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        signs
    }

    fn last(&self, node: &str) -> Instant {
        self.last.lock().unwrap()[node].1
    }
}

impl Drop for Signs {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

/// Kills one of three nodes, and says how long after its last sign of life two others told of each of its users.
async fn kill_one(number: u64) -> Vec<Duration> {
    let redis = Redis::start(&[]);
    let mut nodes = Node::start_all(2, &redis).await;
    // Its signs come at another moment between those of the others each time.
    tokio::time::sleep(Duration::from_millis(number * 370 % 1_000)).await;
    nodes.push(Node::start(&redis));
    Node::until_all_hear(&nodes).await;
    let signs = Signs::watch(&redis);
    let observers = [nodes[0].watcher("alice", ROOM).await, nodes[1].watcher("bob", ROOM).await];
    let mut there = Vec::new();
    for n in 0..USERS_EACH {
        there.push(nodes[2].watcher(&format!("guest-{n}"), ROOM).await);
    }
    let mut whole: Vec<String> = (0..USERS_EACH).map(|n| format!("guest-{n}")).collect();
    whole.extend(["alice", "bob"].map(str::to_owned));
    whole.sort();
    for observer in &observers {
        observer.until_sees(&whole).await;
    }
    let ready = nodes[2].ready().await;
    tokio::time::sleep(Duration::from_millis(number * 230 % 1_000)).await;
    nodes[2].kill();
    // A sign that was on its way is seen by then.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let last = signs.last(ready["cluster"]["node"].as_str().unwrap());
    let mut took = Vec::new();
    for observer in &observers {
        observer.until_sees(&["alice", "bob"].map(str::to_owned)).await;
        observer.check();
        let left: Vec<Told> = observer.told().into_iter().filter(|told| !told.joined).collect();
        assert_eq!(left.len(), USERS_EACH, "each once");
        assert!(left.iter().all(|told| told.reason == "node_lost"), "{left:?}");
        took.extend(left.iter().map(|told| told.at.duration_since(last)));
    }
    took
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "kills KILLED nodes, and takes a minute"]
async fn those_of_a_killed_node_leave_once_ten_to_twelve_seconds_after_its_last_sign_of_life() {
    let all: Vec<Vec<Duration>> = stream::iter((0..KILLED).map(kill_one)).buffer_unordered(5).collect().await;
    let took: Vec<Duration> = all.into_iter().flatten().collect();
    let mut bins = BTreeMap::<u64, usize>::new();
    for after in &took {
        *bins.entry(after.as_millis() as u64 / 250).or_default() += 1;
    }
    for (bin, count) in &bins {
        println!("{:>6.2} s to {:>5.2} s: {count:>4}", *bin as f64 / 4.0, (*bin + 1) as f64 / 4.0);
    }
    let (first, last) = (took.iter().min().unwrap(), took.iter().max().unwrap());
    println!(
        "{KILLED} nodes killed: {} told left, {:.2} s to {:.2} s after the last sign of life, duplicates 0",
        took.len(),
        first.as_secs_f64(),
        last.as_secs_f64()
    );
    // Signs are seen a little after they were taken, and a busy machine tells late.
    assert!(*first >= Duration::from_millis(9_900) && *last <= Duration::from_secs(14), "{first:?} {last:?}");
}

/// How much there is of each thing that is kept of rooms.
fn kept(redis: &Redis) -> BTreeMap<String, usize> {
    let mut admin = redis.admin();
    let is_of_room = |key: &String| key.contains("}:m:") || key.contains("}:c:");
    let keys: Vec<String> =
        admin.scan_options(redis::ScanOptions::default().with_count(10_000)).unwrap().map(Result::unwrap).collect();
    let keys: Vec<String> = keys.into_iter().filter(is_of_room).collect();
    let mut lengths = redis::pipe();
    for key in &keys {
        lengths.hlen(key);
    }
    let lengths: Vec<usize> = lengths.query(&mut admin).unwrap();
    keys.into_iter().zip(lengths).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "ten thousand clients, of which each needs an open file here and in a node"]
async fn a_redis_that_loses_ten_thousand_viewers_has_them_back_in_ten_seconds_and_nobody_is_told() {
    let redis = Redis::start(&[]);
    let nodes = Node::start_all(3, &redis).await;
    let came = Instant::now();
    let enter = |n: usize| {
        let node = &nodes[n / ROOMS % nodes.len()];
        async move { node.watcher(&format!("user-{n}"), &format!("board-{}", n % ROOMS)).await }
    };
    let watchers: Vec<Watcher> = stream::iter((0..VIEWERS).map(enter)).buffered(32).collect().await;
    for (n, watcher) in watchers.iter().enumerate() {
        let mut users: Vec<String> = (n % ROOMS..VIEWERS).step_by(ROOMS).map(|n| format!("user-{n}")).collect();
        users.sort();
        watcher.until_sees(&users).await;
    }
    println!("{VIEWERS} viewers in {ROOMS} rooms on 3 nodes after {:.1} s", came.elapsed().as_secs_f64());
    let mut whole = kept(&redis);
    let began = Instant::now();
    while whole.values().sum::<usize>() < VIEWERS + 4 * ROOMS {
        assert!(began.elapsed() < Duration::from_secs(30), "{} keys", whole.len());
        tokio::time::sleep(Duration::from_millis(100)).await;
        whole = kept(&redis);
    }
    let told: Vec<usize> = watchers.iter().map(|watcher| watcher.told().len()).collect();
    redis.order(&["FLUSHALL"]);
    let lost = Instant::now();
    while kept(&redis) != whole {
        assert!(lost.elapsed() < Duration::from_secs(60), "{} of {} keys are back", kept(&redis).len(), whole.len());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let back = lost.elapsed();
    // As long as somebody who is held may be held.
    tokio::time::sleep(Duration::from_secs(25)).await;
    let events: usize = watchers.iter().zip(told).map(|(watcher, told)| watcher.told().len() - told).sum();
    watchers.iter().for_each(Watcher::check);
    println!(
        "FLUSHALL with {VIEWERS} viewers in {ROOMS} rooms: {events} events, Redis whole again after {:.1} s ({} keys)",
        back.as_secs_f64(),
        whole.len()
    );
    assert_eq!(events, 0);
    assert!(back <= Duration::from_secs(10), "{back:?}");
}

const KILLED: u64 = 20;
const USERS_EACH: usize = 10;
const VIEWERS: usize = 10_000;
const ROOMS: usize = 1_000;
