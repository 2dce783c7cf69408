//! What passes through the store: as much as there is to tell and to how many nodes, whoever is in the rooms, and no more
//! once a node has come back.
use crate::{
    process::{Node, Watcher},
    server::{LIMIT, Redis},
};
use futures_util::{StreamExt, stream};
use herenow_client::frame::ServerFrame;
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// A number out of what the store says of itself: the first after `name` and what stands between them.
fn figure(redis: &Redis, section: &str, name: &str) -> u64 {
    let redis::Value::BulkString(text) = redis.order(&["INFO", section]) else { panic!("INFO is text") };
    let text = String::from_utf8(text).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("0");
    let digits: String = line.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

/// Bytes that the store was sent and has sent, and times that something was published.
fn traffic(redis: &Redis) -> (u64, u64) {
    let bytes = ["total_net_input_bytes:", "total_net_output_bytes:"].map(|name| figure(redis, "stats", name));
    (bytes.iter().sum(), figure(redis, "commandstats", "cmdstat_spublish:calls="))
}

/// What passed while something was done, and what would have passed anyway taken off.
async fn passed(redis: &Redis, done: impl Future<Output = ()>) -> (f64, f64) {
    let idle_for = Duration::from_secs(4);
    let (bytes, published) = traffic(redis);
    tokio::time::sleep(idle_for).await;
    let (idle_bytes, idle_published) = traffic(redis);
    let began = Instant::now();
    done.await;
    let (after_bytes, after_published) = traffic(redis);
    let share = began.elapsed().as_secs_f64() / idle_for.as_secs_f64();
    let more = |before: u64, idle: u64, after: u64| (after - idle) as f64 - (idle - before) as f64 * share;
    (more(bytes, idle_bytes, after_bytes), more(published, idle_published, after_published))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_67_t_68_a_message_is_published_once_and_costs_the_store_the_same_whoever_is_in_the_room() {
    // As many as may be said at once.
    const MESSAGES: usize = 40;
    let redis = Redis::start(&[]);
    let nodes = Node::start_all(3, &redis).await;
    let mut costs = Vec::new();
    for (room, each) in [("few", 1), ("many", 60)] {
        let enter = |n: usize| {
            let node = &nodes[n % nodes.len()];
            async move { node.watcher(&format!("{room}-{n:03}"), room).await }
        };
        let watchers: Vec<Watcher> = stream::iter((0..3 * each).map(enter)).buffered(16).collect().await;
        let (sender, _) = nodes[0].connect(&format!("{room}-sender")).await;
        sender.join(room).await.unwrap();
        let (hearer, mut events) = nodes[2].connect(&format!("{room}-hearer")).await;
        hearer.join(room).await.unwrap();
        let mut all: Vec<String> = (0..3 * each).map(|n| format!("{room}-{n:03}")).collect();
        all.extend(["hearer", "sender"].map(|name| format!("{room}-{name}")));
        for watcher in &watchers {
            watcher.until_sees(&all).await;
        }
        let send = async {
            for n in 0..MESSAGES {
                sender.message(room, "wave", &json!({ "n": n, "pad": "x".repeat(500) })).await.unwrap();
            }
            let mut heard = 0;
            while heard < MESSAGES {
                let frame = tokio::time::timeout(LIMIT, events.next()).await.expect("all are heard").unwrap();
                if let ServerFrame::Message(message) = frame {
                    assert_eq!(message.data["n"], heard, "each once, and in order");
                    heard += 1;
                }
            }
        };
        costs.push(passed(&redis, send).await);
        drop(watchers);
    }
    let [(few, few_published), (many, many_published)] = costs[..] else { panic!("two rooms") };
    println!(
        "{MESSAGES} messages over 3 nodes: {:.0} bytes each in the store with 5 in the room and {:.0} with 182 ({:.2} times), \
         published {few_published:.1} and {many_published:.1} times",
        few / MESSAGES as f64,
        many / MESSAGES as f64,
        many / few
    );
    // Each of 36 times as many would make it that much more.
    assert!(few > 0.0 && many < few * 3.0, "{few} and {many} bytes");
    // Some are told together; a node that told again what it was told would make them more. The rest is the signs of life.
    for published in [few_published, many_published] {
        assert!((1.0..=MESSAGES as f64 * 1.5).contains(&published), "{published}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes a minute and a half; ./test --long runs it"]
async fn t_61_what_passes_is_as_little_as_before_30_s_after_a_node_was_started_anew() {
    const ROOMS: usize = 30;
    const EACH: usize = 10;
    let redis = Redis::start(&[]);
    let mut nodes = Node::start_all(3, &redis).await;
    let enter = |n: usize| {
        // The room of each has others on all nodes; the last node's are those who stay.
        let node = &nodes[n / ROOMS % nodes.len()];
        async move { node.watcher(&format!("user-{n:03}"), &format!("room-{}", n % ROOMS)).await }
    };
    let watchers: Vec<Watcher> = stream::iter((0..ROOMS * EACH).map(enter)).buffered(16).collect().await;
    tokio::time::sleep(Duration::from_secs(15)).await;
    let over = async |time: Duration| {
        let before = traffic(&redis).0;
        tokio::time::sleep(time).await;
        (traffic(&redis).0 - before) as f64 / time.as_secs_f64()
    };
    let idle = over(Duration::from_secs(15)).await;
    nodes[0].kill();
    nodes[0] = Node::start(&redis);
    let at_once = over(Duration::from_secs(15)).await;
    tokio::time::sleep(Duration::from_secs(15)).await;
    let later = over(Duration::from_secs(15)).await;
    println!(
        "{} users in {ROOMS} rooms, one of 3 nodes killed and started anew: {idle:.0} bytes/s before, {at_once:.0} in the 15 s \
         after, {later:.0} from 30 s on",
        ROOMS * EACH
    );
    assert!(later <= idle * 1.2, "{idle} before, {later} after");
    drop(watchers);
}

/// Has some come, change something and go on two nodes at once, again and again; nothing of it may be left.
async fn churn(times: usize) {
    const ROOM: &str = "board-1";
    const CLIENTS: usize = 8;
    let redis = Redis::start(&[]);
    let (store, unlimited) = (
        format!("redis://127.0.0.1:{}", redis.port()),
        [("HERENOW_LIMITS__UPDATE_RATE", "0"), ("HERENOW_LIMITS__OTHER_RATE", "0")],
    );
    let nodes: Vec<Node> = (0..2).map(|_| Node::start_configured(&store, &unlimited)).collect();
    Node::until_all_hear(&nodes).await;
    let eye = nodes[0].watcher("eye", ROOM).await;
    let began = Instant::now();
    let mut clients = JoinSet::new();
    for n in 0..CLIENTS {
        // Each user is on both nodes.
        let connector = nodes[n % 2].connector(&format!("user-{}", n / 2));
        clients.spawn(async move {
            let (client, mut events) = connector.open().await.unwrap();
            let hearing = tokio::spawn(async move { while events.next().await.is_ok() {} });
            for time in 0..times {
                client.join(ROOM).await.unwrap();
                let state = json!({ "time": time });
                client.update(ROOM, state.as_object().unwrap()).await.unwrap();
                client.leave(ROOM).await.unwrap();
            }
            client.close(Some(1000)).await;
            hearing.await.unwrap();
        });
    }
    while let Some(done) = clients.join_next().await {
        done.unwrap();
    }
    let took = began.elapsed();
    eye.until_sees(&["eye".to_owned()]).await;
    eye.check();
    let left = async |wanted: serde_json::Value| {
        for node in &nodes {
            let began = Instant::now();
            loop {
                let rooms = node.call("GET /v1/rooms", None).await["rooms"].clone();
                let counts: Vec<_> = rooms.as_array().unwrap().iter().map(|room| room["count"].clone()).collect();
                if json!(counts) == wanted {
                    break;
                }
                assert!(began.elapsed() < LIMIT, "left: {rooms}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    };
    left(json!([{ "users": 1, "sessions": 1 }])).await;
    eye.leave().await;
    left(json!([])).await;
    println!("{} times joined, changed and left on 2 nodes in {took:.1?}: 0 left", CLIENTS * times);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_08_who_comes_changes_and_goes_on_two_nodes_at_once_leaves_nothing() {
    churn(250).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes; ./test --long runs it"]
async fn t_08_the_same_a_hundred_thousand_times() {
    churn(12_500).await;
}
