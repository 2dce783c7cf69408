//! Rooms as server-sent events. Each is taken from the session of its reader when the one before has been written; what waits
//! meanwhile is bounded there, and made good by one roster.
use crate::{
    api::{
        ear::{Ear, Frame},
        hearing::{Heard, Hearing},
        readers::Seat,
        state::Api,
    },
    cut::Cut,
    handover::StaysOpen,
};
use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use herenow_core::{
    command::Ending,
    id::RoomId,
    version::{Epoch, Version},
};
use http::{HeaderValue, header};
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame as HttpFrame};
use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

/// What a reader was last told of each of its rooms, as the `id` of an event: a version where there is one room, and
/// otherwise a text that only this server reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    rooms: Vec<(RoomId, Option<Version>)>,
}

impl Cursor {
    /// A reader that knows nothing yet of its rooms.
    pub fn new(rooms: Vec<RoomId>) -> Self {
        Self { rooms: rooms.into_iter().map(|room| (room, None)).collect() }
    }

    /// Takes over what an id says. One that is not ours, or of other rooms, says nothing.
    pub fn resume(&mut self, id: &str) {
        let Some((epoch, numbers)) = id.split_once('.') else { return };
        let (Some(epoch), numbers) = (Epoch::parse(epoch), numbers.split('-').collect::<Vec<_>>()) else { return };
        if numbers.len() != self.rooms.len() {
            return;
        }
        for ((_, version), number) in self.rooms.iter_mut().zip(numbers) {
            *version = number.parse().ok().map(|number| Version { epoch: epoch.clone(), number });
        }
    }

    /// The rooms, and what is known of each.
    pub fn rooms(&self) -> Vec<(RoomId, Option<Version>)> {
        self.rooms.clone()
    }

    /// Notes what a reader was told; the new id, where that makes a difference.
    fn note(&mut self, room: &RoomId, (epoch, number): (&str, u64)) -> Option<String> {
        let version = Version { epoch: Epoch::parse(epoch)?, number };
        let held = self.rooms.iter_mut().find(|(held, _)| held == room)?;
        held.1 = Some(version);
        // Of another life, and so of no use any more.
        let of_now = |held: &Option<Version>| {
            let held = held.as_ref().filter(|held| held.epoch.as_str() == epoch);
            held.map_or_else(|| "x".to_owned(), |held| held.number.to_string())
        };
        let numbers: Vec<String> = self.rooms.iter().map(|(_, held)| of_now(held)).collect();
        Some(format!("{epoch}.{}", numbers.join("-")))
    }
}

/// A reader whose rooms have answered.
pub struct Follow {
    /// Its session.
    pub ear: Ear,
    /// What was heard so far.
    pub heard: Vec<Frame>,
    /// What it knows.
    pub cursor: Cursor,
    /// Its place among the readers.
    pub seat: Seat,
}

