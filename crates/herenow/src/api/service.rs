//! How the server itself is: alive, ready, which version, and its numbers.
use crate::{
    api::{calls::Asked, json, meters::Levels, refusal::refused},
    auth::hook::HookHealth,
    problem::Problem,
};
use axum::response::{IntoResponse, Response};
use herenow_wire::code::Code;
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

/// Says that the process is alive.
///
/// # Errors
/// None.
pub async fn health(asked: Asked) -> Result<Response, Problem> {
    let connections = asked.api.presence().connections();
    Ok(json::answer(json!({ "status": "ok", "connections": connections }).to_string()))
}

/// Says that the server takes connections.
///
/// # Errors
/// [`Code::ServerStopping`].
pub async fn ready(asked: Asked) -> Result<Response, Problem> {
    if asked.api.is_stopping() {
        return Err(refused(Code::ServerStopping));
    }
    let presence = asked.api.presence();
    let (health, now) = (presence.authority_health(), presence.clock().now());
    let jwks = health.jwks.as_ref().map(|jwks| {
        let age_ms = jwks.good_at.map(|at| u64::try_from(now.since(at).as_millis()).unwrap_or(u64::MAX));
        json!({ "good": jwks.is_good, "keys": jwks.keys, "age_ms": age_ms, "problem": jwks.problem, "tries": jwks.tries })
    });
    let hook = |hook: &HookHealth| json!({ "problem": hook.problem, "calls": hook.calls, "failures": hook.failures });
    let (cookie_hook, room_hook) = (health.cookie_hook.as_ref().map(hook), health.room_hook.as_ref().map(hook));
    let word = if health.is_ready() { "ready" } else { "not_ready" };
    let body = json!({ "status": word, "jwks": jwks, "cookie_hook": cookie_hook, "room_hook": room_hook });
    let mut answer = json::answer(body.to_string());
    if !health.is_ready() {
        *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    Ok(answer)
}

/// Says which version this is.
///
/// # Errors
/// None.
pub async fn version(asked: Asked) -> Result<Response, Problem> {
    let (version, node) = (env!("CARGO_PKG_VERSION"), asked.api.presence().node());
    Ok(json::answer(json!({ "version": version, "node": node }).to_string()))
}

/// All numbers.
///
/// # Errors
/// None.
pub async fn metrics(asked: Asked) -> Result<Response, Problem> {
    let (api, presence) = (&asked.api, asked.api.presence());
    let load = presence.measure().await;
    let text = api.meters().text(Levels {
        connections: presence.connections(),
        rooms: load.rooms,
        sessions: load.sessions,
        people: load.people,
        deadlines: load.deadlines,
        readers: api.readers().count(),
        hosted: api.hosts().count(),
    });
    let kind = HeaderValue::from_static(METRICS_TYPE);
    Ok(([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], text)
        .into_response())
}

/// The media type of OpenMetrics.
pub const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
