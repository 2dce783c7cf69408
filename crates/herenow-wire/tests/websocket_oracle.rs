//! The decoder beside tungstenite, on the same bytes. They differ on purpose in four ways:
//!
//! - Ours fails at the first byte that cannot be right; tungstenite waits for the end of the header or frame. So its
//!   verdict is asked for with zeros behind the bytes, which end what is under way and never form an allowed frame.
//! - Ours refuses a length that is written longer than it needs, as RFC 6455, section 5.2, demands.
//! - Ours fails at a close code that may not be sent; tungstenite hands the close out with the code 1002 instead.
//! - Ours takes the close code 1014, registered after the RFC; tungstenite does not.

use std::io::{self, Cursor, Read, Write};
use std::ops::ControlFlow;

use herenow_wire::websocket::client::ClientFrame;
use herenow_wire::websocket::decoder::Decoder;
use herenow_wire::websocket::encoder;
use herenow_wire::websocket::error::DecodeError;
use herenow_wire::websocket::frame::Opcode;
use herenow_wire::websocket::incoming::Incoming;
use proptest::collection::vec;
use proptest::prelude::*;
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Error, Message, WebSocket};

/// What either decoder hands out.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
}

impl From<Incoming<'_>> for Seen {
    fn from(incoming: Incoming<'_>) -> Self {
        match incoming {
            Incoming::Text(text) => Self::Text(text.to_owned()),
            Incoming::Binary(bytes) => Self::Binary(bytes.to_vec()),
            Incoming::Ping(bytes) => Self::Ping(bytes.to_vec()),
            Incoming::Pong(bytes) => Self::Pong(bytes.to_vec()),
            Incoming::Close(close) => Self::Close(close.code.map(|code| (code, close.reason.to_owned()))),
        }
    }
}

const MESSAGE_BYTES_MAX: u32 = 2000;

/// What our decoder makes of reads of the given sizes; the last size stands for all that follow.
fn ours(bytes: &[u8], reads: &[usize]) -> (Vec<Seen>, Option<DecodeError>) {
    let mut decoder = Decoder::new(MESSAGE_BYTES_MAX);
    let mut seen = Vec::new();
    let mut rest = bytes;
    let mut reads = reads.iter().copied();
    let mut size = usize::MAX;
    while !rest.is_empty() {
        size = reads.next().unwrap_or(size);
        let (read, later) = rest.split_at(size.min(rest.len()));
        rest = later;
        let result = decoder.feed(&mut read.to_vec(), |incoming| {
            seen.push(incoming.into());
            ControlFlow::Continue(())
        });
        if let Err(error) = result {
            return (seen, Some(error));
        }
    }
    (seen, None)
}

/// Bytes to read, then nothing for now; what is written is dropped.
struct Wire(Cursor<Vec<u8>>);

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What tungstenite makes of the bytes, and whether it failed.
fn theirs(bytes: Vec<u8>) -> (Vec<Seen>, Option<Error>) {
    let bytes_max = Some(MESSAGE_BYTES_MAX as usize);
    let config =
        WebSocketConfig::default().max_message_size(bytes_max).max_frame_size(bytes_max).read_buffer_size(4096);
    let mut socket = WebSocket::from_raw_socket(Wire(Cursor::new(bytes)), Role::Server, Some(config));
    let mut seen = Vec::new();
    loop {
        seen.push(match socket.read() {
            Ok(Message::Text(text)) => Seen::Text(text.as_str().to_owned()),
            Ok(Message::Binary(bytes)) => Seen::Binary(bytes.to_vec()),
            Ok(Message::Ping(bytes)) => Seen::Ping(bytes.to_vec()),
            Ok(Message::Pong(bytes)) => Seen::Pong(bytes.to_vec()),
            Ok(Message::Close(close)) => {
                let close = close.map(|close| (close.code.into(), close.reason.as_str().to_owned()));
                seen.push(Seen::Close(close));
                return (seen, None);
            }
            Ok(Message::Frame(frame)) => unreachable!("never read: {frame}"),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return (seen, None),
            Err(error) => return (seen, Some(error)),
        });
    }
}

