//! The decoder by itself: what it refuses and when, what it keeps, and when it ends.

use std::ops::ControlFlow;

use herenow_wire::websocket::client::ClientFrame;
use herenow_wire::websocket::decoder::Decoder;
use herenow_wire::websocket::encoder;
use herenow_wire::websocket::error::DecodeError;
use herenow_wire::websocket::frame::Opcode;
use herenow_wire::websocket::incoming::{CloseFrame, Incoming};

const KEY: [u8; 4] = [0xde, 0xad, 0x00, 0x7f];
const MESSAGE_BYTES_MAX: u32 = 1000;

/// Feeds `bytes` at once; returns what came, in words.
fn feed(decoder: &mut Decoder, bytes: &[u8]) -> (Vec<String>, Result<(), DecodeError>) {
    let mut seen = Vec::new();
    let result = decoder.feed(&mut bytes.to_vec(), |incoming| {
        seen.push(format!("{incoming:?}"));
        ControlFlow::Continue(())
    });
    (seen, result)
}

/// Feeds one byte at a time; returns what came, and the error with the number of bytes it needed.
fn drip(bytes: &[u8]) -> (Vec<String>, Option<(DecodeError, usize)>) {
    let mut decoder = Decoder::new(MESSAGE_BYTES_MAX);
    let mut seen = Vec::new();
    for (at, byte) in bytes.iter().enumerate() {
        let (more, result) = feed(&mut decoder, &[*byte]);
        seen.extend(more);
        if let Err(error) = result {
            return (seen, Some((error, at + 1)));
        }
    }
    (seen, None)
}

fn frame(is_final: bool, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    ClientFrame { is_final, opcode, payload, mask_key: KEY }.put(&mut out);
    out
}

fn text(payload: &[u8]) -> Vec<u8> {
    frame(true, Opcode::Text, payload)
}

#[test]
fn every_error_has_its_close_code_and_comes_no_matter_how_the_bytes_are_cut() {
    let begun = frame(false, Opcode::Text, b"a");
    let cases: Vec<(Vec<u8>, DecodeError, u16)> = vec![
        (vec![0xc1], DecodeError::ReservedBits { first: 0xc1 }, 1002),
        (vec![0x83], DecodeError::ReservedOpcode { opcode: 3 }, 1002),
        (vec![0x8b], DecodeError::ReservedOpcode { opcode: 11 }, 1002),
        (vec![0x81, 0x01], DecodeError::Unmasked, 1002),
        (vec![0x82, 0xfe, 0, 5], DecodeError::LengthNotMinimal { bytes: 5 }, 1002),
        (vec![0x82, 0xff, 0, 0, 0, 0, 0, 0, 1, 0], DecodeError::LengthNotMinimal { bytes: 256 }, 1002),
        (vec![0x82, 0xff, 0x80, 0, 0, 0, 0, 1, 0, 0], DecodeError::LengthTopBit, 1002),
        (vec![0x09], DecodeError::ControlFragmented, 1002),
        (vec![0x89, 0xfe, 0, 126], DecodeError::ControlTooLong { bytes: 126 }, 1002),
        (frame(true, Opcode::Continuation, b""), DecodeError::UnexpectedContinuation, 1002),
        ([&begun[..], &text(b"")].concat(), DecodeError::InterruptedMessage, 1002),
        ([&begun[..], &frame(true, Opcode::Binary, b"")].concat(), DecodeError::InterruptedMessage, 1002),
        (vec![0x88, 0x81], DecodeError::CloseTooShort, 1002),
        (frame(true, Opcode::Close, &[0x03, 0xee]), DecodeError::CloseCode { code: 1006 }, 1002),
        (text(b"\xff"), DecodeError::TextNotUtf8, 1007),
        (text("é".as_bytes().split_last().unwrap().1), DecodeError::TextNotUtf8, 1007),
        (
            [frame(false, Opcode::Text, b"\xc3"), frame(true, Opcode::Continuation, b"")].concat(),
            DecodeError::TextNotUtf8,
            1007,
        ),
        (frame(true, Opcode::Close, b"\x03\xe8\xff"), DecodeError::CloseReasonNotUtf8, 1007),
        (text(&[b'a'; 1001]), DecodeError::MessageTooLong { bytes: 1001, bytes_max: 1000 }, 1009),
    ];
    for (bytes, error, close_code) in cases {
        assert_eq!(error.close_code(), close_code, "{error}");
        let mut decoder = Decoder::new(MESSAGE_BYTES_MAX);
        assert_eq!(feed(&mut decoder, &bytes), (vec![], Err(error)));
        assert!(decoder.has_ended() && decoder.is_idle(), "{error}");
        assert_eq!(feed(&mut decoder, &text(b"late")), (vec![], Ok(())), "{error}");

        let (seen, found) = drip(&bytes);
        assert_eq!((seen, found.map(|(error, _)| error)), (vec![], Some(error)));
    }
}

