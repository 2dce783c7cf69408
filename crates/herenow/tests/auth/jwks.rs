//! Keys at an address that change, are gone, or are poison, while clients connect.
use crate::{
    app::{App, Says},
    common::{TestServer, now_unix_s},
    keys::Pair,
    see::{With, both, get, native, until},
};
use herenow::{
    config::settings::{Config, PrivateAddresses},
    outgoing::WebAddress,
};
use serde_json::{Value, json};
use std::time::Duration;

fn set(pairs: &[(&str, &Pair)]) -> Says {
    let keys: Vec<Value> = pairs.iter().map(|(id, pair)| pair.jwk(id)).collect();
    Says::json(&json!({ "keys": keys }))
}

fn token(pair: &Pair, id: &str) -> String {
    pair.sign(Some(id), &json!({ "sub": "alice", "exp": now_unix_s() + 3600 }))
}

/// A server that gets its keys there, with times short enough to see them pass.
async fn server(url: &str, change: impl FnOnce(&mut Config)) -> TestServer {
    let url = WebAddress::parse(url).unwrap();
    TestServer::start(|config| {
        config.auth.jwks_url = Some(url);
        config.auth.private_addresses = PrivateAddresses::All;
        config.auth.jwks_cooldown = Duration::from_millis(100);
        config.auth.hook_timeout = Duration::from_millis(400);
        change(config);
    })
    .await
}