/// Checks all that must hold of the two on any bytes.
fn check_agreement(bytes: &[u8], reads: &[usize]) -> Result<(), TestCaseError> {
    let (seen, error) = ours(bytes, reads);
    prop_assert_eq!(&ours(bytes, &[]), &(seen.clone(), error), "how the bytes are cut makes a difference");

    let (their_seen, their_error) = theirs(bytes.to_vec());
    match error {
        // Theirs reads on where ours is strict; up to there they agree.
        Some(DecodeError::LengthNotMinimal { .. }) => prop_assert!(their_seen.starts_with(&seen)),
        Some(DecodeError::CloseCode { .. }) => {
            let replaced = Seen::Close(Some((1002, "Protocol violation".to_owned())));
            match their_error {
                None => prop_assert_eq!(their_seen.split_last(), Some((&replaced, &seen[..]))),
                // The reason was wrong too.
                Some(error) => prop_assert_eq!((close_code(&error), their_seen), (1007, seen)),
            }
        }
        Some(error) => {
            prop_assert_eq!(&their_seen, &seen);
            let mut padded = bytes.to_vec();
            padded.resize(bytes.len() + MESSAGE_BYTES_MAX as usize + 14, 0);
            let (padded_seen, padded_error) = theirs(padded);
            prop_assert_eq!(&padded_seen, &seen, "theirs takes what ours refuses: {}", error);
            let padded_error = padded_error.map(|error| close_code(&error));
            prop_assert!(padded_error.is_some(), "theirs takes what ours refuses: {}", error);
        }
        None => {
            if !matches!(seen.last(), Some(Seen::Close(Some((1014, _))))) {
                prop_assert_eq!(&their_seen, &seen);
            }
            prop_assert!(their_error.is_none(), "ours takes what theirs refuses: {:?}", their_error);
        }
    }
    Ok(())
}

fn close_code(error: &Error) -> u16 {
    match error {
        Error::Utf8(_) => 1007,
        Error::Capacity(_) => 1009,
        Error::Protocol(_) => 1002,
        error => unreachable!("not about the bytes: {error}"),
    }
}

/// A message cut into frames, with control frames between them.
#[derive(Clone, Debug)]
struct Sent {
    is_text: bool,
    payload: Vec<u8>,
    fragments: Vec<Fragment>,
}

/// Where a message is cut, and the ping or pong that comes there.
#[derive(Clone, Debug)]
struct Fragment {
    cut: prop::sample::Index,
    control: Option<(bool, Vec<u8>)>,
}

impl Sent {
    fn put(&self, keys: &mut impl Iterator<Item = [u8; 4]>, out: &mut Vec<u8>, expected: &mut Vec<Seen>) {
        let mut next_key = || keys.next().unwrap_or([0; 4]);
        let mut cuts: Vec<usize> =
            self.fragments.iter().map(|fragment| fragment.cut.index(self.payload.len() + 1)).collect();
        cuts.sort_unstable();
        let mut start = 0;
        let mut opcode = if self.is_text { Opcode::Text } else { Opcode::Binary };
        for (cut, Fragment { control, .. }) in cuts.into_iter().zip(&self.fragments) {
            let payload = &self.payload[start..cut];
            ClientFrame { is_final: false, opcode, payload, mask_key: next_key() }.put(out);
            (start, opcode) = (cut, Opcode::Continuation);
            if let Some((is_ping, payload)) = control {
                let opcode = if *is_ping { Opcode::Ping } else { Opcode::Pong };
                ClientFrame { is_final: true, opcode, payload, mask_key: next_key() }.put(out);
                expected.push(if *is_ping { Seen::Ping(payload.clone()) } else { Seen::Pong(payload.clone()) });
            }
        }
        ClientFrame { is_final: true, opcode, payload: &self.payload[start..], mask_key: next_key() }.put(out);
        expected.push(match String::from_utf8(self.payload.clone()) {
            Ok(text) if self.is_text => Seen::Text(text),
            _ => Seen::Binary(self.payload.clone()),
        });
    }
}

fn text_payload() -> impl Strategy<Value = Vec<u8>> {
    let sized = vec(any::<char>(), 0..400).prop_map(|chars| chars.into_iter().collect::<String>().into_bytes());
    prop_oneof![".{0,8}".prop_map(String::into_bytes), sized, "[ -~]{100,140}".prop_map(String::into_bytes)]
}

