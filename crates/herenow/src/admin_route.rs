//! `/admin`: the operators' page, and `POST /admin/key`, by which the one-time link turns into a key for it. Everything else that
//! the page does goes through the HTTP API, with that key or a configured one.
use crate::{
    api::{
        invitation::{Invitation, InvitationError},
        state::Api,
    },
    assets,
    problem::Problem,
};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State, rejection::BytesRejection},
    response::{IntoResponse, Response},
    routing::post,
};
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
struct Request {
    code: String,
}

/// Bytes that a request for the key of the page may have.
pub const ADMIN_BODY_BYTES_MAX: usize = 1024;

/// The page with what it loads, and the route that takes the code of the one-time link.
///
/// `POST /admin/key` with `{"code"}` answers `{"key", "expires_at_ms"}`, once. Anything else is a [`Problem`].
pub fn router(api: Api) -> Router {
    let wrong_method = || async {
        let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "http.method", "wrong method").hint("use POST");
        ([(header::ALLOW, "POST")], problem).into_response()
    };
    Router::new()
        .route("/admin/key", post(key).fallback(wrong_method))
        .layer(DefaultBodyLimit::max(ADMIN_BODY_BYTES_MAX))
        .with_state(api)
        .merge(assets::admin_pages())
}

async fn key(
    State(api): State<Api>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    // A page from elsewhere has no business with it, even where it has the code.
    api.presence().origins().check_page(&headers)?;
    let wrong = || {
        let problem = Problem::new(StatusCode::BAD_REQUEST, "admin.body", "no key for this request");
        problem.hint(r#"send {"code":"..."} with what stands behind #k= in the one-time link"#)
    };
    let body = body.map_err(|_| wrong())?;
    let request: Request = serde_json::from_slice(&body).map_err(|_| wrong())?;
    let Some(invitation) = api.invitation() else { return Err(refused(InvitationError::Unknown)) };
    let (key, until) = invitation.accept(&request.code, api.presence().clock().now()).map_err(refused)?;
    tracing::info!(key = Invitation::KEY_NAME, "the one-time link to /admin was used");
    let answer = Json(json!({ "key": key, "expires_at_ms": until.as_millis() }));
    Ok(([(header::CACHE_CONTROL, "no-store")], answer).into_response())
}

fn refused(error: InvitationError) -> Problem {
    let (status, code, title) = match error {
        InvitationError::Unknown => (StatusCode::FORBIDDEN, "admin.link_unknown", "this is no link of this server"),
        InvitationError::Used => (StatusCode::GONE, "admin.link_used", "this link was used before"),
        InvitationError::Late => (StatusCode::GONE, "admin.link_expired", "this link was not used in time"),
        InvitationError::NoRandom => {
            (StatusCode::INTERNAL_SERVER_ERROR, "server.no_random", "no key could be drawn for this link")
        }
    };
    Problem::new(status, code, title).hint(
        "restart the server for a new link, or make a key that stays: \
         herenow key --name operator --can read,write,admin",
    )
}
