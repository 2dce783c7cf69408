//! The WebSocket codec: frames in any split, and the key of the handshake.
use herenow_wire::websocket::{
    client::ClientFrame,
    decoder::Decoder,
    encoder,
    error::DecodeError,
    frame::Opcode,
    handshake::{accept_key, is_key},
    incoming::Incoming,
};
use std::ops::ControlFlow;

/// Frames of a peer. The first byte says whose and how long messages may be, the next two how the rest is split.
///
/// Messages and error may not depend on the split, and what came out comes out again once it is put in frames anew.
pub fn websocket_frames(data: &[u8]) -> bool {
    let [setup, first, second, stream @ ..] = data else { return false };
    let bytes_max = MESSAGE_BYTES_MAX[usize::from(setup & 3)];
    let is_of_server = setup & 0x80 != 0;
    let decoder = || if is_of_server { Decoder::for_client(bytes_max) } else { Decoder::new(bytes_max) };
    let whole = taken(decoder(), stream, &[stream.len()]);
    let sizes = [usize::from(*first), usize::from(*second)];
    assert_eq!(whole, taken(decoder(), stream, &sizes), "split by {sizes:?}");
    if stream.len() <= BYTE_BY_BYTE_MAX {
        assert_eq!(whole, taken(decoder(), stream, &[1]), "byte by byte");
    }
    let (messages, _) = whole;
    assert!(messages.iter().all(|message| message.bytes() <= bytes_max as usize), "over {bytes_max} bytes");
    let mut anew = Vec::new();
    messages.iter().for_each(|message| message.put(&mut anew, is_of_server));
    assert_eq!(taken(decoder(), &anew, &sizes), (messages.clone(), Ok(())), "put in frames anew");
    !messages.is_empty()
}

/// A value of `Sec-WebSocket-Key`.
pub fn websocket_keys(data: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(data) else { return false };
    let answer = accept_key(text);
    assert_eq!(answer.len(), 28, "an answer is the base64 of 20 bytes");
    let is_taken = is_key(text);
    assert!(!is_taken || text.len() == 24, "a key is the base64 of 16 bytes");
    is_taken
}

/// What the decoder hands out, kept.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Taken {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
}

impl Taken {
    fn of(incoming: Incoming<'_>) -> Self {
        match incoming {
            Incoming::Text(text) => Self::Text(text.to_owned()),
            Incoming::Binary(bytes) => Self::Binary(bytes.to_owned()),
            Incoming::Ping(bytes) => Self::Ping(bytes.to_owned()),
            Incoming::Pong(bytes) => Self::Pong(bytes.to_owned()),
            Incoming::Close(frame) => Self::Close(frame.code, frame.reason.to_owned()),
        }
    }

    /// Bytes that count against the limit of messages.
    fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
            Self::Ping(_) | Self::Pong(_) | Self::Close(..) => 0,
        }
    }

    fn put(&self, out: &mut Vec<u8>, is_of_server: bool) {
        let (opcode, payload) = match self {
            Self::Text(text) => (Opcode::Text, text.as_bytes().to_owned()),
            Self::Binary(bytes) => (Opcode::Binary, bytes.clone()),
            Self::Ping(bytes) => (Opcode::Ping, bytes.clone()),
            Self::Pong(bytes) => (Opcode::Pong, bytes.clone()),
            Self::Close(None, _) => (Opcode::Close, Vec::new()),
            Self::Close(Some(code), reason) => (Opcode::Close, [&code.to_be_bytes(), reason.as_bytes()].concat()),
        };
        if is_of_server {
            encoder::put_frame(out, opcode, &payload);
        } else {
            ClientFrame { is_final: true, opcode, payload: &payload, mask_key: [1, 0x80, 0xff, 7] }.put(out);
        }
    }
}

/// All that comes out of the bytes, in pieces of these sizes in turn, and how it ends. (A size of 0 counts as 1.)
fn taken(mut decoder: Decoder, stream: &[u8], sizes: &[usize]) -> (Vec<Taken>, Result<(), DecodeError>) {
    let mut messages = Vec::new();
    let mut rest = stream;
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at(rest.len().min((*size).max(1)));
        rest = after;
        let fed = decoder.feed(&mut piece.to_owned(), |incoming| {
            messages.push(Taken::of(incoming));
            ControlFlow::Continue(())
        });
        if let Err(error) = fed {
            assert!(decoder.has_ended() && decoder.is_idle(), "an error ends it");
            assert!(matches!(error.close_code(), 1002 | 1007 | 1009), "{error}");
            return (messages, Err(error));
        }
        assert!(!decoder.has_ended() || decoder.is_idle(), "what has ended holds nothing");
    }
    (messages, Ok(()))
}

const MESSAGE_BYTES_MAX: [u32; 4] = [16, 130, 1024, 16_384];
/// Up to here a stream is also fed byte by byte.
const BYTE_BY_BYTE_MAX: usize = 512;
