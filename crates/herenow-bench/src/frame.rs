//! WebSocket frames as a load generator needs them: cheap to write, cheap to skim. Not a general codec: the server is
//! ours and its frames are whole messages.
use memchr::memmem;
use std::ops::Range;

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

/// Where the first frame in some bytes of the server lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What kind it is: [`TEXT`], [`CLOSE`], [`PING`] ...
    pub opcode: u8,
    /// Its payload; the next frame begins at its end.
    pub payload: Range<usize>,
}

/// Finds the first frame, or `None` where more bytes are needed.
pub fn find_server_frame(bytes: &[u8]) -> Option<Found> {
    let (&[first, second], rest) = bytes.split_first_chunk()?;
    let (start, length) = match second & 0x7f {
        126 => (4, u64::from(u16::from_be_bytes(*rest.first_chunk()?))),
        127 => (10, u64::from_be_bytes(*rest.first_chunk()?)),
        length => (2, u64::from(length)),
    };
    let end = usize::try_from(length).ok()?.checked_add(start)?;
    (bytes.len() >= end).then_some(Found { opcode: first & 0x0f, payload: start..end })
}

/// Opcode of a text frame.
pub const TEXT: u8 = 0x1;
/// Opcode of a close frame.
pub const CLOSE: u8 = 0x8;
/// Opcode of a ping.
pub const PING: u8 = 0x9;
/// Opcode of a pong.
pub const PONG: u8 = 0xA;

/// What the generator wants to know of a text frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// The first frame.
    Welcome,
    /// Answer to a join.
    Roster,
    /// A message of this generator, with the number that it was sent under.
    Message(u64),
    /// Something was refused.
    Error,
    /// Anything else.
    Other,
}

/// Skims a text frame: `type` is looked for only where servers write it, at the front.
pub fn skim(text: &[u8]) -> News {
    let Some(rest) = text.strip_prefix(br#"{"type":""#) else { return News::Other };
    if rest.starts_with(b"message\"") {
        return number_in(rest).map_or(News::Other, News::Message);
    }
    match rest.iter().position(|byte| *byte == b'"').map(|end| &rest[..end]) {
        Some(b"welcome") => News::Welcome,
        Some(b"roster") => News::Roster,
        Some(b"error") => News::Error,
        Some(_) | None => News::Other,
    }
}

/// A JSON object of about `bytes` bytes (at least 40) that carries a number.
pub fn numbered_data(number: u64, bytes: usize) -> String {
    let head = format!("{{\"n\":\"{MARK}{number:016x}\",\"x\":\"");
    let fill = bytes.saturating_sub(head.len() + 2);
    format!("{head}{:x<fill$}\"}}", "")
}

fn number_in(bytes: &[u8]) -> Option<u64> {
    let start = memmem::find(bytes, MARK.as_bytes())? + MARK.len();
    let digits = bytes.get(start..start + 16)?;
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// Stands before the 16 hexadecimal digits of a number; nothing else in the traffic holds it.
const MARK: &str = "@#";

#[cfg(test)]
mod tests {
    use super::{Found, News, PING, TEXT, find_server_frame, number_in, numbered_data, push_client_frame, skim};

    #[test]
    fn client_frames_have_the_length_that_fits() {
        for (length, head) in [(0, 6), (125, 6), (126, 8), (65_535, 8)] {
            let mut out = Vec::new();
            push_client_frame(&mut out, TEXT, &vec![b'a'; length]);
            assert_eq!((out.len(), out[0], out[1] & 0x80), (head + length, 0x81, 0x80));
            // Unmasked it would be a server frame; the zero mask is then the start of its payload.
            out[1] &= 0x7f;
            assert_eq!(find_server_frame(&out).map(|found| found.payload.len()), Some(length));
        }
    }

    #[test]
    fn server_frames_are_found_once_they_are_whole() {
        let mut bytes = vec![0x89, 1, b'p', 0x81, 126, 1, 0];
        bytes.extend_from_slice(&[b'x'; 256]);
        assert_eq!(find_server_frame(&bytes), Some(Found { opcode: PING, payload: 2..3 }));
        assert_eq!(find_server_frame(&bytes[3..]), Some(Found { opcode: TEXT, payload: 4..260 }));
        let long = [&[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0][..], &[b'y'; 65_536]].concat();
        assert_eq!(find_server_frame(&long), Some(Found { opcode: TEXT, payload: 10..65_546 }));
        for cut in [0, 1, 2, 3, 4, 9, 10, 65_545] {
            assert_eq!(find_server_frame(&long[..cut]), None);
        }
        assert_eq!(find_server_frame(&[0x81, 127, 255, 255, 255, 255, 255, 255, 255, 255]), None);
    }

    #[test]
    fn a_number_goes_through_a_message() {
        let data = numbered_data(0xfeed_beef, 100);
        assert_eq!(data.len(), 100);
        let text = format!(r#"{{"type":"message","room":"r","event":"e","data":{data}}}"#);
        assert_eq!(skim(text.as_bytes()), News::Message(0xfeed_beef));
        assert_eq!(number_in(b"@#123"), None);
        assert_eq!(number_in(b"@#zzzzzzzzzzzzzzzz"), None);
    }

    #[test]
    fn frames_are_told_apart_by_their_type() {
        assert_eq!(skim(br#"{"type":"welcome","session":"s"}"#), News::Welcome);
        assert_eq!(skim(br#"{"type":"roster","room":"r"}"#), News::Roster);
        assert_eq!(skim(br#"{"type":"error","code":"x"}"#), News::Error);
        assert_eq!(skim(br#"{"type":"diff"}"#), News::Other);
        assert_eq!(skim(br#"{"type":"message","data":1}"#), News::Other);
        assert_eq!(skim(b"nonsense"), News::Other);
    }
}
