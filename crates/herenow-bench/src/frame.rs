//! WebSocket frames as a load generator needs them: cheap to write, cheap to skim. Not a general codec: the server is
//! ours and its frames are whole messages.
use memchr::memmem;

/// Appends a whole, masked client frame. The mask is zero: valid, and free to apply.
///
/// # Panics
/// On a payload over 65,535 bytes; the generator sends none.
pub fn push_client_frame(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    out.push(0x80 | opcode);
    let short = u8::try_from(payload.len()).ok().filter(|length| *length < 126);
    if let Some(length) = short {
        out.push(0x80 | length);
    } else {
        let length = u16::try_from(payload.len()).expect("the generator sends frames of at most 65,535 bytes");
        out.push(0x80 | 126);
        out.extend_from_slice(&length.to_be_bytes());
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(payload);
}

/// The first frame in some bytes of the server: its opcode, where its payload starts, and how long that is. `None` where the
/// header is not whole.
pub fn header(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (&[first, second], rest) = bytes.split_first_chunk()?;
    let (start, length) = match second & 0x7f {
        126 => (4, u64::from(u16::from_be_bytes(*rest.first_chunk()?))),
        127 => (10, u64::from_be_bytes(*rest.first_chunk()?)),
        length => (2, u64::from(length)),
    };
    Some((first & 0x0f, start, usize::try_from(length).unwrap_or(usize::MAX).min(usize::MAX - start)))
}

/// Opcode of a text frame.
pub const TEXT: u8 = 0x1;
/// Opcode of a close frame.
pub const CLOSE: u8 = 0x8;
/// Opcode of a ping.
pub const PING: u8 = 0x9;
/// Opcode of a pong.
pub const PONG: u8 = 0xA;

/// A JSON object of about `bytes` bytes (at least 40) that carries a number.
pub fn numbered_data(number: u64, bytes: usize) -> String {
    let head = format!("{{\"n\":\"{MARK}{number:016x}\",\"x\":\"");
    let fill = bytes.saturating_sub(head.len() + 2);
    format!("{head}{:x<fill$}\"}}", "")
}

/// The number that [`numbered_data`] put into a frame.
pub fn number_in(bytes: &[u8]) -> Option<u64> {
    let start = memmem::find(bytes, MARK.as_bytes())? + MARK.len();
    let digits = bytes.get(start..start + 16)?;
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// Stands before the 16 hexadecimal digits of a number; nothing else in the traffic holds it.
const MARK: &str = "@#";

#[cfg(test)]
mod tests {
    use super::{PING, TEXT, header, number_in, numbered_data, push_client_frame};

    #[test]
    fn client_frames_have_the_length_that_fits() {
        for (length, head) in [(0, 6), (125, 6), (126, 8), (65_535, 8)] {
            let mut out = Vec::new();
            push_client_frame(&mut out, TEXT, &vec![b'a'; length]);
            assert_eq!((out.len(), out[0], out[1] & 0x80), (head + length, 0x81, 0x80));
            // Unmasked it would be a server frame; the zero mask is then the start of its payload.
            out[1] &= 0x7f;
            assert_eq!(header(&out), Some((TEXT, head - 4, length)));
        }
    }

    #[test]
    fn headers_are_read_once_they_are_whole() {
        assert_eq!(header(&[0x89, 1, b'p']), Some((PING, 2, 1)));
        assert_eq!(header(&[0x81, 126, 1, 0]), Some((TEXT, 4, 256)));
        let long = [0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0];
        assert_eq!(header(&long), Some((TEXT, 10, 65_536)));
        for cut in [0, 1, 2, 3, 4, 9] {
            assert_eq!(header(&long[..cut]), None);
        }
        // No such frame will ever be whole, and its end is no overflow.
        assert_eq!(header(&[0x81, 127, 255, 255, 255, 255, 255, 255, 255, 255]), Some((TEXT, 10, usize::MAX - 10)));
    }

    #[test]
    fn a_number_is_found_in_the_data_that_carries_it() {
        let data = numbered_data(0xfeed_beef, 100);
        assert_eq!(data.len(), 100);
        assert_eq!(number_in(data.as_bytes()), Some(0xfeed_beef));
        assert_eq!(number_in(b"@#123"), None);
        assert_eq!(number_in(b"@#zzzzzzzzzzzzzzzz"), None);
    }
}
