//! `GET /v1/rooms` and what is below it that answers at once: lists, a room, pages of its viewers.
use crate::{
    api::{
        access::Caller,
        calls::Asked,
        input, json,
        refusal::{refused, refused_for},
        state::Api,
    },
    presence::Presence,
    problem::Problem,
    shard::sight::Sight,
};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, TryStreamExt};
use herenow_core::{
    hub::Hub,
    id::{RoomId, UserId},
    look::{Page, Summary},
    time::Time,
};
use herenow_wire::code::Code;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Rooms that somebody is in, by name.
///
/// # Errors
/// Where a parameter is wrong.
pub async fn list(asked: Asked) -> Result<Response, Problem> {
    let limit = limit(&asked)?;
    let prefix = asked.query.text("prefix").unwrap_or_default().to_owned();
    if prefix.len() > RoomId::BYTES_MAX {
        let (bytes, bytes_max) = (prefix.len(), RoomId::BYTES_MAX);
        let detail = format!("prefix has {bytes} bytes, at most {bytes_max} are allowed");
        return Err(refused_for(Code::HttpBadQuery, detail));
    }
    let after = input::place(asked.query.text("cursor"), |text| RoomId::parse(text).ok())?;
    let sees_private = asked.caller.sees_private();
    let presence = asked.api.presence();
    let (others, stale_since) = elsewhere(presence, Part { prefix: &prefix, after: after.as_ref(), limit }).await;
    let look = move |sight: Sight<'_>| {
        let rooms = sight.hubs().iter().flat_map(|hub| {
            let rooms = hub.occupied_rooms(&prefix, after.as_ref());
            rooms.filter(|summary| sees_private || !hub.is_private(&summary.room)).take(limit + 1)
        });
        rooms.map(|summary| (summary.room.clone(), summary)).collect::<Vec<_>>()
    };
    let here = presence.look_everywhere(look).await.into_iter().flatten();
    let mut rooms: BTreeMap<RoomId, Option<Summary>> = others.into_iter().map(|room| (room, None)).collect();
    rooms.extend(here.map(|(room, summary)| (room, Some(summary))));
    let has_more = rooms.len() > limit;
    let next = rooms.keys().nth(limit.saturating_sub(1)).filter(|_| has_more).map(|last| input::cursor(last.as_str()));
    // Somebody may be in those only elsewhere, or nobody any more.
    let shown = futures_util::stream::iter(rooms.into_iter().take(limit)).map(async |(room, here)| match here {
        Some(summary) => Ok(Some(summary)),
        None => {
            let id = room.clone();
            let summary = move |hub: &Hub| hub.summary(&id).filter(|_| sees_private || !hub.is_private(&id));
            visited(presence, room, summary).await
        }
    });
    let shown: Vec<Option<Summary>> = shown.buffered(VISITS_AT_ONCE).try_collect().await?;
    let rooms: Vec<_> = shown.iter().flatten().map(json::summary).collect();
    Ok(json::answer(json::with_age(json!({ "rooms": rooms, "next": next }), stale_since).to_string()))
}

/// A part of a list.
struct Part<'a> {
    prefix: &'a str,
    after: Option<&'a RoomId>,
    limit: usize,
}

/// The rooms of a part of the list that somebody is in on other nodes, as their index says, one more than asked for; and
/// since when that is not to be had.
async fn elsewhere(presence: &Presence, part: Part<'_>) -> (BTreeSet<RoomId>, Option<Time>) {
    let Some(node) = presence.cluster() else { return (BTreeSet::new(), None) };
    let nothing = || (BTreeSet::new(), Some(node.status().away_since().unwrap_or_else(|| presence.clock().now())));
    let Some(store) = node.store() else { return nothing() };
    match store.rooms_elsewhere(part.prefix, part.after, part.limit + 1).await {
        Ok(rooms) => (rooms, node.status().away_since()),
        Err(_) => nothing(),
    }
}

/// Looks at a room, whichever node it has viewers on.
async fn visited<T: Send + 'static>(
    presence: &Presence,
    room: RoomId,
    look: impl FnOnce(&Hub) -> T + Send + Sync + 'static,
) -> Result<T, Problem> {
    let id = room.clone();
    let look = move |hub: &Hub| hub.follows(&id).then(|| look(hub));
    let seen = presence.visit(room, look).await.ok_or_else(|| refused(Code::ServerStopping))?;
    seen.ok_or_else(too_many_visited)
}

