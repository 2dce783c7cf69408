//! The examples in Rust, as they stand: each is compiled in here and run in this process.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic, as tests do")]

#[path = "../examples/axum_app/main.rs"]
#[expect(dead_code, reason = "its `main` is for whoever runs it by itself")]
mod axum_app;
#[path = "../../herenow-client/examples/bot.rs"]
#[expect(dead_code, reason = "its `main` is for whoever runs it by itself")]
mod bot;

use axum::body::{Body, Bytes};
use herenow::{
    config::settings::Config,
    embed::{Embedded, event::Event},
};
use herenow_client::{
    client::{self, Synced},
    frame::ServerFrame,
};
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::{Value, json};
use std::{net::SocketAddr, time::Duration};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
    time::timeout,
};

/// How long anything may take that has to come.
const LIMIT: Duration = Duration::from_secs(10);

async fn within<T>(what: impl Future<Output = T>) -> T {
    timeout(LIMIT, what).await.expect("it comes in time")
}

/// A person with a browser that keeps one cookie.
struct Person {
    base: String,
    cookie: Option<String>,
}

impl Person {
    async fn ask(&mut self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, String) {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        if let Some(cookie) = &self.cookie {
            request = request.header(header::COOKIE, cookie);
        }
        let body = body.map_or_else(Bytes::new, |json| json.to_string().into());
        let request = request.header(header::CONTENT_TYPE, "application/json").body(Full::new(body)).unwrap();
        let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
        let response = within(client.request(request)).await.unwrap();
        if let Some(cookie) = response.headers().get(header::SET_COOKIE) {
            self.cookie = cookie.to_str().unwrap().split(';').next().map(str::to_owned);
        }
        let status = response.status();
        let bytes = within(Body::new(response.into_body()).collect()).await.unwrap().to_bytes();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_axum_app_signs_in_vouches_and_tells() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (printed, mut lines) = mpsc::unbounded_channel();
    let (stop, stopped) = oneshot::channel::<()>();
    let app = tokio::spawn(axum_app::run(listener, move |line| drop(printed.send(line)), async move {
        drop(stopped.await);
    }));
    let base = format!("http://{address}");
    let mut alice = Person { base: base.clone(), cookie: None };
    assert_eq!(alice.ask(Method::POST, "/token", None).await.0, StatusCode::UNAUTHORIZED, "not signed in");
    let (status, page) = alice.ask(Method::GET, "/", None).await;
    assert!(status == StatusCode::OK && page.contains("/sdk.js"));
    assert_eq!(alice.ask(Method::GET, "/sdk.js", None).await.0, StatusCode::OK);
    assert_eq!(alice.ask(Method::POST, "/sign-in", Some(json!({ "name": "Alice" }))).await.0, StatusCode::NO_CONTENT);
    let (status, token) = alice.ask(Method::POST, "/token", None).await;
    assert_eq!(status, StatusCode::OK);

    let (client, mut events) =
        within(client::connect(&format!("ws://{address}/ws")).token(&token).open()).await.unwrap();
    let Synced::Roster(roster) = client.join("board-1").await.unwrap() else { panic!("a list was to come") };
    assert_eq!(roster.viewers[0].user.name, "Alice");
    assert_eq!(within(lines.recv()).await.unwrap(), "Alice is in board-1, with 1");
    assert_eq!(alice.ask(Method::GET, "/who", None).await.1, r#"["Alice"]"#);
    let refused = client.join("another-room").await.unwrap_err();
    assert!(refused.to_string().contains("room.forbidden"), "{refused}");

    let task = json!({ "title": "Ship it" });
    assert_eq!(alice.ask(Method::POST, "/tasks", Some(task)).await.0, StatusCode::CREATED);
    let told = loop {
        if let ServerFrame::Message(message) = within(events.next()).await.unwrap() {
            break message;
        }
    };
    assert_eq!((told.event.as_str(), told.data), ("task_created", json!({ "title": "Ship it", "by": "Alice" })));

    client.close(Some(1000)).await;
    assert_eq!(within(lines.recv()).await.unwrap(), "Alice left board-1");
    stop.send(()).unwrap();
    within(app).await.unwrap().unwrap();
}

/// An embedded server on a port of its own, below a path.
async fn embedded() -> (Embedded, SocketAddr) {
    let change = |config: &mut Config| {
        config.presence.leave_grace = Duration::ZERO;
        config.limits.rates.other = 100_000;
    };
    let herenow = Embedded::builder().config(change).start().unwrap();
    let own = || async { (StatusCode::NOT_FOUND, "the app's own page for what is not there") };
    let routes = axum::Router::new().nest("/presence", herenow.router()).fallback(own);
    let routes = routes.merge(axum::Router::new().nest("/again", herenow.router()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, routes.into_make_service_with_connect_info::<SocketAddr>()).into_future());
    (herenow, address)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bot_greets_who_comes() {
    let (herenow, address) = embedded().await;
    let url = format!("ws://{address}/presence/ws");
    let token = |user: &str| herenow.token(user).name(user).room("board-1").mint().unwrap();
    let (printed, mut lines) = mpsc::unbounded_channel();
    let (at, bot_token) = (url.clone(), token("bot"));
    let bot =
        tokio::spawn(async move { bot::greet(&at, &bot_token, "board-1", |line| drop(printed.send(line))).await });
    assert_eq!(within(lines.recv()).await.unwrap(), "1 are in board-1");

    let (alice, mut events) = within(client::connect(&url).token(&token("alice")).open()).await.unwrap();
    alice.join("board-1").await.unwrap();
    assert_eq!(within(lines.recv()).await.unwrap(), "Hello alice, you are number 2");
    let (mut was_typing, mut said) = (false, None);
    while said.is_none() {
        match within(events.next()).await.unwrap() {
            ServerFrame::Typing(typing) if typing.on => was_typing = typing.user.id == "bot",
            ServerFrame::Message(message) => said = Some(message),
            _ => {}
        }
    }
    assert!(was_typing);
    assert_eq!(said.unwrap().data, json!({ "text": "Hello alice, you are number 2" }));
    alice.close(Some(1000)).await;
    assert_eq!(within(lines.recv()).await.unwrap(), "alice is gone (left)");

    herenow.kick("board-1", "bot", None).await.unwrap();
    assert!(matches!(within(bot).await.unwrap(), Err(bot::BotError::Removed)));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_embeds_it_sees_its_rooms_and_hears_what_happens_there() {
    let (herenow, address) = embedded().await;
    let (mut events, mut slow) = (herenow.events(), herenow.events());
    let token = herenow.token("alice").name("Alice").room("board-*").mint().unwrap();
    let url = format!("ws://{address}/presence/ws");
    let (client, _events) = within(client::connect(&url).token(&token).open()).await.unwrap();
    client.join("board-1").await.unwrap();
    client.typing("board-1", Some("card-1")).await.unwrap();
    let Event::Joined { room, user, count } = within(events.next()).await.unwrap() else {
        panic!("a join was to come")
    };
    assert_eq!((room.as_str(), &*user.name, count.users), ("board-1", "Alice", 1));
    let Event::Typing { target, .. } = within(events.next()).await.unwrap() else { panic!("typing was to come") };
    assert_eq!(target.unwrap().as_str(), "card-1");
    let (viewers, count) = herenow.viewers("board-1", 10).await.unwrap();
    assert_eq!((viewers.len(), count.users, viewers[0].profile.user.as_str()), (1, 1, "alice"));
    let (nobody, count) = herenow.viewers("board-1", 0).await.unwrap();
    assert_eq!((nobody.len(), count.users), (0, 1), "the count is of all");
    assert_eq!(herenow.viewers("board-2", 10).await.unwrap().1.users, 0);

    // More joins and leaves than wait for a listener that does not listen.
    for _ in 0..600 {
        client.leave("board-1").await.unwrap();
        client.join("board-1").await.unwrap();
    }
    let Event::Missed(missed) = within(slow.next()).await.unwrap() else { panic!("it was to miss some") };
    assert_eq!(missed, 2 + 1200 - 1024);
    let Event::Left { reason, .. } = within(slow.next()).await.unwrap() else { panic!("a leave was to come") };
    assert_eq!(format!("{reason:?}"), "Left");

    let mut person = Person { base: format!("http://{address}"), cookie: None };
    for path in ["/nothing", "/presence/nothing"] {
        let answer = person.ask(Method::GET, path, None).await;
        assert_eq!(answer, (StatusCode::NOT_FOUND, "the app's own page for what is not there".to_owned()), "{path}");
    }
    for path in ["/presence/sdk.js", "/again/sdk.js", "/presence/healthz"] {
        assert_eq!(person.ask(Method::GET, path, None).await.0, StatusCode::OK, "{path}");
    }

    assert!(herenow.publish("board-1", "roster", &1).await.unwrap_err().to_string().contains("roster"));
    assert!(herenow.publish("", "x", &1).await.is_err());
    assert!(herenow.token("").mint().is_err());
    assert!(herenow.token("alice").room("").mint().is_err());
    assert!(Embedded::builder().secret("short").start().unwrap_err().to_string().contains("too short"));
}
