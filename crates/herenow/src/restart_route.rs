//! `POST /dev/restart`: in dev mode, whoever tries the server on their own machine may see it start anew, from a page. What is
//! in memory is gone then, as with any restart. Goes by the rule of what dev mode gives away, see
//! [`crate::auth::origin::OriginPolicy::check_dev`], and takes JSON only, which a foreign page cannot post without being
//! asked first.
use crate::{content_type::is_json, problem::Problem};
use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::post,
};
use http::{HeaderMap, StatusCode};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio::sync::Notify;

/// Whether a restart was asked for; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Restart {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    is_asked: AtomicBool,
    bell: Notify,
}

impl Restart {
    /// Waits until it is.
    pub async fn asked(&self) {
        self.inner.bell.notified().await;
    }

    /// Whether it was.
    pub fn is_asked(&self) -> bool {
        self.inner.is_asked.load(Ordering::Acquire)
    }
}

/// The route. To be guarded, and to be merged in dev mode only.
pub fn router(restart: Restart) -> Router {
    Router::new().route("/dev/restart", post(ask)).with_state(restart)
}

async fn ask(State(restart): State<Restart>, headers: HeaderMap) -> Response {
    if !is_json(&headers) {
        let title = "the body must be sent as JSON";
        return Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "dev.content_type", title)
            .hint("send the header `Content-Type: application/json`")
            .into_response();
    }
    restart.inner.is_asked.store(true, Ordering::Release);
    restart.inner.bell.notify_one();
    StatusCode::ACCEPTED.into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{body::Body, http::Request};
    use http::header;
    use tower::ServiceExt as _;

    #[tokio::test]
    async fn only_what_a_foreign_page_cannot_post_restarts() {
        let restart = Restart::default();
        let post = |kind: &'static str| {
            let request = Request::post("/dev/restart").header(header::CONTENT_TYPE, kind).body(Body::empty()).unwrap();
            router(restart.clone()).oneshot(request)
        };
        assert_eq!(post("text/plain").await.unwrap().status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
        assert!(!restart.is_asked());
        assert_eq!(post("application/json").await.unwrap().status(), StatusCode::ACCEPTED);
        assert!(restart.is_asked());
        restart.asked().await;
    }
}