#[test]
fn a_client_takes_the_frames_of_the_encoder_and_none_that_are_masked() {
    let mut decoder = Decoder::for_client(MESSAGE_BYTES_MAX);
    let sent = [encoder::text(b"Hello"), encoder::binary(&[7; 300]), encoder::ping(b"p"), encoder::close(1001, "bye")];
    let (seen, result) = feed(&mut decoder, &sent.concat());
    let expected = [
        Incoming::Text("Hello"),
        Incoming::Binary(&[7; 300]),
        Incoming::Ping(b"p"),
        Incoming::Close(CloseFrame { code: Some(1001), reason: "bye" }),
    ];
    assert_eq!((seen, result), (expected.map(|incoming| format!("{incoming:?}")).to_vec(), Ok(())));

    let mut decoder = Decoder::for_client(MESSAGE_BYTES_MAX);
    assert_eq!(feed(&mut decoder, &text(b"a")), (vec![], Err(DecodeError::Masked)));
    assert_eq!(DecodeError::Masked.close_code(), 1002);
}

/// The three ways in which a character can go wrong, each found at the byte that no character has there.
#[test]
fn text_that_is_not_utf8_is_found_at_its_byte_inside_an_incomplete_frame() {
    let header = 6;
    for (payload, bad_byte) in [
        (&b"\xce\xba\xe1\xbd\xb9\xf4\x90\x80\x80....."[..], 7),
        (&b"ab\xffcdefghi"[..], 3),
        (&b"ab\xe2\x28defghi"[..], 4),
        (&b"\xed\xa0\x80abcdef"[..], 2),
        (&b"\xc0\x80abcdef"[..], 1),
    ] {
        let found = drip(&text(payload)).1;
        assert_eq!(found, Some((DecodeError::TextNotUtf8, header + bad_byte)), "{payload:?}");

        // The same when all up to that byte comes in one read, and when it is the first fragment of several.
        for frame in [text(payload), frame(false, Opcode::Text, payload)] {
            let mut decoder = Decoder::new(MESSAGE_BYTES_MAX);
            let before = header + bad_byte - 1;
            assert_eq!(feed(&mut decoder, &frame[..before]), (vec![], Ok(())), "{payload:?}");
            let bad_byte = &frame[before..=before];
            assert_eq!(feed(&mut decoder, bad_byte), (vec![], Err(DecodeError::TextNotUtf8)), "{payload:?}");
        }
    }
}

#[test]
fn a_character_may_be_split_between_reads_and_fragments() {
    let word = "κό😀";
    for cut in 0..=word.len() {
        let (left, right) = word.as_bytes().split_at(cut);
        let bytes = [
            frame(false, Opcode::Text, left),
            frame(true, Opcode::Ping, b"between"),
            frame(true, Opcode::Continuation, right),
        ]
        .concat();
        let expected = vec![format!("{:?}", Incoming::Ping(b"between")), format!("{:?}", Incoming::Text(word))];
        assert_eq!(feed(&mut Decoder::new(MESSAGE_BYTES_MAX), &bytes), (expected.clone(), Ok(())), "cut {cut}");
        assert_eq!(drip(&bytes), (expected, None), "cut {cut}");
    }
}

