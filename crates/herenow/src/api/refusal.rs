//! What a call was refused for, as a problem document: which status goes with which code.
use crate::problem::Problem;
use herenow_wire::{code::Code, problem::Problem as Said};
use http::StatusCode;
use serde::Deserialize;
use std::time::Duration;

/// A problem of which only the code is known.
pub fn refused(code: Code) -> Problem {
    Problem::new(status_of(code), code.as_str(), code.message()).hint(code.hint())
}

/// A problem with an exact text: lower-case, no full stop, with the value and the limit.
pub fn refused_for(code: Code, detail: impl Into<String>) -> Problem {
    refused(code).detail(detail)
}

/// What a dialect would put into an error frame.
pub fn refused_as(said: &Said) -> Problem {
    let problem = refused(said.code);
    let problem = match &said.detail {
        Some(detail) => problem.detail(detail.clone()),
        None => problem,
    };
    match said.retry_after {
        Some(wait) => problem.retry_after(wait),
        None => problem,
    }
}

/// What an error frame of the native dialect says.
pub fn refused_by_frame(text: &str) -> Problem {
    #[derive(Deserialize)]
    struct Frame {
        code: String,
        message: String,
        retry_after_ms: Option<u64>,
    }
    let frame = serde_json::from_str::<Frame>(text).ok();
    let known = frame.and_then(|frame| Some((Code::named(&frame.code)?, frame)));
    let Some((code, frame)) = known else { return refused(Code::ServerBusy) };
    let problem = refused_for(code, frame.message);
    match frame.retry_after_ms {
        Some(wait) => problem.retry_after(Duration::from_millis(wait)),
        None => problem,
    }
}

/// The status of an answer that refuses with a code.
pub const fn status_of(code: Code) -> StatusCode {
    match code {
        Code::AuthMissing
        | Code::AuthInvalid
        | Code::AuthExpired
        | Code::AuthRevoked
        | Code::AuthTimeout
        | Code::KeyUnknown => StatusCode::UNAUTHORIZED,
        Code::RoomForbidden
        | Code::RoomBlocked
        | Code::WatchForbidden
        | Code::AuthUserChanged
        | Code::OriginForbidden
        | Code::KeyNeeded
        | Code::KeyForbidden
        | Code::AuthNotAdmin => StatusCode::FORBIDDEN,
        Code::HttpNotFound => StatusCode::NOT_FOUND,
        Code::HttpMethod => StatusCode::METHOD_NOT_ALLOWED,
        Code::RoomNotJoined
        | Code::RoomObserving
        | Code::RoomTooMany
        | Code::RoomFull
        | Code::TypingTooManyTargets
        | Code::TypingOff
        | Code::LockNotHeld
        | Code::LockTooMany
        | Code::LockUnavailable
        | Code::WatchTooMany
        | Code::JoinCancelled => StatusCode::CONFLICT,
        Code::HttpTooLarge | Code::FrameTooLarge | Code::StateTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::HttpContentType | Code::DevContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Code::WsNotAnUpgrade | Code::WsVersion => StatusCode::UPGRADE_REQUIRED,
        Code::RateLimited | Code::RateFlood | Code::RateStreams | Code::ViewerTooMany => StatusCode::TOO_MANY_REQUESTS,
        Code::ServerNoRandom => StatusCode::INTERNAL_SERVER_ERROR,
        Code::ServerStopping | Code::ServerBusy | Code::AuthUnavailable | Code::RoomUnavailable => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        _ => StatusCode::BAD_REQUEST,
    }
}
