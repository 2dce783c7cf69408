//! What arrives: whole messages, pings, pongs and the close, borrowed from where they were read.

use crate::websocket::error::DecodeError;

/// A whole message or control frame of the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// A text message, its fragments joined.
    Text(&'a str),
    /// A binary message, its fragments joined.
    Binary(&'a [u8]),
    /// A ping, to be answered with a pong of the same payload, at most 125 bytes.
    Ping(&'a [u8]),
    /// A pong, at most 125 bytes, asked for or not.
    Pong(&'a [u8]),
    /// The peer's last frame. The decoder takes nothing after it.
    Close(CloseFrame<'a>),
}

impl<'a> Incoming<'a> {
    pub(super) fn parse(kind: Kind, payload: &'a [u8]) -> Result<Self, DecodeError> {
        match kind {
            Kind::Text => str::from_utf8(payload).map(Self::Text).map_err(|_not_utf8| DecodeError::TextNotUtf8),
            Kind::Binary => Ok(Self::Binary(payload)),
            Kind::Ping => Ok(Self::Ping(payload)),
            Kind::Pong => Ok(Self::Pong(payload)),
            Kind::Close => CloseFrame::parse(payload).map(Self::Close),
        }
    }
}

/// Why the peer closes. Always a code that may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseFrame<'a> {
    /// The code; `None` where the frame had no payload.
    pub code: Option<u16>,
    /// The reason, at most 123 bytes, mostly empty.
    pub reason: &'a str,
}

impl<'a> CloseFrame<'a> {
    pub(super) fn parse(payload: &'a [u8]) -> Result<Self, DecodeError> {
        let Some((code, reason)) = payload.split_first_chunk() else {
            return if payload.is_empty() {
                Ok(Self { code: None, reason: "" })
            } else {
                Err(DecodeError::CloseTooShort)
            };
        };
        let code = u16::from_be_bytes(*code);
        if !is_close_code(code) {
            return Err(DecodeError::CloseCode { code });
        }
        match str::from_utf8(reason) {
            Ok(reason) => Ok(Self { code: Some(code), reason }),
            Err(_not_utf8) => Err(DecodeError::CloseReasonNotUtf8),
        }
    }
}

/// Returns whether a close frame may carry `code`: those defined by RFC 6455 for frames, those registered since
/// (1012 to 1014), and those left to libraries and applications (3000 to 4999).
pub const fn is_close_code(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// What a frame, or the fragmented message it belongs to, becomes when it is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Binary,
    Ping,
    Pong,
    Close,
}

impl Kind {
    pub(super) const fn is_control(self) -> bool {
        match self {
            Self::Text | Self::Binary => false,
            Self::Ping | Self::Pong | Self::Close => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CloseFrame, Incoming, Kind, is_close_code};
    use crate::websocket::error::DecodeError;

    #[test]
    fn takes_the_close_codes_that_may_be_sent_and_no_others() {
        for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999] {
            assert!(is_close_code(code), "{code}");
        }
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, u16::MAX] {
            assert!(!is_close_code(code), "{code}");
            let payload = code.to_be_bytes();
            assert_eq!(Incoming::parse(Kind::Close, &payload), Err(DecodeError::CloseCode { code }));
        }
    }

    #[test]
    fn reads_a_close_with_and_without_code_and_reason() {
        let parse = |payload: &'static [u8]| Incoming::parse(Kind::Close, payload);
        assert_eq!(parse(b""), Ok(Incoming::Close(CloseFrame { code: None, reason: "" })));
        assert_eq!(parse(b"\x03"), Err(DecodeError::CloseTooShort));
        assert_eq!(parse(b"\x03\xe8"), Ok(Incoming::Close(CloseFrame { code: Some(1000), reason: "" })));
        assert_eq!(parse(b"\x03\xe9bye"), Ok(Incoming::Close(CloseFrame { code: Some(1001), reason: "bye" })));
        assert_eq!(parse(b"\x03\xe8\xff"), Err(DecodeError::CloseReasonNotUtf8));
        assert_eq!(parse(b"\x03\xe8\xe2\x82"), Err(DecodeError::CloseReasonNotUtf8));
    }
}
