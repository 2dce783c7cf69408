//! The session cookie, which the app knows about: what clients see while it is fast, slow, wrong and gone.
use crate::{
    app::{App, Says},
    common::{LIMIT, TestServer, now_unix_s},
    see::{Dialect, With, both, get, native, see, stream_status, until},
};
use herenow::{config::settings::Config, outgoing::WebAddress};
use herenow_client::{error::Ended, raw};
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

const COOKIE: With<'_> = With::Cookie("theme=dark; session=s3cret-of-alice; x=1");
const TIMEOUT: Duration = Duration::from_millis(400);

fn alice() -> Value {
    json!({ "sub": "alice", "name": "Alice", "rooms": ["board-*"] })
}

async fn server(url: &str, change: impl FnOnce(&mut Config)) -> TestServer {
    let url = WebAddress::parse(url).unwrap();
    TestServer::start(|config| {
        config.auth.cookie_hook = Some(url);
        config.auth.hook_timeout = TIMEOUT;
        change(config);
    })
    .await
}

#[tokio::test]
async fn the_app_says_whose_a_cookie_is_and_is_asked_once_for_many() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let app = App::start({
        let asked = Arc::clone(&asked);
        move |question| {
            asked.lock().unwrap().push(question.clone());
            let is_alice = question.header("cookie") == "session=s3cret-of-alice";
            if is_alice { Says::json(&alice()).after(Duration::from_millis(50)) } else { Says::status(401) }
        }
    })
    .await;
    let server = server(&app.url("/session"), |config| config.auth.hook_secret = Some(crate::common::secret())).await;
    let all = futures_util::future::join_all((0..30).map(|_| native(&server, COOKIE))).await;
    println!("cookie hook: {} connections at once, {} call(s)", all.len(), app.calls());
    assert!(all.iter().all(|seen| seen == "let in as alice"), "{all:?}");
    assert_eq!(app.calls(), 1);
    let question = asked.lock().unwrap()[0].clone();
    assert_eq!((&*question.method, question.header("cookie")), ("GET", "session=s3cret-of-alice"), "no other cookie");
    assert_eq!(question.header("authorization"), format!("Bearer {}", crate::common::SECRET));
    assert_eq!(both(&server, COOKIE).await.1, "let in as alice");
    let nobody = With::Cookie("session=somebody-else");
    let seen = both(&server, nobody).await;
    assert_eq!(seen, ("auth.invalid, close 4401".into(), "auth.invalid, close 4001".into()));
    assert_eq!(app.calls(), 2, "a refusal counts for a while, too");
}

#[tokio::test]
async fn what_the_app_says_is_what_the_user_may_do() {
    let app = App::start(|_| Says::json(&alice())).await;
    let server = server(&app.url("/"), |_| {}).await;
    let mut seen = see(&server, Dialect::Board, COOKIE).await;
    let client = seen.client.as_mut().unwrap();
    for (room, expected) in [("board-1", "presence"), ("secret", "error")] {
        client.text(&json!({"type":"join","boardId":room}).to_string()).await.unwrap();
        let frame: Value = serde_json::from_str(&client.next_text(LIMIT).await.unwrap()).unwrap();
        assert_eq!(frame["type"], expected, "{frame}");
    }
    // A token is for the keys, whatever the app says of cookies.
    assert_eq!(native(&server, With::Token(&crate::common::token("bob"))).await, "let in as bob");
    assert_eq!(native(&server, With::Frame(&crate::common::token("bob"))).await, "let in as bob");
}

#[tokio::test]
async fn a_token_in_a_cookie_is_no_way_around_the_app() {
    let app = App::start(|_| Says::status(401)).await;
    let server = server(&app.url("/"), |_| {}).await;
    let line = format!("session={}", crate::common::token("alice"));
    assert_eq!(native(&server, With::Cookie(&line)).await, "auth.invalid, close 4401");
    assert_eq!(app.calls(), 1);
}