async fn until_ready(server: &TestServer, is_ready: bool) -> Value {
    let mut body = Value::Null;
    for _ in 0..1000 {
        let (status, now) = get(server, "/readyz").await;
        body = now;
        if (status == 200) == is_ready {
            return body;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{body}");
}

#[tokio::test]
async fn a_new_key_is_noticed_by_the_first_token_that_names_it() {
    let (old, new) = (Pair::p256(), Pair::ed25519());
    let says = set(&[("old", &old)]);
    let app = App::start(move |_| says.clone()).await;
    let server = server(&app.url("/jwks.json"), |_| {}).await;
    assert_eq!(native(&server, With::Token(&token(&old, "old"))).await, "let in as alice");
    assert_eq!(app.calls(), 1);
    let says = set(&[("new", &new)]);
    app.says(move |_| says.clone());
    assert_eq!(native(&server, With::Token(&token(&old, "old"))).await, "let in as alice", "until they are fetched");
    // All at once, and one request for all of them.
    let new_token = token(&new, "new");
    let all = futures_util::future::join_all((0..20).map(|_| native(&server, With::Token(&new_token)))).await;
    println!(
        "jwks rotated: {}/20 with the new key let in, {} requests",
        all.iter().filter(|seen| *seen == "let in as alice").count(),
        app.calls()
    );
    assert!(all.iter().all(|seen| seen == "let in as alice"), "{all:?}");
    assert_eq!(app.calls(), 2);
    assert_eq!(native(&server, With::Frame(&new_token)).await, "let in as alice");
    let gone = both(&server, With::Token(&token(&old, "old"))).await;
    assert_eq!(gone, ("auth.invalid, close 4401".into(), "auth.invalid, close 4001".into()), "the old key is gone");
}

#[tokio::test]
async fn a_first_frame_and_a_renewal_wait_for_the_new_key() {
    let (old, new) = (Pair::p256(), Pair::p256());
    let says = set(&[("old", &old)]);
    let app = App::start(move |_| says.clone()).await;
    let server = server(&app.url("/"), |_| {}).await;
    let mut live = crate::common::Peer(
        herenow_client::raw::connect(&server.bearing(&token(&old, "old"))).protocol("herenow.v1").open().await.unwrap(),
    );
    assert_eq!(live.hear().await["type"], "welcome");
    let says = set(&[("new", &new)]);
    app.says(move |_| says.clone().after(Duration::from_millis(100)));
    // What is said meanwhile is answered after it, in order.
    live.say(json!({"type":"auth","token":token(&new, "new"),"id":1})).await;
    live.say(json!({"type":"ping","id":2})).await;
    live.say(json!({"type":"ping","id":3})).await;
    let answers = [live.hear().await, live.hear().await, live.hear().await];
    let answers = answers.map(|frame| (frame["type"].as_str().unwrap().to_owned(), frame["re"].as_u64().unwrap()));
    assert_eq!(answers, [("ack".into(), 1), ("pong".into(), 2), ("pong".into(), 3)]);
}

#[tokio::test]
async fn strangers_with_made_up_key_ids_cause_few_requests() {
    let pair = Pair::p256();
    let says = set(&[("main", &pair)]);
    let app = App::start(move |_| says.clone()).await;
    let server = server(&app.url("/"), |config| config.auth.jwks_cooldown = Duration::from_secs(600)).await;
    assert_eq!(native(&server, With::Token(&token(&pair, "main"))).await, "let in as alice");
    let stranger = Pair::p256();
    for n in 0..50 {
        let seen = native(&server, With::Token(&token(&stranger, &format!("made-up-{n}")))).await;
        assert_eq!(seen, "auth.invalid, close 4401");
    }
    println!("jwks: 50 made-up key ids caused {} request(s) besides the first", app.calls() - 1);
    assert_eq!(app.calls(), 2);
}

#[tokio::test]
async fn without_keys_nobody_is_let_in_by_them_and_readyz_says_so() {
    let pair = Pair::p256();
    let url = App::nobody().await;
    let server = server(&url, |_| {}).await;
    let token = token(&pair, "main");
    let seen = both(&server, With::Token(&token)).await;
    println!("jwks unreachable from the start | native {} | board {}", seen.0, seen.1);
    assert_eq!(seen, ("auth.unavailable, close 4503".into(), "auth.unavailable, close 4503".into()));
    assert_eq!(native(&server, With::Frame(&token)).await, "auth.unavailable, close 4503");
    let body = until_ready(&server, false).await;
    assert!(body["jwks"]["problem"].as_str().unwrap().starts_with("the connection failed"), "{body}");
    // Those with the shared secret are let in all the same.
    assert_eq!(native(&server, With::Token(&crate::common::token("bob"))).await, "let in as bob");
    let says = set(&[("main", &pair)]);
    let address = url.strip_prefix("http://").unwrap().trim_end_matches('/').parse().unwrap();
    let _app = App::start_at(address, move |_| says.clone()).await;
    assert_eq!(until_ready(&server, true).await["jwks"]["keys"], 1);
    assert_eq!(native(&server, With::Token(&token)).await, "let in as alice");
}

#[tokio::test]
async fn the_last_good_keys_count_for_the_stated_time_and_no_longer() {
    let pair = Pair::p256();
    let says = set(&[("main", &pair)]);
    let app = App::start(move |_| says.clone()).await;
    let server = server(&app.url("/"), |config| {
        config.auth.jwks_refresh = Duration::from_secs(1);
        config.auth.jwks_outage = Duration::from_secs(1);
    })
    .await;
    let token = token(&pair, "main");
    let mut live = crate::see::see(&server, crate::see::Dialect::Native, With::Token(&token)).await;
    assert_eq!(live.what, "let in as alice");
    let calls = app.calls();
    drop(app);
    let during = native(&server, With::Token(&token)).await;
    let body = until_ready(&server, false).await;
    let after = both(&server, With::Token(&token)).await;
    println!(
        "jwks gone after {calls} fetch(es) | in the outage borne: {during} | after it: native {} | board {}",
        after.0, after.1
    );
    assert_eq!(during, "let in as alice");
    assert_eq!(after, ("auth.unavailable, close 4503".into(), "auth.unavailable, close 4503".into()));
    assert_eq!((body["status"].as_str(), body["jwks"]["good"].as_bool()), (Some("not_ready"), Some(false)), "{body}");
    // Who is connected is not put out for it.
    let client = live.client.as_mut().unwrap();
    client.text(r#"{"type":"ping","id":1}"#).await.unwrap();
    assert!(client.next_text(crate::common::LIMIT).await.unwrap().contains("pong"));
}

#[tokio::test]
async fn poison_is_refused_and_the_last_good_keys_go_on() {
    let (pair, attacker) = (Pair::p256(), Pair::p256());
    let elsewhere = set(&[("evil", &attacker)]);
    let elsewhere = App::start(move |_| elsewhere.clone()).await;
    let evil = attacker.jwk("evil");
    let thousand: Vec<Value> = (0..1000).map(|n| attacker.jwk(&format!("evil{n}"))).collect();
    let mut padded = json!({ "keys": [evil], "pad": "x".repeat(300 * 1024) });
    let too_large = Says::json(&padded);
    padded["pad"] = json!("");
    let cases: Vec<(&str, Says)> = vec![
        ("300 KiB", too_large),
        ("1000 keys", Says::json(&json!({ "keys": thousand }))),
        ("text/html", Says::text(200, "text/html", &padded.to_string())),
        ("no JSON", Says::text(200, "application/json", "<html>")),
        ("half of it", Says::text(200, "application/json", &padded.to_string()[..40])),
        ("a list", Says::json(&json!([evil]))),
        ("keys no list", Says::json(&json!({ "keys": { "0": evil } }))),
        ("no keys", Says::json(&json!({ "keys": [] }))),
        ("shared secrets only", Says::json(&json!({ "keys": [{ "kty": "oct", "k": "AAAA", "kid": "evil" }] }))),
        ("P-384 only", Says::json(&json!({ "keys": [Pair::p384().jwk("evil")] }))),
        (
            "nested 4000 deep",
            Says::text(200, "application/json", &format!("{}1{}", "[".repeat(4000), "]".repeat(4000))),
        ),
        ("a redirect", Says::redirect(&elsewhere.url("/"))),
        ("404", Says { status: 404, ..Says::json(&padded) }),
        ("500", Says { status: 500, ..Says::json(&padded) }),
        ("no answer", Says::never()),
    ];
    let good = set(&[("main", &pair)]);
    let app = App::start({
        let good = good.clone();
        move |_| good.clone()
    })
    .await;
    let server = server(&app.url("/"), |_| {}).await;
    let (known, unknown) = (token(&pair, "main"), token(&attacker, "evil"));
    assert_eq!(native(&server, With::Token(&known)).await, "let in as alice");
    println!("{:20} | {:16} | {:26} | readyz", "answer", "known key", "its new key");
    for (what, says) in cases {
        app.says(move |_| says.clone());
        let calls = app.calls();
        // The pause after the last demand has to pass, which nobody tells.
        let mut with_unknown = native(&server, With::Token(&unknown)).await;
        while app.calls() == calls {
            with_unknown = native(&server, With::Token(&unknown)).await;
        }
        let with_known = native(&server, With::Token(&known)).await;
        let (status, body) = get(&server, "/readyz").await;
        let problem = body["jwks"]["problem"].as_str().unwrap_or_default();
        println!("{what:20} | {with_known:16} | {with_unknown:26} | {status} {problem}");
        assert_eq!((&*with_known, &*with_unknown), ("let in as alice", "auth.invalid, close 4401"), "{what}");
        assert!(status == 200 && !problem.is_empty(), "{what}: {body}");
    }
    assert_eq!(elsewhere.calls(), 0, "a redirect is not followed");
    app.says(move |_| good.clone());
    until("they are fetched again", || server.presence.authority_health().jwks.is_some_and(|jwks| jwks.keys == 1))
        .await;
}

#[tokio::test]
async fn a_private_address_is_asked_only_where_that_is_allowed() {
    let pair = Pair::p256();
    let says = set(&[("main", &pair)]);
    let app = App::start(move |_| says.clone()).await;
    for url in [
        app.url("/"),
        app.url("/").replace("127.0.0.1", "localhost"),
        app.url("/").replace("127.0.0.1", "[::ffff:127.0.0.1]"),
    ] {
        let server = server(&url, |config| config.auth.private_addresses = PrivateAddresses::Hooks).await;
        assert_eq!(native(&server, With::Token(&token(&pair, "main"))).await, "auth.unavailable, close 4503");
        let (_, body) = get(&server, "/readyz").await;
        assert!(body["jwks"]["problem"].as_str().unwrap().contains("auth.private_addresses"), "{url}: {body}");
    }
    println!("ssrf: {}/3 private addresses reached", app.calls());
    assert_eq!(app.calls(), 0);
}
