//! `POST /send`: what a client says.
use super::{
    talk::{Http, Talk},
    who::{elsewhere, find},
};
use crate::{
    problem::Problem,
    transport::{conversation::Inputs, relay::tell},
};
use axum::{
    body::to_bytes,
    extract::{Request, State},
};
use herenow_wire::websocket::incoming::{CloseFrame, is_close_code};
use http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::{borrow::Cow, sync::Arc, time::Duration};

/// Takes an array of native frames; what they are answered with goes the way of all frames.
///
/// # Errors
/// Nothing was done then. 400 where no session is named or the body is no array of JSON, 403 where the secret is wrong, 409
/// where the session is not here, 408 where the body does not come, 413 where the body, a frame or their number is too large.
pub(super) async fn send(State(http): State<Http>, request: Request) -> Result<StatusCode, Problem> {
    let (parts, body) = request.into_parts();
    let talk = find(&http, &parts)?;
    let frame_bytes_max = http.presence.settings().frame_bytes_max as usize;
    let body_bytes_max = frame_bytes_max * BODY_FRAMES_MAX;
    let too_large = |detail: String| {
        let problem = Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "send.too_large", "this is too much at once");
        problem.detail(detail).hint("send it in several requests, one after the other")
    };
    let body = match tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, body_bytes_max)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return Err(too_large(format!("the body has more than {body_bytes_max} bytes, or broke off"))),
        Err(_late) => {
            let problem = Problem::new(StatusCode::REQUEST_TIMEOUT, "send.timeout", "the body did not come in time");
            return Err(problem.hint("send it again"));
        }
    };
    let frames = read(&body, frame_bytes_max)?;
    if frames.len() > FRAMES_MAX {
        return Err(too_large(format!("there are {} frames, at most {FRAMES_MAX} are read at once", frames.len())));
    }
    if talk.connection.farewell().is_some() {
        return Err(elsewhere());
    }
    // A task of its own, since a client that gives up must not have half of it done.
    if let Err(error) = tokio::spawn(hear(talk, frames)).await {
        tracing::error!(%error, "frames were not handled");
    }
    Ok(StatusCode::ACCEPTED)
}

/// What a client says.
enum Said {
    Frame(Box<RawValue>),
    /// The client closes, for the reason that a close frame would give.
    Close(Option<u16>),
}

#[derive(Deserialize)]
struct Close<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    code: Option<u16>,
}

fn read(body: &[u8], frame_bytes_max: usize) -> Result<Vec<Said>, Problem> {
    let frames: Vec<Box<RawValue>> = serde_json::from_slice(body).map_err(|error| {
        let problem = Problem::new(StatusCode::BAD_REQUEST, "frame.not_json", "the body is no JSON array of frames");
        problem.detail(error.to_string()).hint("send [{\"type\":...}, ...] in UTF-8")
    })?;
    frames.into_iter().map(|frame| said(frame, frame_bytes_max)).collect()
}

fn said(frame: Box<RawValue>, frame_bytes_max: usize) -> Result<Said, Problem> {
    let text = frame.get();
    if text.len() > frame_bytes_max {
        let problem = Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "frame.too_large", "a frame is too large");
        let detail = format!("it has {} bytes, at most {frame_bytes_max} are read", text.len());
        return Err(problem.detail(detail).hint("the limit is frame_bytes_max of the welcome frame"));
    }
    match serde_json::from_str::<Close<'_>>(text) {
        Ok(Close { kind, code }) if kind == "close" => match code {
            Some(code) if !is_close_code(code) => {
                let problem = Problem::new(StatusCode::BAD_REQUEST, "frame.bad_field", "this code may not be sent");
                Err(problem.detail(format!("the code is {code}")).hint("send 4900 where the page goes away, or none"))
            }
            code => Ok(Said::Close(code)),
        },
        // Whatever is wrong with it is answered as it is over WebSocket.
        Ok(_) | Err(_) => Ok(Said::Frame(frame)),
    }
}

/// Has the conversation hear everything, in order.
async fn hear(talk: Arc<Talk>, frames: Vec<Said>) {
    let mut conversation = talk.conversation.lock().await;
    talk.connection.note_heard(talk.clock.now());
    let mut inputs = Inputs::new();
    for said in frames {
        if talk.connection.farewell().is_some() {
            break;
        }
        match said {
            Said::Frame(frame) => conversation.hear_text(frame.get(), &mut inputs),
            Said::Close(code) => conversation.hear_close(&CloseFrame { code, reason: "" }),
        }
    }
    tell(&conversation, inputs).await;
    if conversation.held_until().is_some() {
        talk.poke();
    }
}

/// Frames that one request may have.
const FRAMES_MAX: usize = 256;
/// Bytes that one request may have, in frames of the largest size.
const BODY_FRAMES_MAX: usize = 16;
/// How long the body of a request may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