fn control_payload() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..=125)
}

fn sent() -> impl Strategy<Value = Sent> {
    let fragment = (any::<prop::sample::Index>(), prop::option::of((any::<bool>(), control_payload())))
        .prop_map(|(cut, control)| Fragment { cut, control });
    let payload = prop_oneof![
        (Just(true), text_payload()),
        (Just(false), vec(any::<u8>(), 0..300)),
        (Just(false), vec(any::<u8>(), 1990..=2000)),
    ];
    (payload, vec(fragment, 0..5)).prop_map(|((is_text, payload), fragments)| Sent { is_text, payload, fragments })
}

fn reads() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![Just(vec![1]), vec(1..20_usize, 1..40), vec(1..1500_usize, 1..10)]
}

/// Frames that are wrong about as often as right.
fn wild_frame() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        4 => prop::sample::select(vec![0x00, 0x01, 0x02, 0x80, 0x81, 0x82, 0x88, 0x89, 0x8a]),
        1 => any::<u8>(),
    ];
    let payload = prop_oneof![
        3 => text_payload(),
        2 => (990..1030_u16, ".{0,4}").prop_map(|(code, reason)| [&code.to_be_bytes(), reason.as_bytes()].concat()),
        1 => vec(any::<u8>(), 0..130),
        1 => vec(any::<u8>(), 0..2100),
    ];
    let length_form = prop_oneof![9 => Just(0), 1 => 1..3];
    (first, payload, length_form, any::<[u8; 4]>(), prop::bool::weighted(0.97)).prop_map(
        |(first, payload, length_form, mask_key, is_masked)| {
            let mut frame = Vec::new();
            ClientFrame { is_final: true, opcode: Opcode::Binary, payload: &payload, mask_key }.put(&mut frame);
            frame[0] = first;
            let key_start = frame.len() - payload.len() - 4;
            let length = (payload.len() as u64).to_be_bytes();
            match length_form {
                1 => drop(frame.splice(1..key_start, [&[0xfe][..], &length[6..]].concat())),
                2 => drop(frame.splice(1..key_start, [&[0xff][..], &length[..]].concat())),
                _ => {}
            }
            if !is_masked {
                frame[1] &= 0x7f;
            }
            frame
        },
    )
}

