//! What a peer can do wrong on a WebSocket, and the close code each wrong is answered with.

use std::error::Error;
use std::fmt;

/// Why the bytes of a peer are not a WebSocket the decoder takes.
///
/// Retrying never helps: the decoder has forgotten the connection's bytes and takes no more. The driver answers with a
/// close frame of [`close_code`](Self::close_code) and ends the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// A reserved bit is set, though no extension was agreed on.
    ReservedBits {
        /// The first byte of the frame.
        first: u8,
    },
    /// The opcode is one that has no meaning yet.
    ReservedOpcode {
        /// The opcode, 3 to 7 or 11 to 15.
        opcode: u8,
    },
    /// A client sent a frame without a mask.
    Unmasked,
    /// A server sent a frame with a mask.
    Masked,
    /// A length was written in more bytes than it needs.
    LengthNotMinimal {
        /// The length in bytes.
        bytes: u64,
    },
    /// The highest bit of a 64-bit length is set.
    LengthTopBit,
    /// A close, ping or pong was sent in fragments.
    ControlFragmented,
    /// A close, ping or pong is longer than [`CONTROL_BYTES_MAX`](crate::websocket::frame::CONTROL_BYTES_MAX).
    ControlTooLong {
        /// Bytes of payload that the header announces.
        bytes: u64,
    },
    /// A continuation came while no message was under way.
    UnexpectedContinuation,
    /// A new message began before the fragmented one under way had ended.
    InterruptedMessage,
    /// A close frame has a payload of one byte: neither none nor a whole code.
    CloseTooShort,
    /// A close frame has a code that may not be sent.
    CloseCode {
        /// The code.
        code: u16,
    },
    /// A text message is not UTF-8.
    TextNotUtf8,
    /// The reason of a close frame is not UTF-8.
    CloseReasonNotUtf8,
    /// A message is longer than the decoder takes. Nothing of the frame that would pass the limit was kept.
    MessageTooLong {
        /// Bytes that the message would have after the frame.
        bytes: u64,
        /// Bytes that it may have.
        bytes_max: u32,
    },
}

impl DecodeError {
    /// Returns the close code to answer with: 1002 (protocol), 1007 (not UTF-8) or 1009 (too long).
    pub const fn close_code(&self) -> u16 {
        match self {
            Self::ReservedBits { .. }
            | Self::ReservedOpcode { .. }
            | Self::Unmasked
            | Self::Masked
            | Self::LengthNotMinimal { .. }
            | Self::LengthTopBit
            | Self::ControlFragmented
            | Self::ControlTooLong { .. }
            | Self::UnexpectedContinuation
            | Self::InterruptedMessage
            | Self::CloseTooShort
            | Self::CloseCode { .. } => 1002,
            Self::TextNotUtf8 | Self::CloseReasonNotUtf8 => 1007,
            Self::MessageTooLong { .. } => 1009,
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReservedBits { first } => write!(f, "frame begins with {first:#04x}, which sets a reserved bit"),
            Self::ReservedOpcode { opcode } => write!(f, "opcode {opcode} is reserved"),
            Self::Unmasked => f.write_str("frame from a client is not masked"),
            Self::Masked => f.write_str("frame from a server is masked"),
            Self::LengthNotMinimal { bytes } => write!(f, "length of {bytes} bytes is written longer than it needs"),
            Self::LengthTopBit => f.write_str("64-bit length has its highest bit set"),
            Self::ControlFragmented => f.write_str("control frame is fragmented"),
            Self::ControlTooLong { bytes } => write!(f, "control frame has {bytes} bytes, at most 125 are allowed"),
            Self::UnexpectedContinuation => f.write_str("continuation without a message under way"),
            Self::InterruptedMessage => f.write_str("message began inside a fragmented message"),
            Self::CloseTooShort => f.write_str("close frame has 1 byte, a code needs 2"),
            Self::CloseCode { code } => write!(f, "close code {code} may not be sent"),
            Self::TextNotUtf8 => f.write_str("text message is not utf-8"),
            Self::CloseReasonNotUtf8 => f.write_str("reason of a close frame is not utf-8"),
            Self::MessageTooLong { bytes, bytes_max } => {
                write!(f, "message has {bytes} bytes, at most {bytes_max} are allowed")
            }
        }
    }
}

impl Error for DecodeError {}
