//! The header of a frame: what it says, and which headers are refused as soon as their bytes are there.

use crate::websocket::error::DecodeError;

/// The most bytes of payload that a close, ping or pong may have.
pub const CONTROL_BYTES_MAX: usize = 125;

/// The most bytes that a header has: two, a 64-bit length and a mask.
pub(super) const HEADER_BYTES_MAX: usize = 14;

/// Says what the payload of a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// More of the fragmented message under way.
    Continuation = 0,
    /// A text message, or the beginning of one.
    Text = 1,
    /// A binary message, or the beginning of one.
    Binary = 2,
    /// The end of the connection.
    Close = 8,
    /// To be answered with a pong of the same payload.
    Ping = 9,
    /// The answer to a ping, or a sign of life by itself.
    Pong = 10,
}

impl Opcode {
    /// Returns whether frames of this opcode are control frames: short, never fragmented, allowed between fragments.
    pub const fn is_control(self) -> bool {
        match self {
            Self::Continuation | Self::Text | Self::Binary => false,
            Self::Close | Self::Ping | Self::Pong => true,
        }
    }

    const fn from_bits(bits: u8) -> Result<Self, DecodeError> {
        match bits {
            0 => Ok(Self::Continuation),
            1 => Ok(Self::Text),
            2 => Ok(Self::Binary),
            8 => Ok(Self::Close),
            9 => Ok(Self::Ping),
            10 => Ok(Self::Pong),
            opcode => Err(DecodeError::ReservedOpcode { opcode }),
        }
    }
}

/// The end of a connection that sent the frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    /// Masks each frame.
    Client,
    /// Masks none.
    Server,
}

/// A header that is whole and allowed by itself; whether it may come now depends on the frames before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) is_final: bool,
    pub(super) opcode: Opcode,
    pub(super) payload_bytes: u64,
    /// All zero where the frame is not masked, which leaves the payload as it is.
    pub(super) key: [u8; 4],
}

impl Header {
    /// Reads the header at the beginning of `bytes`, and how many bytes it takes. `None` while it is not whole.
    ///
    /// # Errors
    /// When what is there is already wrong, also where the header is not whole. Wrongs are looked for in the order of
    /// the bytes, so that the error does not depend on how the bytes were cut.
    pub(super) fn parse(bytes: &[u8], sender: Sender) -> Result<Option<(Self, usize)>, DecodeError> {
        let Some(&first) = bytes.first() else { return Ok(None) };
        if first & RESERVED_BITS != 0 {
            return Err(DecodeError::ReservedBits { first });
        }
        let opcode = Opcode::from_bits(first & OPCODE_BITS)?;
        let is_final = first & FINAL_BIT != 0;
        if opcode.is_control() && !is_final {
            return Err(DecodeError::ControlFragmented);
        }

        let Some(&second) = bytes.get(1) else { return Ok(None) };
        match (sender, second & MASK_BIT != 0) {
            (Sender::Client, false) => return Err(DecodeError::Unmasked),
            (Sender::Server, true) => return Err(DecodeError::Masked),
            (Sender::Client, true) | (Sender::Server, false) => {}
        }
        let Some((payload_bytes, length_end)) = parse_length(second & LENGTH_BITS, bytes)? else { return Ok(None) };
        if opcode.is_control() && payload_bytes > CONTROL_BYTES_MAX as u64 {
            return Err(DecodeError::ControlTooLong { bytes: payload_bytes });
        }
        if opcode == Opcode::Close && payload_bytes == 1 {
            return Err(DecodeError::CloseTooShort);
        }

        let (key, end) = match sender {
            Sender::Server => ([0; 4], length_end),
            Sender::Client => match bytes[length_end..].first_chunk() {
                Some(key) => (*key, length_end + key.len()),
                None => return Ok(None),
            },
        };
        Ok(Some((Self { is_final, opcode, payload_bytes, key }, end)))
    }
}