/// So many rooms were asked for of late that nobody of this node is in, that this node can follow no more of them.
pub fn too_many_visited() -> Problem {
    let detail = "too many rooms that only other nodes have viewers in were asked for within the last 30 s";
    refused_for(Code::ServerBusy, detail).retry_after(Duration::from_secs(1))
}

/// A room with the first of its viewers. Its version is the `ETag`.
///
/// # Errors
/// Where the room may not be read.
pub async fn show(asked: Asked) -> Result<Response, Problem> {
    let room = input::room(asked.part(0)?)?;
    let Asked { api, caller, headers, .. } = asked;
    let page = page((&api, &caller), &room, Wanted { after: None, viewers_max: FIRST_PAGE }).await?;
    let etag = format!("\"{}\"", page.version);
    let etag = HeaderValue::try_from(etag).expect("an epoch is letters and digits");
    let mut response = if is_known(&headers, &etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        json::answer(json::room(&room, &page, next_of(&page).as_deref()))
    };
    response.headers_mut().insert(header::ETAG, etag);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    Ok(response)
}

/// A page of a room's viewers.
///
/// # Errors
/// Where the room may not be read, or a parameter is wrong.
pub async fn viewers(asked: Asked) -> Result<Response, Problem> {
    let room = input::room(asked.part(0)?)?;
    let limit = limit(&asked)?;
    let after = input::place(asked.query.text("cursor"), |text| {
        let (at, user) = text.split_once('.')?;
        Some((Time::from_millis(at.parse().ok()?), UserId::parse(user).ok()?))
    })?;
    let Asked { api, caller, .. } = asked;
    let page = page((&api, &caller), &room, Wanted { after, viewers_max: limit }).await?;
    Ok(json::answer(json::viewers(&room, &page, next_of(&page).as_deref())))
}

/// Which part of a room is wanted.
struct Wanted {
    after: Option<(Time, UserId)>,
    viewers_max: usize,
}

async fn page((api, caller): (&Api, &Caller), room: &RoomId, wanted: Wanted) -> Result<Page, Problem> {
    let presence = api.presence();
    caller.may_read(presence, room).await?;
    let (id, user) = (room.clone(), caller.identity().map(|identity| identity.profile.user.clone()));
    let Wanted { after, viewers_max } = wanted;
    let look = move |hub: &Hub| {
        let blocked = user.as_ref().and_then(|user| hub.blocked_until(&id, user));
        (hub.page(&id, after.as_ref(), viewers_max), blocked)
    };
    let (page, blocked) = visited(presence, room.clone(), look).await?;
    let now = presence.clock().now();
    match blocked.filter(|until| *until > now) {
        // Whoever was put out sees no more of the room than before they were let in.
        Some(until) => Err(refused(Code::RoomBlocked).retry_after(until.since(now))),
        None => Ok(shown_to(caller, page)),
    }
}

/// What of a page somebody may see: where only numbers are told, clients see no viewers.
fn shown_to(caller: &Caller, page: Page) -> Page {
    match caller {
        Caller::Client(_) if !page.names_viewers => Page { viewers: Vec::new(), has_more: false, ..page },
        Caller::Client(_) | Caller::Backend { .. } | Caller::Anybody => page,
    }
}

/// Where the page after one begins.
fn next_of(page: &Page) -> Option<String> {
    let last = page.viewers.last().filter(|_| page.has_more)?;
    Some(input::cursor(&format!("{}.{}", last.joined_at.as_millis(), last.profile.user)))
}

fn limit(asked: &Asked) -> Result<usize, Problem> {
    let limit = asked.query.number("limit", 1..=LIMIT_MAX)?.unwrap_or(LIMIT_DEFAULT);
    Ok(usize::try_from(limit).unwrap_or(usize::MAX))
}

fn is_known(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = known.flat_map(|value| value.split(',')).map(|tag| tag.trim().trim_start_matches("W/"));
    tags.any(|tag| etag == tag || tag == "*")
}

/// Viewers that come with a room.
const FIRST_PAGE: usize = 100;
/// Things on a page where nobody says how many.
const LIMIT_DEFAULT: u64 = 100;
/// Rooms that one call looks at at once.
pub const VISITS_AT_ONCE: usize = 64;
/// Things on a page at the most.
pub const LIMIT_MAX: u64 = 1000;
