//! Bytes to messages. Small while nothing is under way, as it is for nearly all connections at any time.

use std::borrow::Cow;
use std::fmt;
use std::ops::ControlFlow;

use crate::websocket::error::DecodeError;
use crate::websocket::frame::{Header, Opcode, Sender};
use crate::websocket::incoming::{Incoming, Kind};
use crate::websocket::mask;
use crate::websocket::partial::{Frame, Head, Partial};

/// Takes the bytes of one connection in order, and hands out its whole messages.
///
/// A frame that lies whole in what is fed is handed out from there, without a copy. Only what is incomplete at the end
/// of a read is kept, in a box that is freed when the frame or the fragmented message is whole. It never holds more
/// than about twice what has arrived of the message, whatever a header announces.
///
/// It ends, and takes nothing more, after an error, after a close frame and after the receiver breaks off.
pub struct Decoder {
    partial: Option<Box<Partial>>,
    message_bytes_max: u32,
    sender: Sender,
    ended: bool,
}

impl Decoder {
    /// Makes the decoder of a server, which takes masked frames and messages of at most `message_bytes_max` bytes.
    ///
    /// The limit is for text and binary messages, all fragments together. Control frames have their own, 125 bytes.
    pub const fn new(message_bytes_max: u32) -> Self {
        Self { partial: None, message_bytes_max, sender: Sender::Client, ended: false }
    }

    /// Makes the decoder of a client, which takes frames without a mask. For tests and load tools.
    pub const fn for_client(message_bytes_max: u32) -> Self {
        Self { partial: None, message_bytes_max, sender: Sender::Server, ended: false }
    }

    /// Takes what was read and calls `next` for each message that is now whole, in order, until that breaks off.
    ///
    /// The bytes are unmasked where they are, so nothing can be said of their contents afterwards. All of them are
    /// taken: what is left after a break or a close frame is dropped, and so is all that is fed later. How the bytes
    /// are cut into reads changes neither the messages nor the error. Costs time in proportion to the bytes; text is
    /// looked at once, or twice where it did not arrive whole.
    ///
    /// # Errors
    /// At the first byte that cannot be right, after the messages before it were handed out. Text that is not UTF-8 is
    /// found inside incomplete frames and messages as well, and a message over the limit at the header that passes it.
    pub fn feed(
        &mut self,
        bytes: &mut [u8],
        next: impl FnMut(Incoming<'_>) -> ControlFlow<()>,
    ) -> Result<(), DecodeError> {
        let result = self.take_bytes(bytes, next);
        if result.is_err() {
            self.end();
        }
        result
    }

    /// Returns whether no frame and no fragmented message is under way. An idle decoder holds no memory besides itself.
    pub const fn is_idle(&self) -> bool {
        self.partial.is_none()
    }

    /// Returns whether the decoder takes nothing more: it failed, saw a close frame, or was broken off.
    pub const fn has_ended(&self) -> bool {
        self.ended
    }

    fn end(&mut self) {
        self.ended = true;
        self.partial = None;
    }

    fn take_bytes(
        &mut self,
        mut rest: &mut [u8],
        mut next: impl FnMut(Incoming<'_>) -> ControlFlow<()>,
    ) -> Result<(), DecodeError> {
        while !self.ended && !rest.is_empty() {
            let step = self.step(rest)?;
            if let Some(Whole { kind, payload }) = step.whole {
                let flow = next(Incoming::parse(kind, &payload)?);
                if flow.is_break() || kind == Kind::Close {
                    self.end();
                }
            }
            rest = step.rest;
        }
        Ok(())
    }

    /// Takes bytes up to the end of one frame, or all of them. `bytes` is not empty.
    fn step<'a>(&mut self, bytes: &'a mut [u8]) -> Result<Step<'a>, DecodeError> {
        let Some((mut frame, header_bytes)) = self.take_frame(bytes)? else {
            return Ok(Step { whole: None, rest: &mut [] });
        };
        let arrived = &mut bytes[header_bytes..];
        let (payload, rest) = arrived.split_at_mut(arrived.len().min(frame.remaining));
        mask::apply(payload, frame.key);
        frame.remaining -= payload.len();
        if frame.remaining == 0 {
            return Ok(Step { whole: self.finish_frame(&frame, payload)?, rest });
        }
        frame.key = mask::advance(frame.key, payload.len());
        let partial = self.partial.get_or_insert_default();
        // Where nothing of the payload is here, the rest may still come whole and need no copy.
        if !payload.is_empty() {
            partial.collect(&frame, payload)?;
        }
        partial.frame = Some(frame);
        Ok(Step { whole: None, rest })
    }

