//! The calls that stay open until there is news: streams of events, and long polls.
use crate::{
    api::{
        calls::Asked,
        events::{self, Cursor, Follow},
        input, json,
        readers::Seat,
        reading::{Reading, version_of},
        refusal::{refused, refused_for},
    },
    problem::Problem,
};
use axum::response::Response;
use herenow_core::{command::Ending, id::RoomId, version::Version};
use herenow_wire::code::Code;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};

/// One room as a stream of events.
///
/// # Errors
/// Where the room may not be read, or too many streams are open.
pub async fn room_events(asked: Asked) -> Result<Response, Problem> {
    let room = input::room(asked.part(0)?)?;
    follow(asked, vec![room]).await
}

/// Several rooms as one stream of events.
///
/// # Errors
/// As [`room_events`]; where one of the rooms refuses, all do.
pub async fn many_events(asked: Asked) -> Result<Response, Problem> {
    let mut rooms: Vec<RoomId> = Vec::new();
    for name in asked.query.texts("room") {
        let room = RoomId::parse(name)
            .map_err(|error| refused_for(Code::RoomBadName, format!("the room of the parameter {error}")))?;
        if !rooms.contains(&room) {
            rooms.push(room);
        }
    }
    let rooms_max = asked.api.presence().settings().limits.rooms_per_session_max;
    if rooms.is_empty() || rooms.len() > rooms_max {
        let detail = format!("{} rooms are named, 1 to {rooms_max} are allowed", rooms.len());
        return Err(refused_for(Code::HttpBadQuery, detail));
    }
    follow(asked, rooms).await
}

async fn follow(asked: Asked, rooms: Vec<RoomId>) -> Result<Response, Problem> {
    let is_present = asked.query.flag("present")?;
    let seat = seat(&asked)?;
    let mut cursor = Cursor::new(rooms);
    // What a browser says by itself when it reconnects; the other is for who cannot set a header.
    let last = asked.headers.get("last-event-id").and_then(|value| value.to_str().ok());
    if let Some(id) = last.or_else(|| asked.query.text("last_event_id")) {
        cursor.resume(id);
    }
    let reading = Reading { caller: asked.caller, is_present, rooms: cursor.rooms() };
    let (ear, heard) = reading.begin(&asked.api).await?;
    Ok(events::respond(&asked.api, Follow { ear, heard, cursor, seat }, asked.cut))
}

/// Waits until a room is at another version than the caller knows.
///
/// # Errors
/// Where the room may not be read, a parameter is wrong, or too many polls are open.
pub async fn poll(asked: Asked) -> Result<Response, Problem> {
    let room = input::room(asked.part(0)?)?;
    let wait = Duration::from_secs(asked.query.number("wait", 0..=WAIT_MAX_S)?.unwrap_or(WAIT_DEFAULT_S));
    let since = asked.query.text("since").map(|text| {
        let wrong = || refused_for(Code::HttpBadQuery, "since must be an epoch, a dot and a number, as in v");
        version_of(text).ok_or_else(wrong)
    });
    let since = since.transpose()?;
    let _seat = seat(&asked)?;
    asked.caller.may_read(asked.api.presence(), &room).await?;
    let began = Instant::now();
    let reading =
        Reading { caller: asked.caller.clone(), is_present: false, rooms: vec![(room.clone(), since.clone())] };
    let (mut ear, heard) = reading.begin(&asked.api).await?;
    ear.end_as(Ending::Left);
    let mut last = heard.last().map(|frame| (frame.label().version, frame.text()));
    if let (Some(since), Some((Some((epoch, _)), _))) = (&since, &last)
        && since.epoch.as_str() != epoch
    {
        sleep(asked.api.readers().restart_wait(asked.address, room.as_str(), began)).await;
    }
    let left = wait.saturating_sub(began.elapsed());
    let news = async {
        loop {
            match last.take() {
                Some((version, text)) if !is_known(since.as_ref(), version.as_ref()) => return Some(text),
                Some(_) | None => {}
            }
            let frame = ear.next().await?;
            let label = frame.label();
            if matches!(label.kind.as_str(), "roster" | "diff" | "count") {
                last = Some((label.version, frame.text()));
            } else if label.kind == "removed" {
                return None;
            }
        }
    };
    let told = tokio::select! {
        told = timeout(left, news) => told.ok().flatten(),
        () = asked.api.stopped() => None,
    };
    Ok(match told {
        Some(text) => json::answer(text),
        None => {
            json::answer(json!({ "timeout": true, "v": since.map_or(Value::Null, |v| json::version(&v)) }).to_string())
        }
    })
}

/// Whether a version is what the caller has.
fn is_known(since: Option<&Version>, version: Option<&(String, u64)>) -> bool {
    match (since, version) {
        (Some(since), Some((epoch, number))) => since.epoch.as_str() == epoch && since.number == *number,
        (None, _) | (_, None) => false,
    }
}

fn seat(asked: &Asked) -> Result<Seat, Problem> {
    let presence = asked.api.presence();
    presence.memory().admit(presence.clock().now())?;
    asked.api.readers().seat(asked.address).ok_or_else(|| refused(Code::RateStreams))
}

/// Longest time that a poll waits, in seconds.
pub const WAIT_MAX_S: u64 = 60;
const WAIT_DEFAULT_S: u64 = 30;
