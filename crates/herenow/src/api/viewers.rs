//! Who is in a room without a connection, what they type, who is put out, and messages of the app.
use crate::{
    api::{
        access::Caller,
        calls::Asked,
        hosts::Order,
        input::{self, Whole},
        refusal::{refused_as, refused_for},
    },
    auth::{claims::is_avatar, name::shown_name, rights::Rights},
    problem::Problem,
};
use axum::response::{IntoResponse, Response};
use herenow_core::{command::Message, id::SessionId, profile::Profile};
use herenow_wire::{code::Code, message};
use http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::{sync::Arc, time::Duration};

#[derive(Deserialize)]
struct Stay {
    name: Option<String>,
    avatar: Option<String>,
    state: Option<Box<RawValue>>,
    ttl_ms: Whole,
}

/// Has a user be in a room for a time, without a connection.
///
/// # Errors
/// Where the body is wrong, the room refuses, or too many are held.
pub async fn put(asked: Asked) -> Result<Response, Problem> {
    let (room, user) = (input::room(asked.part(0)?)?, input::user(asked.part(1)?)?);
    let stay: Stay = input::body(&asked.headers, asked.body, asked.body_bytes_max).await?;
    let Whole(ttl_ms) = stay.ttl_ms;
    if !(TTL_MIN_MS..=TTL_MAX_MS).contains(&ttl_ms) {
        let detail = format!("ttl_ms is {ttl_ms}, it must be from {TTL_MIN_MS} to {TTL_MAX_MS}");
        return Err(refused_for(Code::HttpBadBody, detail));
    }
    let avatar = match stay.avatar {
        Some(text) if !is_avatar(&text) => {
            return Err(refused_for(
                Code::HttpBadBody,
                "avatar must be an http or https address of at most 2048 bytes",
            ));
        }
        avatar => avatar.map(Arc::from),
    };
    let state = stay.state.as_deref().filter(|json| json.get() != "null").map(input::state).transpose()?;
    let name = shown_name(stay.name.as_deref().unwrap_or_default(), user.as_str()).into();
    let profile = Arc::new(Profile { user, name, avatar });
    let order = Order::Stay { profile, state, ttl: Duration::from_millis(ttl_ms) };
    asked.api.hosts().stay(asked.api.presence(), &room, order).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Ends a viewer without a connection, or puts a user out.
///
/// # Errors
/// Where a parameter is wrong, or the key may not put out.
pub async fn delete(asked: Asked) -> Result<Response, Problem> {
    let (room, user) = (input::room(asked.part(0)?)?, input::user(asked.part(1)?)?);
    let block = asked.query.number("block_ms", 1..=BLOCK_MAX_MS)?.map(Duration::from_millis);
    let kicks = match asked.query.text("reason") {
        None => block.is_some(),
        Some("kicked") => true,
        Some("left") => block.is_some(),
        Some(_) => return Err(refused_for(Code::HttpBadQuery, "reason must be left or kicked")),
    };
    if kicks {
        asked.caller.may_kick()?;
        let (key, who) = (asked.caller.log_name(), asked.api.logged(user.as_str()));
        let (place, block_ms) = (asked.api.logged(room.as_str()), block.map_or(0, |block| block.as_millis()));
        tracing::info!(key, user = who, room = place, block_ms, "a user was put out of a room");
        asked.api.presence().kick(room, user, block).await;
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    match asked.api.hosts().tell(&(room, user), Order::Leave).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT.into_response()),
        // Gone is gone.
        Err(problem) if problem.code == Code::RoomNotJoined.as_str() => Ok(StatusCode::NO_CONTENT.into_response()),
        Err(problem) => Err(problem),
    }
}

#[derive(Deserialize)]
struct Typing {
    user: String,
    target: Option<String>,
    on: bool,
}

/// Has a viewer without a connection type, or stop it.
///
/// # Errors
/// Where the body is wrong, or nobody is held there as that user.
pub async fn typing(asked: Asked) -> Result<Response, Problem> {
    let room = input::room(asked.part(0)?)?;
    let typing: Typing = input::body(&asked.headers, asked.body, asked.body_bytes_max).await?;
    let user = input::user_in("user", &typing.user)?;
    if let Caller::Client(identity) = &asked.caller {
        asked.caller.may(asked.api.presence(), &room, Rights::TYPE).await?;
        if identity.profile.user != user {
            return Err(refused_for(Code::RoomForbidden, "a client's token lets only its own user type"));
        }
    }
    let target = typing.target.as_deref().map(input::target).transpose()?;
    asked.api.hosts().tell(&(room, user), Order::Type { target, on: typing.on }).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Deserialize)]
struct Passing {
    event: String,
    data: Box<RawValue>,
    to: Option<String>,
    except_session: Option<String>,
}

/// Sends a passing event of the app to who is in a room.
///
/// # Errors
/// Where the body is wrong.
pub async fn send(asked: Asked) -> Result<Response, Problem> {
    let room = input::room(asked.part(0)?)?;
    let passing: Passing = input::body(&asked.headers, asked.body, asked.body_bytes_max).await?;
    let event = message::event_name(&passing.event).map_err(|problem| refused_as(&problem))?;
    let data = message::data(passing.data.get()).map_err(|problem| refused_as(&problem))?;
    let to = passing.to.as_deref().map(|to| input::user_in("to", to)).transpose()?;
    let except = passing.except_session.as_deref().map(session).transpose()?;
    asked.api.presence().pass_on(room, Message { event, data, to, echo: false }, except).await;
    Ok(StatusCode::ACCEPTED.into_response())
}

fn session(text: &str) -> Result<SessionId, Problem> {
    let is_session = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let session = is_session.then(|| u64::from_str_radix(text, 16).ok()).flatten();
    session.map(SessionId).ok_or_else(|| {
        refused_for(Code::HttpBadBody, "except_session must be a session, a text of 16 hexadecimal digits")
    })
}

/// Shortest time that a viewer without a connection stays.
pub const TTL_MIN_MS: u64 = 1_000;
/// Longest time that it stays without being put there again.
pub const TTL_MAX_MS: u64 = 24 * 60 * 60 * 1000;
/// Longest time that somebody is kept out: 30 days.
pub const BLOCK_MAX_MS: u64 = 30 * 24 * 60 * 60 * 1000;