proptest! {
    #[test]
    fn takes_all_that_a_client_may_send(
        sent in vec(sent(), 0..6),
        keys in vec(any::<[u8; 4]>(), 0..60),
        close in prop::option::of((prop::sample::select(vec![1000, 1001, 1011, 3000, 4900, 4999]), ".{0,30}")),
        reads in reads(),
    ) {
        let (mut bytes, mut expected) = (Vec::new(), Vec::new());
        let mut keys = keys.into_iter();
        for sent in &sent {
            sent.put(&mut keys, &mut bytes, &mut expected);
        }
        if let Some((code, reason)) = close {
            let payload = [&u16::to_be_bytes(code), reason.as_bytes()].concat();
            ClientFrame { is_final: true, opcode: Opcode::Close, payload: &payload, mask_key: [9; 4] }.put(&mut bytes);
            expected.push(Seen::Close(Some((code, reason))));
        }
        prop_assert_eq!(ours(&bytes, &reads), (expected.clone(), None));
        let (their_seen, their_error) = theirs(bytes);
        prop_assert_eq!(their_seen, expected);
        prop_assert!(their_error.is_none());
    }

    #[test]
    fn agrees_on_streams_with_one_byte_changed(
        sent in vec(sent(), 1..4),
        keys in vec(any::<[u8; 4]>(), 0..60),
        place in any::<prop::sample::Index>(),
        change in 1..=255_u8,
        reads in reads(),
    ) {
        let (mut bytes, mut expected) = (Vec::new(), Vec::new());
        let mut keys = keys.into_iter();
        for sent in &sent {
            sent.put(&mut keys, &mut bytes, &mut expected);
        }
        let place = place.index(bytes.len());
        bytes[place] ^= change;
        check_agreement(&bytes, &reads)?;
    }

    #[test]
    fn agrees_on_wild_frames(frames in vec(wild_frame(), 1..6), reads in reads()) {
        check_agreement(&frames.concat(), &reads)?;
    }

    #[test]
    fn agrees_with_theirs_on_the_close_code(frame in wild_frame()) {
        // Only for what is wrong by itself: of two wrongs in one header, ours names the first in the order of the bytes.
        let (_, error) = ours(&frame, &[]);
        let (_, their_error) = theirs(frame);
        if let (Some(error), Some(their_error)) = (error, their_error)
            && matches!(error, DecodeError::TextNotUtf8 | DecodeError::MessageTooLong { .. })
        {
            prop_assert_eq!(error.close_code(), close_code(&their_error), "{} / {}", error, their_error);
        }
    }

    #[test]
    fn never_panics_on_garbage_and_agrees(bytes in vec(any::<u8>(), 0..300), reads in reads()) {
        check_agreement(&bytes, &reads)?;
    }

    #[test]
    fn theirs_takes_what_the_encoder_makes(text in ".{0,200}", binary in vec(any::<u8>(), 0..1500), reason in ".{0,200}") {
        let head = text.len() / 2;
        let bytes = [
            &encoder::text(text.as_bytes())[..],
            &encoder::text_before_body(&text.as_bytes()[..head], text.len() - head),
            &text.as_bytes()[head..],
            &encoder::binary(&binary),
            &encoder::pong(&binary[..binary.len().min(125)]),
            &encoder::close(4409, &reason),
        ]
        .concat();
        let mut socket = WebSocket::from_raw_socket(Wire(Cursor::new(bytes)), Role::Client, None);
        prop_assert_eq!(socket.read().unwrap(), Message::text(text.clone()));
        prop_assert_eq!(socket.read().unwrap(), Message::text(text));
        prop_assert_eq!(socket.read().unwrap(), Message::binary(binary.clone()));
        prop_assert_eq!(socket.read().unwrap(), Message::Pong(binary[..binary.len().min(125)].to_vec().into()));
        let Message::Close(Some(close)) = socket.read().unwrap() else { panic!("no close") };
        prop_assert_eq!(u16::from(close.code), 4409);
        prop_assert!(reason.starts_with(close.reason.as_str()));
        prop_assert!(close.reason.len() == reason.len() || close.reason.len() > 119);
    }
}

/// Much cheap garbage, most of it shaped so that it gets past the first header. The seed is fixed, so a failure stays.
#[test]
fn never_panics_on_much_garbage() {
    let inputs = if cfg!(debug_assertions) { 20_000 } else { 200_000 };
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut ended_well = 0_u32;
    for _ in 0..inputs {
        let length = random.below(80);
        let mut bytes: Vec<u8> = (0..length).map(|_| random.byte()).collect();
        let mut at = 0;
        // Headers of short masked frames, one behind the other.
        while at + 6 <= bytes.len() && random.below(20) != 0 {
            bytes[at] &= 0x8b;
            bytes[at + 1] = 0x80 | (bytes[at + 1] & 0x1f);
            at += 6 + usize::from(bytes[at + 1] & 0x1f);
        }
        let whole = decode(&bytes, usize::MAX);
        assert_eq!(decode(&bytes, 1 + random.below(7)), whole, "{bytes:?}");
        ended_well += u32::from(whole.1.is_none());
    }
    assert!(ended_well > inputs / 100, "only {ended_well} of {inputs} were not refused");
}

/// Decodes `data` in reads of `size` bytes; returns the number of messages and the error. For fuzzers as well.
fn decode(data: &[u8], size: usize) -> (usize, Option<DecodeError>) {
    let mut decoder = Decoder::new(64);
    let mut count = 0;
    for read in data.chunks(size) {
        let result = decoder.feed(&mut read.to_vec(), |_incoming| {
            count += 1;
            ControlFlow::Continue(())
        });
        if let Err(error) = result {
            return (count, Some(error));
        }
    }
    (count, None)
}

/// Marsaglia's xorshift.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn byte(&mut self) -> u8 {
        (self.next() >> 56) as u8
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 33) as usize % bound
    }
}
