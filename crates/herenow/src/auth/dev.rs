//! `POST /dev/token`: in dev mode, a token for whoever asks on this machine. A foreign page in the same browser must
//! not get one, nor a page whose name an attacker points at 127.0.0.1; see [`OriginPolicy::check_dev`].
use super::{
    claims::user_id,
    mint::{Signer, TokenRequest},
    origin::OriginPolicy,
};
use crate::{content_type::is_json, problem::Problem};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State, rejection::BytesRejection},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::post,
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// What the dev routes work with.
#[derive(Clone, Debug)]
pub struct DevTokens {
    /// Signs with the secret of this server.
    pub signer: Arc<Signer>,
    /// Says which pages may ask.
    pub policy: Arc<OriginPolicy>,
}

/// How long a dev token lasts: a working day.
pub const DEV_TOKEN_TTL: Duration = Duration::from_secs(12 * 60 * 60);
/// Bytes that a request for a dev token may have.
pub const DEV_BODY_BYTES_MAX: usize = 4096;

#[derive(Deserialize)]
struct Request {
    #[serde(rename = "userId", default)]
    user_id: Value,
    name: Option<String>,
    #[serde(default)]
    invisible: bool,
}

#[derive(Serialize)]
struct Answer {
    token: String,
}

/// The route `/dev/token`. To be merged into the server's router in dev mode only.
///
/// `POST {"userId","name"?,"invisible"?}` with `Content-Type: application/json` answers `{"token"}`; `OPTIONS` is the preflight of a
/// loopback or `file:` page. Anything else is a [`Problem`].
pub fn router(tokens: DevTokens) -> Router {
    let wrong_method = || async {
        let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "http.method", "wrong method").hint("use POST");
        ([(header::ALLOW, "POST, OPTIONS")], problem).into_response()
    };
    Router::new()
        .route("/dev/token", post(dev_token).options(preflight).fallback(wrong_method))
        .layer(DefaultBodyLimit::max(DEV_BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(tokens.clone(), guard))
        .with_state(tokens)
}

/// Hands out a token. Host and origin were judged before.
///
/// # Errors
/// `dev.content_type`, `dev.body` or `dev.user`.
async fn dev_token(
    State(tokens): State<DevTokens>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    if !is_json(&headers) {
        // A form or a plain text can be posted across origins without a preflight; JSON cannot.
        let title = "the body must be sent as JSON";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "dev.content_type", title)
            .hint("send the header `Content-Type: application/json`"));
    }
    let example = r#"send {"userId":"alice","name":"Alice"}"#;
    let wrong = |code, detail: String| {
        Problem::new(StatusCode::BAD_REQUEST, code, "no token for this request").detail(detail).hint(example)
    };
    let body = body.map_err(|error| match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            let problem = wrong("dev.body", format!("the body has more than {DEV_BODY_BYTES_MAX} bytes"));
            Problem { status: StatusCode::PAYLOAD_TOO_LARGE, ..problem }
        }
        _ => wrong("dev.body", "the body did not arrive whole".into()),
    })?;
    let request: Request = serde_json::from_slice(&body).map_err(|error| wrong("dev.body", error.to_string()))?;
    let user = user_id(&request.user_id).map_err(|problem| wrong("dev.user", format!("`userId` {problem}")))?;
    let now_unix_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let request = TokenRequest {
        user,
        name: request.name,
        avatar: None,
        rooms: None,
        is_invisible: request.invisible,
        now_unix_s,
        ttl: DEV_TOKEN_TTL,
    };
    let answer = Answer { token: tokens.signer.mint(&request) };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}

