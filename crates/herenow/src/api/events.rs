//! Rooms as server-sent events. A task of each reader takes frames from its session when the reader has taken the one
//! before; what waits meanwhile is bounded there, and made good by one roster.
use crate::{
    api::{
        ear::{Ear, Frame},
        readers::Seat,
        state::Api,
    },
    handover::StaysOpen,
};
use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::stream;
use herenow_core::{
    command::Ending,
    id::RoomId,
    version::{Epoch, Version},
};
use http::{HeaderValue, header};
use std::{collections::VecDeque, convert::Infallible, time::Duration};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
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

/// Answers with a stream that ends when the reader goes, its right ends, it is put out, or the server stops.
pub fn respond(api: &Api, follow: Follow) -> Response {
    let (sender, chunks) = mpsc::channel(CHUNKS_MAX);
    tokio::spawn(tell(api.clone(), follow, sender));
    let stream = stream::unfold((chunks, VecDeque::new()), |(mut chunks, mut pieces)| async move {
        while pieces.is_empty() {
            pieces = chunks.recv().await?;
        }
        let piece: Bytes = pieces.pop_front()?;
        Some((Ok::<_, Infallible>(piece), (chunks, pieces)))
    });
    let mut response = Body::from_stream(stream).into_response();
    response.extensions_mut().insert(StaysOpen);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx would otherwise hold events back until its buffer is full.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// Tells a reader until it is over.
async fn tell(api: Api, follow: Follow, sender: mpsc::Sender<VecDeque<Bytes>>) {
    let Follow { mut ear, heard, mut cursor, seat: _seat } = follow;
    let mut heard = VecDeque::from(heard);
    let mut first = Some(Bytes::from(format!("retry: {RETRY_MS}\n\n")));
    loop {
        // What is taken from the session has to be taken by the reader: so first there must be room for it.
        let permit = tokio::select! {
            biased;
            permit = sender.reserve() => match permit {
                Ok(permit) => permit,
                Err(_gone) => return,
            },
            () = ear.ended() => return,
        };
        if let Some(first) = first.take() {
            permit.send([first].into());
            continue;
        }
        let quiet_until = Instant::now() + COMMENT_EVERY;
        let frame = tokio::select! {
            // First of all what was said before the end.
            biased;
            frame = next(&mut heard, &ear) => frame,
            () = sleep_until(quiet_until) => {
                permit.send([COMMENT].into());
                continue;
            }
            () = sender.closed() => return,
            () = api.stopped() => {
                ear.end_as(Ending::Drained);
                return;
            }
        };
        let Some(frame) = frame else { return };
        let label = frame.label();
        let version = label.version.as_ref().map(|(epoch, number)| (epoch.as_str(), *number));
        let id = label.room.as_ref().zip(version).and_then(|(room, version)| cursor.note(room, version));
        permit.send(event(&label.kind, id.as_deref(), frame));
        // What follows the end of the only room would be silence.
        if label.kind == "removed" && cursor.rooms.len() == 1 {
            ear.end_as(Ending::Kicked);
            return;
        }
    }
}

async fn next(heard: &mut VecDeque<Frame>, ear: &Ear) -> Option<Frame> {
    match heard.pop_front() {
        Some(frame) => Some(frame),
        None => ear.next().await,
    }
}

/// An event in the pieces in which its frame is shared. A frame is one line: control characters in it are escaped.
fn event(kind: &str, id: Option<&str>, frame: Frame) -> VecDeque<Bytes> {
    let id = id.map_or_else(String::new, |id| format!("id: {id}\n"));
    let head = Bytes::from(format!("{id}event: {kind}\ndata: "));
    [head].into_iter().chain(frame.into_pieces()).chain([Bytes::from_static(b"\n\n")]).collect()
}

/// Frames that wait for the reader, besides those in the outbox of its session.
const CHUNKS_MAX: usize = 1;
/// Shorter than the 60 s after which common proxies cut an idle connection.
const COMMENT_EVERY: Duration = Duration::from_secs(15);
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