/// Answers with a stream that ends when the reader goes, its right ends, it is put out, or the server stops. `cut` is for a
/// reader who does not take the last of it.
pub fn respond(api: &Api, follow: Follow, cut: Option<Cut>) -> Response {
    let Follow { ear, heard, cursor, seat } = follow;
    let first = Bytes::from(format!("retry: {RETRY_MS}\n\n"));
    let events = Events {
        hearing: Hearing::begin(api, ear, cut),
        heard: heard.into(),
        cursor,
        pieces: [first].into(),
        is_over: false,
        _seat: seat,
    };
    let mut response = Body::new(events.boxed_unsync()).into_response();
    response.extensions_mut().insert(StaysOpen);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx would otherwise hold events back until its buffer is full.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// The events of one reader, each made when the one before has been taken.
struct Events {
    hearing: Hearing,
    /// What was heard before the answer began.
    heard: VecDeque<Frame>,
    cursor: Cursor,
    /// What is left of an event.
    pieces: VecDeque<Bytes>,
    is_over: bool,
    _seat: Seat,
}

impl Events {
    /// Takes away what is next; whether there was anything, the end included.
    fn take(&mut self) -> bool {
        let next = self.heard.pop_front().map_or_else(|| self.hearing.next(), Heard::Frame);
        match next {
            Heard::Frame(frame) => self.put(frame),
            Heard::Pulse => self.pieces.push_back(COMMENT),
            Heard::Nothing => return false,
            Heard::Over => self.is_over = true,
        }
        true
    }

    fn put(&mut self, frame: Frame) {
        let label = frame.label();
        let version = label.version.as_ref().map(|(epoch, number)| (epoch.as_str(), *number));
        let id = label.room.as_ref().zip(version).and_then(|(room, version)| self.cursor.note(room, version));
        self.pieces = event(&label.kind, id.as_deref(), frame);
        // What follows the end of the only room would be silence.
        if label.kind == "removed" && self.cursor.rooms.len() == 1 {
            self.hearing.end(Ending::Kicked);
            self.is_over = true;
        }
    }
}

impl HttpBody for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<HttpFrame<Bytes>, Infallible>>> {
        let events = self.get_mut();
        if events.pieces.is_empty() && !events.is_over && !events.take() {
            // Without the room for what they held.
            (events.pieces, events.heard) = (VecDeque::new(), VecDeque::new());
            events.hearing.listen(cx.waker());
            // Something may have come before it was known whom to wake.
            events.take();
        }
        match events.pieces.pop_front() {
            Some(piece) => Poll::Ready(Some(Ok(HttpFrame::data(piece)))),
            None if events.is_over => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

/// An event, in one piece or in those in which its frame is shared. A frame is one line: control characters in it are escaped.
fn event(kind: &str, id: Option<&str>, frame: Frame) -> VecDeque<Bytes> {
    let id = id.map_or_else(String::new, |id| format!("id: {id}\n"));
    let head = Bytes::from(format!("{id}event: {kind}\ndata: "));
    let pieces: Vec<Bytes> =
        [head].into_iter().chain(frame.into_pieces()).chain([Bytes::from_static(b"\n\n")]).collect();
    if pieces.iter().map(Bytes::len).sum::<usize>() > FLAT_BYTES_MAX {
        pieces.into()
    } else {
        [pieces.concat().into()].into()
    }
}

/// Up to here, what makes an event is copied together before it is written.
const FLAT_BYTES_MAX: usize = 16 * 1024;
/// Said at each of the pulses by which connections are looked after.
const COMMENT: Bytes = Bytes::from_static(b": still here\n\n");
/// How long a browser waits before it connects again.
const RETRY_MS: u64 = 1000;

#[cfg(test)]
mod tests {
    use super::Cursor;
    use herenow_core::id::RoomId;

    fn rooms(names: &[&str]) -> Vec<RoomId> {
        names.iter().map(|name| RoomId::parse(name).unwrap()).collect()
    }

    fn versions(cursor: &Cursor) -> Vec<Option<String>> {
        cursor.rooms().iter().map(|(_, version)| version.as_ref().map(ToString::to_string)).collect()
    }

    #[test]
    fn an_id_of_one_room_is_its_version() {
        let mut cursor = Cursor::new(rooms(&["a"]));
        assert_eq!(cursor.note(&rooms(&["a"])[0], ("e", 7)).unwrap(), "e.7");
        let mut again = Cursor::new(rooms(&["a"]));
        again.resume("e.7");
        assert_eq!(again, cursor);
    }

    #[test]
    fn an_id_of_many_rooms_says_what_is_known_of_each() {
        let names = rooms(&["a", "b", "c"]);
        let mut cursor = Cursor::new(names.clone());
        assert_eq!(cursor.note(&names[0], ("e", 7)).unwrap(), "e.7-x-x");
        assert_eq!(cursor.note(&names[2], ("e", 1)).unwrap(), "e.7-x-1");
        let mut again = Cursor::new(names.clone());
        again.resume("e.7-x-1");
        assert_eq!(versions(&again), [Some("e.7".to_owned()), None, Some("e.1".to_owned())]);
        assert_eq!(cursor.note(&names[1], ("f", 2)).unwrap(), "f.x-2-x", "another life");
    }

    #[test]
    fn an_id_that_is_not_ours_says_nothing() {
        for id in ["", "e", "e.1", "e.1-2-3", ".1-2", "é.1-2", "e.x-x", "e.-1-+2", "e.99999999999999999999-1x"] {
            let mut cursor = Cursor::new(rooms(&["a", "b"]));
            cursor.resume(id);
            assert_eq!(versions(&cursor), [None, None], "{id}");
        }
    }
}
