//! Users over all rooms: where they are, whether they are online, forgetting them, and tokens for them.
use crate::{
    api::{
        calls::Asked,
        hosts::Order,
        input::{self, Whole},
        json,
        refusal::{refused, refused_for},
        rooms::{VISITS_AT_ONCE, too_many_visited},
    },
    auth::{
        claims::is_avatar,
        mint::TokenRequest,
        name::shown_name,
        rights::{Grants, Rights},
        token::Verifier,
    },
    partition::Partition,
    problem::Problem,
};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use herenow_core::{
    hub::Hub,
    id::{RoomId, SessionId, UserId},
    pattern::Pattern,
    people::Dot,
    roster::EntryFact,
};
use herenow_wire::{code::Code, words};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, time::Duration};

/// Where a user is.
///
/// # Errors
/// Where this cannot be a user.
pub async fn show(asked: Asked) -> Result<Response, Problem> {
    let user = input::user(asked.part(0)?)?;
    let api = asked.api;
    let presence = api.presence();
    let now = presence.clock().now();
    let of = user.clone();
    let look = move |hub: &Hub| {
        let sessions = hub.online_sessions(&of).into_iter().chain(hub.distant_sessions(&of)).collect();
        (hub.follows(&RoomId::of_user(&of)), hub.dot(&of, now), sessions)
    };
    let seen = presence.visit(RoomId::of_user(&user), look).await;
    let (is_followed, dot, sessions): (_, _, Vec<SessionId>) = seen.ok_or_else(|| refused(Code::ServerStopping))?;
    if !is_followed {
        return Err(too_many_visited());
    }
    let mut places = presence.places_of(&user, asked.caller.sees_private()).await;
    places.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    let entry = |fact: &EntryFact| json!({ "id": fact.session.to_string(), "status": words::status(fact.status), "connected": fact.grace.is_none() });
    let room = |(room, entries): &(RoomId, Vec<EntryFact>)| json!({ "room": room.as_str(), "sessions": entries.iter().map(entry).collect::<Vec<_>>() });
    let mut answer = shown(&dot);
    answer["id"] = json!(user.as_str());
    answer["sessions"] = json!(sessions.iter().map(ToString::to_string).collect::<Vec<_>>());
    answer["rooms"] = json!(places.iter().map(room).collect::<Vec<_>>());
    Ok(json::answer(answer.to_string()))
}

/// Puts a user out of all rooms, closes their connections, and forgets what is kept of them.
///
/// # Errors
/// Where this cannot be a user.
pub async fn forget(asked: Asked) -> Result<Response, Problem> {
    let user = input::user(asked.part(0)?)?;
    let api = asked.api;
    let (key, who) = (asked.caller.log_name(), api.logged(user.as_str()));
    tracing::info!(key, user = who, "a user was disconnected and forgotten");
    let presence = api.presence();
    for place in api.hosts().places_of(&user) {
        // One that has just ended by itself is what is wanted.
        let _ = api.hosts().tell(&place, Order::Leave).await;
    }
    presence.forget_user(&user).await;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Deserialize)]
struct Ids {
    ids: Vec<String>,
}

/// Whether users are online.
///
/// # Errors
/// Where the body is wrong, or a token does not let a user be watched.
pub async fn statuses(asked: Asked) -> Result<Response, Problem> {
    let Ids { ids } = input::body(&asked.headers, asked.body, asked.body_bytes_max).await?;
    if ids.is_empty() || ids.len() > IDS_MAX {
        let detail = format!("ids has {} ids, 1 to {IDS_MAX} are allowed", ids.len());
        return Err(refused_for(Code::HttpBadBody, detail));
    }
    let presence = asked.api.presence();
    let now = presence.clock().now();
    let mut homes: BTreeMap<usize, (Partition, Vec<UserId>)> = BTreeMap::new();
    for id in &ids {
        let user = input::user_in("ids has an id that", id)?;
        asked.caller.may_watch(&user)?;
        let home = Partition::of_user(&user);
        homes.entry(home.index()).or_insert_with(|| (home, Vec::new())).1.push(user);
    }
    let mut users = Map::new();
    if presence.cluster().is_some() {
        // Who is on no node but another one.
        let mut all = Vec::with_capacity(ids.len());
        for (_, theirs) in homes.values() {
            all.extend(theirs.iter().map(RoomId::of_user));
        }
        let visits = futures_util::stream::iter(all).map(|room| {
            let id = room.clone();
            presence.visit(room, move |hub: &Hub| hub.follows(&id))
        });
        let followed: Vec<Option<bool>> = visits.buffer_unordered(VISITS_AT_ONCE).collect().await;
        if followed.contains(&Some(false)) {
            return Err(too_many_visited());
        }
    }
    for (home, theirs) in homes.into_values() {
        let look = move |hub: &Hub| theirs.iter().map(|user| hub.dot(user, now)).collect::<Vec<Dot>>();
        let dots = presence.look(home, look).await.ok_or_else(|| refused(Code::ServerStopping))?;
        users.extend(dots.iter().map(|dot| (dot.user.as_str().to_owned(), shown(dot))));
    }
    Ok(json::answer(json!({ "users": users }).to_string()))
}

