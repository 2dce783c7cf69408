//! A rolling deploy: nodes are replaced one by one, and whoever is on them comes back on another, as the SDK does.
use crate::{
    process::{Node, connector_to},
    server::{LIMIT, Redis},
};
use serde_json::json;
use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

const ROOM: &str = "board-1";
const ROAMERS: usize = 12;

/// Is in the room for good: where the node goes, on another of those that there are.
async fn roam(number: usize, homes: Arc<Mutex<Vec<String>>>) {
    let (mut resume, mut turn) = (None::<String>, number);
    loop {
        let home = {
            let homes = homes.lock().unwrap();
            homes[turn % homes.len()].clone()
        };
        turn += 1;
        let mut connector = connector_to(&home, &format!("roamer-{number:02}"));
        if let Some(secret) = &resume {
            connector = connector.resume(secret);
        }
        let Ok((client, mut events)) = connector.open().await else {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        resume.clone_from(&client.welcome().resume);
        if client.join(ROOM).await.is_ok() {
            while events.next().await.is_ok() {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t_07_nodes_that_are_replaced_one_by_one_lose_nobody_and_are_no_news() {
    let redis = Redis::start(&[]);
    let mut nodes = Node::start_all(4, &redis).await;
    let stays = nodes.pop().unwrap();
    let homes = Arc::new(Mutex::new(nodes.iter().map(|node| node.address().to_owned()).collect::<Vec<_>>()));
    let mut roamers = JoinSet::new();
    for number in 0..ROAMERS {
        roamers.spawn(roam(number, Arc::clone(&homes)));
    }
    let eye = stays.watcher("eye", ROOM).await;
    let all: Vec<String> =
        std::iter::once("eye".to_owned()).chain((0..ROAMERS).map(|number| format!("roamer-{number:02}"))).collect();
    eye.until_sees(&all).await;
    let told = eye.told().len();
    let mut slowest = Duration::ZERO;
    for node in &mut nodes {
        // As a balancer does: nobody new is sent there, and then it is told to stop.
        homes.lock().unwrap().retain(|home| home != node.address());
        let began = Instant::now();
        node.signal("-TERM");
        node.until_ended().await;
        slowest = slowest.max(began.elapsed());
        *node = Node::start(&redis);
        node.until(|ready| ready["status"] == "ready" && ready["cluster"]["nodes"].as_u64() >= Some(4)).await;
        homes.lock().unwrap().push(node.address().to_owned());
    }
    // The sessions of a node that has left in good order are kept for as long as its users may take to come back.
    let replaced = Instant::now();
    let count = json!({ "users": all.len(), "sessions": all.len() });
    for node in nodes.iter().chain([&stays]) {
        loop {
            let room = node.call(&format!("GET /v1/rooms/{ROOM}"), None).await;
            assert_eq!(room["count"]["users"], all.len(), "{room}");
            if room["count"] == count {
                break;
            }
            assert!(replaced.elapsed() < 2 * LIMIT, "still {room}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
    let whole = replaced.elapsed();
    let news = eye.told().split_off(told);
    println!(
        "rolling deploy of 3 nodes of 4: {ROAMERS} users moved, {} events; a node had gone after at most {:.1} s, and nothing of \
         them is counted any more {:.1} s after the last was replaced",
        news.len(),
        slowest.as_secs_f64(),
        whole.as_secs_f64()
    );
    assert!(news.is_empty(), "{news:?}");
    assert_eq!(eye.users(), all);
    eye.check();
}
