//! Messages to frames of a server: whole, not masked, made once and shared by all who get them.

use bytes::{BufMut, Bytes};

use crate::websocket::frame::{
    CONTROL_BYTES_MAX, FINAL_BIT, HEADER_BYTES_MAX, Header, LENGTH_IN_2, LENGTH_IN_8, MASK_BIT, Opcode, Sender,
};
use crate::websocket::incoming::{CloseFrame, is_close_code};

/// The most bytes that the reason of a close frame has; what is longer is cut at a character.
pub const CLOSE_REASON_BYTES_MAX: usize = CONTROL_BYTES_MAX - 2;

/// The bytes of a header, to be written in front of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    bytes: [u8; HEADER_BYTES_MAX],
    count: u8,
}

impl FrameHeader {
    /// Returns the bytes: 2, 4 or 10 of them, and 4 more where the frame is masked.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.count)]
    }

    /// Makes it the header of a frame that does not end its message.
    pub(super) const fn not_final(mut self) -> Self {
        self.bytes[0] &= !FINAL_BIT;
        self
    }

    /// Makes it the header of a frame that is masked with `key`.
    pub(super) fn masked(mut self, key: [u8; 4]) -> Self {
        self.bytes[1] |= MASK_BIT;
        let end = usize::from(self.count);
        self.bytes[end..end + key.len()].copy_from_slice(&key);
        self.count += 4;
        self
    }
}

/// Makes the header of a frame that is a whole message of `payload_bytes` bytes.
///
/// For payloads that are written from where they lie; the other functions copy the payload behind the header.
pub fn header(opcode: Opcode, payload_bytes: usize) -> FrameHeader {
    let mut bytes = [0; HEADER_BYTES_MAX];
    bytes[0] = FINAL_BIT | opcode as u8;
    let length = (payload_bytes as u64).to_be_bytes();
    let count = match payload_bytes {
        0..=125 => {
            bytes[1] = length[7];
            2
        }
        126..=0xffff => {
            bytes[1] = LENGTH_IN_2;
            bytes[2..4].copy_from_slice(&length[6..]);
            4
        }
        _ => {
            bytes[1] = LENGTH_IN_8;
            bytes[2..10].copy_from_slice(&length);
            10
        }
    };
    FrameHeader { bytes, count }
}

/// Reads the header of a frame that was made here back: what it is, and how many bytes the header takes. `None` for what was
/// not made here.
///
/// For those who carry the same messages in another way.
pub fn opened(frame: &[u8]) -> Option<(Opcode, usize)> {
    let (header, bytes) = Header::parse(frame, Sender::Server).ok()??;
    Some((header.opcode, bytes))
}

/// Reads a whole close frame that was made here back. `None` for what was not made here.
pub fn opened_close(frame: &[u8]) -> Option<CloseFrame<'_>> {
    match opened(frame)? {
        (Opcode::Close, bytes) => CloseFrame::parse(&frame[bytes..]).ok(),
        _ => None,
    }
}

/// Appends a whole frame to `out`, for writes that take several messages together.
pub fn put_frame(out: &mut impl BufMut, opcode: Opcode, payload: &[u8]) {
    out.put_slice(header(opcode, payload.len()).as_slice());
    out.put_slice(payload);
}

/// Makes a text message of `payload`, which must be UTF-8: the peer ends the connection otherwise.
pub fn text(payload: &[u8]) -> Bytes {
    frame(Opcode::Text, payload)
}

/// Makes a binary message of `payload`.
pub fn binary(payload: &[u8]) -> Bytes {
    frame(Opcode::Binary, payload)
}

/// Makes the beginning of a text message, whose last `body_bytes` bytes are written right behind it.
///
/// For a short head that differs by receiver before a body that all share: only the head is copied. Head and body
/// together must be UTF-8.
pub fn text_before_body(head: &[u8], body_bytes: usize) -> Bytes {
    join(header(Opcode::Text, head.len() + body_bytes), head)
}

/// Makes a ping of `payload`, which comes back in the pong.
///
/// # Panics
/// When the payload is longer than [`CONTROL_BYTES_MAX`].
pub fn ping(payload: &[u8]) -> Bytes {
    control(Opcode::Ping, payload)
}

/// Makes a pong of `payload`, which is that of the ping it answers.
///
/// # Panics
/// When the payload is longer than [`CONTROL_BYTES_MAX`], as no payload of a decoded ping is.
pub fn pong(payload: &[u8]) -> Bytes {
    control(Opcode::Pong, payload)
}

/// Makes a close frame. A reason over [`CLOSE_REASON_BYTES_MAX`] is cut at the last character that fits.
///
/// # Panics
/// When `code` may not be sent; see [`is_close_code`].
pub fn close(code: u16, reason: &str) -> Bytes {
    assert!(is_close_code(code), "close code {code} may not be sent");
    let reason = &reason[..reason.floor_char_boundary(CLOSE_REASON_BYTES_MAX)];
    control(Opcode::Close, &[&code.to_be_bytes(), reason.as_bytes()].concat())
}

