//! Takes webhooks and prints them: `HERENOW_WEBHOOKS__SECRET=... PORT=9000 cargo run -p herenow --example webhooks`
#![allow(clippy::print_stdout, reason = "prints what it is told")]

use aws_lc_rs::hmac;
use axum::{Router, body::Bytes, extract::State, http::HeaderMap, http::StatusCode, routing::post};
use std::{collections::HashSet, sync::Arc, sync::Mutex, time::SystemTime};

/// Takes calls, and tells each event once.
pub struct Receiver {
    /// What signs them.
    pub secret: String,
    /// Keys that came. Yours: a unique column of the table that the events change.
    pub seen: Mutex<HashSet<String>>,
    /// Hears each event.
    pub hear: fn(&str),
}

fn is_genuine(secret: &str, header: &str, body: &[u8]) -> Option<()> {
    let parts: Vec<(&str, &str)> = header.split(',').filter_map(|part| part.split_once('=')).collect();
    let (_, at) = parts.iter().find(|(name, _)| *name == "t")?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
    let is_fresh = now.abs_diff(at.parse().ok()?) <= 300;
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signed = [at.as_bytes(), b".", body].concat();
    let byte = |hex: &str, at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
    let bytes = |hex: &str| (0..hex.len()).step_by(2).map(|at| byte(hex, at)).collect::<Option<Vec<u8>>>();
    let tags = parts.iter().filter(|(name, _)| *name == "v1").filter_map(|(_, hex)| bytes(hex));
    (is_fresh && tags.into_iter().any(|tag| hmac::verify(&key, &signed, &tag).is_ok())).then_some(())
}

async fn take(State(receiver): State<Arc<Receiver>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let header = headers.get("herenow-signature").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if is_genuine(&receiver.secret, header, &body).is_none() {
        return StatusCode::UNAUTHORIZED;
    }
    let Ok(call) = serde_json::from_slice::<serde_json::Value>(&body) else { return StatusCode::BAD_REQUEST };
    for event in call["events"].as_array().into_iter().flatten() {
        let text = |field: &str| event[field].as_str().unwrap_or("-");
        if receiver.seen.lock().expect("nobody panics with it").insert(text("key").to_owned()) {
            (receiver.hear)(&format!("{} {} {}", text("event"), text("room"), text("user")));
        }
    }
    StatusCode::NO_CONTENT
}

/// Its route.
pub fn router(receiver: Receiver) -> Router {
    Router::new().route("/", post(take)).with_state(Arc::new(receiver))
}

#[tokio::main(flavor = "current_thread")]
#[allow(dead_code, reason = "a test runs the router by itself")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = std::env::var("PORT").unwrap_or("9000".to_owned());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("listening on {}", listener.local_addr()?.port());
    let secret = std::env::var("HERENOW_WEBHOOKS__SECRET")?;
    axum::serve(listener, router(Receiver { secret, seen: Mutex::default(), hear: |line| println!("{line}") })).await?;
    Ok(())
}
