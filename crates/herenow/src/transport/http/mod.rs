//! The frames of the native dialect without WebSocket: a stream of server-sent events or a poll to hear, requests to say.
//!
//! Frames wait in a connection's outbox as they do for WebSocket, in its framing, so that who is in a room is told with the
//! same bytes whichever way they came. Here the payload is taken out of that framing and put into another.

mod cors;
mod numbers;
mod poll;
mod send;
mod sse;
mod talk;
mod task;
mod who;

use self::talk::{Http, Talks};
use crate::{presence::Presence, problem::Problem};
use axum::{
    Router, middleware,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{StatusCode, header};

/// The routes `/stream`, `/session-poll` and `/send`.
pub fn router(presence: Presence) -> Router {
    let http = Http { presence, talks: Talks::default() };
    // Without its own answer, a HEAD would open a connection that nobody reads.
    let stream = get(sse::stream).head(read_only).options(cors::preflight).fallback(read_only);
    let poll = get(poll::poll).head(read_only).options(cors::preflight).fallback(read_only);
    let send = post(send::send).options(cors::preflight).fallback(write_only);
    Router::new()
        .route("/stream", stream)
        .route("/session-poll", poll)
        .route("/send", send)
        .layer(middleware::from_fn_with_state(http.clone(), cors::guard))
        .with_state(http)
}

async fn read_only() -> Response {
    wrong_method("GET, OPTIONS", "use GET")
}

async fn write_only() -> Response {
    wrong_method("POST, OPTIONS", "use POST")
}

fn wrong_method(allowed: &'static str, hint: &'static str) -> Response {
    let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "http.method", "wrong method").hint(hint);
    ([(header::ALLOW, allowed)], problem).into_response()
}
