//! Webhooks of three nodes on one Redis: each thing is told by one of them, also where the one that had to tell it dies.
use crate::{
    process::{Node, Watcher},
    server::{LIMIT, Redis},
};
use axum::{Router, extract::State, http::StatusCode, routing::post};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// A backend that writes down what it is told, and by which node.
#[derive(Clone, Default)]
struct Book(Arc<Mutex<Vec<(String, Value)>>>);

struct Receiver {
    book: Book,
    url: String,
}

impl Receiver {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let book = Book::default();
        let take = async |State(Book(book)): State<Book>, body: String| {
            let call: Value = serde_json::from_str(&body).unwrap();
            let node = call["node"].as_str().unwrap().to_owned();
            let events = call["events"].as_array().unwrap().iter();
            book.lock().unwrap().extend(events.map(|event| (node.clone(), event.clone())));
            StatusCode::NO_CONTENT
        };
        let router = Router::new().route("/hook", post(take)).with_state(book.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { book, url }
    }

    /// All that was told of a kind, each as room and user.
    fn told(&self, kind: &str) -> Vec<(String, String)> {
        let text = |event: &Value, name: &str| event[name].as_str().unwrap_or_default().to_owned();
        let book = self.book.0.lock().unwrap();
        let of_kind = book.iter().filter(|(_, event)| event["event"] == kind);
        of_kind.map(|(_, event)| (text(event, "room"), text(event, "user"))).collect()
    }

