//! What a client can do to a server by asking for too much: floods, bombs of JSON, memory, names that were chosen for it.
use crate::{
    common::{LIMIT, Peer, SECRET, TestServer, token},
    process::Process,
};
use herenow::auth::api_key::{ApiKey, KeyRights};
use herenow_client::raw::{self, RawClient};
use serde_json::{Value, json};
use std::{
    fs,
    time::{Duration, Instant},
};
use xxhash_rust::xxh3::xxh3_64;

async fn native(url: &str) -> Peer {
    let mut peer = Peer(raw::connect(url).protocol("herenow.v1").open().await.unwrap());
    assert_eq!(peer.hear().await["type"], "welcome");
    peer
}

/// How long each of some pings took, sorted.
async fn pings(peer: &mut Peer, count: usize) -> Vec<Duration> {
    let mut times = Vec::new();
    for _ in 0..count {
        let began = Instant::now();
        peer.say(json!({"type":"ping"})).await;
        while peer.hear().await["type"] != "pong" {}
        times.push(began.elapsed());
        // As a page would, and within the rate.
        tokio::time::sleep(Duration::from_millis(55)).await;
    }
    times.sort_unstable();
    times
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_is_cut_off_and_others_do_not_feel_it() {
    const FLOOD: usize = 10_000;
    let server = TestServer::start(|_| {}).await;
    let mut victim = native(&server.bearing(&token("victim"))).await;
    let mut listener = native(&server.bearing(&token("listener"))).await;
    let mut mallory = native(&server.bearing(&token("mallory"))).await;
    for peer in [&mut victim, &mut listener, &mut mallory] {
        peer.say(json!({"type":"join","room":"r","id":1})).await;
        while peer.hear().await["re"] != 1 {}
    }
    let quiet = pings(&mut victim, 20).await;
    let began = Instant::now();
    let flood = tokio::spawn(async move {
        let mut sent = 0;
        for n in 0..FLOOD {
            let frame = json!({"type":"message","room":"r","event":"x","data":n}).to_string();
            if mallory.0.text(&frame).await.is_err() {
                break;
            }
            sent += 1;
        }
        (sent, mallory.close_code().await)
    });
    let during = pings(&mut victim, 20).await;
    let (sent, code) = flood.await.unwrap();
    let took = began.elapsed();
    server.mark("r", 1).await;
    let mut accepted = 0;
    loop {
        let frame = listener.hear().await;
        match frame["event"].as_str() {
            Some("x") => accepted += 1,
            Some("marker") => break,
            _ => {}
        }
    }
    let p99 = |times: &[Duration]| times.last().unwrap().as_secs_f64() * 1000.0;
    println!(
        "flood: {accepted} of {sent} accepted, then closed {}; victim's slowest ping {:+.1} ms",
        code.unwrap_or_default(),
        p99(&during) - p99(&quiet)
    );
    // A hundred are refused; or what they are answered is not read for too long.
    assert!(matches!(code, Some(4429 | 4503)), "{code:?}");
    // 40 at once, and 20 a second.
    assert!((1..=40 + 20 * (took.as_secs() as usize + 1)).contains(&accepted), "{accepted} in {took:?}");
    assert!(p99(&during) < 2000.0, "{during:?}");
}

#[tokio::test]
async fn bombs_of_json_are_refused_and_change_nothing() {
    let server = TestServer::start(|config| config.limits.rates.update = 0).await;
    let mut eve = native(&server.bearing(&token("eve"))).await;
    eve.say(json!({"type":"join","room":"r","id":1})).await;
    while eve.hear().await["re"] != 1 {}
    let deep = |open: &str, close: &str, levels: usize| format!("{}1{}", open.repeat(levels), close.repeat(levels));
    let many_keys: String = (0..1500).map(|n| format!(r#""k{n}":1,"#)).collect();
    let states = [
        ("33 lists", format!(r#"{{"a":{}}}"#, deep("[", "]", 33))),
        ("7,000 lists", format!(r#"{{"a":{}}}"#, deep("[", "]", 7000))),
        ("7,000 lists without an end", format!(r#"{{"a":{}"#, "[".repeat(7000))),
        ("2,000 objects", format!(r#"{{"a":{}}}"#, deep(r#"{"a":"#, "}", 2000))),
        ("1,500 keys", format!(r#"{{{many_keys}"z":1}}"#)),
        ("a key twice", r#"{"a":1,"a":2}"#.to_owned()),
        ("a number without end", r#"{"a":1e999999}"#.to_owned()),
        ("no number", r#"{"a":NaN}"#.to_owned()),
        ("half a surrogate", r#"{"a":"\ud800"}"#.to_owned()),
        ("a state of 8 KB", format!(r#"{{"a":"{}"}}"#, "x".repeat(8000))),
    ];
    let (mut taken, mut slowest) = (Vec::new(), Duration::ZERO);
    for (what, state) in &states {
        let began = Instant::now();
        eve.0.text(&format!(r#"{{"type":"update","room":"r","state":{state},"id":9}}"#)).await.unwrap();
        let answer = eve.hear().await;
        slowest = slowest.max(began.elapsed());
        println!("{what:28} {}", answer["code"].as_str().unwrap_or("taken"));
        if answer["type"] != "error" {
            taken.push(*what);
        }
    }
    eve.say(json!({"type":"sync","room":"r","id":10})).await;
    let roster = eve.hear().await;
    println!(
        "JSON bombs: {}/{} taken, slowest refusal {:.1} ms",
        taken.len(),
        states.len(),
        slowest.as_secs_f64() * 1000.0
    );
    assert!(taken.is_empty(), "{taken:?}");
    assert!(roster["viewers"][0].get("state").is_none_or(|state| state == &json!({})), "{roster}");
    // Over the size of a frame, the connection ends; nothing of it is kept to look at.
    eve.0.text(&"[".repeat(20_000)).await.unwrap();
    assert_eq!(eve.close_code().await, Some(1009));
}

/// What the connection of this number says.
type Frames = fn(usize) -> Vec<String>;

/// Kilobytes that a process has in memory, and clock ticks that it has worked.
fn used(process: &Process) -> (usize, u64) {
    let read = |file: &str| fs::read_to_string(format!("/proc/{}/{file}", process.id())).unwrap();
    let status = read("status");
    let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok());
    let stat = read("stat");
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (rss.unwrap(), fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap())
}

/// Has each of some connections say this, and waits until all of it was done; the bytes that one said.
async fn say_all(clients: &mut [RawClient], frames: impl Fn(usize) -> Vec<String>) -> usize {
    let mut bytes = 0;
    for (n, client) in clients.iter_mut().enumerate() {
        let frames = frames(n);
        bytes = frames.iter().map(String::len).sum();
        for frame in &frames {
            client.text(frame).await.unwrap();
        }
        client.text(r#"{"type":"ping"}"#).await.unwrap();
        loop {
            let frame: Value = serde_json::from_str(&client.next_text(LIMIT).await.unwrap()).unwrap();
            assert_ne!(frame["type"], "error", "{frame}");
            if frame["type"] == "pong" {
                break;
            }
        }
    }
    bytes
}

async fn clients(process: &Process, count: usize) -> Vec<RawClient> {
    let mut clients = Vec::new();
    for n in 0..count {
        clients.push(native(&process.url(&token(&format!("user-{n}")))).await.0);
    }
    clients
}

#[tokio::test]
async fn what_a_connection_has_the_server_hold_is_in_proportion() {
    const CLIENTS: usize = 60;
    let (mut worst, mut largest) = ((0.0, ""), (0, ""));
    let shapes: [(&str, Frames); 3] = [
        ("50 rooms of one's own", |n| {
            (0..50).map(|at| json!({"type":"join","room":format!("r{n}-{at}")}).to_string()).collect()
        }),
        ("4 KB of state in 50 rooms", |n| {
            let state = json!({"text":"x".repeat(4000)});
            (0..50).map(|at| json!({"type":"join","room":format!("s{n}-{at}"),"state":state}).to_string()).collect()
        }),
        ("1,000 users watched", |n| {
            let users: Vec<String> = (0..1000).map(|at| format!("w{n}-{at}")).collect();
            vec![json!({"type":"watch","users":users}).to_string()]
        }),
    ];
    for (what, frames) in shapes {
        let folder = tempfile::tempdir().unwrap();
        let process = Process::start(folder.path(), &[("HERENOW_SECRET", SECRET), ("HERENOW_LIMITS__OTHER_RATE", "0")]);
        let mut clients = clients(&process, CLIENTS).await;
        let (before, _) = used(&process);
        let bytes = say_all(&mut clients, frames).await;
        let (after, _) = used(&process);
        let held = after.saturating_sub(before) * 1024 / CLIENTS;
        let ratio = held as f64 / bytes as f64;
        println!("{what:28} {bytes:7} B said, {held:7} B held a connection, {ratio:.1}x");
        if ratio > worst.0 {
            worst = (ratio, what);
        }
        largest = largest.max((held, what));
    }
    println!(
        "worst amplification {:.1}x ({}), at most {} KiB a connection ({})",
        worst.0,
        worst.1,
        largest.0 / 1024,
        largest.1
    );
    assert!(largest.0 < 2 << 20, "{largest:?}");
    assert!(worst.0 < 200.0, "{worst:?}");
}

#[tokio::test]
async fn names_that_were_chosen_to_collide_cost_no_more_than_others() {
    const CLIENTS: usize = 60;
    let mut ticks = Vec::new();
    for is_chosen in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let process = Process::start(folder.path(), &[("HERENOW_SECRET", SECRET), ("HERENOW_LIMITS__OTHER_RATE", "0")]);
        let mut clients = clients(&process, CLIENTS).await;
        // Rooms are told apart by a hash that everybody can compute: all of these fall to one of 64 parts.
        let fits = |name: &String| !is_chosen || xxh3_64(name.as_bytes()).is_multiple_of(64);
        let names: Vec<String> = (0..).map(|n| format!("room-{n}")).filter(fits).take(CLIENTS * 50).collect();
        let (_, before) = used(&process);
        say_all(&mut clients, |n| {
            names[n * 50..(n + 1) * 50].iter().map(|room| json!({"type":"join","room":room}).to_string()).collect()
        })
        .await;
        ticks.push(used(&process).1 - before);
    }
    let ratio = ticks[1].max(1) as f64 / ticks[0].max(1) as f64;
    println!("{} colliding names: {ratio:.2}x time ({} and {} ticks of 10 ms)", CLIENTS * 50, ticks[1], ticks[0]);
    assert!(ratio < 4.0, "{ticks:?}");
}

#[test]
fn comparing_a_key_takes_as_long_wherever_it_differs() {
    const ROUNDS: usize = 400;
    let (key, known) = ApiKey::generate("a", KeyRights::READ).unwrap();
    let keys = [known];
    let other = |at: usize| {
        let mut bytes = key.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).unwrap()
    };
    let wrong = [other(ApiKey::PREFIX.len()), other(key.len() - 1)];
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS {
        for at in [round % 2, 1 - round % 2] {
            let began = Instant::now();
            for _ in 0..100 {
                assert!(ApiKey::find(&keys, std::hint::black_box(&wrong[at])).is_none());
            }
            times[at].push(began.elapsed().as_nanos() as f64 / 100.0);
        }
    }
    // Medians, since the machine does other things as well.
    let [first, last] = times.map(|mut times| {
        times.sort_unstable_by(f64::total_cmp);
        times[ROUNDS / 2]
    });
    println!("Δ first vs last byte {:.1} ns of {first:.0} ns", (first - last).abs());
    assert!((first - last).abs() < first / 4.0, "{first} {last}");
}
