//! What a hostile caller must not get over HTTP: what is in a room, whether it exists, anything without a key.
use crate::common::{Stream, TestServer, bearing, token, token_for, token_with};
use herenow::{
    api::{access::Needs, table::calls},
    auth::rights::Rights,
};
use http::Method;
use serde_json::json;
use std::time::{Duration, Instant};

const HOUR: Duration = Duration::from_secs(3600);

/// All that a stream tells until its end, or until something comes that must come last.
async fn told(mut stream: Stream, last: &str) -> String {
    let mut told = String::new();
    while let Some(event) = stream.next().await {
        told.push_str(&format!("{} {}\n", event.kind, event.data));
        if told.contains(last) {
            break;
        }
    }
    told
}

#[tokio::test]
async fn nothing_of_a_room_is_read_over_http_by_who_may_not() {
    let server = TestServer::start(|_| {}).await;
    let put = |room: &str, user: &str| format!("PUT /v1/rooms/{room}/viewers/{user}");
    let stay = json!({"ttl_ms":600_000,"name":"Carol","state":{"note":"hush"}});
    server.call(&put("secret", "carol"), &server.all, Some(stay.clone())).await.done(204);
    let lobby_only = token_for("eve", &[("lobby", Rights::DEFAULT.union(Rights::OBSERVE))], HOUR);
    let kicked = token("mallory");
    let kick = "DELETE /v1/rooms/secret/viewers/mallory?block_ms=600000";
    server.call(kick, &server.all, None).await.done(204);
    let callers = [
        ("nobody", String::new()),
        ("nonsense", bearing("nonsense")),
        ("an unknown key", bearing(&format!("hnk_{}", "A".repeat(43)))),
        ("a key that only writes", bearing(&server.write)),
        ("a token for another room", bearing(&lobby_only)),
        ("a token that may only type", bearing(&token_with("tim", Rights::TYPE))),
        ("a token without rooms", bearing(&token_for("nora", &[], HOUR))),
        ("a guest's cookie elsewhere", format!("Cookie: session={}\r\nOrigin: https://evil.example\r\n", token("bob"))),
        ("who was put out", bearing(&kicked)),
    ];
    let calls = [
        "/v1/rooms/secret",
        "/v1/rooms/secret/viewers",
        "/v1/rooms/secret/poll?wait=0",
        "/v1/rooms/secret/poll?wait=0&since=x.1",
        "/v1/rooms/secret/events",
        "/v1/rooms/secret/events?present=1",
        "/v1/events?room=secret",
        "/v1/events?room=lobby&room=secret",
    ];
    let (mut cells, mut leaks) = (0, Vec::new());
    for (who, headers) in &callers {
        for path in calls {
            cells += 1;
            let answer = match server.events(path, headers).await {
                Ok(stream) => format!("200 {}", told(stream, "error").await),
                Err(answer) => format!("{} {}", answer.status, answer.text),
            };
            if answer.starts_with("200") || ["carol", "Carol", "hush"].iter().any(|word| answer.contains(word)) {
                leaks.push(format!("{who}, {path}: {answer}"));
            }
        }
    }
    // Who read it and may no longer: nothing that comes after.
    let mut reader = server.events("/v1/rooms/secret/events", &bearing(&token("rob"))).await.unwrap();
    reader.expect("roster").await;
    let kick = "DELETE /v1/rooms/secret/viewers/rob?reason=kicked";
    server.call(kick, &server.all, None).await.done(204);
    reader.expect("removed").await;
    let after = json!({"ttl_ms":600_000,"name":"Dave","state":{"note":"after"}});
    server.call(&put("secret", "dave"), &server.all, Some(after)).await.done(204);
    cells += 1;
    let rest = told(reader, "dave").await;
    if rest.contains("dave") {
        leaks.push(format!("after removal: {rest}"));
    }
    println!("leak matrix {cells} cells: {} leaks (HTTP and SSE)", leaks.len());
    assert!(leaks.is_empty() && cells == 73, "{cells} {leaks:#?}");
    // The matrix would see what leaks: who may read it does.
    assert!(server.get("/v1/rooms/secret").await.text.contains("hush"));
}

#[tokio::test]
async fn over_http_a_room_that_is_not_for_somebody_is_like_one_that_is_not_there() {
    let server = TestServer::start(|_| {}).await;
    server.call("PUT /v1/rooms/secret/viewers/a", &server.all, Some(json!({"ttl_ms":600_000}))).await.done(204);
    let token = token_for("eve", &[("lobby", Rights::DEFAULT)], HOUR);
    let (mut answers, mut times) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for _ in 0..60 {
        for (at, room) in ["secret", "nobody"].into_iter().enumerate() {
            for call in ["", "/viewers", "/poll?wait=0", "/events"] {
                let began = Instant::now();
                let mut answer = server.call(&format!("GET /v1/rooms/{room}{call}"), &token, None).await;
                times[at].push(began.elapsed());
                assert_eq!(answer.status, 403);
                answer.headers.remove("date");
                answers[at].push(format!("{:?} {}", answer.headers, answer.text).replace(room, "ROOM"));
            }
        }
    }
    let are_equal = answers[0] == answers[1];
    let [secret, nobody] = times.map(|mut times: Vec<Duration>| {
        times.sort_unstable();
        times[times.len() / 2].as_secs_f64() * 1000.0
    });
    println!(
        "unknown vs forbidden over HTTP: bytes {}, Δmedian {:.2} ms ({} requests each)",
        if are_equal { "equal" } else { "differ" },
        (secret - nobody).abs(),
        answers[0].len()
    );
    assert!(are_equal, "{} {}", answers[0][0], answers[1][0]);
    assert!((secret - nobody).abs() < 20.0, "{secret} {nobody}");
}

#[tokio::test]
async fn nothing_but_the_open_calls_is_answered_without_a_key() {
    let server = TestServer::start(|_| {}).await;
    let (mut asked, mut answered, mut open) = (0, Vec::new(), Vec::new());
    for call in calls() {
        let path = call.path.replace("{room}", "r").replace("{user}", "u");
        let is_open = call.needs == Needs::Nothing;
        for headers in [String::new(), bearing("nonsense"), bearing(&format!("hnk_{}", "A".repeat(43)))] {
            let body = if call.method == Method::GET { "" } else { "{}" };
            let answer = server.raw(&format!("{} {path}", call.method), &headers, body).await;
            if is_open {
                open.push(answer.status);
            } else {
                asked += 1;
                if answer.status != 401 {
                    answered.push(format!("{} {path} {headers}: {}", call.method, answer.status));
                }
            }
        }
    }
    println!("unauthenticated: {}/{asked} requests to {} routes", answered.len(), asked / 3);
    assert!(answered.is_empty() && asked / 3 >= 15, "{asked} {answered:#?}");
    assert!(open.iter().all(|status| *status == 200), "{open:?}");
}
