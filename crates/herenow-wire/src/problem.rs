//! What a client is told went wrong, before a dialect puts it in words of its own.
use crate::code::Code;
use herenow_core::{
    id::{RequestId, RoomId},
    refusal::Refusal,
};
use std::{borrow::Cow, time::Duration};

/// One thing that was not done, and why. Both dialects encode it as an error frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The client's number for the request, where it could be read.
    pub re: Option<RequestId>,
    /// The room that it was about, where it could be read.
    pub room: Option<RoomId>,
    /// Why, as a stable word.
    pub code: Code,
    /// Why, exactly: names the field, its value and the limit. Where absent, [`Code::message`] stands in.
    pub detail: Option<Cow<'static, str>>,
    /// How long to wait before trying again.
    pub retry_after: Option<Duration>,
}

impl Problem {
    /// A problem of which only the code is known.
    pub const fn new(code: Code) -> Self {
        Self { re: None, room: None, code, detail: None, retry_after: None }
    }

    /// A problem with an exact message: lower-case, no full stop, with the value and the limit.
    pub fn with_detail(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { detail: Some(detail.into()), ..Self::new(code) }
    }

    /// What the core refused.
    pub fn refused(re: Option<RequestId>, room: RoomId, refusal: Refusal) -> Self {
        Self { re, room: Some(room), ..Self::from(refusal) }
    }

    /// What is wrong, as exactly as is known.
    pub fn message(&self) -> &str {
        self.detail.as_deref().unwrap_or(self.code.message())
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotJoined => Self::new(Code::RoomNotJoined),
            Refusal::OnlyObserving => Self::new(Code::RoomObserving),
            Refusal::TooManyRooms { rooms_max } => Self::with_detail(
                Code::RoomTooMany,
                format!("this session is in as many rooms as it may be, at most {rooms_max} are allowed"),
            ),
            Refusal::TooManyTargets { targets_max } => Self::with_detail(
                Code::TypingTooManyTargets,
                format!(
                    "this session types into as many targets of the room as it may, at most {targets_max} are allowed"
                ),
            ),
            Refusal::StateTooLarge { bytes, bytes_max } => Self::with_detail(
                Code::StateTooLarge,
                format!("the state would have {bytes} bytes, at most {bytes_max} are allowed"),
            ),
            Refusal::StateTooManyKeys { keys_max } => Self::with_detail(
                Code::StateTooManyKeys,
                format!("the state would have too many keys, at most {keys_max} are allowed"),
            ),
            Refusal::RoomFull { viewers_max } => {
                Self::with_detail(Code::RoomFull, format!("as many users are in the room as may be, {viewers_max}"))
            }
            Refusal::TypingOff => Self::new(Code::TypingOff),
            Refusal::LockNotHeld => Self::new(Code::LockNotHeld),
            Refusal::LockUnavailable => Self::new(Code::LockUnavailable),
            Refusal::TooManyLocks { locks_max } => Self::with_detail(
                Code::LockTooMany,
                format!("too many locks are held or waited for, at most {locks_max} are allowed"),
            ),
            Refusal::Blocked { retry_after } => {
                let ms = retry_after.as_millis();
                let detail = format!("the user was put out of the room and may not come back for {ms} ms");
                Self { retry_after: Some(retry_after), ..Self::with_detail(Code::RoomBlocked, detail) }
            }
            Refusal::TooManyWatched { watched_max } => Self::with_detail(
                Code::WatchTooMany,
                format!("this session would watch more users than it may, at most {watched_max} are allowed"),
            ),
            Refusal::JoinCancelled => Self::new(Code::JoinCancelled),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Problem;
    use crate::code::Code;
    use herenow_core::refusal::Refusal;
    use std::time::Duration;

    #[test]
    fn a_refusal_names_its_limit() {
        let cases = [
            (Refusal::TooManyRooms { rooms_max: 51 }, Code::RoomTooMany, "51"),
            (Refusal::RoomFull { viewers_max: 12 }, Code::RoomFull, "12"),
            (Refusal::TooManyTargets { targets_max: 9 }, Code::TypingTooManyTargets, "9"),
            (Refusal::StateTooLarge { bytes: 5000, bytes_max: 4096 }, Code::StateTooLarge, "4096"),
            (Refusal::StateTooManyKeys { keys_max: 65 }, Code::StateTooManyKeys, "65"),
            (Refusal::TooManyLocks { locks_max: 33 }, Code::LockTooMany, "33"),
            (Refusal::TooManyWatched { watched_max: 1001 }, Code::WatchTooMany, "1001"),
            (Refusal::Blocked { retry_after: Duration::from_millis(2500) }, Code::RoomBlocked, "2500 ms"),
        ];
        for (refusal, code, limit) in cases {
            let problem = Problem::from(refusal);
            assert_eq!(problem.code, code);
            assert!(problem.message().contains(limit), "{}", problem.message());
        }
    }

    #[test]
    fn only_what_ends_by_itself_says_when_to_try_again() {
        let retry_after = Duration::from_millis(2500);
        assert_eq!(Problem::from(Refusal::Blocked { retry_after }).retry_after, Some(retry_after));
        assert_eq!(Problem::from(Refusal::LockNotHeld).retry_after, None);
    }

    #[test]
    fn without_detail_the_code_speaks() {
        let problem = Problem::from(Refusal::NotJoined);
        assert_eq!(problem.message(), Code::RoomNotJoined.message());
    }
}