#[tokio::test]
async fn a_foreign_page_does_not_even_have_the_app_asked() {
    let app = App::start(|_| Says::json(&alice())).await;
    let server = server(&app.url("/"), |_| {}).await;
    let mut accepted = 0;
    let foreign = ["https://evil.example", "null", "http://127.0.0.1:1", "http://localhost", ""];
    for origin in foreign {
        let connector = raw::connect(&server.url()).header("cookie", "session=s3cret-of-alice");
        let mut client = connector.header("origin", origin).protocol("herenow.v1").open().await.unwrap();
        let frame: Value = serde_json::from_str(&client.next_text(LIMIT).await.unwrap()).unwrap();
        accepted += usize::from(frame["code"] != "origin.forbidden");
        let ended = client.ended(LIMIT).await.unwrap();
        assert!(matches!(ended, Ended::Closed { code: Some(4403), .. }), "{origin}: {ended:?}");
    }
    let own = native(&server, COOKIE).await;
    println!(
        "origin over a socket: {accepted}/{} foreign accepted, {}/1 own accepted",
        foreign.len(),
        usize::from(own == "let in as alice")
    );
    assert_eq!((accepted, own.as_str(), app.calls()), (0, "let in as alice", 1));
}

/// Hook slow and failing: what clients see, as a table.
#[tokio::test]
async fn what_clients_see_of_an_app_in_trouble() {
    let elsewhere = App::start(|_| Says::json(&alice())).await;
    let app = App::start(|_| Says::json(&alice())).await;
    let server = server(&app.url("/"), |_| {}).await;
    let (ok, unavailable) = (["let in as alice"; 2], ["auth.unavailable, close 4503"; 2]);
    let refused = ["auth.invalid, close 4401", "auth.invalid, close 4001"];
    let huge = json!({ "sub": "alice", "pad": "x".repeat(70_000) });
    let cases: Vec<(&str, Says, [&str; 2])> = vec![
        ("200, at once", Says::json(&alice()), ok),
        ("200, after half the time", Says::json(&alice()).after(TIMEOUT / 2), ok),
        ("200, after twice the time", Says::json(&alice()).after(TIMEOUT * 2), unavailable),
        ("no answer", Says::never(), unavailable),
        ("401", Says::status(401), refused),
        ("403", Says::status(403), refused),
        ("404", Says::status(404), refused),
        ("200, ended already", Says::json(&json!({ "sub": "alice", "exp": now_unix_s() - 60 })), refused),
        ("500", Says::status(500), unavailable),
        ("503", Says { status: 503, ..Says::json(&alice()) }, unavailable),
        ("204", Says::status(204), unavailable),
        ("302 to a login page", Says::redirect(&elsewhere.url("/")), unavailable),
        ("200, text/html", Says::text(200, "text/html", "<html>please sign in"), unavailable),
        ("200, no JSON", Says::text(200, "application/json", "<html>"), unavailable),
        ("200, a list", Says::json(&json!(["alice"])), unavailable),
        ("200, no sub", Says::json(&json!({ "name": "Alice" })), unavailable),
        ("200, rooms a text", Says::json(&json!({ "sub": "alice", "rooms": "*" })), unavailable),
        ("200, 70 KB", Says::json(&huge), unavailable),
    ];
    println!("{:26} | {:28} | {:28} | /stream | ms", "the app's answer", "native", "board");
    let seen_row = async |n: usize, what: &str, expected: [&str; 2]| {
        // Each its own cookie, since answers count for a while.
        let lines = [format!("session=native-{n}"), format!("session=board-{n}")];
        let native = see(&server, Dialect::Native, With::Cookie(&lines[0])).await;
        let board = see(&server, Dialect::Board, With::Cookie(&lines[1])).await;
        let status = stream_status(&server, &format!("session=stream-{n}")).await;
        println!("{what:26} | {:28} | {:28} | {status:7} | {}", native.what, board.what, native.ms);
        let expected_status = match expected[0].split(',').next().unwrap() {
            "auth.invalid" => 401,
            "auth.unavailable" => 503,
            _ => 200,
        };
        assert_eq!(status, expected_status, "{what}");
        assert_eq!([&*native.what, &*board.what], expected, "{what}");
        assert!(native.ms < (TIMEOUT * 3).as_millis(), "{what}: {} ms", native.ms);
        if expected == ["auth.unavailable, close 4503"; 2] {
            assert_eq!(native.frame["retry_after_ms"], 2000, "{}", native.frame);
            let shown = format!("{} {}", native.frame, board.frame);
            assert!(!shown.contains("native-") && !shown.contains("please sign in"), "{shown}");
        }
    };
    for (n, (what, says, expected)) in cases.into_iter().enumerate() {
        app.says(move |_| says.clone());
        seen_row(n, what, expected).await;
    }
    drop(app);
    seen_row(99, "connection refused", unavailable).await;
    assert_eq!(elsewhere.calls(), 0, "a redirect is not followed");
    // Who has a token is let in all the same, and the server stays in its load balancer.
    assert_eq!(native(&server, With::Token(&crate::common::token("bob"))).await, "let in as bob");
    let (status, body) = get(&server, "/readyz").await;
    assert!(status == 200 && body["cookie_hook"]["problem"].is_string(), "{body}");
}

