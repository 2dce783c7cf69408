//! How the server itself is: alive, ready, which version, and its numbers.
use crate::{
    api::{calls::Asked, json, meters::Levels, refusal::refused},
    problem::Problem,
};
use axum::response::{IntoResponse, Response};
use herenow_wire::code::Code;
use http::{HeaderValue, header};
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
    Ok(json::answer(json!({ "status": "ready" }).to_string()))
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