async fn preflight() -> Response {
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "POST"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "content-type"),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// Turns away who may not ask, and lets pages of the origins that may read the answer, errors too.
async fn guard(State(tokens): State<DevTokens>, request: axum::extract::Request, next: Next) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let mut response = match tokens.policy.check_dev(request.headers()) {
        Err(error) => Problem::from(error).into_response(),
        Ok(()) => {
            let mut response = next.run(request).await;
            if let Some(origin) = origin {
                response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            }
            response
        }
    };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Origin"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{
        rights::{Grants, Rights},
        secret::Secret,
        token::Verifier,
    };
    use axum::body::Body;
    use herenow_core::{id::RoomId, pattern::Pattern};
    use http::Method;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    fn secret() -> Secret {
        Secret::parse(&"dev".repeat(11)).unwrap()
    }

    struct Call<'a> {
        method: Method,
        headers: &'a [(&'a str, &'a str)],
        body: &'a str,
    }

    const JSON: (&str, &str) = ("content-type", "application/json");
    const HOST: (&str, &str) = ("host", "127.0.0.1:4280");
    const ALICE: &str = r#"{"userId":"alice","name":"Alice"}"#;

    fn post<'a>(headers: &'a [(&'a str, &'a str)], body: &'a str) -> Call<'a> {
        Call { method: Method::POST, headers, body }
    }

    async fn ask(call: Call<'_>) -> (StatusCode, HeaderMap, Value) {
        let policy = Arc::new(OriginPolicy { allowed: Vec::new(), is_dev: true });
        let router = router(DevTokens { signer: Arc::new(Signer::new(&secret())), policy });
        let mut request = http::Request::builder().method(call.method).uri("/dev/token");
        for (name, value) in call.headers {
            request = request.header(*name, *value);
        }
        let response = router.oneshot(request.body(Body::from(call.body.to_owned())).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (parts.status, parts.headers, serde_json::from_slice(&body).unwrap_or_default())
    }

    #[tokio::test]
    async fn hands_out_a_token_that_the_server_takes() {
        for content_type in ["application/json", "application/json; charset=utf-8", "Application/JSON ;charset=UTF-8"] {
            let (status, headers, body) = ask(post(&[HOST, ("content-type", content_type)], ALICE)).await;
            assert_eq!((status, &headers["cache-control"]), (StatusCode::OK, &HeaderValue::from_static("no-store")));
            let all = Grants::new([(Pattern::parse("*").unwrap(), Rights::DEFAULT)]);
            let now_unix_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
            let identity = Verifier::new(&secret(), all).verify(body["token"].as_str().unwrap(), now_unix_s).unwrap();
            assert_eq!((identity.profile.user.as_str(), &*identity.profile.name), ("alice", "Alice"));
            assert_eq!(identity.grants.rights(&RoomId::parse("board-1").unwrap()), Rights::DEFAULT);
            assert!((now_unix_s + 43_200 - identity.expires_at.as_millis() / 1000) <= 5);
        }
    }

    #[tokio::test]
    async fn pages_of_this_machine_may_read_the_answer() {
        for origin in ["null", "http://localhost:3000", "http://127.0.0.1:5173"] {
            let (status, headers, _) = ask(post(&[HOST, JSON, ("origin", origin)], ALICE)).await;
            assert_eq!((status, &headers["access-control-allow-origin"]), (StatusCode::OK, &origin.parse().unwrap()));
            let (status, headers, _) =
                ask(Call { method: Method::OPTIONS, headers: &[HOST, ("origin", origin)], body: "" }).await;
            assert_eq!(
                (status, &headers["access-control-allow-origin"]),
                (StatusCode::NO_CONTENT, &origin.parse().unwrap())
            );
            assert_eq!(headers["access-control-allow-headers"], "content-type");
            let (_, headers, _) = ask(post(&[HOST, JSON, ("origin", origin)], "{}")).await;
            assert_eq!(headers["access-control-allow-origin"], origin, "errors can be read as well");
        }
    }

    #[tokio::test]
    async fn foreign_pages_and_names_get_nothing() {
        let foreign = ("origin", "https://evil.example");
        for headers in [
            &[HOST, JSON, foreign][..],
            &[("host", "evil.example"), JSON][..],
            &[("host", "evil.example"), JSON, ("origin", "http://localhost")][..],
            &[JSON][..],
        ] {
            for method in [Method::POST, Method::OPTIONS] {
                let (status, answer, body) = ask(Call { method, headers, body: ALICE }).await;
                assert_eq!(
                    (status, body["code"].as_str()),
                    (StatusCode::FORBIDDEN, Some("origin.forbidden")),
                    "{headers:?}"
                );
                assert!(!answer.contains_key("access-control-allow-origin") && body["token"].is_null());
            }
        }
    }

    #[tokio::test]
    async fn says_what_is_wrong_with_a_request() {
        let big = format!(r#"{{"userId":"{}"}}"#, "x".repeat(DEV_BODY_BYTES_MAX));
        let long_id = format!(r#"{{"userId":"{}"}}"#, "x".repeat(129));
        for (content_type, body, status, code) in [
            ("text/plain", ALICE, 415, "dev.content_type"),
            ("application/jsonp", ALICE, 415, "dev.content_type"),
            ("application/x-www-form-urlencoded", ALICE, 415, "dev.content_type"),
            ("application/json", "", 400, "dev.body"),
            ("application/json", "{\"userId\":", 400, "dev.body"),
            ("application/json", big.as_str(), 413, "dev.body"),
            ("application/json", "{\"userId\":\"a\",\"name\":7}", 400, "dev.body"),
            ("application/json", "{}", 400, "dev.user"),
            ("application/json", "{\"userId\":\"\"}", 400, "dev.user"),
            ("application/json", "{\"userId\":[\"a\"]}", 400, "dev.user"),
            ("application/json", "{\"userId\":\"a\\nb\"}", 400, "dev.user"),
            ("application/json", long_id.as_str(), 400, "dev.user"),
        ] {
            let (answered, headers, problem) = ask(post(&[HOST, ("content-type", content_type)], body)).await;
            assert_eq!((answered.as_u16(), problem["code"].as_str()), (status, Some(code)), "{content_type} {problem}");
            assert_eq!(headers["content-type"], Problem::CONTENT_TYPE);
            assert!(problem["hint"].is_string() && problem["title"].is_string());
        }
    }

    #[tokio::test]
    async fn other_methods_are_told_which_one_to_use() {
        let (status, headers, body) = ask(Call { method: Method::GET, headers: &[HOST], body: "" }).await;
        assert_eq!((status, body["code"].as_str()), (StatusCode::METHOD_NOT_ALLOWED, Some("http.method")));
        assert_eq!(headers["allow"], "POST, OPTIONS");
    }

    #[tokio::test]
    async fn a_number_is_an_id_too() {
        let (status, _, body) = ask(post(&[HOST, JSON], r#"{"userId":42}"#)).await;
        assert_eq!(status, StatusCode::OK);
        let now_unix_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let verifier = Verifier::new(&secret(), Grants::default());
        let identity = verifier.verify(body["token"].as_str().unwrap(), now_unix_s).unwrap();
        assert_eq!((identity.profile.user.as_str(), &*identity.profile.name), ("42", "42"));
    }
}
