//! Errors of HTTP calls as `application/problem+json` (RFC 9457), with our stable `code` and a `hint` on what to do.
//! Which codes there are is up to who refuses; error frames of WebSocket dialects are not made here.
use axum::response::{IntoResponse, Response};
use herenow_wire::code::Code;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use std::{borrow::Cow, time::Duration};

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
    /// How long the caller should wait before trying again; also in `Retry-After`, in whole seconds.
    pub retry_after: Option<Duration>,
}

impl Problem {
    /// The `Content-Type` of such an answer.
    pub const CONTENT_TYPE: &'static str = "application/problem+json";

    /// Makes a problem without detail and hint.
    pub fn new(status: StatusCode, code: &'static str, title: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, title: title.into(), detail: None, hint: None, retry_after: None }
    }

    /// Says what is wrong with this very call.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Says when to try again.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Says what the caller can do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// The members of the body, in the order in which a person reads them. `type` is the page of the code; where a code is
/// none of the list it is left out, which RFC 9457 reads as `about:blank`.
#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    page: Option<String>,
    title: &'a str,
    status: u16,
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let wait = self.retry_after.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        let body = Body {
            page: Code::named(self.code).map(|code| format!("{HELP_PATH}/{}", code.as_str())),
            title: &self.title,
            status: self.status.as_u16(),
            code: self.code,
            detail: self.detail.as_deref(),
            hint: self.hint.as_deref(),
            retry_after_ms: wait,
        };
        let json = serde_json::to_string(&body).expect("strings and a number always serialize");
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static(Self::CONTENT_TYPE)),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ];
        let mut response = (self.status, headers, json).into_response();
        if let Some(wait) = wait {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.div_ceil(1000)));
        }
        response
    }
}

/// Where the pages of the codes are.
pub const HELP_PATH: &str = "/help/errors";

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
        assert_eq!(
            body,
            r#"{"type":"/help/errors/origin.forbidden","title":"no","status":403,"code":"origin.forbidden"}"#
        );
    }
}