    async fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let began = Instant::now();
        while !is_so(self) {
            assert!(began.elapsed() < 2 * LIMIT, "not {what}: {:?}", self.book.0.lock().unwrap());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Which nodes told something.
    fn tellers(&self) -> BTreeSet<String> {
        self.book.0.lock().unwrap().iter().map(|(node, _)| node.clone()).collect()
    }
}

fn start(redis: &Redis, receiver: &Receiver) -> Vec<Node> {
    let variables = [
        ("HERENOW_WEBHOOKS__URL", receiver.url.as_str()),
        ("HERENOW_WEBHOOKS__SECRET", "a secret of webhooks that is long enough"),
        ("HERENOW_WEBHOOKS__PRIVATE_ADDRESSES", "true"),
        ("HERENOW_WEBHOOKS__RETRY_MAX", "100ms"),
    ];
    let address = format!("redis://127.0.0.1:{}", redis.port());
    (0..3).map(|_| Node::start_configured(&address, &variables)).collect()
}

fn sorted(mut all: Vec<(String, String)>) -> Vec<(String, String)> {
    all.sort();
    all
}

/// How often each was told.
fn counts(all: Vec<(String, String)>) -> BTreeMap<(String, String), usize> {
    all.into_iter().fold(BTreeMap::new(), |mut counts, key| {
        *counts.entry(key).or_default() += 1;
        counts
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_app_is_told_once_by_one_of_three_nodes_and_all_the_same_where_one_is_killed() {
    let (redis, receiver) = (Redis::start(&[]), Receiver::start().await);
    let mut nodes = start(&redis, &receiver);
    Node::until_all_hear(&nodes).await;
    // Twelve rooms, with somebody on each node in each of them.
    let rooms: Vec<String> = (0..12).map(|n| format!("board-{n}")).collect();
    let mut there: Vec<Vec<Watcher>> = vec![Vec::new(), Vec::new(), Vec::new()];
    for room in &rooms {
        for (n, node) in nodes.iter().enumerate() {
            there[n].push(node.watcher(&format!("user-{n}"), room).await);
        }
    }
    let pairs = |users: &[&str]| {
        let all = rooms.iter().flat_map(|room| users.iter().map(move |user| (room.clone(), (*user).to_owned())));
        sorted(all.collect())
    };
    let all = ["user-0", "user-1", "user-2"];
    receiver.until("all told", |receiver| receiver.told("user_joined").len() >= 36).await;
    let twice = counts(receiver.told("user_joined")).into_iter().filter(|(_, times)| *times > 1).collect::<Vec<_>>();
    assert_eq!((twice, sorted(receiver.told("user_joined"))), (Vec::new(), pairs(&all)), "each once");
    assert_eq!(receiver.told("user_left"), []);
    assert_eq!(receiver.told("room_occupied").len(), 12);
    receiver.until("all online", |receiver| receiver.told("user_online").len() >= 3).await;
    assert_eq!(sorted(receiver.told("user_online")), all.map(|user| (String::new(), user.to_owned())));
    // Another tab, and one that moves to another node, are no news.
    let second = nodes[1].watcher("user-0", "board-0").await;
    second.until_sees(&all.map(str::to_owned)).await;
    let tellers = receiver.tellers();
    println!("36 joins over 3 nodes: told 36 times, by {} nodes", tellers.len());
    assert!(tellers.len() > 1, "nodes share the work");

    // Somebody comes on a node that lives, while the node that may have to tell of it is dead already.
    nodes[2].kill();
    let late = nodes[0].watcher("late", "board-3").await;
    let lost = pairs(&["user-2"]);
    receiver
        .until("those of the dead node told", |receiver| {
            let left: BTreeSet<_> = receiver.told("user_left").into_iter().collect();
            lost.iter().all(|pair| left.contains(pair))
        })
        .await;
    receiver
        .until("who came meanwhile told", |receiver| {
            receiver.told("user_joined").contains(&("board-3".to_owned(), "late".to_owned()))
        })
        .await;
    receiver.until("who is offline told", |receiver| !receiver.told("user_offline").is_empty()).await;
    assert_eq!(sorted(receiver.told("user_left")), lost, "nobody else is told to have left");
    let joined = counts(receiver.told("user_joined"));
    // At least once: what the dead node had told, and had not heard was taken, is told again.
    assert!(pairs(&all).iter().all(|pair| joined.contains_key(pair)), "{joined:?}");
    assert_eq!(receiver.told("room_vacated"), [], "somebody is in each of them still");
    println!(
        "kill -9 of one node: 12 of 12 left told, {} times; joins told {} times for 37",
        receiver.told("user_left").len(),
        joined.values().sum::<usize>()
    );

    late.leave().await;
    for watcher in there.drain(..2).flatten().chain([second]) {
        watcher.leave().await;
    }
    // A room that empties through several nodes in one moment may be told of again, and then whole: once more come, once gone.
    let distinct = |kind| counts(receiver.told(kind)).len();
    receiver.until("all gone", |_| (distinct("room_vacated"), distinct("user_left")) == (12, 37)).await;
    let left = counts(receiver.told("user_left"));
    let joined = counts(receiver.told("user_joined"));
    assert!(left.iter().all(|(pair, times)| joined[pair] >= *times), "{left:?} {joined:?}");
    println!("12 rooms emptied at once through two nodes: {} left told for 37", left.values().sum::<usize>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_loses_what_was_told_has_nobody_told_again() {
    let (redis, receiver) = (Redis::start(&[]), Receiver::start().await);
    let nodes = start(&redis, &receiver);
    Node::until_all_hear(&nodes).await;
    let alice = nodes[0].watcher("alice", "board-1").await;
    let bob = nodes[1].watcher("bob", "board-1").await;
    receiver.until("both told", |receiver| receiver.told("user_joined").len() == 2).await;
    // Who came within the last second before a loss is noticed counts as having come after it.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    redis.order(&["FLUSHALL"]);
    // Noticed with the next thing that is to be told, which is told once all nodes know again who is there.
    let carol = nodes[2].watcher("carol", "board-1").await;
    receiver.until("carol told", |receiver| receiver.told("user_joined").len() > 2).await;
    bob.leave().await;
    receiver.until("bob told", |receiver| !receiver.told("user_left").is_empty()).await;
    // Long enough for each node to have told what it held back.
    tokio::time::sleep(Duration::from_secs(20)).await;
    let pair = |user: &str| ("board-1".to_owned(), user.to_owned());
    let joined = counts(receiver.told("user_joined"));
    assert_eq!([joined[&pair("alice")], joined[&pair("bob")]], [1, 1], "{:?}", receiver.book.0.lock().unwrap());
    assert_eq!((receiver.told("user_left"), receiver.told("room_vacated")), (vec![pair("bob")], Vec::new()));
    println!("FLUSHALL: 2 who stay told 0 times more, 1 who comes {} times, 1 who goes once", joined[&pair("carol")]);
    drop((alice, carol));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_on_a_dead_node_alone_is_told_to_have_left() {
    let (redis, receiver) = (Redis::start(&[]), Receiver::start().await);
    let mut nodes = start(&redis, &receiver);
    Node::until_all_hear(&nodes).await;
    let _alone = nodes[2].watcher("alone", "board-1").await;
    receiver.until("told", |receiver| receiver.told("user_joined").len() == 1).await;
    receiver.until("told to be online", |receiver| receiver.told("user_online").len() == 1).await;
    nodes[2].kill();
    receiver.until("told that they left", |receiver| receiver.told("room_vacated").len() == 1).await;
    assert_eq!(receiver.told("user_left"), [("board-1".to_owned(), "alone".to_owned())]);
    receiver.until("told that they are offline", |receiver| receiver.told("user_offline").len() == 1).await;
}
