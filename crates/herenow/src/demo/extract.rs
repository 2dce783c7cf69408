//! Reads requests, and says what is wrong with them as problem documents rather than in axum's plain text.

use super::error::StoreError;
use crate::{content_type::is_json, problem::Problem};
use axum::{
    body::to_bytes,
    extract::{FromRequest, FromRequestParts, Path, Query, Request},
    middleware::Next,
    response::Response,
};
use http::{HeaderMap, Method, StatusCode, Uri, header, request::Parts};
use serde::de::DeserializeOwned;
use std::net::IpAddr;

/// The one variable segment of the path, decoded.
pub(super) struct Id(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(id)) => Ok(Self(id)),
            Err(rejection) => Err(Problem::new(StatusCode::BAD_REQUEST, "path.invalid", "the address cannot be read")
                .detail(rejection.body_text())),
        }
    }
}

/// The query of the address.
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(rejection) => Err(Problem::new(StatusCode::BAD_REQUEST, "query.invalid", "the query cannot be read")
                .detail(rejection.body_text())),
        }
    }
}

/// The body, which must be JSON and say so: a form of another site can send neither without asking us first.
pub(super) struct Body<T>(pub(super) T);

/// Bytes a body may have. A title of 200 characters and a description of 2,000 fit however they are escaped.
pub(super) const BODY_BYTES_MAX: usize = 32 * 1024;

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            let title = "the body has to be JSON";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_type.unsupported", title)
                .hint("send Content-Type: application/json"));
        }
        let bytes = to_bytes(request.into_body(), BODY_BYTES_MAX).await.map_err(|_| {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body.too_large", "the body is too large or broke off")
                .detail(format!("at most {BODY_BYTES_MAX} bytes are allowed"))
        })?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| {
            Problem::new(StatusCode::BAD_REQUEST, "body.invalid", "the body is not the JSON that is expected here")
                .detail(error.to_string())
        })
    }
}

/// Lets a request that changes something through only if it comes from a page of this server, from a page on this very
/// machine to a server on this very machine, or from no page at all. Browsers name the page's origin, pages cannot.
pub(super) async fn same_origin_writes(request: Request, next: Next) -> Result<Response, Problem> {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if reads || may_write(request.headers(), request.uri()) {
        return Ok(next.run(request).await);
    }
    Err(Problem::new(StatusCode::FORBIDDEN, "origin.forbidden", "pages of other sites may not change this board")
        .hint("call from the server's own pages, or without an Origin header"))
}

fn may_write(headers: &HeaderMap, uri: &Uri) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).or_else(|| uri.host());
    let (Ok(origin), Some(host)) = (origin.to_str(), host) else {
        return false;
    };
    // An origin of `null` (a file, a sandboxed frame) has no authority and is refused.
    let Some((_, authority)) = origin.split_once("://") else {
        return false;
    };
    authority.eq_ignore_ascii_case(host) || (is_loopback(authority) && is_loopback(host))
}

fn is_loopback(authority: &str) -> bool {
    let host = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _port)) => address,
        None => authority.split(':').next().unwrap_or_default(),
    };
    let host = host.to_ascii_lowercase();
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let unknown = |code, title: &'static str, id: String| {
            Problem::new(StatusCode::NOT_FOUND, code, title).detail(format!("there is none called '{id}'"))
        };
        match error {
            StoreError::BoardUnknown(id) => unknown("board.unknown", "there is no such board", id),
            StoreError::ListUnknown(id) => unknown("list.unknown", "there is no such list on this board", id),
            StoreError::TaskUnknown(id) => unknown("task.unknown", "there is no such task", id),
            StoreError::BoardFull { tasks_max } => {
                Problem::new(StatusCode::CONFLICT, "board.full", "the board has all the tasks it may have")
                    .detail(format!("at most {tasks_max} tasks are allowed"))
                    .hint("delete some first")
            }
            StoreError::NotATime(text) => {
                Problem::new(StatusCode::BAD_REQUEST, "since.invalid", "since is neither a time nor a cursor")
                    .detail(format!("'{text}' was given"))
                    .hint("give back the timestamp or the cursor of an earlier answer")
            }
            StoreError::Busy => busy("store.busy", "more is being asked of the board than it answers"),
            StoreError::Stopped => busy("store.stopped", "the board is shutting down"),
            StoreError::Sqlite(error) => {
                tracing::error!(%error, "the demo database failed");
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "store.failed", "the board's database failed")
            }
        }
    }
}

/// A problem that is gone after a while.
pub(super) fn busy(code: &'static str, title: &'static str) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, title).hint("try again in a second")
}

#[cfg(test)]
mod tests {
    use super::may_write;
    use http::{HeaderMap, HeaderValue, Uri, header};

    fn headers(pairs: &[(header::HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn pages_of_this_server_and_of_this_machine_may_write() {
        let may = |origin, host| {
            may_write(&headers(&[(header::ORIGIN, origin), (header::HOST, host)]), &Uri::from_static("/tasks"))
        };
        assert!(may("https://board.example.com", "board.example.com"));
        assert!(may("http://127.0.0.1:4280", "127.0.0.1:4280"));
        assert!(may("http://localhost:5173", "127.0.0.1:4280"));
        assert!(may("http://[::1]:5173", "localhost:4280"));
        assert!(!may("https://evil.example.com", "board.example.com"));
        assert!(!may("https://evil.example.com", "127.0.0.1:4280"));
        assert!(!may("http://localhost:5173", "board.example.com"));
        assert!(!may("http://127.0.0.1.example.com", "127.0.0.1:4280"));
        assert!(!may("null", "127.0.0.1:4280"));
    }

    #[test]
    fn programs_without_an_origin_may_write() {
        assert!(may_write(&headers(&[(header::HOST, "board.example.com")]), &Uri::from_static("/tasks")));
    }
}
