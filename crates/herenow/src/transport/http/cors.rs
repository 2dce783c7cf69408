//! Which pages may read the answers. As with WebSocket, a token proves itself from wherever it is sent; only where a browser
//! adds a cookie by itself, and in dev mode, the page's origin decides.
use super::talk::Http;
use crate::{auth::source::TokenSource, problem::Problem};
use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};

/// Answers a page that asks whether it may ask.
pub(super) async fn preflight() -> Response {
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type, herenow-session"),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// In dev mode, turns away whom `/ws` turns away. Lets pages read the answers, errors too: with cookies where those would
/// count, and else without.
pub(super) async fn guard(State(http): State<Http>, request: Request, next: Next) -> Response {
    let origins = http.presence.origins();
    let origin = request.headers().get(header::ORIGIN).cloned();
    let with_cookies = origins.check(request.headers(), TokenSource::Cookie).is_ok();
    let mut response = match origins.check(request.headers(), TokenSource::Frame) {
        Err(error) => Problem::from(error).into_response(),
        Ok(()) => {
            let mut response = next.run(request).await;
            let headers = response.headers_mut();
            match origin {
                Some(origin) if with_cookies => {
                    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
                    headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
                }
                Some(_) => {
                    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
                }
                None => {}
            }
            response
        }
    };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Origin"));
    response
}
