//! What is secret is in no log, at any level, and in no answer: looked for in the logs of a run.
use crate::{
    app::{App, Says},
    common::{Claims, LIMIT, SECRET, token, token_saying},
    keys::Pair,
    process::Process,
};
use herenow::auth::api_key::{ApiKey, KeyRights};
use herenow_client::raw::{self, RawConnector};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const HOOK_SECRET: &str = "a-secret-between-server-and-app-hooks";
const PAYLOAD: &str = "words-that-are-for-the-room-only";

async fn get(process: &Process, path: &str) -> String {
    let mut stream = TcpStream::connect(&process.address).await.unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", process.address);
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// All that a client hears, once it has said this and the connection is over or quiet.
async fn heard(connector: RawConnector, frames: &[Value]) -> Vec<String> {
    let mut client = connector.protocol("herenow.v1").open().await.unwrap();
    for frame in frames {
        if client.text(&frame.to_string()).await.is_err() {
            break;
        }
    }
    let mut heard = Vec::new();
    while let Ok(text) = client.next_text(Duration::from_millis(300)).await {
        heard.push(text);
    }
    let _ = client.ended(Duration::from_millis(100)).await;
    heard
}

#[tokio::test]
async fn secrets_are_in_no_log_metric_or_error() {
    let app = App::start(|asked| match (asked.header("cookie"), asked.body["room"].as_str()) {
        ("session=cookie-of-alice-3f9a", _) => Says::json(&json!({ "sub": "alice", "rooms": ["a"] })),
        (_, Some("b")) => Says::json(&json!({ "allow": true })),
        (_, Some(_)) => Says::status(500),
        _ => Says::text(200, "text/html", "cookie-is-broken"),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let (hook, rooms, nobody) = (app.url("/session"), app.url("/room"), App::nobody().await);
    let process = Process::start(
        folder.path(),
        &[
            ("HERENOW_SECRET", SECRET),
            ("HERENOW_LOG__LEVEL", "trace"),
            ("HERENOW_LOG__FORMAT", "json"),
            ("HERENOW_AUTH__COOKIE_HOOK", &hook),
            ("HERENOW_AUTH__ROOM_HOOK", &rooms),
            ("HERENOW_AUTH__HOOK_SECRET", HOOK_SECRET),
            ("HERENOW_AUTH__JWKS_URL", &nobody),
            ("HERENOW_AUTH__PRIVATE_ADDRESSES", "all"),
            ("HERENOW_AUTH__GUESTS", "true"),
        ],
    );
    let foreign = Pair::ed25519().sign(Some("foreign"), &json!({ "sub": "mallory", "exp": 2_000_000_000 }));
    let expired = token_saying("alice", json!({ "exp": 1_700_000_000, "pad": "expired" }));
    let bad_claim = token_saying("alice", json!({ "rooms": { "*": ["fly"] } }));
    let good = token("alice");
    let short = Claims { ttl: Duration::from_secs(3599), ..Claims::of("alice") }.sign("alice");
    let cookies = ["cookie-of-alice-3f9a", "cookie-is-broken", "cookie-of-a-foreign-page"];
    let garbage = "garbage.token.value-0123456789";
    let plain = format!("ws://{}/ws", process.address);
    let origin = format!("http://{}", process.address);
    let busy = [
        json!({"type":"join","room":"a","id":1}),
        json!({"type":"join","room":"b","id":2}),
        json!({"type":"join","room":"c","id":3}),
        json!({"type":"message","room":"a","event":"x","data":PAYLOAD,"id":4}),
        json!({"type":"update","room":"a","state":{"x":PAYLOAD},"id":5}),
        json!({"type":"auth","token":short,"id":6}),
        json!({"type":"auth","token":foreign,"id":7}),
        json!({"type":"nonsense","token":good}),
    ];
    let mut answers = Vec::new();
    let mut secrets: Vec<&str> = vec![SECRET, HOOK_SECRET, PAYLOAD];
    for token in [&*good, &*foreign, &*expired, &*bad_claim, garbage] {
        let header = format!("Bearer {token}");
        answers.extend(heard(raw::connect(&process.url(token)), &busy).await);
        answers.extend(heard(raw::connect(&plain).header("authorization", &header), &busy).await);
        answers.extend(heard(raw::connect(&plain), &[json!({"type":"auth","token":token})]).await);
        answers.push(get(&process, &format!("/v1/debug/rooms/a/users/alice?token={token}")).await);
        answers.push(get(&process, &format!("/nothing/{token}?token={token}")).await);
    }
    for cookie in &cookies[..2] {
        let line = format!("session={cookie}");
        let connector = raw::connect(&plain).header("cookie", &line).header("origin", &origin);
        answers.extend(heard(connector, &busy).await);
    }
    let foreign_page = raw::connect(&plain).header("cookie", "session=cookie-of-a-foreign-page");
    answers.extend(heard(foreign_page.header("origin", "https://evil.example"), &[]).await);
    for path in ["/healthz", "/readyz", "/metrics"] {
        answers.push(get(&process, path).await);
    }
    secrets.extend(cookies);
    // Parts of tokens, so that no piece of one goes unnoticed either.
    let tokens = [&good, &foreign, &expired, &bad_claim, &short].map(|token| token.as_str());
    secrets.extend(tokens.iter().flat_map(|token| token.split('.')).filter(|part| part.len() > 40));
    secrets.push(garbage.rsplit_once('.').unwrap().1);
    let resumes: Vec<String> = answers
        .iter()
        .filter_map(|text| serde_json::from_str::<Value>(text).ok()?["resume"].as_str().map(str::to_owned))
        .collect();
    assert!(!resumes.is_empty());
    process.logs(0, "connection ended").await;
    let began = std::time::Instant::now();
    while process.logged.lock().unwrap().iter().filter(|line| line.contains("connection ended")).count() < 10 {
        assert!(began.elapsed() < LIMIT);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let logged = process.logged.lock().unwrap().clone();
    let in_log = |secret: &str| logged.iter().filter(|line| line.contains(secret)).count();
    let hits: usize = secrets.iter().copied().chain(resumes.iter().map(String::as_str)).map(in_log).sum();
    // What a client sent may come back to it in a room's messages, but no credential does.
    let told: Vec<&String> = answers.iter().filter(|text| !text.contains(r#""type":"roster""#)).collect();
    let is_credential = |secret: &&&str| **secret != PAYLOAD;
    let in_answers: usize = secrets
        .iter()
        .filter(is_credential)
        .map(|secret| told.iter().filter(|text| text.contains(secret)).count())
        .sum();
    println!(
        "token grep over logs, metrics, traces, errors: {} hits of {} lines ({} secrets, {} answers)",
        hits + in_answers,
        logged.len() + told.len(),
        secrets.len() + resumes.len(),
        told.len()
    );
    assert_eq!((hits, in_answers), (0, 0));
    assert!(logged.iter().any(|line| line.contains("auth.jwks_url")), "something was logged at all");
    let told_codes = ["auth.invalid", "auth.expired", "auth.unavailable", "origin.forbidden", "room.unavailable"];
    for code in told_codes {
        assert!(answers.iter().any(|text| text.contains(code)), "{code} was seen");
    }
}

#[tokio::test]
async fn who_was_put_out_stands_in_the_log_by_a_hash_only() {
    let folder = tempfile::tempdir().unwrap();
    let (key, configured) = ApiKey::generate("night-shift", KeyRights::ALL).unwrap();
    let configured = configured.to_string();
    let room = "board\u{2028}7";
    for (identities, shown) in [("hashed", None), ("plain", Some("board\\u{2028}7")), ("none", Some("-"))] {
        let variables = [
            ("HERENOW_SECRET", SECRET),
            ("HERENOW_LOG__FORMAT", "json"),
            ("HERENOW_LOG__IDENTITIES", identities),
            ("HERENOW_AUTH__API_KEYS", &configured),
        ];
        let process = Process::start(folder.path(), &variables);
        let mut lines = Vec::new();
        let path = format!("/v1/rooms/{}/viewers/alice?block_ms=5000", "board%E2%80%A87");
        for (path, what) in [(path.as_str(), "put out of a room"), ("/v1/users/alice", "disconnected and forgotten")] {
            let mut stream = TcpStream::connect(&process.address).await.unwrap();
            let head = format!(
                "DELETE {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {key}\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
            lines.push(process.logs(0, what).await["fields"].clone());
        }
        println!("{identities:7} {}", lines[0]);
        assert_eq!((&lines[0]["key"], &lines[1]["key"]), (&json!("night-shift"), &json!("night-shift")));
        assert_eq!(lines[0]["user"], lines[1]["user"], "two lines about the same are known as such");
        match shown {
            Some(shown) => assert_eq!(lines[0]["room"], shown),
            None => {
                let all = process.logged.lock().unwrap().join("\n");
                assert!(!all.contains("alice") && !all.contains("board"), "{all}");
                assert_eq!(lines[0]["room"].as_str().unwrap().len(), 16);
            }
        }
        let all = process.logged.lock().unwrap().join("\n");
        assert!(!all.contains(&key) && !all.contains(room));
    }
}
