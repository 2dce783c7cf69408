//! `GET /v1/debug/rooms/{room}/users/{user}`: why is somebody shown? For operators.
use crate::{
    api::{
        calls::Asked,
        json,
        refusal::{refused, refused_for},
    },
    problem::Problem,
};
use axum::response::Response;
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
use herenow_wire::code::Code;
use serde_json::{Value, json};

/// Answers with the entries, the last transitions and the timers of a user in a room. Somebody of whom nothing is known is no
/// error: `"is_viewer": false`.
///
/// # Errors
/// 400 for what cannot be a room or a user.
pub async fn explain(asked: Asked) -> Result<Response, Problem> {
    let bad = |what: &str, error: &dyn std::fmt::Display| refused_for(Code::HttpBadPath, format!("the {what} {error}"));
    let room = RoomId::parse(asked.part(0)?).map_err(|error| bad("room", &error))?;
    let user = UserId::parse(asked.part(1)?).map_err(|error| bad("user", &error))?;
    let presence = asked.api.presence();
    if asked.api.is_stopping() {
        return Err(refused(Code::ServerStopping));
    }
    let now = presence.clock().now();
    let known = presence.explain(room.clone(), user.clone()).await;
    let mut answer = known.map_or_else(|| json!({ "is_viewer": false }), |known| shown(&known, now));
    answer["room"] = json!(room.as_str());
    answer["user"] = json!(user.as_str());
    answer["now_ms"] = json!(now.as_millis());
    Ok(json::answer(answer.to_string()))
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
    }
}
