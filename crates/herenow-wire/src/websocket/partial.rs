//! What a decoder must remember between two reads, while a frame or a fragmented message is incomplete.

use crate::websocket::error::DecodeError;
use crate::websocket::frame::HEADER_BYTES_MAX;
use crate::websocket::incoming::Kind;

/// The state of a decoder between reads. An empty one is worth nothing and is freed.
///
/// `head` is not empty only while `frame` is `None`; `control` is not empty only while `frame` is a control frame.
#[derive(Default)]
pub(super) struct Partial {
    /// The beginning of a header.
    pub(super) head: Head,
    /// The frame whose payload has not arrived whole.
    pub(super) frame: Option<Frame>,
    /// The message whose frames have not arrived whole.
    pub(super) message: Option<Message>,
    /// What has arrived of a control frame, which may come inside `message`.
    pub(super) control: Vec<u8>,
}

impl Partial {
    /// Returns whether it may be freed. `control` needs no look: without a frame it is empty.
    pub(super) fn is_empty(&self) -> bool {
        self.head.as_slice().is_empty() && self.frame.is_none() && self.message.is_none()
    }

    /// Keeps `payload`, the next part of `frame`, whose `remaining` already leaves it out.
    ///
    /// # Errors
    /// When a text message is no longer UTF-8.
    pub(super) fn collect(&mut self, frame: &Frame, payload: &[u8]) -> Result<(), DecodeError> {
        if frame.kind.is_control() {
            self.control.extend_from_slice(payload);
            return Ok(());
        }
        self.message.get_or_insert_with(|| Message::new(frame.kind)).append(frame, payload)
    }

    /// Returns whether a part of what `kind` stands for, a control frame or the message, was kept.
    pub(super) fn holds(&self, kind: Kind) -> bool {
        if kind.is_control() { !self.control.is_empty() } else { self.message.is_some() }
    }

    /// Hands out what was kept of the control frame or the message, and forgets it.
    pub(super) fn take(&mut self, kind: Kind) -> Vec<u8> {
        if kind.is_control() {
            return std::mem::take(&mut self.control);
        }
        self.message.take().map(|message| message.bytes).unwrap_or_default()
    }
}

/// The beginning of a header that is not whole.
#[derive(Clone, Copy, Default)]
pub(super) struct Head {
    bytes: [u8; HEADER_BYTES_MAX],
    count: usize,
}

impl Head {
    /// Adds the first of `bytes`, up to the length of the longest header.
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        let added = bytes.len().min(HEADER_BYTES_MAX - self.count);
        self.bytes[self.count..self.count + added].copy_from_slice(&bytes[..added]);
        self.count += added;
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.count]
    }
}

/// A frame whose header has arrived, and what is missing of its payload.
pub(super) struct Frame {
    pub(super) is_final: bool,
    /// For a continuation, the kind of the message it continues.
    pub(super) kind: Kind,
    /// As it meets the first byte that is missing.
    pub(super) key: [u8; 4],
    /// Bytes of payload that are missing.
    pub(super) remaining: usize,
}

/// A data message, as far as it has arrived. A text is UTF-8 as far as that can be said yet.
pub(super) struct Message {
    pub(super) kind: Kind,
    pub(super) bytes: Vec<u8>,
    /// How many of `bytes` are whole characters. Only text moves it.
    utf8_bytes: usize,
}

impl Message {
    fn new(kind: Kind) -> Self {
        Self { kind, bytes: Vec::new(), utf8_bytes: 0 }
    }

    fn append(&mut self, frame: &Frame, payload: &[u8]) -> Result<(), DecodeError> {
        // A header is not trusted with memory: at most as much is reserved ahead as has arrived. Where the end is
        // known, it is not passed either.
        let ahead = frame.remaining.min(self.bytes.len() + payload.len());
        if self.bytes.capacity() - self.bytes.len() < payload.len() {
            if frame.is_final {
                self.bytes.reserve_exact(payload.len() + ahead);
            } else {
                self.bytes.reserve(payload.len() + ahead);
            }
        }
        self.bytes.extend_from_slice(payload);
        if self.kind == Kind::Text { self.check_utf8() } else { Ok(()) }
    }

    /// Looks at the bytes that are not known to be whole characters. At most three of them are looked at again when
    /// more arrive.
    fn check_utf8(&mut self) -> Result<(), DecodeError> {
        match str::from_utf8(&self.bytes[self.utf8_bytes..]) {
            Ok(_whole) => self.utf8_bytes = self.bytes.len(),
            Err(error) if error.error_len().is_none() => self.utf8_bytes += error.valid_up_to(),
            Err(_wrong) => return Err(DecodeError::TextNotUtf8),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Frame, Message};
    use crate::websocket::incoming::Kind;

    #[test]
    fn only_the_bytes_of_a_split_character_are_looked_at_again() {
        let mut message = Message::new(Kind::Text);
        let frame = Frame { is_final: false, kind: Kind::Text, key: [0; 4], remaining: 0 };
        for (part, utf8_bytes) in [(&b"ab"[..], 2), (b"c\xf0\x9f", 3), (b"\x98", 3), (b"\x80d", 8)] {
            assert_eq!(message.append(&frame, part), Ok(()));
            assert_eq!(message.utf8_bytes, utf8_bytes);
        }
    }

    #[test]
    fn a_message_reserves_no_more_than_has_arrived_and_never_passes_a_known_end() {
        let declared = 1_000_000;
        let mut message = Message::new(Kind::Binary);
        let mut frame = Frame { is_final: true, kind: Kind::Binary, key: [0; 4], remaining: declared };
        for part in [1, 10, 1000, 65_536, 65_536, 300_000, 500_000] {
            frame.remaining -= part;
            assert_eq!(message.append(&frame, &vec![0; part]), Ok(()));
            let (length, capacity) = (message.bytes.len(), message.bytes.capacity());
            assert!(capacity <= (2 * length).min(declared), "{capacity} bytes for {length}");
        }

        // Many small fragments do not move the whole message each time.
        let mut message = Message::new(Kind::Binary);
        let fragment = Frame { is_final: false, kind: Kind::Binary, key: [0; 4], remaining: 0 };
        let mut moves = 0;
        for _ in 0..10_000 {
            let before = message.bytes.capacity();
            assert_eq!(message.append(&fragment, &[0; 10]), Ok(()));
            moves += u32::from(message.bytes.capacity() != before);
        }
        assert!(moves < 30, "{moves} moves");
    }
}