    /// Returns the frame under way, or the one that begins here, and how many of `bytes` belong to its header. `None`
    /// where that is still not whole; then all bytes were kept.
    fn take_frame(&mut self, bytes: &[u8]) -> Result<Option<(Frame, usize)>, DecodeError> {
        let mut head = Head::default();
        if let Some(partial) = self.partial.as_deref_mut() {
            if let Some(frame) = partial.frame.take() {
                return Ok(Some((frame, 0)));
            }
            head = std::mem::take(&mut partial.head);
        }
        let kept = head.as_slice().len();
        let parsed = if kept == 0 {
            Header::parse(bytes, self.sender)?
        } else {
            head.extend(bytes);
            Header::parse(head.as_slice(), self.sender)?
        };
        match parsed {
            Some((header, end)) => Ok(Some((self.admit(header)?, end - kept))),
            None => {
                if kept == 0 {
                    head.extend(bytes);
                }
                self.partial.get_or_insert_default().head = head;
                Ok(None)
            }
        }
    }

    /// Checks what only the frames before a header decide: whether it may come now, and the size of the whole.
    fn admit(&self, header: Header) -> Result<Frame, DecodeError> {
        let message = self.partial.as_deref().and_then(|partial| partial.message.as_ref());
        let kind = match (header.opcode, message) {
            (Opcode::Close, _) => Kind::Close,
            (Opcode::Ping, _) => Kind::Ping,
            (Opcode::Pong, _) => Kind::Pong,
            (Opcode::Text, None) => Kind::Text,
            (Opcode::Binary, None) => Kind::Binary,
            (Opcode::Continuation, Some(message)) => message.kind,
            (Opcode::Continuation, None) => return Err(DecodeError::UnexpectedContinuation),
            (Opcode::Text | Opcode::Binary, Some(_)) => return Err(DecodeError::InterruptedMessage),
        };
        if !kind.is_control() {
            let bytes = message.map_or(0, |message| message.bytes.len() as u64) + header.payload_bytes;
            let bytes_max = self.message_bytes_max;
            if bytes > u64::from(bytes_max) {
                return Err(DecodeError::MessageTooLong { bytes, bytes_max });
            }
        }
        let remaining = usize::try_from(header.payload_bytes).expect("at most a 32-bit limit, as checked above");
        Ok(Frame { is_final: header.is_final, kind, key: header.key, remaining })
    }

    /// Takes the last bytes of a frame, and returns what is whole now. `None` where more fragments must come.
    fn finish_frame<'a>(&mut self, frame: &Frame, payload: &'a [u8]) -> Result<Option<Whole<'a>>, DecodeError> {
        let begun = self.partial.as_deref().is_some_and(|partial| partial.holds(frame.kind));
        let payload = if frame.is_final && !begun {
            Cow::Borrowed(payload)
        } else {
            let partial = self.partial.get_or_insert_default();
            partial.collect(frame, payload)?;
            if !frame.is_final {
                return Ok(None);
            }
            Cow::Owned(partial.take(frame.kind))
        };
        if self.partial.as_deref().is_some_and(Partial::is_empty) {
            self.partial = None;
        }
        Ok(Some(Whole { kind: frame.kind, payload }))
    }
}

impl fmt::Debug for Decoder {
    /// Leaves out what has arrived: payloads do not belong into logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("message_bytes_max", &self.message_bytes_max)
            .field("sender", &self.sender)
            .field("is_idle", &self.is_idle())
            .field("has_ended", &self.ended)
            .finish()
    }
}

/// What became of some bytes.
struct Step<'a> {
    whole: Option<Whole<'a>>,
    /// The bytes behind what was taken.
    rest: &'a mut [u8],
}

/// A message or control frame that is whole, lent from the bytes or collected.
struct Whole<'a> {
    kind: Kind,
    payload: Cow<'a, [u8]>,
}
