//! Who a request says it is, and which session it is about.
use super::talk::{Found, Http, Talk};
use crate::{
    auth::{
        authority::{Credential, KnownCookie, Verdict},
        error::AuthError,
        source::query_value,
        token::Identity,
    },
    presence::Presence,
    problem::Problem,
};
use http::{HeaderMap, StatusCode, request::Parts};
use std::sync::Arc;

/// The bearer of the token in a request that opens a connection.
///
/// # Errors
/// 401 without a good token, 403 where the page may not use it, 429 where its address opens connections too
/// often, 503 where little memory is left.
pub(super) async fn identify(presence: &Presence, parts: &Parts) -> Result<(Identity, Option<KnownCookie>), Problem> {
    let identified = identity_of(presence, parts).await;
    identified.inspect_err(|problem| presence.tallies().note_refused(problem.code))
}

async fn identity_of(presence: &Presence, parts: &Parts) -> Result<(Identity, Option<KnownCookie>), Problem> {
    presence.let_in(parts)?;
    let (credential, source) = presence.authority().credential(parts, &presence.settings().cookie_name);
    if matches!(credential, Credential::Nothing) {
        return Err(AuthError::Missing.into());
    }
    match presence.origins().check(&parts.headers, source) {
        // Browsers leave the origin out where a page reads from its own server, and say that it is so in another way.
        Err(AuthError::NoOrigin) if is_same_origin(&parts.headers) => {}
        Err(error) => return Err(error.into()),
        Ok(()) => {}
    }
    let Verdict { who, cookie } = presence.identify(credential).await;
    Ok((who.ok_or(AuthError::Missing)??, cookie))
}

/// What a request names as its session: a header, or where a page cannot send one, the query.
pub(super) fn named_session(parts: &Parts) -> Option<String> {
    let header = parts.headers.get(SESSION_HEADER).and_then(|value| value.to_str().ok());
    header.map(str::to_owned).or_else(|| query_value(&parts.uri, "session"))
}

/// The talk of the session that a request names.
///
/// # Errors
/// 400 where none is named, 409 where it is not known here, 403 where the secret is wrong.
pub(super) fn find(http: &Http, parts: &Parts) -> Result<Arc<Talk>, Problem> {
    let Some(named) = named_session(parts) else {
        let problem = Problem::new(StatusCode::BAD_REQUEST, "session.missing", "no session was named");
        return Err(problem.hint("send `send` of the welcome frame as the header Herenow-Session, or as ?session="));
    };
    match http.talks.find(&named) {
        Found::Talk(talk) => Ok(talk),
        Found::Nothing => Err(elsewhere()),
        Found::WrongSecret => {
            let problem = Problem::new(StatusCode::FORBIDDEN, "session.forbidden", "this is somebody else's session");
            Err(problem.hint("send `send` of the last welcome frame, as it was"))
        }
    }
}

/// The session is not here, or not any more.
pub(super) fn elsewhere() -> Problem {
    let problem = Problem::new(StatusCode::CONFLICT, "session.elsewhere", "this session is not known here");
    problem.hint("open a new connection; the resume token goes on with the session where it still can")
}

fn is_same_origin(headers: &HeaderMap) -> bool {
    let mut said = headers.get_all("sec-fetch-site").iter();
    said.next().is_some_and(|value| value == "same-origin") && said.next().is_none()
}

const SESSION_HEADER: &str = "herenow-session";