#[tokio::test]
async fn many_calls_without_an_answer_do_not_pile_up() {
    let app = App::start(|_| Says::never()).await;
    let server = server(&app.url("/"), |_| {}).await;
    let began = Instant::now();
    let lines: Vec<String> = (0..200).map(|n| format!("session=c{n}")).collect();
    let all = futures_util::future::join_all(lines.iter().map(|line| native(&server, With::Cookie(line)))).await;
    println!(
        "cookie hook without an answer: {} clients told after {} ms, {} calls",
        all.len(),
        began.elapsed().as_millis(),
        app.calls()
    );
    assert!(all.iter().all(|seen| seen == "auth.unavailable, close 4503"), "{all:?}");
    assert!(app.calls() <= 200 && began.elapsed() < TIMEOUT * 6);
}

#[tokio::test]
async fn who_signs_out_is_put_out_at_the_next_recheck() {
    let app = App::start(|_| Says::json(&alice())).await;
    let server = server(&app.url("/"), |config| config.auth.hook_recheck = Duration::from_secs(1)).await;
    let mut seen = see(&server, Dialect::Native, COOKIE).await;
    assert_eq!(seen.what, "let in as alice");
    let calls = app.calls();
    until("the app is asked again", || app.calls() > calls).await;
    app.says(|_| Says::status(401));
    let began = Instant::now();
    let ended = seen.client.as_mut().unwrap().ended(LIMIT).await.unwrap();
    println!("signed out of the app: closed {:.1} s later ({ended})", began.elapsed().as_secs_f64());
    assert_eq!(ended, Ended::Closed { code: Some(4401), reason: "auth.expired".into() });
    until("nothing is held of it", || server.presence.rechecks().count() == 0).await;
}

#[tokio::test]
async fn other_rights_have_to_be_taken_by_a_new_connection() {
    let app = App::start(|_| Says::json(&alice())).await;
    let server = server(&app.url("/"), |config| config.auth.hook_recheck = Duration::from_secs(1)).await;
    let mut seen = see(&server, Dialect::Native, COOKIE).await;
    app.says(|_| Says::json(&json!({ "sub": "alice", "name": "Alice", "rooms": ["lobby"] })));
    let ended = seen.client.as_mut().unwrap().ended(LIMIT).await.unwrap();
    assert_eq!(ended, Ended::Closed { code: Some(4401), reason: "auth.expired".into() });
    assert_eq!(native(&server, COOKIE).await, "let in as alice");
}

#[tokio::test]
async fn an_app_that_is_gone_keeps_people_for_the_stated_time_only() {
    let app = App::start(|_| Says::json(&alice())).await;
    let server = server(&app.url("/"), |config| {
        config.auth.hook_recheck = Duration::from_secs(1);
        config.auth.hook_outage = Duration::from_secs(1);
    })
    .await;
    let mut seen = see(&server, Dialect::Native, COOKIE).await;
    drop(app);
    let began = Instant::now();
    let ended = seen.client.as_mut().unwrap().ended(LIMIT).await.unwrap();
    let after = began.elapsed();
    println!("app gone: who was here by a cookie stayed for {:.1} s of 2 s (and 5 s of leeway)", after.as_secs_f64());
    assert_eq!(ended, Ended::Closed { code: Some(4401), reason: "auth.expired".into() });
    assert!(after >= Duration::from_secs(6) && after < Duration::from_secs(9), "{after:?}");
}

#[tokio::test]
async fn the_end_that_the_app_names_is_kept() {
    let app = App::start(|_| Says::json(&json!({ "sub": "alice", "exp": now_unix_s() + 1 }))).await;
    let server = server(&app.url("/"), |_| {}).await;
    let mut seen = see(&server, Dialect::Native, COOKIE).await;
    let ended = seen.client.as_mut().unwrap().ended(LIMIT).await.unwrap();
    assert_eq!(ended, Ended::Closed { code: Some(4401), reason: "auth.expired".into() });
}
