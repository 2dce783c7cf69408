//! Who gets in, and what is said to whom who does not.
use crate::server::{Redis, place, put, room, route, section, write};
use herenow::{
    auth::revoked::Withdrawal,
    cluster::redis::{
        address::RedisAddress,
        announce::{IsNews, Noted, Noting, Turn},
        error::ConnectError,
        keyspace::Keyspace,
        link::{Link, Push, Route},
        store::{FORMAT, Place, Store},
    },
    partition::Partition,
};
use herenow_core::{
    cluster::{
        door::{Held, NodeId, Outcome},
        signs::Sign,
    },
    id::{LockName, RoomId, SessionId, UserId},
    time::Time,
};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    process::Command,
};

/// The rights that docs/cluster.md gives a node's user.
fn minimal_rules() -> String {
    let guide = include_str!("../../../../docs/cluster.md");
    let line =
        guide.lines().find_map(|line| line.strip_prefix("ACL SETUSER herenow ")).expect("the guide has the line");
    line.replace(">a-long-password", ">pass")
}

async fn use_all(address: RedisAddress, roots: Option<Vec<u8>>) {
    let route = Route { roots, ..route(address) };
    let (link, fit) = Link::open(&route).await.unwrap();
    let (ear, mut inbox) = Link::open_ear(&route, fit.is_cluster).await.unwrap();
    let [store, ear] = [link, ear].map(|link| Store::new(link, Keyspace::default(), NodeId(1)));
    // Enough rooms for each primary of a Redis Cluster to have some.
    for n in 0..12 {
        let room: RoomId = room(&format!("board-{n}"));
        let at: Place<'_> = place(&room);
        ear.subscribe(at).await.unwrap();
        assert_eq!(store.apply(at, write(1, 1, 1), &[put(1, "alice")]).await.unwrap(), Outcome::Done);
        assert!(matches!(inbox.next().await, Some(Push::Message { .. })));
        assert_eq!(store.sync(at, write(1, 1, 2), &section(2_500)).await.unwrap(), Outcome::Done);
        assert!(matches!(inbox.next().await, Some(Push::Message { .. })));
        let other = Store::new(store.link(), Keyspace::default(), NodeId(2));
        let snapshot = other.snapshot(at, &[]).await.unwrap();
        assert_eq!(snapshot.sections[0].2.as_ref().map(Vec::len), Some(2_500));
        store.audit(Partition::of(&room), std::slice::from_ref(&room), true).await.unwrap();
        let (name, session) = (LockName::parse("lid").unwrap(), SessionId(1));
        store.take_lock(at, (&name, session, 0)).await.unwrap();
        store.free_lock(at, (&name, session, 1)).await.unwrap();
        store.publish(at, b"passing").await.unwrap();
        assert!(matches!(inbox.next().await, Some(Push::Message { .. })));
        assert_eq!(store.index(Partition::of(&room), NodeId(1)).await.unwrap().len(), 1);
        let (user, time) = (UserId::parse("alice").unwrap(), Time::from_millis(1));
        let turn = Turn { user: user.clone(), is_here: true, joined_at: time, at: time };
        let noted = store.announce(at, Noting::default(), std::slice::from_ref(&turn)).await.unwrap();
        assert!(matches!(noted, Noted::Done(_, news) if news == [(IsNews::WithRoom, time)]));
        assert_eq!(other.announced(at).await.unwrap()[&user].by, Some(NodeId(1)));
        store.confirm(at, std::slice::from_ref(&turn)).await.unwrap();
        assert_eq!(other.announced(at).await.unwrap()[&user].by, None);
        ear.unsubscribe(at).await.unwrap();
        for _ in 0..2 {
            assert!(matches!(inbox.next().await, Some(Push::Unsubscribed { .. })));
        }
        assert!(store.reap(at, NodeId(1), 1, write(1, 1, 3).tag).await.unwrap());
        assert!(store.sweep(at, NodeId(1), Held::Tomb(1)).await.unwrap());
    }
    let sign = Sign { inc: 1, counter: 1, is_leaving: false, is_resyncing: false, features: (1, 1) };
    store.renew(&sign).await.unwrap().unwrap();
    assert_eq!(store.live_nodes().await.unwrap().len(), 1);
    let withdrawal = Withdrawal { user: UserId::parse("alice").unwrap(), before_s: 7 };
    let told = store.revoke(0, "n1", std::slice::from_ref(&withdrawal)).await.unwrap();
    assert_eq!((told.name.as_slice(), told.seen, told.withdrawals), (&b"n1"[..], 1, vec![withdrawal]));
    let last: RoomId = room("board-z");
    assert_eq!(store.apply(place(&last), write(1, 2, 1), &[]).await.unwrap(), Outcome::Resync);
    assert_eq!(store.sync(place(&last), write(1, 2, 1), &section(1)).await.unwrap(), Outcome::Done);
    let other = Store::new(store.link(), Keyspace::default(), NodeId(2));
    let rooms = other.rooms_elsewhere("board-", None, 10).await.unwrap();
    assert_eq!(rooms.iter().map(RoomId::as_str).collect::<Vec<_>>(), ["board-z"]);
    assert!(store.claim(NodeId(1), Some(&sign), 1).await.unwrap());
    ear.ping().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_runs_under_the_least_rights_that_the_guide_gives() {
    let redis = Redis::start(&[]);
    let rules = minimal_rules();
    let words: Vec<&str> = ["ACL", "SETUSER", "herenow"].into_iter().chain(rules.split(' ')).collect();
    redis.order(&words);
    use_all(RedisAddress::parse(&format!("redis://herenow:pass@127.0.0.1:{}", redis.port())).unwrap(), None).await;
    println!("runs under the minimal ACL: yes");
}

async fn refused(route: &Route) -> ConnectError {
    match Link::open(route).await {
        Ok(_) => panic!("let in"),
        Err(error) => error,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_and_missing_rights_are_called_that() {
    let redis = Redis::start(&["--requirepass", "right"]);
    for login in ["", ":wrong@", "nobody:wrong@"] {
        let address = RedisAddress::parse(&format!("redis://{login}127.0.0.1:{}", redis.port())).unwrap();
        let error = refused(&route(address)).await;
        assert_eq!(error.code(), "redis.denied", "{login}: {error}");
        assert!(!error.to_string().contains("wrong@"), "{error}");
    }
    let right = RedisAddress::parse(&format!("redis://:right@127.0.0.1:{}", redis.port())).unwrap();
    assert!(Link::open(&route(right)).await.is_ok());

    let redis = Redis::start(&[]);
    redis.order(&["ACL", "SETUSER", "half", "on", ">pass", "+info", "+hello"]);
    let half = RedisAddress::parse(&format!("redis://half:pass@127.0.0.1:{}", redis.port())).unwrap();
    assert_eq!(refused(&route(half)).await.code(), "redis.denied");
}

/// A server that says of itself that it is of a version, and knows nothing else.
fn impostor(version: &'static str) -> RedisAddress {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
                let count: usize = line.trim()[1..].parse().unwrap();
                let mut words = Vec::new();
                for _ in 0..count {
                    line.clear();
                    reader.read_line(&mut line).unwrap();
                    let mut word = vec![0; line.trim()[1..].parse::<usize>().unwrap() + 2];
                    reader.read_exact(&mut word).unwrap();
                    words.push(String::from_utf8(word).unwrap().trim().to_uppercase());
                }
                let info = format!("redis_version:{version}\r\n");
                let answer = match words[0].as_str() {
                    "HELLO" => "%1\r\n$5\r\nproto\r\n:3\r\n".to_owned(),
                    "INFO" => format!("${}\r\n{info}\r\n", info.len()),
                    _ => "+OK\r\n".to_owned(),
                };
                (&stream).write_all(answer.as_bytes()).unwrap();
                line.clear();
            }
        }
    });
    RedisAddress::parse(&format!("redis://127.0.0.1:{port}")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_too_old_is_told_which_version_is_needed() {
    let error = refused(&route(impostor("6.2.14"))).await;
    assert_eq!(error, ConnectError::TooOld("Redis 6.2.14".to_owned()));
    let text = error.to_string();
    assert!(text.contains("Redis 6.2.14") && text.contains("Redis 7.0 or Valkey 7.2"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_called_that() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = RedisAddress::parse(&format!("redis://127.0.0.1:{port}")).unwrap();
    assert_eq!(refused(&route(address)).await.code(), "redis.unreachable");
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_write_in_another_way_are_not_mixed_with() {
    let redis = Redis::start(&[]);
    redis.order(&["SET", "{ps:reg}:cfg", "128 partitions"]);
    let store = crate::server::store(&redis, 1).await;
    let sign = Sign { inc: 1, counter: 1, is_leaving: false, is_resyncing: false, features: (1, 1) };
    let refused = store.renew(&sign).await.unwrap().unwrap_err();
    assert_eq!(refused, ConnectError::OtherFormat("128 partitions".to_owned()));
    assert_ne!(FORMAT, "128 partitions");
    assert_eq!(redis.order(&["EXISTS", "{ps:reg}:live"]), redis::Value::Int(0), "it is not among the living");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_may_be_encrypted_with_certificates_of_ones_own() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", &file("key.pem"), "-out", &file("cert.pem")])
        .output()
        .expect("openssl is installed");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let tls_port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let (cert, key) = (file("cert.pem"), file("key.pem"));
    let tls = ["--tls-port", &tls_port, "--tls-cert-file", &cert, "--tls-key-file", &key];
    let _redis = Redis::start(&[&tls[..], &["--tls-auth-clients", "no", "--tls-ca-cert-file", &cert]].concat());
    let address = RedisAddress::parse(&format!("rediss://localhost:{tls_port}")).unwrap();
    let roots = std::fs::read(file("cert.pem")).unwrap();
    use_all(address.clone(), Some(roots)).await;
    let error = refused(&route(address)).await;
    assert_eq!(error.code(), "redis.unreachable", "a certificate that nobody vouches for: {error}");
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Three primaries that share the slots among them.
pub async fn redis_cluster() -> Vec<Redis> {
    let buses: Vec<String> = (0..3).map(|_| free_port().to_string()).collect();
    let start = |bus: &String| Redis::start(&["--cluster-enabled", "yes", "--cluster-port", bus]);
    let all: Vec<Redis> = buses.iter().map(start).collect();
    for (redis, (from, to)) in all.iter().zip([("0", "5460"), ("5461", "10922"), ("10923", "16383")]) {
        redis.order(&["CLUSTER", "ADDSLOTSRANGE", from, to]);
    }
    for (redis, bus) in all.iter().zip(&buses).skip(1) {
        all[0].order(&["CLUSTER", "MEET", "127.0.0.1", &redis.port().to_string(), bus]);
    }
    let began = std::time::Instant::now();
    let is_whole = |redis: &Redis| {
        let info: String = redis::from_redis_value(redis.order(&["CLUSTER", "INFO"])).unwrap();
        info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
    };
    while !all.iter().all(is_whole) {
        assert!(began.elapsed() < crate::server::LIMIT, "the cluster does not come together");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_cluster_is_found_from_any_of_its_nodes() {
    let all = redis_cluster().await;
    use_all(all[1].address(), None).await;
    for redis in &all {
        redis.order(&["FLUSHALL"]);
    }
    let ports: Vec<String> = all.iter().map(|redis| format!("127.0.0.1:{}", redis.port())).collect();
    use_all(RedisAddress::parse(&format!("redis+cluster://{}", ports.join(","))).unwrap(), None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_that_sentinels_know_is_used() {
    let redis = Redis::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let (config, port) = (folder.path().join("sentinel.conf"), free_port());
    let monitor = format!("port {port}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 {} 1\n", redis.port());
    std::fs::write(&config, monitor).unwrap();
    let mut sentinel = Command::new("redis-server");
    sentinel.arg(&config).arg("--sentinel").current_dir(folder.path()).stdout(std::process::Stdio::null());
    let mut sentinel = sentinel.spawn().unwrap();
    let address = RedisAddress::parse(&format!("redis+sentinel://127.0.0.1:{port}/main")).unwrap();
    let began = std::time::Instant::now();
    while let Err(error) = Link::open(&route(address.clone())).await {
        assert!(began.elapsed() < crate::server::LIMIT, "{error}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    use_all(address, None).await;
    sentinel.kill().unwrap();
    sentinel.wait().unwrap();
}
