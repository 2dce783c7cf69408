//! `GET /stream`: what a client hears, as server-sent events.
use super::{
    talk::{Http, Next, Talk},
    task::{Opening, open},
    who::identify,
};
use crate::{auth::source::query_value, connection::Socket, cut::Cut, handover::StaysOpen, problem::Problem};
use axum::{
    body::Body,
    extract::{Extension, Request, State},
    response::{IntoResponse, Response},
};
use bytes::{BufMut, Bytes, BytesMut};
use http::header;
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame};
use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

/// Answers with a stream of frames, each the data of one event; `welcome` is the first.
///
/// # Errors
/// 401 without a good token, 403 where the page may not use it.
pub(super) async fn stream(State(http): State<Http>, request: Request) -> Result<Response, Problem> {
    let (parts, _body) = request.into_parts();
    let (identity, cookie) = identify(&http.presence, &parts).await?;
    let resume = query_value(&parts.uri, "resume");
    let cut = parts.extensions.get::<Cut>().cloned();
    let talk = open(&http, Opening { identity, cookie, resume, socket: Socket::Stream, cut, permit: None })?;
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        // nginx and its like would hold the events back otherwise.
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((
        Extension(StaysOpen),
        headers,
        Body::new(Events { talk, pieces: VecDeque::new(), is_over: false }.boxed_unsync()),
    )
        .into_response())
}

/// The events of one connection. Dropped where the client is gone or everything was said.
struct Events {
    talk: Arc<Talk>,
    /// What was taken away and not handed on.
    pieces: VecDeque<Bytes>,
    is_over: bool,
}

impl Events {
    /// Takes away what waits, as far as it belongs into one write; whether there was anything.
    fn take(&mut self) -> bool {
        let mut flat = BytesMut::new();
        while flat.len() < FLAT_BYTES_MAX {
            match self.talk.next() {
                Next::Frame(bytes, more) if bytes.len() + more.len() <= FLAT_BYTES_MAX => {
                    put(&mut flat, &[b"data: ", &bytes, &more, b"\n\n"]);
                }
                Next::Frame(bytes, more) => {
                    // It is shared by all who get it, and not copied.
                    put(&mut flat, &[b"data: "]);
                    let last = Bytes::from_static(b"\n\n");
                    self.pieces
                        .extend([flat.freeze(), bytes, more, last].into_iter().filter(|piece| !piece.is_empty()));
                    return true;
                }
                Next::Pulse => put(&mut flat, &[b":\n\n"]),
                Next::Nothing => break,
                Next::Over => {
                    self.is_over = true;
                    break;
                }
            }
        }
        let is_something = !flat.is_empty();
        if is_something {
            self.pieces.push_back(flat.freeze());
        }
        is_something
    }
}

fn put(flat: &mut BytesMut, texts: &[&[u8]]) {
    // Of the exact size for a single frame, which is what there mostly is.
    flat.reserve(texts.iter().map(|text| text.len()).sum());
    texts.iter().for_each(|text| flat.put_slice(text));
}

impl HttpBody for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let events = self.get_mut();
        if events.pieces.is_empty() && !events.is_over && !events.take() {
            events.pieces = VecDeque::new();
            events.talk.read_by(cx.waker());
            // Something may have come before it was known whom to wake.
            events.take();
        }
        match events.pieces.pop_front() {
            Some(piece) => Poll::Ready(Some(Ok(Frame::data(piece)))),
            None if events.is_over => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.talk.leave_unread();
    }
}

/// Up to here, frames are copied together before they are written.
const FLAT_BYTES_MAX: usize = 16 * 1024;
