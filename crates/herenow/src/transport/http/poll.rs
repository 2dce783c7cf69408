//! `GET /session-poll`: what a client hears, by requests that wait.
use super::{
    talk::{Http, Next, POLLED_PER_USER_MAX, Talk},
    task::{Opening, open},
    who::{elsewhere, find, identify, named_session},
};
use crate::{
    auth::source::query_value,
    connection::{Socket, Way},
    problem::Problem,
};
use axum::{
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{StatusCode, header, request::Parts};
use std::{
    future::poll_fn,
    sync::{Arc, PoisonError},
    task::{Context, Poll},
};

/// Opens a connection where the request names none. Answers with an array of frames and their numbers as soon as there is
/// one after the number `after`, or with an empty array after a while.
///
/// # Errors
/// 401 and 403 as for a stream; 400 for a bad number; 409 where the session is not here, 403 where the secret is wrong.
pub(super) async fn poll(State(http): State<Http>, request: Request) -> Result<Response, Problem> {
    let (parts, _body) = request.into_parts();
    let (talk, after) = match named_session(&parts) {
        Some(_) => (find(&http, &parts)?, after(&parts)?),
        None => (begin(&http, &parts)?, 0),
    };
    if talk.connection.way() != Way::Poll {
        return Err(bad_number("this session is heard over a stream".into()));
    }
    talk.connection.note_heard(talk.clock.now());
    let began = talk.numbers.lock().unwrap_or_else(PoisonError::into_inner).begin(after);
    let poll = began.map_err(|bad| {
        let (least, most) = bad.allowed;
        bad_number(format!("after={after} was asked, from {least} to {most} can be"))
    })?;
    // The one before, which is not to be answered with frames any more.
    talk.wake_reader();
    let wait = http.presence.settings().rhythm.pulse(Way::Poll);
    let waited = tokio::time::timeout(wait, poll_fn(|cx| poll_frames(&talk, poll, cx))).await;
    talk.connection.note_heard(talk.clock.now());
    let json = match waited {
        Ok(answer) => answer?,
        Err(_nothing_came) => EMPTY.to_vec(),
    };
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, json).into_response())
}

/// Opens a connection that is polled.
fn begin(http: &Http, parts: &Parts) -> Result<Arc<Talk>, Problem> {
    let identity = identify(&http.presence, parts)?;
    let Some(permit) = http.talks.permit_poll(&identity.profile.user) else {
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "poll.too_many", "too many connections are polled");
        let detail = format!("the user has {POLLED_PER_USER_MAX} of them, as many as may be");
        return Err(problem.detail(detail).hint("go on polling with the session of one, or say goodbye to some"));
    };
    let resume = query_value(&parts.uri, "resume");
    open(http, Opening { identity, resume, socket: Socket::Poll, cut: None, permit: Some(permit) })
}

fn poll_frames(talk: &Arc<Talk>, poll: u64, cx: &mut Context<'_>) -> Poll<Result<Vec<u8>, Problem>> {
    let mut numbers = talk.numbers.lock().unwrap_or_else(PoisonError::into_inner);
    if !numbers.is_last(poll) {
        return Poll::Ready(Ok(EMPTY.to_vec()));
    }
    // Before the look, so that nothing comes unnoticed.
    talk.read_by(cx.waker());
    if numbers.is_empty() {
        let mut bytes_held = 0;
        while bytes_held < ARRAY_BYTES_MAX {
            match talk.next() {
                Next::Frame(bytes, more) => {
                    bytes_held += bytes.len() + more.len();
                    numbers.push(bytes, more);
                }
                Next::Pulse => {}
                Next::Nothing if numbers.is_empty() => return Poll::Pending,
                Next::Over if numbers.is_empty() => return Poll::Ready(Err(elsewhere())),
                Next::Nothing | Next::Over => break,
            }
        }
    }
    Poll::Ready(Ok(numbers.to_json()))
}

/// Up to which number the client has everything.
fn after(parts: &Parts) -> Result<u64, Problem> {
    let Some(text) = query_value(&parts.uri, "after") else { return Ok(0) };
    text.parse().map_err(|_| bad_number("after is no whole number".into()))
}

fn bad_number(detail: String) -> Problem {
    let problem = Problem::new(StatusCode::BAD_REQUEST, "poll.bad_after", "this cannot be polled");
    problem.detail(detail).hint("ask with the largest number that was received, one poll at a time")
}

const EMPTY: &[u8] = b"[]";
/// Where an array has as many bytes, the next frame waits for the next poll.
const ARRAY_BYTES_MAX: usize = 64 * 1024;