fn shown(dot: &Dot) -> Value {
    let mut shown = json!({ "status": words::dot(dot.status) });
    if let Some(at) = dot.last_seen {
        shown["last_seen_ms"] = json!(at.as_millis());
    }
    shown
}

#[derive(Deserialize)]
struct Wanted {
    user: String,
    name: Option<String>,
    avatar: Option<String>,
    rooms: Option<BTreeMap<String, Vec<String>>>,
    ttl_ms: Option<Whole>,
    #[serde(default)]
    invisible: bool,
}

/// Makes a token for a client.
///
/// # Errors
/// Where the body is wrong.
pub async fn token(asked: Asked) -> Result<Response, Problem> {
    let bad = |detail: String| refused_for(Code::HttpBadBody, detail);
    let wanted: Wanted = input::body(&asked.headers, asked.body, asked.body_bytes_max).await?;
    let user = input::user_in("user", &wanted.user)?;
    let ttl_ms = wanted.ttl_ms.map_or(TOKEN_TTL_DEFAULT_MS, |Whole(ttl_ms)| ttl_ms);
    if !(TOKEN_TTL_MIN_MS..=TOKEN_TTL_MAX_MS).contains(&ttl_ms) {
        return Err(bad(format!("ttl_ms is {ttl_ms}, it must be from {TOKEN_TTL_MIN_MS} to {TOKEN_TTL_MAX_MS}")));
    }
    if wanted.avatar.as_deref().is_some_and(|text| !is_avatar(text)) {
        return Err(bad("avatar must be an http or https address of at most 2048 bytes".to_owned()));
    }
    let rooms = wanted.rooms.map(|rooms| grants_of(&rooms)).transpose().map_err(bad)?;
    let now_unix_s = asked.api.presence().clock().now().as_millis() / 1000;
    let name = wanted.name.map(|name| shown_name(&name, user.as_str()));
    let ttl = Duration::from_millis(ttl_ms);
    let (avatar, is_invisible) = (wanted.avatar, wanted.invisible);
    let request = TokenRequest { user, name, avatar, rooms, is_invisible, now_unix_s, ttl };
    let token = asked.api.signer().mint(&request);
    if token.len() > Verifier::TOKEN_BYTES_MAX {
        let (bytes, bytes_max) = (token.len(), Verifier::TOKEN_BYTES_MAX);
        return Err(bad(format!("the token would have {bytes} bytes, at most {bytes_max} are allowed")));
    }
    let expires_at_ms = (now_unix_s + ttl.as_secs()) * 1000;
    Ok(json::answer(json!({ "token": token, "expires_at_ms": expires_at_ms }).to_string()))
}

fn grants_of(rooms: &BTreeMap<String, Vec<String>>) -> Result<Vec<(Pattern, Rights)>, String> {
    if rooms.len() > Grants::PATTERNS_MAX {
        return Err(format!("rooms has {} patterns, at most {} are allowed", rooms.len(), Grants::PATTERNS_MAX));
    }
    let right = |name: &String| {
        let known = Rights::named(name);
        known.ok_or_else(|| "rooms must list rights out of join, observe, type, message and update".to_owned())
    };
    let grant = |(pattern, names): (&String, &Vec<String>)| {
        let pattern = Pattern::parse(pattern).map_err(|error| error.to_string())?;
        let rights = names.iter().try_fold(Rights::NONE, |all, name| Ok::<_, String>(all.union(right(name)?)))?;
        Ok((pattern, rights))
    };
    rooms.iter().map(grant).collect()
}

/// Users that one call asks about.
pub const IDS_MAX: usize = 1000;
/// Shortest life of a token.
pub const TOKEN_TTL_MIN_MS: u64 = 1_000;
/// Longest life of a token: 30 days.
pub const TOKEN_TTL_MAX_MS: u64 = 30 * 24 * 60 * 60 * 1000;
const TOKEN_TTL_DEFAULT_MS: u64 = 60 * 60 * 1000;
