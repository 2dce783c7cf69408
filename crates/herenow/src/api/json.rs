//! Answers as JSON. What the native dialect has a form for keeps that form.
use axum::response::{IntoResponse, Response};
use herenow_core::{
    event::{Count, FACES_MAX, Gear},
    id::RoomId,
    look::{Page, Summary},
    time::Time,
    version::Version,
};
use herenow_wire::{native, words};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

/// An answer of JSON that nobody keeps.
pub fn answer(json: impl Into<String>) -> Response {
    with_status(StatusCode::OK, json)
}

/// An answer of JSON with another status than 200.
pub fn with_status(status: StatusCode, json: impl Into<String>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (status, headers, json.into()).into_response()
}

/// A room with the first of its viewers; in a crowd with faces in their place.
pub fn room(id: &RoomId, page: &Page, next: Option<&str>) -> String {
    let (viewers, faces) = match page.gear {
        Gear::Crowd => {
            let faces = page.viewers.iter().take(FACES_MAX).map(|viewer| &*viewer.profile);
            ("[]".to_owned(), format!(r#","faces":{}"#, native::users(faces)))
        }
        Gear::Live | Gear::Batched => (native::viewers(&page.viewers), String::new()),
    };
    let (room, v) = (json!(id.as_str()), version(&page.version));
    let (gear, count, next) = (words::gear(page.gear), count(page.count), json!(next));
    let age = age(page.stale_since);
    format!(
        r#"{{"room":{room},"v":{v},"gear":"{gear}","count":{count}{faces},"viewers":{viewers},"next":{next}{age}}}"#
    )
}

/// A page of a room's viewers.
pub fn viewers(id: &RoomId, page: &Page, next: Option<&str>) -> String {
    let (room, v, next) = (json!(id.as_str()), version(&page.version), json!(next));
    let viewers = native::viewers(&page.viewers);
    let age = age(page.stale_since);
    format!(r#"{{"room":{room},"v":{v},"viewers":{viewers},"next":{next}{age}}}"#)
}

/// A room in a list.
pub fn summary(summary: &Summary) -> Value {
    json!({
        "room": summary.room.as_str(),
        "v": version(&summary.version),
        "gear": words::gear(summary.gear),
        "count": count(summary.count),
    })
}

/// An answer that may be old, with since when.
pub fn with_age(mut answer: Value, stale_since: Option<Time>) -> Value {
    if let Some(since) = stale_since {
        answer["stale_since_ms"] = json!(since.as_millis());
    }
    answer
}

fn age(stale_since: Option<Time>) -> String {
    stale_since.map(|since| format!(r#","stale_since_ms":{}"#, since.as_millis())).unwrap_or_default()
}

/// A version as frames have it.
pub fn version(version: &Version) -> Value {
    json!([version.epoch.as_str(), version.number])
}

fn count(count: Count) -> Value {
    json!({ "users": count.users, "sessions": count.sessions })
}
