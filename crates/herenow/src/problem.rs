//! Errors of HTTP calls as `application/problem+json` (RFC 9457), with our stable `code` and a `hint` on what to do.
//! Which codes there are is up to who refuses; error frames of WebSocket dialects are not made here.
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use std::borrow::Cow;

/// Why an HTTP call was refused, ready to be returned from a handler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The status of the answer; also in the body.
    pub status: StatusCode,
    /// A stable, dotted name (`auth.expired`): what programs look at.
    pub code: &'static str,
    /// What is wrong, in general: the same for each problem of one code.
    pub title: Cow<'static, str>,
    /// What is wrong with this call; it names the value and the limit. Never a token.
    pub detail: Option<String>,
    /// What the caller can do about it.
    pub hint: Option<Cow<'static, str>>,
}

impl Problem {
    /// The `Content-Type` of such an answer.
    pub const CONTENT_TYPE: &'static str = "application/problem+json";

    /// Makes a problem without detail and hint.
    pub fn new(status: StatusCode, code: &'static str, title: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, title: title.into(), detail: None, hint: None }
    }

    /// Says what is wrong with this very call.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Says what the caller can do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// The members of the body, in the order in which a person reads them. `type` is left out: RFC 9457 reads that as
/// `about:blank`, and there is no page behind the codes yet.
#[derive(Serialize)]
struct Body<'a> {
    title: &'a str,
    status: u16,
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = Body {
            title: &self.title,
            status: self.status.as_u16(),
            code: self.code,
            detail: self.detail.as_deref(),
            hint: self.hint.as_deref(),
        };
        let json = serde_json::to_string(&body).expect("strings and a number always serialize");
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static(Self::CONTENT_TYPE)),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ];
        (self.status, headers, json).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    #[tokio::test]
    async fn says_status_code_detail_and_hint_as_problem_json() {
        let problem = Problem::new(StatusCode::NOT_FOUND, "task.unknown", "there is no such task")
            .detail("task 7 is not on board-1")
            .hint("reload the board");
        let response = problem.into_response();
        assert_eq!(response.status(), 404);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let expected = serde_json::json!({
            "title": "there is no such task",
            "status": 404,
            "code": "task.unknown",
            "detail": "task 7 is not on board-1",
            "hint": "reload the board",
        });
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&body).unwrap(), expected);
    }

    #[tokio::test]
    async fn leaves_out_what_it_does_not_know() {
        let response = Problem::new(StatusCode::FORBIDDEN, "origin.forbidden", "no").into_response();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, r#"{"title":"no","status":403,"code":"origin.forbidden"}"#);
    }
}
