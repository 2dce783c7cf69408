//! `GET /v1/debug/rooms/{room}/users/{user}`: why is somebody shown? For operators.
use crate::{
    auth::{
        authority::Credential,
        error::AuthError,
        source::{TokenSource, find_token},
    },
    presence::Presence,
    problem::Problem,
};
use axum::{
    Json,
    extract::{Path, Request, State},
};
use herenow_core::{
    command::Reason,
    explain::{Explanation, Transition},
    history::Kind,
    id::{LockName, RoomId, SessionId, Target, UserId},
    profile::Status,
    roster::EntryFact,
    time::Time,
    typing::Place,
};
use http::StatusCode;
use serde_json::{Value, json};

/// Answers with the entries, the last transitions and the timers of a user in a room. Needs a token with the claim
/// `admin`, as `Authorization: Bearer`.
///
/// # Errors
/// 401 without a good token, 403 without the claim, 400 for what cannot be a room or a user. Somebody of whom nothing is
/// known is no error: `"is_viewer": false`.
pub async fn explain(
    State(presence): State<Presence>,
    Path((room, user)): Path<(String, String)>,
    request: Request,
) -> Result<Json<Value>, Problem> {
    let (parts, _) = request.into_parts();
    let token = match find_token(&parts, &presence.settings().cookie_name) {
        // A cookie would let any page ask in the operator's name.
        Some((token, TokenSource::Header)) => token,
        Some(_) | None => return Err(AuthError::Missing.into()),
    };
    let identity = presence.identify(Credential::Token(token)).await.who.ok_or(AuthError::Missing)??;
    let now = presence.clock().now();
    if !identity.grants.is_admin() {
        let problem = Problem::new(StatusCode::FORBIDDEN, "auth.not_admin", "this is for operators");
        return Err(problem.hint("use a token with the claim \"admin\": true"));
    }
    let bad = |what: &str, error: &dyn std::fmt::Display| {
        Problem::new(StatusCode::BAD_REQUEST, "http.bad_path", "this cannot be asked for")
            .detail(format!("{what} {error}"))
    };
    let room = RoomId::parse(&room).map_err(|error| bad("the room", &error))?;
    let user = UserId::parse(&user).map_err(|error| bad("the user", &error))?;
    let known = presence.explain(room.clone(), user.clone()).await;
    let mut answer = known.map_or_else(|| json!({ "is_viewer": false }), |known| shown(&known, now));
    answer["room"] = json!(room.as_str());
    answer["user"] = json!(user.as_str());
    answer["now_ms"] = json!(now.as_millis());
    Ok(Json(answer))
}

fn shown(known: &Explanation, now: Time) -> Value {
    let entry = |fact: &EntryFact| {
        json!({
            "session": fact.session.to_string(),
            "status": match fact.status { Status::Active => "active", Status::Idle => "idle" },
            "connected": fact.grace.is_none(),
            "ended": fact.grace.map(|(_, how)| word(how)),
            "leaves_in_ms": fact.grace.map(|(until, _)| millis(until, now)),
        })
    };
    let transition = |transition: &Transition| {
        let (what, reason) = match transition.kind {
            Kind::Joined => ("joined", None),
            Kind::Updated => ("updated", None),
            Kind::Left { reason, .. } => ("left", Some(word(reason))),
        };
        json!({ "version": transition.version, "at_ms": transition.at.as_millis(), "what": what, "reason": reason })
    };
    let typing = |(place, session, until): &(Place, SessionId, Time)| {
        json!({
            "target": place.as_ref().map(Target::as_str),
            "session": session.to_string(),
            "stops_in_ms": millis(*until, now),
        })
    };
    let lock =
        |(name, session): &(LockName, SessionId)| json!({ "name": name.as_str(), "session": session.to_string() });
    json!({
        "is_viewer": known.is_viewer,
        "entries": known.entries.iter().map(entry).collect::<Vec<_>>(),
        "transitions": known.transitions.iter().map(transition).collect::<Vec<_>>(),
        "typing": known.typing.iter().map(typing).collect::<Vec<_>>(),
        "locks": known.locks.iter().map(lock).collect::<Vec<_>>(),
        "blocked_for_ms": known.blocked_until.map(|until| millis(until, now)),
    })
}

fn millis(until: Time, now: Time) -> u64 {
    u64::try_from(until.since(now).as_millis()).unwrap_or(u64::MAX)
}

fn word(reason: Reason) -> &'static str {
    match reason {
        Reason::Left => "left",
        Reason::Closed => "closed",
        Reason::Lost => "lost",
        Reason::TimedOut => "timeout",
        Reason::Kicked => "kicked",
        Reason::Expired => "expired",
        Reason::Drained => "drained",
        Reason::NodeLost => "node_lost",
    }
}
