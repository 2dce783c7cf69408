//! `POST /guest/token`, as a route: the talk over HTTP about what [`crate::auth::guests`] decides.
use crate::{
    auth::guests::{GuestError, GuestRequest, Guests},
    presence::Presence,
    problem::Problem,
};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State, rejection::BytesRejection},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::post,
};
use http::{HeaderValue, StatusCode, header, request::Parts};
use serde::Deserialize;
use std::sync::Arc;

/// What the route works with.
#[derive(Clone)]
struct GuestRoute {
    guests: Arc<Guests>,
    presence: Presence,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Request {
    name: Option<String>,
}

/// Bytes that a request for a guest's token may have.
pub const GUEST_BODY_BYTES_MAX: usize = 4096;

/// The route `/guest/token`. To be merged into the server's router where guests are let in.
///
/// `POST`, with a body `{"name"?}` or none, answers `{"token", "user": {"id", "name"}, "expires_at_ms"}`. With a guest's token
/// as `Authorization: Bearer` that guest gets a new one. `OPTIONS` is the preflight of a page that may ask. Anything else is a
/// [`Problem`].
pub fn router(guests: Guests, presence: Presence) -> Router {
    let route = GuestRoute { guests: Arc::new(guests), presence };
    let wrong_method = || async {
        let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "http.method", "wrong method").hint("use POST");
        ([(header::ALLOW, "POST, OPTIONS")], problem).into_response()
    };
    Router::new()
        .route("/guest/token", post(guest_token).options(preflight).fallback(wrong_method))
        .layer(DefaultBodyLimit::max(GUEST_BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(route.clone(), let_pages_read))
        .with_state(route)
}

async fn guest_token(
    State(route): State<GuestRoute>,
    parts: Parts,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let wrong = |detail: String| {
        let problem = Problem::new(StatusCode::BAD_REQUEST, "guest.body", "no guest for this request");
        problem.detail(detail).hint(r#"send {"name":"Alice"}, or nothing for a name drawn at random"#)
    };
    let body = body.map_err(|_| wrong(format!("the body has more than {GUEST_BODY_BYTES_MAX} bytes, or broke off")))?;
    let request: Request = match body.is_empty() {
        true => Request::default(),
        false => serde_json::from_slice(&body).map_err(|error| wrong(error.to_string()))?,
    };
    let (policy, verifier) = (route.presence.origins(), route.presence.verifier());
    let asked = GuestRequest { parts: &parts, name: request.name.as_deref(), policy: &policy };
    let guest = route.guests.admit(&asked, &verifier, route.presence.clock().now());
    match guest {
        Ok(guest) => Ok(([(header::CACHE_CONTROL, "no-store")], Json(guest)).into_response()),
        Err(GuestError::Auth(error)) => Err(error.into()),
        Err(GuestError::TooMany { per_address, retry_after }) => {
            let minutes = Guests::WINDOW.as_secs() / 60;
            let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "guest.too_many", "too many guests from there")
                .detail(format!("at most {per_address} guests may come from one address in {minutes} minutes"))
                .hint("keep the token of a guest and renew it, or wait as long as Retry-After says");
            let seconds = retry_after.as_secs().max(1).to_string();
            let retry_after = HeaderValue::try_from(seconds).expect("digits are a header value");
            Ok(([(header::RETRY_AFTER, retry_after)], problem).into_response())
        }
        Err(GuestError::NoRandom) => {
            Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "server.no_random", "no id of a guest could be drawn"))
        }
    }
}

async fn preflight() -> Response {
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "POST"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type"),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// Lets pages of the origins that may ask read the answer, errors too.
async fn let_pages_read(State(route): State<GuestRoute>, request: axum::extract::Request, next: Next) -> Response {
    let is_fine = route.presence.origins().check_page(request.headers()).is_ok();
    let origin = request.headers().get(header::ORIGIN).filter(|_| is_fine).cloned();
    let mut response = next.run(request).await;
    if let Some(origin) = origin {
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Origin"));
    response
}
