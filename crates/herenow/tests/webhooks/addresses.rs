//! A webhook's address cannot be used to have this server call what is private.
use crate::common::{LIMIT, SECRET};
use axum::{Router, http::header, response::IntoResponse, routing::post};
use herenow::{
    assemble,
    auth::secret::Secret,
    config::settings::Config,
    outgoing::WebAddress,
    webhooks::{
        delivery::{Down, Verdict, deliver},
        spool::Stored,
    },
};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::net::TcpListener;

/// Counts who connects.
async fn trap(address: SocketAddr, reached: Arc<AtomicUsize>) -> Option<u16> {
    let listener = TcpListener::bind(address).await.ok()?;
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            reached.fetch_add(1, Ordering::Relaxed);
        }
    });
    Some(port)
}

async fn send(url: &str, private_addresses: bool) -> Verdict {
    let mut config = Config::default();
    config.webhooks.url = Some(WebAddress::parse(url).unwrap_or_else(|| panic!("{url} is an address")));
    config.webhooks.secret = Secret::parse(SECRET).ok();
    config.webhooks.private_addresses = private_addresses;
    config.webhooks.timeout = Duration::from_millis(500);
    let settings = assemble::webhooks(&config).unwrap().unwrap();
    let events = vec![Stored { number: 1, json: r#"{"event":"user_joined"}"#.to_owned() }];
    tokio::time::timeout(LIMIT, deliver(settings, "node".into(), events)).await.unwrap()
}

#[tokio::test]
async fn a_webhook_reaches_nothing_that_is_private() {
    let reached = Arc::new(AtomicUsize::new(0));
    let port = trap("127.0.0.1:0".parse().unwrap(), Arc::clone(&reached)).await.unwrap();
    // The same port of the other version of the protocol, where there is one.
    trap(SocketAddr::new("::1".parse().unwrap(), port), Arc::clone(&reached)).await;
    let hosts = [
        "127.0.0.1",
        "127.1",
        "127.255.255.254",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "017700000001",
        "0",
        "0.0.0.0",
        "localhost",
        "localhost.",
        "LOCALHOST",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "[::ffff:169.254.169.254]",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "224.0.0.1",
        "255.255.255.255",
    ];
    let mut count = 0;
    for host in hosts {
        let Verdict::Down(Down { problem, .. }) = send(&format!("http://{host}:{port}/"), false).await else {
            panic!("{host}")
        };
        // Some systems know no such name.
        let is_kept_out = problem.contains("which is not asked") || problem.contains("dns error");
        count += usize::from(!is_kept_out);
        assert!(is_kept_out, "{host}: {problem}");
    }
    // Where it may go to this machine it does, so the trap works; but never where another server sends it.
    assert_eq!(reached.load(Ordering::Relaxed), 0);
    send(&format!("http://127.0.0.1:{port}/"), true).await;
    assert_eq!(reached.swap(0, Ordering::Relaxed), 1);
    for status in [302, 307] {
        let to = format!("http://127.0.0.1:{port}/");
        let answer = move || async move {
            (axum::http::StatusCode::from_u16(status).unwrap(), [(header::LOCATION, to)]).into_response()
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, Router::new().route("/", post(answer))).await.unwrap() });
        let Verdict::Down(Down { problem, .. }) = send(&format!("http://{address}/"), true).await else {
            panic!("{status}")
        };
        assert!(problem.contains("not followed"), "{problem}");
    }
    count += reached.load(Ordering::Relaxed);
    println!("ssrf: {count}/{} reached", hosts.len() + 2);
    assert_eq!((count, hosts.len() + 2), (0, 31));
}