/// Reads the length whose short form is `short`, and where it ends in `bytes`.
fn parse_length(short: u8, bytes: &[u8]) -> Result<Option<(u64, usize)>, DecodeError> {
    let (length, end, length_min) = match short {
        LENGTH_IN_2 => match bytes[2..].first_chunk() {
            Some(length) => (u64::from(u16::from_be_bytes(*length)), 4, u64::from(LENGTH_IN_2)),
            None => return Ok(None),
        },
        LENGTH_IN_8 => match bytes[2..].first_chunk() {
            Some(length) => (u64::from_be_bytes(*length), 10, 1 << 16),
            None => return Ok(None),
        },
        length => return Ok(Some((u64::from(length), 2))),
    };
    if length >> 63 != 0 {
        return Err(DecodeError::LengthTopBit);
    }
    if length < length_min {
        return Err(DecodeError::LengthNotMinimal { bytes: length });
    }
    Ok(Some((length, end)))
}

/// Set on the last frame of a message.
pub(super) const FINAL_BIT: u8 = 0x80;
const RESERVED_BITS: u8 = 0x70;
const OPCODE_BITS: u8 = 0x0f;
/// Set where a key follows the length.
pub(super) const MASK_BIT: u8 = 0x80;
const LENGTH_BITS: u8 = 0x7f;
/// Stands for a length in the next two bytes.
pub(super) const LENGTH_IN_2: u8 = 126;
/// Stands for a length in the next eight bytes.
pub(super) const LENGTH_IN_8: u8 = 127;

#[cfg(test)]
mod tests {
    use super::{Header, Opcode, Sender};
    use crate::websocket::error::DecodeError;

    fn parse(bytes: &[u8]) -> Result<Option<(Header, usize)>, DecodeError> {
        Header::parse(bytes, Sender::Client)
    }

    #[test]
    fn reads_each_form_of_length_and_waits_for_its_last_byte() {
        let cases: [(&[u8], u64); 5] = [
            (&[0x81, 0x80, 1, 2, 3, 4], 0),
            (&[0x81, 0xfd, 1, 2, 3, 4], 125),
            (&[0x81, 0xfe, 0, 126, 1, 2, 3, 4], 126),
            (&[0x81, 0xfe, 0xff, 0xff, 1, 2, 3, 4], 65_535),
            (&[0x81, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4], 65_536),
        ];
        for (bytes, payload_bytes) in cases {
            for cut in 0..bytes.len() {
                assert_eq!(parse(&bytes[..cut]), Ok(None), "{payload_bytes} cut at {cut}");
            }
            let header = Header { is_final: true, opcode: Opcode::Text, payload_bytes, key: [1, 2, 3, 4] };
            assert_eq!(parse(bytes), Ok(Some((header, bytes.len()))));
        }
    }

    #[test]
    fn refuses_at_the_first_byte_that_shows_the_wrong() {
        for bit in [0x10, 0x20, 0x40] {
            assert_eq!(parse(&[0x81 | bit]), Err(DecodeError::ReservedBits { first: 0x81 | bit }));
        }
        for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
            assert_eq!(parse(&[0x80 | opcode]), Err(DecodeError::ReservedOpcode { opcode }));
        }
        for opcode in [8, 9, 10] {
            assert_eq!(parse(&[opcode]), Err(DecodeError::ControlFragmented));
            let long = [0x80 | opcode, 0xfe, 0, 126];
            assert_eq!(parse(&long[..3]), Ok(None));
            assert_eq!(parse(&long), Err(DecodeError::ControlTooLong { bytes: 126 }));
        }
        assert_eq!(parse(&[0x81, 0x05]), Err(DecodeError::Unmasked));
        assert_eq!(Header::parse(&[0x81, 0x85], Sender::Server), Err(DecodeError::Masked));
        assert_eq!(parse(&[0x88, 0x81]), Err(DecodeError::CloseTooShort));
        assert_eq!(parse(&[0x82, 0xfe, 0, 125]), Err(DecodeError::LengthNotMinimal { bytes: 125 }));
        let short_in_8 = [0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff];
        assert_eq!(parse(&short_in_8), Err(DecodeError::LengthNotMinimal { bytes: 65_535 }));
        assert_eq!(parse(&[0x82, 0xff, 0x80, 0, 0, 0, 0, 1, 0, 0]), Err(DecodeError::LengthTopBit));
    }
}