#[test]
fn a_message_may_reach_the_limit_and_fails_at_the_header_that_passes_it() {
    let at_limit = [frame(false, Opcode::Binary, &[1; 600]), frame(true, Opcode::Continuation, &[1; 400])].concat();
    let mut decoder = Decoder::new(MESSAGE_BYTES_MAX);
    assert_eq!(feed(&mut decoder, &at_limit), (vec![format!("{:?}", Incoming::Binary(&[1; 1000]))], Ok(())));
    assert!(decoder.is_idle());

    let over = [frame(false, Opcode::Binary, &[1; 600]), frame(true, Opcode::Continuation, &[1; 401])].concat();
    let (seen, found) = drip(&over);
    assert_eq!(seen, Vec::<String>::new());
    let second_header_end = 8 + 600 + 8;
    let too_long = DecodeError::MessageTooLong { bytes: 1001, bytes_max: 1000 };
    assert_eq!(found, Some((too_long, second_header_end)));

    let huge = [0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4];
    let too_long = DecodeError::MessageTooLong { bytes: u64::MAX >> 1, bytes_max: 1000 };
    let mut decoder = Decoder::new(MESSAGE_BYTES_MAX);
    assert_eq!(feed(&mut decoder, &huge), (vec![], Err(too_long)));
    assert!(decoder.is_idle(), "nothing was kept for it");
}

#[test]
fn an_idle_decoder_is_small_and_holds_nothing() {
    assert!(size_of::<Decoder>() <= 16, "{} bytes", size_of::<Decoder>());
    let mut decoder = Decoder::new(MESSAGE_BYTES_MAX);
    let traffic = [
        (text(b"whole"), 1),
        (frame(true, Opcode::Ping, b"ping"), 1),
        ([frame(false, Opcode::Text, b""), frame(true, Opcode::Continuation, b"")].concat(), 2),
        (
            [
                frame(false, Opcode::Text, b"a"),
                frame(true, Opcode::Pong, b"b"),
                frame(true, Opcode::Continuation, b"c"),
            ]
            .concat(),
            3,
        ),
    ];
    for (bytes, frames) in traffic {
        for cut in 0..=bytes.len() {
            let (left, right) = bytes.split_at(cut);
            let mut seen = feed(&mut decoder, left).0.len();
            let inside = cut != 0 && cut != bytes.len();
            assert_eq!(decoder.is_idle(), !inside, "{frames} frames cut at {cut}");
            seen += feed(&mut decoder, right).0.len();
            assert!(decoder.is_idle(), "{frames} frames cut at {cut}");
            assert_eq!(seen, if frames == 1 { 1 } else { frames - 1 });
        }
    }
}

#[test]
fn a_whole_frame_is_lent_from_where_it_was_read() {
    let mut decoder = Decoder::new(MESSAGE_BYTES_MAX);
    let frame = text(b"lent");
    // Also where its header came with an earlier read.
    for header_bytes in [0, 1, 6] {
        let (header, rest) = frame.split_at(header_bytes);
        assert_eq!(feed(&mut decoder, header), (vec![], Ok(())));
        let mut read = rest.to_vec();
        let place = read.as_ptr_range();
        let result = decoder.feed(&mut read, |incoming| {
            assert!(matches!(incoming, Incoming::Text(text) if place.contains(&text.as_ptr())), "{incoming:?}");
            ControlFlow::Continue(())
        });
        assert_eq!(result, Ok(()));
        assert!(decoder.is_idle());
    }
}

#[test]
fn a_break_and_a_close_end_it() {
    let mut decoder = Decoder::new(MESSAGE_BYTES_MAX);
    let mut count = 0;
    let mut bytes = [text(b"a"), text(b"b"), text(b"c"), vec![0xff]].concat();
    let result = decoder.feed(&mut bytes, |_incoming| {
        count += 1;
        if count == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!((count, result), (2, Ok(())));
    assert!(decoder.has_ended() && decoder.is_idle());
    assert_eq!(feed(&mut decoder, &text(b"d")), (vec![], Ok(())));

    let mut decoder = Decoder::new(MESSAGE_BYTES_MAX);
    let bytes = [frame(false, Opcode::Text, b"a"), frame(true, Opcode::Close, b""), vec![0xff]].concat();
    let close = Incoming::Close(CloseFrame { code: None, reason: "" });
    assert_eq!(feed(&mut decoder, &bytes), (vec![format!("{close:?}")], Ok(())));
    assert!(decoder.has_ended() && decoder.is_idle());
}

#[test]
fn its_debug_shows_no_payload() {
    let mut decoder = Decoder::new(MESSAGE_BYTES_MAX);
    let secret = text(b"secret");
    assert_eq!(feed(&mut decoder, &secret[..secret.len() - 1]), (vec![], Ok(())));
    assert_eq!(
        format!("{decoder:?}"),
        "Decoder { message_bytes_max: 1000, sender: Client, is_idle: false, has_ended: false }"
    );
}
