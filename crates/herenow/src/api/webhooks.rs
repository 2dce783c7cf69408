//! How webhooks stand, and the events that were given up: to look at, to send again, to forget.
use crate::{
    api::{calls::Asked, input, json, rooms::LIMIT_MAX},
    problem::Problem,
    webhooks::spool::Which,
};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

/// Says how webhooks stand.
///
/// # Errors
/// None.
pub async fn show(asked: Asked) -> Result<Response, Problem> {
    let health = asked.api.webhooks().health().await;
    Ok(json::answer(
        json!({
            "enabled": health.is_on, "unwritten": health.unwritten, "pending": health.pending,
            "oldest_ms": health.oldest_ms, "dead": health.dead, "failures": health.failures,
            "problem": health.problem, "behind": health.is_behind,
        })
        .to_string(),
    ))
}

/// Events that were given up, oldest first.
///
/// # Errors
/// Where a parameter is wrong.
pub async fn dead(asked: Asked) -> Result<Response, Problem> {
    let limit = asked.query.number("limit", 1..=LIMIT_MAX)?.unwrap_or(100);
    let after = input::place(asked.query.text("cursor"), |text| text.parse().ok())?.unwrap_or(0);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut dead = asked.api.webhooks().dead(after, limit + 1).await;
    let has_more = dead.len() > limit;
    dead.truncate(limit);
    let next = dead.last().filter(|_| has_more).map(|last| input::cursor(&last.number.to_string()));
    let events: Vec<Value> = dead
        .into_iter()
        .map(|dead| {
            // What was written was made here.
            let event: Option<Box<RawValue>> = RawValue::from_string(dead.json).ok();
            json!({ "key": dead.key, "event": event, "given_up_ms": dead.died_ms, "problem": dead.problem })
        })
        .collect();
    Ok(json::answer(json!({ "events": events, "next": next }).to_string()))
}

/// Has events sent again that were given up.
///
/// # Errors
/// Where the body is wrong.
pub async fn replay(asked: Asked) -> Result<Response, Problem> {
    let which = which(&asked.headers, (asked.body, asked.body_bytes_max)).await?;
    let replayed = asked.api.webhooks().replay(which).await;
    Ok(json::answer(json!({ "replayed": replayed }).to_string()))
}

/// Forgets events that were given up.
///
/// # Errors
/// Where the body is wrong.
pub async fn forget(asked: Asked) -> Result<Response, Problem> {
    let which = which(&asked.headers, (asked.body, asked.body_bytes_max)).await?;
    let forgotten = asked.api.webhooks().forget(which).await;
    Ok(json::answer(json!({ "forgotten": forgotten }).to_string()))
}

#[derive(Deserialize)]
struct Chosen {
    keys: Option<Vec<String>>,
}

async fn which(headers: &http::HeaderMap, (body, bytes_max): (axum::body::Body, usize)) -> Result<Which, Problem> {
    let Chosen { keys } = input::body(headers, body, bytes_max).await?;
    match keys {
        None => Ok(Which::All),
        Some(keys) if keys.len() <= KEYS_MAX => Ok(Which::Keys(keys)),
        Some(keys) => {
            let detail = format!("keys has {} of them, at most {KEYS_MAX} are allowed", keys.len());
            Err(crate::api::refusal::refused_for(herenow_wire::code::Code::HttpBadBody, detail))
        }
    }
}

/// Keys in one call.
pub const KEYS_MAX: usize = 1000;
