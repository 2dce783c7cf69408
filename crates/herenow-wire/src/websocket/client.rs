//! Frames of a client, which are masked: for tests and load tools. The server never makes one.

use crate::websocket::encoder;
use crate::websocket::frame::Opcode;
use crate::websocket::mask;

/// One frame of a client. Nothing is checked, so that tests can send what is wrong.
#[derive(Clone, Copy, Debug)]
pub struct ClientFrame<'a> {
    /// Whether the frame ends its message.
    pub is_final: bool,
    /// What the payload is.
    pub opcode: Opcode,
    /// The payload, not masked.
    pub payload: &'a [u8],
    /// What the payload is masked with. Should be random where a proxy that does not know WebSocket may be between.
    pub mask_key: [u8; 4],
}

impl<'a> ClientFrame<'a> {
    /// Makes the frame of a whole text message.
    pub const fn text(payload: &'a str, mask_key: [u8; 4]) -> Self {
        Self { is_final: true, opcode: Opcode::Text, payload: payload.as_bytes(), mask_key }
    }

    /// Appends the frame to `out`, masked.
    pub fn put(&self, out: &mut Vec<u8>) {
        let mut header = encoder::header(self.opcode, self.payload.len());
        if !self.is_final {
            header = header.not_final();
        }
        out.extend_from_slice(header.masked(self.mask_key).as_slice());
        let start = out.len();
        out.extend_from_slice(self.payload);
        mask::apply(&mut out[start..], self.mask_key);
    }
}

#[cfg(test)]
mod tests {
    use super::ClientFrame;
    use crate::websocket::frame::Opcode;

    #[test]
    fn makes_the_masked_frames_of_the_rfc() {
        let mut out = Vec::new();
        let mask_key = [0x37, 0xfa, 0x21, 0x3d];
        ClientFrame::text("Hello", mask_key).put(&mut out);
        assert_eq!(out, b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
        out.clear();
        ClientFrame { is_final: false, opcode: Opcode::Continuation, payload: b"", mask_key }.put(&mut out);
        assert_eq!(out, b"\x00\x80\x37\xfa\x21\x3d");
    }
}
