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
    routes(Http { presence, talks: Talks::default() })
}

fn routes(http: Http) -> Router {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        auth::{
            mint::{Signer, TokenRequest},
            secret::Secret,
        },
        config::{mode::Mode, settings::Config},
        serve::Server,
    };
    use axum::body::Body;
    use herenow_core::id::UserId;
    use http::Request;
    use http_body_util::BodyExt;
    use std::{
        sync::Arc,
        time::{Duration, Instant},
    };
    use tower::ServiceExt;

    #[tokio::test]
    async fn nothing_is_kept_of_connections_that_have_ended() {
        let mut config = Config::default();
        config.server.listen = "127.0.0.1:0".parse().unwrap();
        config.presence.request_lease = Duration::from_millis(300);
        let secret = Secret::parse(&"secret".repeat(6)).unwrap();
        let token = Signer::new(&secret).mint(&TokenRequest {
            user: UserId::parse("alice").unwrap(),
            name: None,
            avatar: None,
            rooms: None,
            is_invisible: false,
            now_unix_s: 4_000_000_000,
            ttl: Duration::from_secs(60),
        });
        let server = Server::bind(&config, &Mode::Prod { secret }, Arc::new(|_, _| {})).await.unwrap();
        let http = Http { presence: server.presence().clone(), talks: Talks::default() };
        for path in ["/stream", "/session-poll"] {
            for _ in 0..10 {
                let request = Request::get(path).header("authorization", format!("Bearer {token}"));
                let answer = routes(http.clone()).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
                assert_eq!(answer.status(), 200);
                answer.into_body().frame().await.unwrap().unwrap();
            }
        }
        assert!(http.talks.count() > 0, "those that are polled have their lease");
        let began = Instant::now();
        while http.talks.count() > 0 {
            assert!(began.elapsed() < Duration::from_secs(10), "{} are kept", http.talks.count());
            // Nobody tells when the last is gone: only looking shows it.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
