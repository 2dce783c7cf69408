//! Answers as JSON. What the native dialect has a form for keeps that form.
use axum::response::{IntoResponse, Response};
use herenow_core::{
    event::{Count, FACES_MAX, Gear},
    id::RoomId,
    look::{Page, Summary},
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
    format!(r#"{{"room":{room},"v":{v},"gear":"{gear}","count":{count}{faces},"viewers":{viewers},"next":{next}}}"#)
}

/// A page of a room's viewers.
pub fn viewers(id: &RoomId, page: &Page, next: Option<&str>) -> String {
    let (room, v, next) = (json!(id.as_str()), version(&page.version), json!(next));
    let viewers = native::viewers(&page.viewers);
    format!(r#"{{"room":{room},"v":{v},"viewers":{viewers},"next":{next}}}"#)
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

/// A version as frames have it.
pub fn version(version: &Version) -> Value {
    json!([version.epoch.as_str(), version.number])
}

fn count(count: Count) -> Value {
    json!({ "users": count.users, "sessions": count.sessions })
}