/// Makes the answer to the close frame of a peer: the same code, or none where it had none, and no reason.
///
/// # Panics
/// When its code may not be sent, as no decoded one is.
pub fn close_answer(received: &CloseFrame<'_>) -> Bytes {
    match received.code {
        Some(code) => close(code, ""),
        None => control(Opcode::Close, &[]),
    }
}

fn control(opcode: Opcode, payload: &[u8]) -> Bytes {
    let bytes = payload.len();
    assert!(bytes <= CONTROL_BYTES_MAX, "control frame of {bytes} bytes, at most {CONTROL_BYTES_MAX} are allowed");
    frame(opcode, payload)
}

fn frame(opcode: Opcode, payload: &[u8]) -> Bytes {
    join(header(opcode, payload.len()), payload)
}

/// Of the exact capacity, so that `Bytes` takes the memory over without an allocation of its own.
fn join(header: FrameHeader, payload: &[u8]) -> Bytes {
    Bytes::from([header.as_slice(), payload].concat())
}

#[cfg(test)]
mod tests {
    use super::{
        CLOSE_REASON_BYTES_MAX, close, close_answer, header, opened, opened_close, ping, pong, text, text_before_body,
    };
    use crate::websocket::frame::Opcode;
    use crate::websocket::incoming::CloseFrame;

    #[test]
    fn writes_the_shortest_form_of_length() {
        let cases: [(usize, &[u8]); 7] = [
            (0, &[0x82, 0]),
            (125, &[0x82, 125]),
            (126, &[0x82, 126, 0, 126]),
            (256, &[0x82, 126, 1, 0]),
            (65_535, &[0x82, 126, 0xff, 0xff]),
            (65_536, &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
            (0x1_2345_6789, &[0x82, 127, 0, 0, 0, 1, 0x23, 0x45, 0x67, 0x89]),
        ];
        for (payload_bytes, expected) in cases {
            assert_eq!(header(Opcode::Binary, payload_bytes).as_slice(), expected);
        }
    }

    #[test]
    fn makes_the_frames_of_the_rfc() {
        assert_eq!(&text(b"Hello")[..], b"\x81\x05Hello");
        assert_eq!(&ping(b"Hello")[..], b"\x89\x05Hello");
        assert_eq!(&pong(b"")[..], b"\x8a\x00");
        assert_eq!(&close(1001, "bye")[..], b"\x88\x05\x03\xe9bye");
    }

    #[test]
    fn a_head_and_its_body_are_one_message() {
        let body = [b'b'; 200];
        let whole = text(&[&b"head"[..], &body[..]].concat());
        assert_eq!([&text_before_body(b"head", body.len())[..], &body[..]].concat(), whole);
    }

    #[test]
    fn opens_what_it_made() {
        for bytes in [0, 125, 126, 65_535, 65_536] {
            let payload = vec![b'x'; bytes];
            let frame = text(&payload);
            let (opcode, header) = opened(&frame).unwrap();
            assert_eq!((opcode, &frame[header..]), (Opcode::Text, &payload[..]));
            assert_eq!(opened_close(&frame), None);
        }
        assert_eq!(opened(&text_before_body(b"head", 70_000)).unwrap(), (Opcode::Text, 10));
        let told = close(4401, "auth.expired");
        assert_eq!(opened_close(&told), Some(CloseFrame { code: Some(4401), reason: "auth.expired" }));
        assert_eq!(opened_close(&close_answer(&CloseFrame { code: None, reason: "" })).unwrap().code, None);
        for not_ours in [&b""[..], b"\x81", b"GET /", b"\x81\x80abcd"] {
            assert_eq!(opened(not_ours), None);
        }
    }

    #[test]
    fn cuts_a_long_reason_at_a_character() {
        // 1 + 61 * 2 bytes fit exactly; a byte more, and the last character would be split.
        assert_eq!(close(1000, &format!("a{}", "é".repeat(61))).len(), 2 + 2 + CLOSE_REASON_BYTES_MAX);
        assert_eq!(close(1000, &"é".repeat(62)).len(), 2 + 2 + CLOSE_REASON_BYTES_MAX - 1);
    }

    #[test]
    fn answers_a_close_with_its_code() {
        assert_eq!(&close_answer(&CloseFrame { code: Some(4900), reason: "x" })[..], b"\x88\x02\x13\x24");
        assert_eq!(&close_answer(&CloseFrame { code: None, reason: "" })[..], b"\x88\x00");
    }

    #[test]
    #[should_panic(expected = "close code 1006 may not be sent")]
    fn never_sends_a_code_that_may_not_be_sent() {
        let _frame = close(1006, "");
    }

    #[test]
    #[should_panic(expected = "control frame of 126 bytes")]
    fn never_sends_a_long_ping() {
        let _frame = ping(&[0; 126]);
    }
}
